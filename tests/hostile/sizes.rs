//! Files of 10 MB, and small ones that cost much to read: refused, soon, in little memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use landfall::base::hint::chain;
use landfall::base::names::ObjectId;
use landfall::config::env_file::EnvFile;
use landfall::config::git_tree::GitTree;
use landfall::config::server;
use landfall::config::settle::settle;
use landfall::config::tree::{LARGEST_READ, MemoryTree};
use landfall::git::Repo;
use landfall::release::layout::Home;
use landfall::site::request;
use nix::time::ClockId;
use nix::unistd::Uid;

use crate::message::assert_clear;
use crate::values::HUGE;

/// Processor time, for a build without optimisation; what grows with the square of a megabyte takes many minutes.
const SOON: Duration = Duration::from_secs(60);
/// The memory of a process that reads such a file, in KiB, everything counted.
const MEMORY: usize = 200_000;

fn soon<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = processor_time();
    let result = work();
    let took = processor_time().saturating_sub(begun);
    println!("{what}: {took:?}");
    assert!(took < SOON, "{what} took {took:?}");
    result
}

/// What this thread has computed so far, whatever else the machine does.
fn processor_time() -> Duration {
    let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
    clock.now().expect("the thread's clock").into()
}

/// TOML that is hard in different ways.
fn heavy_toml(length: usize) -> Vec<(&'static str, String)> {
    vec![
        ("one value", format!("path = \"{}\"\n", "x".repeat(length))),
        (
            "keys",
            (0..length / 12).map(|n| format!("k{n} = 1\n")).collect(),
        ),
        (
            "tables",
            (0..length / 12).map(|n| format!("[t{n}]\n")).collect(),
        ),
        ("depth", format!("a = {}", "[".repeat(length))),
        ("dots", format!("{}a = 1", "a.".repeat(length / 2))),
        ("inline", format!("a = {}", "{a=".repeat(length / 3))),
        ("comment", format!("# {}\n", "x".repeat(length))),
        ("lines", "\n".repeat(length)),
        ("quotes", format!("a = \"\"\"{}", "\"\n".repeat(length / 2))),
    ]
}

#[test]
fn a_settings_file_of_any_size_is_refused_soon() {
    for length in [HUGE, 250_000] {
        for (name, text) in heavy_toml(length) {
            let what = format!("NAME.toml of {length} bytes, {name}");
            let error = soon(&what, || server::parse(&text, "notes.toml")).unwrap_err();
            assert_clear(&what, &text, &error.to_string());
            let tree = MemoryTree::new(&[("landfall.toml", &text), ("index.html", "")]);
            let what = format!("landfall.toml of {length} bytes, {name}");
            if let Err(error) = soon(&what, || settle(&tree)) {
                assert_clear(&what, &text, &error.to_string());
            } else {
                assert!(
                    ["comment", "lines"].contains(&name) && length < HUGE,
                    "{what}"
                );
            }
        }
    }
}

/// What detection reads of a push, at the size up to which it reads: nothing makes it run for long.
#[test]
fn files_that_detection_reads_cannot_hold_it_up() {
    let length = usize::try_from(LARGEST_READ).unwrap() - 10;
    let fill = |piece: &str| piece.repeat(length / piece.len());
    let hard = [
        ("variables", fill("A=1\n")),
        ("open backtick", format!("`{}", fill("\\`"))),
        ("quotes", fill("\"'`")),
        ("escaped quotes", format!("\"{}", fill("\\\""))),
        ("triple quotes", fill("\"\"\"'''")),
        ("brackets", fill("(")),
        ("json", fill("[")),
        ("try", fill("try:\n")),
        ("options", fill("-r x\n")),
        ("assignments", fill("outDir = MEDIA_ROOT = [\n")),
        ("imports", fill("from . import *\n")),
        ("words", fill("path('a', include(")),
        ("too large", "x".repeat(HUGE)),
    ];
    let files = [
        "package.json",
        "vite.config.js",
        "vue.config.js",
        "src/main.js",
        "requirements.txt",
        "pyproject.toml",
        "Procfile",
        ".env.example",
        ".gitignore",
        "app/settings.py",
        "app/urls.py",
        "app/celery.py",
        "app/wsgi.py",
        "manage.py",
        "package-lock.json",
    ];
    let usual = MemoryTree::new(&[
        (
            "manage.py",
            "django DJANGO_SETTINGS_MODULE = 'app.settings'",
        ),
        (
            "app/settings.py",
            "WSGI_APPLICATION = 'app.wsgi.application'",
        ),
        ("app/urls.py", ""),
        ("app/wsgi.py", "application = 1"),
        ("requirements.txt", "Django\ncelery\n"),
        ("package.json", r#"{"scripts": {"build": "vite build"}}"#),
        ("package-lock.json", "{}"),
    ]);
    for file in files {
        for (name, text) in &hard {
            let tree = usual.clone().with(file, text.as_bytes());
            let what = format!("{file}: {name}");
            if let Err(error) = soon(&what, || settle(&tree)) {
                assert_clear(&what, text, &error.to_string());
            }
        }
    }
}

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@b"])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_pushed_landfall_toml_of_10_mb_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "-q"]);
    for file in [
        "landfall.toml",
        "package.json",
        "requirements.txt",
        "manage.py",
    ] {
        fs::write(dir.path().join(file), "#".repeat(HUGE)).unwrap();
    }
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-qm", "x"]);
    let tree: ObjectId = git(dir.path(), &["rev-parse", "HEAD^{tree}"])
        .parse()
        .unwrap();
    let repo = Repo::open(&dir.path().join(".git")).unwrap();
    let error = soon("a push", || settle(&GitTree::new(&repo, &tree).unwrap())).unwrap_err();
    assert_eq!(error.to_string(), "landfall.toml is larger than 1 MiB");
}

