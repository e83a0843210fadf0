//! Each value in each key of landfall.toml, with a repository that has a file or folder of that name where one is needed.

use landfall::base::names::RepoPath;
use landfall::config::settings::{PythonPackages, Settings};
use landfall::config::settle::settle;
use landfall::config::tree::MemoryTree;
use landfall::stage::render::local_url;

use crate::message::{Outcome, Tally, judge};
use crate::values::all;

fn is_path(value: &str) -> bool {
    !value.is_empty() && value.parse::<RepoPath>().is_ok()
}

/// A repository with a backend, a frontend, and what `value` would name as a folder and as a file.
fn tree(value: &str) -> MemoryTree {
    let tree = MemoryTree::new(&[
        (
            "api/manage.py",
            "setdefault('DJANGO_SETTINGS_MODULE', 'app.settings')",
        ),
        (
            "api/app/settings.py",
            "WSGI_APPLICATION = 'app.wsgi.application'",
        ),
        ("api/app/wsgi.py", "application = 1"),
        ("requirements.txt", "Django\n"),
        (
            "web/package.json",
            r#"{"scripts": {"build": "vite build"}}"#,
        ),
        ("web/package-lock.json", "{}"),
    ]);
    if !is_path(value) {
        return tree;
    }
    tree.with(&format!("{value}/manage.py"), b"django")
        .with(&format!("{value}/app/wsgi.py"), b"application = 1")
        .with(
            &format!("{value}/package.json"),
            br#"{"scripts": {"build": "x"}}"#,
        )
        .with(&format!("lists/{value}"), b"Django\n")
}

/// The table a key stands in, the key, and how the value stands there.
#[derive(Clone, Copy)]
enum Form {
    Text,
    List,
    /// The key itself is the value.
    Key,
}

type Read = fn(&Settings) -> Vec<String>;

fn words(words: &[String]) -> Vec<String> {
    words.to_vec()
}

