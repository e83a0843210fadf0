//! The house: who may import whom, who may touch the process, where git2 may be named, how long a file may be.
//!
//! The order is strictly downward: main → cli → recipes → stage → report, release, supervisor, template → event, config →
//! git, tool → base.

use crate::source::{Source, files};

/// The floors, from the top; what stands on one floor does not import each other, but where [`NEIGHBOURS`] says so.
const FLOORS: [&[&str]; 8] = [
    &["main", "lib"],
    &["cli"],
    &[
        "adopt",
        "deploy",
        "rollback",
        "cancel",
        "recover",
        "undo",
        "prune",
        "upkeep",
        "handover",
        "site",
        "provision",
    ],
    &["stage", "setup"],
    &["report", "release", "supervisor", "template", "acme", "tls"],
    &["event", "config", "keys"],
    &["git", "tool"],
    &["base"],
];

/// Imports within a floor, each with its reason.
const NEIGHBOURS: [(&str, &str, &str); 11] = [
    ("acme", "tls", "it orders certificates for keys of tls"),
    (
        "cancel",
        "handover",
        "what is cancelled may wait for its hook",
    ),
    (
        "cancel",
        "recover",
        "what is cancelled is cleared up as what was killed",
    ),
    ("provision", "site", "an app has a site from the start"),
    ("deploy", "prune", "a deploy ends with pruning"),
    (
        "deploy",
        "recover",
        "a deploy begins with putting the home in order",
    ),
    (
        "rollback",
        "deploy",
        "a rollback goes live as a deploy does",
    ),
    ("rollback", "recover", "a rollback begins as a deploy does"),
    ("deploy", "undo", "a deploy that fails is taken away"),
    ("recover", "undo", "what a killed run left is taken away"),
    ("handover", "undo", "what nobody makes live is taken away"),
];

/// The stages in the order of the path; each may import earlier ones only. The other files of `stage/` serve several.
const PATH: [&str; 14] = [
    "push", "refs", "plan", "checkout", "build", "gate", "render", "boot", "migrate", "health",
    "commit", "workers", "verify", "retire",
];

/// The longest a file may be, with its unit tests.
const LONGEST: usize = 600;

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// What a line imports of this crate: the first names after `crate::`.
fn imports(line: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices("crate::")
        .flat_map(|(at, word)| {
            let rest = &line[at + word.len()..];
            let Some(inside) = rest.strip_prefix('{') else {
                return vec![
                    rest.split(|c| !is_name(c))
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                ];
            };
            let mut depth = 0;
            inside
                .split(|c| {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    c == ',' && depth == 0
                })
                .map(|part| {
                    let part = part.trim();
                    part.split(|c| !is_name(c))
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                })
                .filter(|name| !name.is_empty())
                .collect()
        })
        .collect()
}

#[test]
fn every_module_has_a_floor() {
    let homeless: Vec<String> = files()
        .iter()
        .map(|file| file.module().to_owned())
        .filter(|module| floor(module).is_none())
        .collect();
    assert!(homeless.is_empty(), "add to FLOORS: {homeless:?}");
}

#[test]
fn imports_go_downward() {
    let mut faults = Vec::new();
    for file in files() {
        let from = file.module();
        if floor(from) == Some(0) {
            continue;
        }
        for (number, line) in file.code() {
            for to in imports(line) {
                let (Some(own), Some(other)) = (floor(from), floor(&to)) else {
                    continue;
                };
                let is_neighbour = NEIGHBOURS.iter().any(|(a, b, _)| *a == from && *b == to);
                if from != to && own >= other && !is_neighbour {
                    faults.push(format!("src/{}:{number}: {from} imports {to}", file.path));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_stage_imports_earlier_stages_only() {
    let place = |name: &str| PATH.iter().position(|stage| *stage == name);
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.module() == "stage") {
        let own = file.path.split('/').nth(1).unwrap_or_default();
        let Some(own) = place(own.trim_end_matches(".rs")) else {
            continue;
        };
        // `super` of `stage/boot.rs` is `stage`; of `stage/build/python.rs` it is `build`.
        let starts: &[&str] = match file.path.matches('/').count() {
            1 => &["super::", "crate::stage::"],
            _ => &["crate::stage::"],
        };
        for (number, line) in file.code() {
            let later = starts
                .iter()
                .flat_map(|start| imports(&line.replace(start, "crate::")))
                .find(|name| place(name).is_some_and(|other| other > own));
            if let Some(later) = later.filter(|_| starts.iter().any(|start| line.contains(start))) {
                faults.push(format!("src/{}:{number}: {later} comes later", file.path));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Words, and the only files that may have them in their code.
const RESERVED: [(&[&str], &[&str]); 4] = [
    (
        &[
            "println!",
            "eprintln!",
            "print!(",
            "io::stdout()",
            "io::stderr()",
        ],
        &["cli/", "base/"],
    ),
    (&["process::Command"], &["base/command.rs"]),
    // The crash tests' own variable is known before there is a host.
    (
        &["std::env", "env::var"],
        &["base/host.rs", "base/checkpoint.rs"],
    ),
    (&["git2"], &["git/"]),
];

#[test]
fn the_process_and_git2_are_touched_in_one_place() {
    let mut faults = Vec::new();
    for file in files() {
        for (words, places) in RESERVED {
            if places.iter().any(|place| file.path.starts_with(place)) {
                continue;
            }
            for (number, line) in file.code() {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let is_used = |word: &&str| {
                    line.match_indices(*word).any(|(at, _)| {
                        !line[..at].ends_with(is_name)
                            && !line[at + word.len()..].starts_with(is_name)
                    })
                };
                if let Some(word) = words.iter().find(|word| is_used(word)) {
                    faults.push(format!(
                        "src/{}:{number}: {word} in {:?}",
                        file.path,
                        line.trim()
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_file_is_a_dumping_ground_or_too_long() {
    let mut faults = Vec::new();
    for Source { path, text, .. } in files() {
        let is_ground = path
            .split('/')
            .map(|part| part.trim_end_matches(".rs"))
            .any(|part| ["utils", "util", "helpers", "helper", "common", "misc"].contains(&part));
        if is_ground {
            faults.push(format!("src/{path}: a name that says nothing"));
        }
        let lines = text.lines().count();
        if lines > LONGEST {
            faults.push(format!("src/{path}: {lines} lines"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A file that says what it is for begins with it.
#[test]
fn every_file_begins_with_what_it_is_for() {
    let silent: Vec<String> = files()
        .into_iter()
        .filter(|file| !file.is_test && !file.text.starts_with("//!"))
        .map(|file| file.path)
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn imports_are_found_in_every_form() {
    assert_eq!(imports("use crate::base::fs;"), ["base"]);
    assert_eq!(
        imports("use crate::{prune, recover};"),
        ["prune", "recover"]
    );
    assert_eq!(imports("use crate::{a::{b, c}, d as e};"), ["a", "d"]);
    assert_eq!(
        imports("    crate::git::hash(&x) + crate::tool::y()"),
        ["git", "tool"]
    );
    assert_eq!(imports("use std::path::Path;"), [] as [String; 0]);
}