#[test]
fn the_environment_and_the_request_are_refused_soon() {
    for text in [
        "A=1\n".repeat(HUGE / 4),
        "A=\"".repeat(HUGE / 3),
        "A".repeat(HUGE),
    ] {
        let error = soon("env of 10 MB", || EnvFile::parse(&text)).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("larger than 1 MiB, more than any process can be given")
        );
    }
    for text in [
        "A=1\n".repeat(250_000),
        "A='\\".repeat(250_000),
        "\n".repeat(1_000_000),
    ] {
        let _ = soon("env of 1 MB", || EnvFile::parse(&text));
    }
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path().to_owned(), "notes".parse().unwrap());
    fs::create_dir_all(home.run()).unwrap();
    for text in [" ".repeat(HUGE), "[".repeat(HUGE), "[".repeat(60_000)] {
        fs::write(home.site_request(), &text).unwrap();
        let error = soon("run/site.json", || {
            request::of_deploy(&home, Uid::effective())
        });
        assert_clear(
            "run/site.json",
            &text,
            &chain(&error.unwrap_err()).join(": "),
        );
    }
    // A hole in the file: no bytes on the disk, and more than the memory has.
    let file = fs::File::create(home.site_request()).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = soon("1 TB", || request::of_deploy(&home, Uid::effective())).unwrap_err();
    assert!(
        error.to_string().ends_with("is longer than 65536 bytes"),
        "{error}"
    );
}

/// The binary with its memory limited, in a home whose app has these files.
fn limited(dir: &Path, args: &str) -> Output {
    Command::new("/bin/sh")
        .args([
            "-c",
            &format!("ulimit -v {MEMORY}; exec \"$LANDFALL\" {args}"),
        ])
        .env_clear()
        .env("LANDFALL", env!("CARGO_BIN_EXE_landfall"))
        .env("HOME", dir)
        .env("PATH", "/usr/bin:/bin")
        .env("LANDFALL_CONFIG_DIR", dir)
        .current_dir(dir)
        .output()
        .unwrap()
}

#[test]
fn files_of_10_mb_are_refused_in_200_mb_of_memory() {
    let dir = tempfile::tempdir().unwrap();
    let settings = dir.path().join("apps/notes.toml");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    let (text, home) = ("A=1\n".repeat(HUGE / 4), dir.path().join("home"));
    fs::write(&settings, &text).unwrap();
    let refused = |args: &str, expected: &str| {
        let output = soon(args, || limited(dir.path(), args));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args}: {said}");
        assert!(said.contains(expected), "{args}: {said}");
    };
    refused("app show", "larger than 256 KiB");
    let name = home.display();
    let whole = format!(
        "name = \"notes\"\nhome = \"{name}\"\nbranch = \"master\"\nlisten = \"127.0.0.1:8080\"\n"
    );
    fs::write(&settings, whole).unwrap();
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("env"), &text).unwrap();
    refused("env list", "larger than 1 MiB");
    fs::write(home.join("env"), "A=1\n").unwrap();
    fs::write(dir.path().join("more"), &text).unwrap();
    refused("env import more", "larger than 1 MiB");
    refused("env import - < more", "larger than 1 MiB");
}
