//! What a pusher reads, whole, on a terminal and in a pipe; and that no value of the environment stands anywhere.

use std::fs;
use std::path::Path;

use crate::common::{App, Push, Sandbox, golden, redact};

/// A value that nobody may ever read.
const SECRET: &str = "hunter2-very-secret-91b7";

/// The whole output, with what differs from run to run named.
fn check(name: &str, sandbox: &Sandbox, lines: &[String]) {
    let root = sandbox.root.to_string_lossy().into_owned();
    // What a stage is at shows only where it is slow.
    let lines: Vec<String> = lines
        .iter()
        .filter(|line| !line.ends_with(" …"))
        .cloned()
        .collect();
    golden::check(
        &format!("output/{name}.txt"),
        &redact::lines(&lines, &[(root.as_str(), "[sandbox]")]),
    );
}

/// Everything is built: no cache of the seed's.
#[test]
fn a_first_push() {
    let sandbox = Sandbox::new("output-first").create();
    for cache in ["cache", ".cache"] {
        let _ = fs::remove_dir_all(sandbox.home.join(cache));
    }
    let push = sandbox.push().accepted();
    check("first-push", &sandbox, &push.remote);
}

#[test]
fn the_example_apps_backend_change() {
    let sandbox = Sandbox::new("output-backend").app(App::Notes).live();
    sandbox.settle();
    sandbox.name_backend("2");
    sandbox.commit("Name the release 2");
    let push = sandbox.push().accepted();
    check("backend-change", &sandbox, &push.remote);
}

#[test]
fn a_push_that_fails_and_a_rollback() {
    let sandbox = Sandbox::new("output-failed").live();
    sandbox.settle();
    sandbox.name_release("2");
    sandbox.write("landfall.toml", "[gate]\nrun = [\"sh check.sh\"]\n");
    sandbox.write(
        "check.sh",
        "echo 12 tests passed\necho '2 tests failed: test_login, test_upload' >&2\nexit 3\n",
    );
    sandbox.commit("Break the tests");
    let push = sandbox.push().rejected();
    check("failed-push", &sandbox, &push.remote);

    sandbox.write("check.sh", "echo 14 tests passed\n");
    sandbox.commit("Mend the tests");
    let push = sandbox.push().accepted();
    check("gate-passes", &sandbox, &push.remote);
    // stderr of a command of ours, on a pipe.
    sandbox.settle();
    let said = sandbox.landfall_ok(&["rollback"]);
    let lines: Vec<String> = said.lines().map(str::to_owned).collect();
    check("rollback", &sandbox, &lines);
}

/// On a terminal the line of the stage that runs is written anew; what is left in the end is what a pipe gets.
#[test]
fn a_terminal_shows_in_the_end_what_a_pipe_gets() {
    let sandbox = Sandbox::new("output-terminal").live();
    sandbox.settle();
    let piped = sandbox
        .landfall_ok(&["deploy"])
        .replace("release 2 ", "release 3 ");
    sandbox.settle();
    let command = format!("{} deploy", env!("CARGO_BIN_EXE_landfall"));
    let output = sandbox
        .command("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .output()
        .expect("`script` is there: sudo apt install bsdutils");
    assert!(output.status.success());
    let typed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        typed.contains("\r\u{1b}[K"),
        "nothing was written anew: {typed:?}"
    );
    let shown: Vec<String> = typed
        .replace("\r\n", "\n")
        .lines()
        .map(|line| line.rsplit("\r\u{1b}[K").next().unwrap_or(line).to_owned())
        .collect();
    let piped: Vec<String> = piped
        .lines()
        .filter(|line| !line.ends_with(" …"))
        .map(str::to_owned)
        .collect();
    assert_eq!(redact::lines(&shown, &[]), redact::lines(&piped, &[]));
}

/// The app, its build, its checks and its failures all print the value. It shows nowhere, but in the logs of the app's own
/// processes: what an app itself writes there is its own business, and Landfall's logs are apart from them.
#[test]
fn values_of_the_environment_are_printed_nowhere() {
    let sandbox = Sandbox::new("output-secret").create();
    sandbox.env_set("API_TOKEN", SECRET);
    let settings = sandbox.read("backend/small/settings.py");
    sandbox.write(
        "backend/small/settings.py",
        settings + "\nprint(\"the token is\", os.environ[\"API_TOKEN\"], flush=True)\n",
    );
    sandbox.write("landfall.toml", "[gate]\nrun = [\"sh check.sh\"]\n");
    sandbox.write("check.sh", "env\necho \"token=$API_TOKEN.\"\n");
    sandbox.commit("Print it everywhere");
    let push = sandbox.push().accepted();
    absent(&sandbox, &push, 1);
    let log = sandbox.deploy_log(1);
    assert!(
        log.contains("token=") && log.contains("the token is"),
        "{log}"
    );

    // A check that fails shows its last lines; so does an application that cannot be loaded.
    sandbox.write("check.sh", "echo \"token=$API_TOKEN.\"\nexit 1\n");
    sandbox.commit("Fail at the gate");
    let push = sandbox.push().rejected().said("token=");
    absent(&sandbox, &push, 2);
    sandbox.write("check.sh", "true\n");
    sandbox.edit(
        "backend/small/wsgi.py",
        "import os\n",
        "import os\nraise RuntimeError(os.environ[\"API_TOKEN\"])\n",
    );
    sandbox.commit("Fail at boot");
    let push = sandbox.push().rejected().said("RuntimeError");
    absent(&sandbox, &push, 3);

    let shown = [
        sandbox.landfall_ok(&["status"]),
        sandbox.landfall_ok(&["--json", "status"]),
        sandbox.landfall_ok(&["--json", "releases"]),
        sandbox.landfall_ok(&["app", "show"]),
        sandbox.landfall_ok(&["plan"]),
        sandbox.landfall_ok(&["env", "list"]),
        sandbox.landfall_ok(&["log"]),
        sandbox.landfall_ok(&["--json", "deploy"]),
    ];
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// The value stands in nothing that was said, in no file but the environment's own and what the app itself logs, and in
/// nobody's command line.
#[track_caller]
fn absent(sandbox: &Sandbox, push: &Push, log: u32) {
    assert!(!push.stderr.contains(SECRET), "{}", push.stderr);
    let log = sandbox.deploy_log(log);
    assert!(!log.contains(SECRET), "{log}");
    let mut found = Vec::new();
    search(&sandbox.home, &mut found);
    let apps_own = ["env", "log/web.log"].map(|name| sandbox.home.join(name));
    found.retain(|file| !apps_own.contains(file));
    assert!(found.is_empty(), "{found:?}");
    for process in sandbox.processes() {
        assert!(!process.command.contains(SECRET), "{}", process.command);
    }
}

fn search(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            search(&path, found);
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            if String::from_utf8_lossy(&bytes).contains(SECRET) {
                found.push(path);
            }
        }
    }
}