fn paths(paths: &[RepoPath]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

/// What is read, after the value is made into what the key should hold.
enum Expected {
    /// The value itself.
    Same,
    /// The value as a path, without a `/` at its end.
    Tidied,
    /// Its words, as a shell splits them.
    Words,
    /// It stands nowhere in the settings: a number, a folder that is joined.
    Unseen,
}

use Expected::{Same, Tidied, Unseen, Words};

const KEYS: [(&str, &str, Form, Expected, Read); 20] = [
    ("frontend", "dir", Form::Text, Tidied, |s| {
        vec![s.frontend.as_ref().unwrap().dir.to_string()]
    }),
    ("frontend", "install", Form::Text, Words, |s| {
        words(&s.frontend.as_ref().unwrap().build.as_ref().unwrap().install)
    }),
    ("frontend", "build", Form::Text, Words, |s| {
        words(&s.frontend.as_ref().unwrap().build.as_ref().unwrap().command)
    }),
    ("frontend", "output", Form::Text, Unseen, |_| Vec::new()),
    ("frontend", "timeout", Form::Text, Unseen, |_| Vec::new()),
    ("frontend", "manager", Form::Text, Unseen, |_| Vec::new()),
    ("frontend.env", "A", Form::Text, Same, |s| {
        let build = s.frontend.as_ref().unwrap().build.as_ref().unwrap();
        vec![build.env[&"A".parse().unwrap()].clone()]
    }),
    ("frontend.env", "", Form::Key, Unseen, |_| Vec::new()),
    ("backend", "dir", Form::Text, Tidied, |s| {
        vec![s.backend.as_ref().unwrap().dir.to_string()]
    }),
    ("backend", "settings", Form::Text, Unseen, |_| Vec::new()),
    ("backend", "wsgi", Form::Text, Unseen, |_| Vec::new()),
    ("backend", "paths", Form::List, Same, |s| {
        let paths = s.backend.as_ref().unwrap().paths.as_ref().unwrap();
        paths.iter().map(ToString::to_string).collect()
    }),
    ("workers", "", Form::Key, Unseen, |_| Vec::new()),
    ("workers.w", "command", Form::Text, Words, |s| {
        words(&s.workers[0].command)
    }),
    ("workers.w", "stop_timeout", Form::Text, Unseen, |_| {
        Vec::new()
    }),
    ("shared", "files", Form::List, Tidied, |s| {
        paths(&s.shared.files)
    }),
    ("shared", "dirs", Form::List, Tidied, |s| {
        paths(&s.shared.dirs)
    }),
    ("env", "required", Form::List, Same, |s| {
        s.required_env.iter().map(ToString::to_string).collect()
    }),
    ("gate", "run", Form::List, Words, |s| words(&s.gate.run[0])),
    ("health", "path", Form::Text, Same, |s| {
        vec![s.health.path.to_string()]
    }),
];

/// landfall.toml with the value in its place.
fn landfall_toml(table: &str, key: &str, form: Form, value: &str) -> String {
    let text = toml::Value::String(value.to_owned());
    match form {
        Form::Text => format!("[{table}]\n{key} = {text}\n"),
        Form::List => format!("[{table}]\n{key} = [{text}]\n"),
        Form::Key if table == "workers" => format!("[workers.{text}]\ncommand = \"true\"\n"),
        Form::Key => format!("[{table}]\n{text} = \"1\"\n"),
    }
}

#[test]
fn landfall_toml_refuses_or_keeps_every_value() {
    let mut tally = Tally::default();
    for value in all() {
        let tree = tree(&value);
        for (table, key, form, expected, read) in &KEYS {
            let place = format!("[{table}] {key}");
            let text = landfall_toml(table, key, *form, &value);
            // `command` is needed beside every other key of a worker.
            let text = if *key == "stop_timeout" {
                format!("{text}command = \"true\"\n")
            } else {
                text
            };
            let outcome = match settle(&tree.clone().with("landfall.toml", text.as_bytes())) {
                Err(error) => Outcome::Refused(error.to_string()),
                Ok(settings) => {
                    match expected {
                        Same => assert_eq!(read(&settings), [value.as_str()], "{place}"),
                        Tidied => {
                            let tidied = value.trim_start_matches("./").trim_end_matches('/');
                            assert_eq!(read(&settings), [tidied], "{place}");
                        }
                        Words => {
                            let words = shell_words::split(&value).unwrap();
                            assert_eq!(read(&settings), words, "{place}");
                        }
                        Unseen => {}
                    }
                    Outcome::Data
                }
            };
            judge(&place, &value, &outcome, &mut tally);
        }
    }
    println!("landfall.toml: {tally:?}");
    assert!(tally.refused > 800 && tally.data > 50, "{tally:?}");
}

#[test]
fn a_list_of_packages_of_any_name_is_a_file_and_no_option() {
    let mut named = 0;
    for value in all() {
        if !is_path(&value) {
            continue;
        }
        let text = format!(
            "[backend]\nrequirements = [{}]\n",
            toml::Value::String(format!("lists/{value}"))
        );
        let tree = tree(&value).with("landfall.toml", text.as_bytes());
        let settings = settle(&tree).unwrap();
        let PythonPackages::Requirements { files, .. } = settings.backend.unwrap().python else {
            panic!("{value:?} is no list");
        };
        assert_eq!(files[0].as_str(), format!("lists/{value}"));
        named += 1;
    }
    assert!(named > 20, "{named}");
}

/// STATIC_URL and MEDIA_URL are the app's own words.
#[test]
fn a_url_of_django_is_a_path_of_this_site_or_none() {
    for value in all() {
        for value in [value.clone(), format!("/{value}/"), format!("//{value}")] {
            if let Some(url) = local_url(&value) {
                assert_eq!(url.as_str(), format!("/{}/", value.trim_matches('/')));
            }
        }
    }
}
