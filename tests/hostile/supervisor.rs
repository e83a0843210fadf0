//! Random programs of supervisor, read back by supervisor's own code: a whole home each, with its includes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use landfall::base::names::ReleaseId;
use landfall::supervisor::program::{Program, ReleasePrograms, StopSignal, Supervisord};
use landfall::template::{Template, TemplateError, render};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::random::{folder, make, sample, text, words};

/// How many homes are tried.
const CASES: usize = 400;

fn program() -> impl Strategy<Value = Program> {
    let signal = prop_oneof![
        Just(StopSignal::Hup),
        Just(StopSignal::Term),
        Just(StopSignal::Quit)
    ];
    let flags = (any::<bool>(), any::<bool>(), signal);
    let times = (0..5000_u64, 0..100_000_000_u64);
    (
        "[a-z][a-z0-9_-]{0,29}",
        1..99_999_u32,
        words(),
        flags,
        times,
        text(),
    )
        .prop_map(
            |(name, release, command, (autostart, restart, stop_signal), (ready, stop), log)| {
                Program {
                    name: format!("{name}-{release}"),
                    command,
                    autostart,
                    restart,
                    ready_after: Duration::from_millis(ready),
                    stop_signal,
                    stop_wait: Duration::from_millis(stop),
                    log: PathBuf::from("/srv").join(log),
                }
            },
        )
}

/// Random settings of one home: its name, its own programs, its release's.
fn settings() -> impl Strategy<Value = (String, Vec<Program>, Vec<Program>)> {
    let programs = || prop::collection::vec(program(), 0..3);
    (folder(), programs(), programs()).prop_filter("each name once", |(_, own, release)| {
        let mut names: Vec<_> = own
            .iter()
            .chain(release)
            .map(|program| &program.name)
            .collect();
        names.sort();
        names.windows(2).all(|pair| pair[0] != pair[1])
    })
}

/// What supervisor should read.
fn meant(program: &Program) -> Value {
    let seconds = |time: Duration| time.as_millis().div_ceil(1000);
    let signal = match program.stop_signal {
        StopSignal::Hup => 1,
        StopSignal::Quit => 3,
        StopSignal::Term => 15,
    };
    json!({
        "group": program.name,
        "command": program.command,
        "log": program.log,
        "autostart": program.autostart,
        "ready": seconds(program.ready_after),
        "stop": seconds(program.stop_wait),
        "signal": signal,
        "stop_group": false,
        "kill_group": true,
        "directory": null,
        "environment": {},
    })
}

/// Writes a home's files. None where a value was refused.
fn write(home: &Path, own: &[Program], release: &[Program]) -> Option<()> {
    let app: landfall::base::names::AppName = "notes".parse().unwrap();
    let conf = Supervisord {
        app: app.clone(),
        home: home.to_owned(),
        user: None,
        programs: own.to_vec(),
    };
    let programs = ReleasePrograms {
        app,
        release: ReleaseId(7),
        programs: release.to_vec(),
    };
    let texts = [
        ("run/supervisord.conf", render(Template::Supervisord, &conf)),
        ("run/next.conf", render(Template::Programs, &programs)),
        (
            "current/supervisor.conf",
            render(Template::Programs, &programs),
        ),
    ];
    for folder in ["run", "log", "current"] {
        fs::create_dir_all(home.join(folder)).unwrap();
    }
    for (file, text) in texts {
        match text {
            Ok(text) => fs::write(home.join(file), text).unwrap(),
            Err(TemplateError::Value { .. } | TemplateError::Data { .. }) => return None,
            Err(error) => panic!("{error}"),
        }
    }
    Some(())
}

#[test]
fn supervisor_reads_back_what_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    let (mut homes, mut expected) = (Vec::new(), Vec::new());
    let mut programs = 0;
    for (number, (name, own, release)) in sample(CASES, &settings()).into_iter().enumerate() {
        let Some(home) = make(dir.path(), number, &name) else {
            continue;
        };
        if write(&home, &own, &release).is_none() {
            continue;
        }
        let all = own.iter().chain(&release);
        let all: serde_json::Map<_, _> = all.map(|each| (each.name.clone(), meant(each))).collect();
        programs += all.len();
        expected.push(json!({
            "directory": home,
            "pidfile": home.join("run/supervisord.pid"),
            "logfile": home.join("log/supervisord.log"),
            "childlogdir": home.join("log"),
            "environment": {},
            "sockets": [home.join("run/supervisor.sock")],
            "programs": all,
        }));
        homes.push(home);
    }
    println!(
        "supervisor: {} homes with {programs} programs read back, {} refused",
        homes.len(),
        CASES - homes.len()
    );
    assert!(
        homes.len() > CASES / 5 && programs > 100,
        "{} {programs}",
        homes.len()
    );
    assert!(homes.len() < CASES * 9 / 10);
    let list = dir.path().join("homes.json");
    fs::write(&list, serde_json::to_string(&homes).unwrap()).unwrap();
    let output = Command::new("/usr/bin/python3")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/hostile/read_supervisor.py"
        ))
        .arg(&list)
        .env_clear()
        .env("LANG", "C.UTF-8")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let read: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read.len(), expected.len());
    for (read, expected) in read.iter().zip(&expected) {
        assert_eq!(read, expected);
    }
}
