//! Only what changed is built: the calls of npm, node, pip and python3 are counted, with the real tools behind them.

use std::fs;

use crate::common::{Probe, Push, Sandbox};

/// What was called since the last time, and not by the app itself.
struct Calls(Vec<String>);

impl Calls {
    fn of(sandbox: &Sandbox) -> Self {
        Self(sandbox.calls())
    }

    fn npm(&self) -> usize {
        self.count(&["npm ", "npx ", "node "])
    }

    fn python(&self) -> usize {
        self.count(&["python3 ", "pip "])
    }

    fn count(&self, starts: &[&str]) -> usize {
        self.0
            .iter()
            .filter(|call| starts.iter().any(|start| call.starts_with(start)))
            .count()
    }

    #[track_caller]
    fn none(&self, push: &Push) {
        assert!(self.0.is_empty(), "{:#?}\n{}", self.0, push.stderr);
    }
}

/// No pip by the environment's own Python either: the log has every command.
#[track_caller]
fn no_pip(sandbox: &Sandbox) {
    let release = sandbox.live().expect("there is a live release");
    let log = sandbox.deploy_log(release);
    assert!(!log.contains("-m pip") && !log.contains("-m venv"), "{log}");
}

#[test]
fn a_backend_change_starts_no_npm_and_makes_no_environment() {
    let sandbox = Sandbox::new("cache-backend").live();
    sandbox.calls();
    sandbox.name_backend("2");
    sandbox.commit("Backend");
    let push = sandbox.push().accepted();
    Calls::of(&sandbox).none(&push);
    no_pip(&sandbox);
    assert_eq!(
        sandbox.get("/api/about/").ok().release().as_deref(),
        Some("2")
    );
    assert_eq!(sandbox.get("/").ok().release().as_deref(), Some("1"));
}

#[test]
fn a_frontend_change_makes_no_environment_and_installs_nothing() {
    let sandbox = Sandbox::new("cache-frontend").live();
    // The first build after the seed brings node_modules; from then on they are there.
    sandbox.name_frontend("2");
    sandbox.commit("Frontend");
    let _ = sandbox.push().accepted();
    sandbox.calls();
    sandbox.name_frontend("3");
    sandbox.commit("Frontend again");
    let push = sandbox.push().accepted();
    let calls = Calls::of(&sandbox);
    assert_eq!(calls.python(), 0, "{:#?}", calls.0);
    assert!(
        calls.npm() > 0,
        "the counters count nothing: {}",
        push.stderr
    );
    let is_install = |call: &String| call.contains(" ci") || call.contains(" install");
    assert!(!calls.0.iter().any(is_install), "{:#?}", calls.0);
    no_pip(&sandbox);
    assert_eq!(sandbox.get("/").ok().release().as_deref(), Some("3"));
    assert_eq!(
        sandbox.get("/api/about/").ok().release().as_deref(),
        Some("1")
    );
}

#[test]
fn a_revert_and_a_branch_seen_before_build_nothing() {
    let sandbox = Sandbox::new("cache-revert").live();
    sandbox.git(&["branch", "first"]);
    sandbox.name_release("2");
    sandbox.commit("Second");
    let _ = sandbox.push().accepted();
    sandbox.git(&["branch", "second"]);
    sandbox.calls();

    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    let push = sandbox.push().accepted();
    Calls::of(&sandbox).none(&push);
    assert_eq!(sandbox.release_shown(), "1");

    for (branch, release) in [("second", "2"), ("first", "1"), ("second", "2")] {
        let push = sandbox
            .push_with(&["--force", "production", &format!("{branch}:master")])
            .accepted();
        Calls::of(&sandbox).none(&push);
        assert_eq!(sandbox.release_shown(), release);
    }
}

#[test]
fn a_change_of_the_requirements_makes_an_environment_and_starts_no_npm() {
    let sandbox = Sandbox::new("cache-requirements").live();
    sandbox.calls();
    sandbox.write(
        "requirements.txt",
        "# as before, said differently\nDjango==5.2.19\n",
    );
    sandbox.commit("Requirements");
    let push = sandbox.push().accepted();
    let calls = Calls::of(&sandbox);
    assert_eq!(calls.npm(), 0, "{:#?}", calls.0);
    assert_eq!(
        calls.count(&["python3 -m venv"]),
        1,
        "{:#?}\n{}",
        calls.0,
        push.stderr
    );
}

