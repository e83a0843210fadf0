//! Each value in each key of the files that are the server's or the app's: NAME.toml, the environment, `run/site.json`.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use landfall::base::names::EnvName;
use landfall::base::secret::Secret;
use landfall::config::env_file::EnvFile;
use landfall::config::server::{self, AppSettings};
use landfall::release::layout::Home;
use landfall::site::request;
use nix::unistd::Uid;
use serde_json::json;

use crate::message::{Outcome, Tally, assert_clear, judge};
use crate::values::{all, brief};

/// NAME.toml with one key set to a TOML value.
fn name_toml(key: &str, value: &toml::Value) -> String {
    let mut table = toml::Table::new();
    for (key, value) in [
        ("name", "notes"),
        ("home", "/srv/landfall/notes"),
        ("branch", "master"),
        ("listen", "127.0.0.1:8080"),
    ] {
        table.insert(key.to_owned(), value.into());
    }
    table.insert(key.to_owned(), value.clone());
    table.to_string()
}

type Read = fn(&AppSettings) -> String;

/// The keys of NAME.toml that hold text, and whether it is a list.
const KEYS: [(&str, bool, Read); 9] = [
    ("name", false, |app| app.name.to_string()),
    ("home", false, |app| app.home.display().to_string()),
    ("branch", false, |app| app.branch.to_string()),
    ("listen", false, |app| app.listen.unwrap().to_string()),
    ("path", false, |app| app.path.clone()),
    ("domains", true, |app| app.domains[0].to_string()),
    ("redirect_domains", true, |app| {
        app.redirect_domains[0].to_string()
    }),
    ("shared_files", true, |app| app.shared_files[0].to_string()),
    ("shared_dirs", true, |app| app.shared_dirs[0].to_string()),
];

#[test]
fn the_servers_settings_refuse_or_keep_every_value() {
    let mut tally = Tally::default();
    for value in all() {
        for prefix in ["", "/srv/", "/"] {
            if value.len() > 1_000_000 && !prefix.is_empty() {
                continue;
            }
            let value = format!("{prefix}{value}");
            for (key, is_list, read) in KEYS {
                let text = toml::Value::String(value.clone());
                let written = if is_list {
                    toml::Value::Array(vec![text])
                } else {
                    text
                };
                let outcome = match server::parse(&name_toml(key, &written), "notes.toml") {
                    Err(error) => Outcome::Refused(error.to_string()),
                    Ok(app) => {
                        assert_eq!(read(&app), value, "{key}");
                        let again = server::parse(&server::render(&app), "notes.toml").unwrap();
                        // The keys of the other mode are not written.
                        assert!(again == app || key == "redirect_domains", "{key}");
                        Outcome::Data
                    }
                };
                judge(key, &value, &outcome, &mut tally);
            }
        }
    }
    println!("NAME.toml: {tally:?}");
    assert!(tally.refused > 1000 && tally.data > 100, "{tally:?}");
}

#[test]
fn values_of_other_types_and_unknown_keys_are_shown_short() {
    for value in all() {
        let text = toml::Value::String(value.clone());
        for key in [
            "keep_releases",
            "allow_force_push",
            "layout",
            "backend_port",
        ] {
            let error = server::parse(&name_toml(key, &text), "notes.toml").unwrap_err();
            assert_clear(key, &value, &error.to_string());
        }
        let mut table = toml::Table::new();
        table.insert(value.clone(), text);
        let error = server::parse(&table.to_string(), "notes.toml").unwrap_err();
        assert_clear("unknown key", &value, &error.to_string());
        let not_toml = server::parse(&value, "notes.toml").unwrap_err();
        assert_clear("whole file", &value, &not_toml.to_string());
    }
}

#[test]
fn a_shell_reads_the_environment_as_it_was_set() {
    let dir = tempfile::tempdir().unwrap();
    let (mut tally, mut kept, mut script) = (Tally::default(), Vec::new(), String::new());
    for (number, value) in all().into_iter().enumerate() {
        let name: EnvName = "A".parse().unwrap();
        let mut file = EnvFile::default();
        let set = file.set(name.clone(), Secret::new(value.clone()));
        let outcome = match set
            .map_err(|error| error.to_string())
            .and_then(|()| EnvFile::parse(&file.serialise()).map_err(|error| error.to_string()))
        {
            Err(message) => Outcome::Refused(message),
            Ok(read) => {
                assert_eq!(read.get(&name).unwrap().expose(), value);
                let path = dir.path().join(number.to_string());
                fs::write(&path, file.serialise()).unwrap();
                script += &format!(". {}; printf '%s\\0' \"$A\"\n", path.display());
                kept.push(value.clone());
                Outcome::Data
            }
        };
        judge("value of a variable", &value, &outcome, &mut tally);
        // As a name it is none, and as a line it names nothing but itself.
        if let Err(error) = EnvFile::parse(&format!("{value}=1")) {
            assert_clear("line", &value, &error.to_string());
            assert!(!error.to_string().contains("root") && !error.to_string().contains("id)"));
        }
    }
    let mut shell = Command::new("/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = shell.wait_with_output().unwrap();
    let read: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
    assert_eq!(read.len(), kept.len() + 1);
    for (value, read) in kept.iter().zip(read) {
        assert!(value.as_bytes() == read, "{}", brief(value));
    }
    println!("environment: {tally:?}");
}

/// The places of `run/site.json`: a value, and the request with it.
fn requests(value: &str) -> Vec<(&'static str, serde_json::Value)> {
    let backend = json!({"paths": ["/api"], "static_url": "/static/", "media_url": null});
    let whole = |key: &str, value: serde_json::Value| {
        let mut backend = backend.clone();
        backend[key] = value;
        json!({"action": "apply", "needs": {"frontend": "spa", "backend": backend}})
    };
    vec![
        ("paths", whole("paths", json!([value]))),
        ("static_url", whole("static_url", json!(value))),
        ("media_url", whole("media_url", json!(value))),
        ("unknown key", whole(value, json!(1))),
        (
            "frontend",
            json!({"action": "apply", "needs": {"frontend": value, "backend": backend}}),
        ),
        (
            "action",
            json!({"action": value, "needs": {"frontend": "spa", "backend": backend}}),
        ),
        ("whole", json!(value)),
    ]
}

#[test]
fn what_a_deploy_asks_of_root_is_refused_or_kept_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path().to_owned(), "notes".parse().unwrap());
    fs::create_dir_all(home.run()).unwrap();
    let mut tally = Tally::default();
    for value in all() {
        for value in [value.clone(), format!("/{value}")] {
            for (place, request) in requests(&value) {
                fs::write(home.site_request(), request.to_string()).unwrap();
                let outcome = match request::of_deploy(&home, Uid::effective()) {
                    Err(error) => {
                        let message = error.to_string();
                        assert!(value.len() < 4 || !message.contains(&value), "{message}");
                        Outcome::Refused(message)
                    }
                    Ok(read) => {
                        assert_eq!(serde_json::to_value(&read).unwrap(), request, "{place}");
                        Outcome::Data
                    }
                };
                judge(place, &value, &outcome, &mut tally);
            }
        }
    }
    println!("run/site.json: {tally:?}");
    assert!(tally.refused > 500 && tally.data > 5, "{tally:?}");
}
