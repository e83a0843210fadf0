//! Random settings of uWSGI, read back by uWSGI: `show-config` prints what it read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use landfall::base::names::ReleaseId;
use landfall::template::uwsgi::Uwsgi;
use landfall::template::{Template, TemplateError, render};
use proptest::prelude::*;

use crate::random::{folder, sample, wsgi};

/// How many settings are tried.
const CASES: usize = 300;
/// How many files one uWSGI reads.
const BATCH: usize = 25;

/// An environment with uWSGI, made once: the one that the template's own tests use.
fn program() -> PathBuf {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/uwsgi-for-tests");
    if !place.join("bin/uwsgi").exists() {
        let run = |program: PathBuf, args: &[&str]| {
            let ran = Command::new(program).args(args).status().unwrap();
            assert!(ran.success(), "{args:?}");
        };
        run(
            "/usr/bin/python3".into(),
            &["-m", "venv", place.to_str().unwrap()],
        );
        run(
            place.join("bin/pip"),
            &["install", "--quiet", "pyuwsgi==2.0.30"],
        );
    }
    place.join("bin/uwsgi")
}

fn settings() -> impl Strategy<Value = Uwsgi> {
    let numbers = (
        1..500_u16,
        1..100_u16,
        1..1025_u32,
        0..4_000_000_u64,
        1..u32::MAX,
    );
    ("[a-z][a-z0-9-]{0,28}[a-z0-9]", folder(), wsgi(), numbers).prop_map(
        |(app, folder, module, (processes, threads, listen, drain, release))| Uwsgi {
            app: app.parse().unwrap(),
            release: ReleaseId(release),
            socket: Path::new("/srv").join(folder).join("web.sock"),
            module,
            processes,
            threads,
            listen,
            drain: Duration::from_secs(drain),
        },
    )
}

#[test]
fn uwsgi_reads_back_what_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    let (mut refused, mut rendered) = (0, Vec::new());
    for settings in sample(CASES, &settings()) {
        match render(Template::Uwsgi, &settings) {
            Ok(text) => {
                let file = dir.path().join(format!("{}.ini", rendered.len()));
                fs::write(&file, text).unwrap();
                rendered.push((file, settings));
            }
            Err(TemplateError::Value { .. } | TemplateError::Data { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    println!("uWSGI: {} read back, {refused} refused", rendered.len());
    assert!(rendered.len() > CASES / 2 && refused > CASES / 50);
    for batch in rendered.chunks(BATCH) {
        let mut uwsgi = Command::new(program());
        for (file, _) in batch {
            uwsgi.arg("--ini").arg(file);
        }
        let output = uwsgi
            .arg("--show-config")
            .current_dir(dir.path())
            .output()
            .unwrap();
        // All it says is its log, on stderr: first the configuration.
        let text = String::from_utf8(output.stderr).unwrap();
        // It goes on after that, and finds that the first socket's folder is not there: it was taken for a path.
        let bind = "bind(): No such file or directory";
        assert!(text.contains(bind), "{text}");
        let read = |key: &str| -> Vec<&str> {
            let lines = text.lines().filter_map(|line| line.split_once(" = "));
            let found = lines
                .filter(|(name, _)| *name == key)
                .map(|(_, value)| value);
            found.collect()
        };
        let same = |key: &str, value: fn(&Uwsgi) -> String| {
            let meant: Vec<String> = batch.iter().map(|(_, each)| value(each)).collect();
            assert_eq!(read(key), meant, "{key}");
        };
        same("socket", |each| each.socket.display().to_string());
        same("module", |each| each.module.to_string());
        same("processes", |each| each.processes.to_string());
        same("threads", |each| each.threads.to_string());
        same("listen", |each| each.listen.to_string());
        same("worker-reload-mercy", |each| {
            each.drain.as_secs().to_string()
        });
        same("procname-prefix-spaced", |each| {
            format!("landfall {} r{}", each.app, each.release)
        });
        // Nothing besides: as many lines as the template has.
        let (_, config) = text.split_once(";uWSGI instance configuration").unwrap();
        let (config, _) = config.split_once(";end of configuration").unwrap();
        let keys = config.lines().filter(|line| line.contains(" = ")).count();
        let own = batch
            .iter()
            .map(|(file, _)| fs::read_to_string(file).unwrap());
        let meant: usize = own
            .map(|text| {
                text.lines()
                    .filter(|line| line.contains(" = ") && !line.starts_with(';'))
                    .count()
            })
            .sum();
        let asked = batch.len() + 1; // `ini` and `show-config`
        assert_eq!(keys - asked, meant);
    }
}