#[test]
fn a_change_of_the_lock_file_installs_again() {
    let sandbox = Sandbox::new("cache-lock").live();
    sandbox.name_frontend("2");
    sandbox.commit("Frontend");
    let _ = sandbox.push().accepted();
    sandbox.calls();
    for file in ["frontend/package.json", "frontend/package-lock.json"] {
        sandbox.edit(file, "1.0.0", "1.0.1");
    }
    sandbox.edit("frontend/vendor/tiny/package.json", "1.0.0", "1.0.1");
    sandbox.commit("Another version");
    let _ = sandbox.push().accepted();
    let calls = Calls::of(&sandbox);
    assert_eq!(calls.count(&["npm ci"]), 1, "{:#?}", calls.0);
    assert_eq!(calls.python(), 0, "{:#?}", calls.0);
}

/// A shared file is part of what a frontend is built from, though it is not in git.
#[test]
fn a_shared_file_of_the_frontend_builds_it_again() {
    let sandbox = Sandbox::new("cache-shared").create();
    sandbox.write(
        "landfall.toml",
        "[shared]\nfiles = [\"frontend/src/local.js\"]\n",
    );
    sandbox.edit(
        "frontend/build.js",
        "import { tiny }",
        "import { NAME } from \"./src/local.js\";\nimport { tiny }",
    );
    sandbox.edit("frontend/build.js", "<title>Small", "<title>${NAME}");
    sandbox.commit("Read a shared file");
    sandbox.share("frontend/src/local.js", "export const NAME = \"one\";\n");
    let _ = sandbox.push().accepted();
    assert!(sandbox.get("/").ok().text().contains("<title>one"));
    sandbox.share("frontend/src/local.js", "export const NAME = \"two\";\n");
    sandbox.landfall_ok(&["deploy"]);
    assert!(sandbox.get("/").ok().text().contains("<title>two"));
    // And back: that one is there still.
    sandbox.share("frontend/src/local.js", "export const NAME = \"one\";\n");
    sandbox.calls();
    sandbox.landfall_ok(&["deploy"]);
    assert!(sandbox.get("/").ok().text().contains("<title>one"));
    assert_eq!(sandbox.calls(), Vec::<String>::new());
}

#[test]
fn rebuild_takes_nothing_from_the_caches() {
    let sandbox = Sandbox::new("cache-rebuild").live();
    sandbox.calls();
    sandbox.commit("Empty");
    // The live release goes on with what it was built with.
    let probe = Probe::start(
        sandbox.address,
        &["/", "/api/about/", "/static/board/mark.txt"],
    );
    let push = sandbox
        .push_with(&["-o", "rebuild", "production", "master"])
        .accepted();
    let _ = probe.stop().lost_nothing();
    let calls = Calls::of(&sandbox);
    assert_eq!(
        calls.count(&["npm ci"]),
        1,
        "{:#?}\n{}",
        calls.0,
        push.stderr
    );
    assert_eq!(calls.count(&["npm run build"]), 1, "{:#?}", calls.0);
    assert_eq!(calls.count(&["python3 -m venv"]), 1, "{:#?}", calls.0);
    assert_eq!(sandbox.release_shown(), "1");
    // The release before it shares nothing that was taken away from under it.
    sandbox.landfall_ok(&["rollback"]);
    assert_eq!(sandbox.release_shown(), "1");
    // What was built anew is what the next push takes.
    sandbox.calls();
    sandbox.commit("Empty again");
    let push = sandbox.push().accepted();
    Calls::of(&sandbox).none(&push);
}

/// What is built anew takes the place of what is there only once it is whole and live.
#[test]
fn a_rebuild_that_fails_takes_nothing_from_the_live_release() {
    let sandbox = Sandbox::new("cache-rebuild-fails").live();
    sandbox.commit("Empty");
    let output = sandbox
        .git_command()
        .args(["push", "-o", "rebuild", "production", "master"])
        // Nobody listens there.
        .env("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
        .output()
        .unwrap();
    let _ = Push::new(&output).rejected().said("error: python: ");
    for file in ["venv/bin/uwsgi", "public/index.html"] {
        assert!(
            sandbox.home.join("current").join(file).exists(),
            "{file} is gone"
        );
    }
    assert_eq!(sandbox.release_shown(), "1");
    sandbox.calls();
    let push = sandbox.push().accepted();
    Calls::of(&sandbox).none(&push);
}

/// An entry that was not finished (a power cut in the middle) is built anew, not used.
#[test]
fn a_half_made_entry_is_no_entry() {
    let sandbox = Sandbox::new("cache-half").live();
    let shelf = sandbox.home.join("cache/frontend");
    for entry in fs::read_dir(shelf).unwrap() {
        let entry = entry.unwrap().path();
        fs::remove_file(entry.join(".landfall-complete")).unwrap();
        // As a run that was killed leaves it. (A new file: the old one is the seed's too.)
        let page = entry.join("files/index.html");
        fs::remove_file(&page).unwrap();
        fs::write(page, "half").unwrap();
    }
    sandbox.calls();
    sandbox.commit("Empty");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "1");
    assert!(Calls::of(&sandbox).npm() > 0);
}
