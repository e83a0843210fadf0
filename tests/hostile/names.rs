//! Each value offered to each type that names from outside are parsed into.

use std::fmt::Display;
use std::path::{Component, Path};
use std::process::Command;
use std::str::FromStr;

use landfall::base::names::{
    AppName, BranchName, Domain, EnvName, ObjectId, ProcessName, PythonName, RefName, ReleaseId,
    RepoPath, UrlPath, WsgiTarget,
};

use crate::message::{Outcome, Tally, judge};
use crate::values::{all, brief};

type Offer = fn(&str) -> Outcome;

fn offer<T: FromStr<Err: Display> + Display>(value: &str) -> Outcome {
    match value.parse::<T>() {
        Err(error) => Outcome::Refused(error.to_string()),
        Ok(name) => {
            assert_eq!(name.to_string(), value);
            Outcome::Data
        }
    }
}

const TYPES: [(&str, Offer); 12] = [
    ("app name", offer::<AppName>),
    ("process name", offer::<ProcessName>),
    ("variable name", offer::<EnvName>),
    ("branch name", offer::<BranchName>),
    ("ref name", offer::<RefName>),
    ("object id", offer::<ObjectId>),
    ("domain", offer::<Domain>),
    ("URL path", offer::<UrlPath>),
    ("module", offer::<PythonName>),
    ("WSGI target", offer::<WsgiTarget>),
    ("path in the repository", offer::<RepoPath>),
    ("release", offer::<ReleaseId>),
];

/// The value alone, and hidden in what is valid there.
fn disguised(value: &str) -> Vec<String> {
    if value.len() > 1_000_000 {
        return vec![value.to_owned()];
    }
    [
        value.to_owned(),
        format!("/{value}"),
        format!("a{value}"),
        format!("refs/heads/{value}"),
        format!("a.wsgi:{value}"),
        format!("{value}:application"),
        format!("example.{value}"),
        format!("{value}.example"),
    ]
    .to_vec()
}

#[test]
fn every_type_refuses_or_keeps_every_value() {
    let mut tally = Tally::default();
    for value in all() {
        for value in disguised(&value) {
            for (name, offer) in TYPES {
                judge(name, &value, &offer(&value), &mut tally);
            }
        }
    }
    println!("names: {tally:?}");
    assert!(tally.refused > 5000 && tally.data > 100, "{tally:?}");
}

/// What the types promise, said a second time: nothing that a format gives a meaning to.
#[test]
fn what_is_taken_means_nothing_to_anybody() {
    for value in all().iter().flat_map(|value| disguised(value)) {
        let only = |allowed: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || allowed.contains(c);
            assert!(value.chars().all(fits), "{}", brief(&value));
        };
        if value.parse::<AppName>().is_ok() || value.parse::<ProcessName>().is_ok() {
            only("-_");
            assert!(!value.starts_with('-'));
        }
        if value.parse::<EnvName>().is_ok() {
            only("_");
        }
        if value.parse::<Domain>().is_ok() {
            only("-.");
            assert!(!value.starts_with(['-', '.']) && !value.contains(".."));
        }
        if value.parse::<UrlPath>().is_ok() {
            only("/-_.~");
            assert!(value.starts_with('/') && !value.contains("/../"));
        }
        if value.parse::<PythonName>().is_ok() || value.parse::<WsgiTarget>().is_ok() {
            let means = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"_.:".contains(c);
            assert!(!value.contains(means), "{}", brief(&value));
        }
        if let Ok(path) = value.parse::<RepoPath>() {
            let below = path.under(Path::new("/srv"));
            let mut parts = below.components().skip(2);
            assert!(below.starts_with("/srv"), "{}", brief(&value));
            assert!(parts.all(|part| matches!(part, Component::Normal(_))));
            assert!(!value.contains(char::is_control), "{}", brief(&value));
        }
    }
}

#[test]
fn a_branch_is_one_only_where_git_says_so() {
    let mut asked = 0;
    for value in all() {
        let Ok(branch) = value.parse::<BranchName>() else {
            continue;
        };
        let git = Command::new("git")
            .args(["check-ref-format", branch.to_ref().as_str()])
            .status()
            .unwrap();
        assert!(git.success(), "git refuses {}", brief(&value));
        asked += 1;
    }
    assert!(asked > 20, "{asked}");
}
