//! An environment begins with the last one: what pip would install just so is copied, and what comes out is what a fresh one
//! holds. With real pip.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{Push, Sandbox, machine, until_some};

/// In pure Python, small, and needed by nothing else here; the first needs the second.
const REQUIREMENTS: &str = "Django==5.2.19\npython-dateutil==2.9.0.post0\n";

/// The environment of the live release.
fn environment(sandbox: &Sandbox) -> PathBuf {
    let link = sandbox.home.join("current/venv");
    link.canonicalize().expect("the live release has one")
}

/// The folder of packages in an environment.
fn packages(environment: &Path) -> PathBuf {
    let mut folders = fs::read_dir(environment.join("lib")).unwrap();
    let python = folders.next().expect("Python's own folder").unwrap();
    python.path().join("site-packages")
}

/// Every file below with its content, and every link with its target.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            all.insert(path, target.into_os_string().into_encoded_bytes());
        } else if path.is_dir() {
            all.extend(content(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            all.insert(path, bytes);
        }
    }
    // When it was last used.
    all.remove(&folder.join(".landfall-complete"));
    all
}

/// What is installed, as pip says it, and the names of all files but what names a place or a time.
fn holds(environment: &Path) -> (String, Vec<String>) {
    let pip = std::process::Command::new(environment.join("bin/python"))
        .args([
            "-m",
            "pip",
            "list",
            "--format",
            "freeze",
            "--disable-pip-version-check",
        ])
        .output()
        .unwrap();
    let files = content(environment).into_keys();
    let files = files.map(|file| {
        file.strip_prefix(environment)
            .unwrap()
            .display()
            .to_string()
    });
    (String::from_utf8(pip.stdout).unwrap(), files.collect())
}

/// What the push said of the environment once it was there. While it waits it says other things.
fn built(push: &Push) -> String {
    let mut lines = push.stderr.lines().rev();
    let line = lines.find_map(|line| Some(line.split_once("  python    venv ")?.1));
    line.unwrap_or_else(|| panic!("no environment: {}", push.stderr))
        .to_owned()
}

/// Requires this from now on; gives the environment that the push made.
fn require(sandbox: &Sandbox, text: &str) -> (PathBuf, String) {
    sandbox.write("requirements.txt", text);
    sandbox.commit("Requirements");
    let push = sandbox.push().accepted();
    (environment(sandbox), built(&push))
}

/// A dependency comes, also after one that cannot be had, and goes with what it needed; the environments before it stay as they
/// are.
#[test]
fn a_dependency_comes_and_goes_and_the_last_environment_stays_as_it_is() {
    let sandbox = Sandbox::new("environments-come").live();
    let first = environment(&sandbox);
    let before = content(&first);
    what_cannot_be_had_is_said_once(&sandbox);

    let (second, said) = require(&sandbox, REQUIREMENTS);
    assert!(
        said.contains("built with pip: 2 packages installed, 4 copied from the last"),
        "{said}"
    );
    assert_eq!(content(&first), before, "the last environment changed");
    let (list, _) = holds(&second);
    assert!(
        list.contains("python-dateutil==2.9.0.post0\n") && list.contains("six=="),
        "{list}"
    );

    let (third, said) = require(&sandbox, "Django==5.2.19\n# and nothing else\n");
    assert!(
        said.contains("0 packages installed, 4 copied from the last"),
        "{said}"
    );
    assert_eq!(holds(&third), holds(&first));
    names_itself_alone(&sandbox, &third);

    for (release, environment) in [("3", &second), ("1", &first)] {
        sandbox.landfall_ok(&["rollback", release]);
        assert_eq!(self::environment(&sandbox), *environment);
        assert!(sandbox.get("/api/about/").ok().release().is_some());
    }
}

/// No file of the environment names where another one lies.
fn names_itself_alone(sandbox: &Sandbox, environment: &Path) {
    let shelf = sandbox.home.join("cache/venv");
    let seeds = b"/seed/";
    let (own, shelf) = (environment.to_str().unwrap(), shelf.to_str().unwrap());
    let mut scripts = 0;
    for (file, bytes) in content(environment) {
        // Compiled files name where their source was compiled, in pip's own too.
        if file.extension().is_some_and(|kind| kind == "pyc") {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes).replace(own, "");
        let has_other =
            text.contains(shelf) || bytes.windows(seeds.len()).any(|part| part == seeds);
        assert!(!has_other, "{} names another place", file.display());
        if file.parent().is_some_and(|folder| folder.ends_with("bin")) && text.len() < bytes.len() {
            scripts += 1;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            let is_sourced = file
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_lowercase()
                .starts_with("activate");
            assert!(
                is_sourced || mode & 0o111 == 0o111,
                "{} cannot be run",
                file.display()
            );
        }
    }
    assert!(scripts > 5, "only {scripts} scripts name their environment");
    let works = sandbox
        .command(environment.join("bin/django-admin"))
        .arg("--version")
        .output();
    assert!(works.unwrap().status.success());
}

/// As before: pip says what cannot be had, once, and the last environment stays as it is.
fn what_cannot_be_had_is_said_once(sandbox: &Sandbox) {
    sandbox.write(
        "requirements.txt",
        "Django==5.2.19\npython-dateutil==0.0.1\n",
    );
    sandbox.commit("No such version");
    let push = sandbox
        .push()
        .rejected()
        .said("ERROR: No matching distribution found for python-dateutil==0.0.1")
        .said("hint: try the same here: python3 -m venv");
    assert_eq!(
        push.stderr
            .matches("ERROR: No matching distribution")
            .count(),
        1,
        "{}",
        push.stderr
    );
    let log = sandbox.deploy_log(2);
    assert_eq!(
        log.matches("-m pip install").count(),
        2,
        "asked, and named in the error: {log}"
    );
    assert_eq!(
        fs::read_dir(sandbox.home.join("cache/venv"))
            .unwrap()
            .count(),
        1
    );
}

/// What an app changed in its environment is not handed on, and an environment that cannot be understood is not begun with.
#[test]
fn what_was_changed_in_the_last_environment_is_installed_anew() {
    let sandbox = Sandbox::new("environments-changed").live();
    let first = environment(&sandbox);
    let fresh = holds(&first);
    let package = |name: &str| packages(&first).join(name);
    // New files: the old ones are the seed's too.
    let replace = |file: &Path, text: &str| {
        fs::remove_file(file).unwrap();
        fs::write(file, text).unwrap();
    };
    let same_size = fs::read_to_string(package("sqlparse/__init__.py"))
        .unwrap()
        .replace("SQL", "sql");
    replace(&package("sqlparse/__init__.py"), &same_size);
    fs::write(package("sqlparse/left_by_the_app.py"), "").unwrap();
    fs::remove_file(package("pip/__main__.py")).unwrap();
    let (second, said) = require(&sandbox, "Django==5.2.19\n# once\n");
    assert!(
        said.contains("1 package installed, 3 copied from the last"),
        "{said}"
    );
    let log = sandbox.deploy_log(2);
    assert!(
        log.contains("sqlparse ")
            && log.contains(" of the last environment is not as pip left it: installed anew"),
        "{log}"
    );
    assert!(
        log.contains("the last environment's pip is not as Python brought it: made anew"),
        "{log}"
    );
    assert_eq!(holds(&second), fresh);
}

/// A pip that looks as it was made and breaks: the environment is made from nothing, and the log says why.
#[test]
fn where_the_way_fails_a_fresh_environment_is_made() {
    let sandbox = Sandbox::new("environments-broken").live();
    let first = environment(&sandbox);
    let fresh = holds(&first);
    let pip = packages(&first).join("pip");
    // With the same size and time. New files: the old ones are the seed's too.
    let replace = |file: &Path, text: &str| {
        let before = fs::metadata(file).unwrap();
        fs::remove_file(file).unwrap();
        fs::write(
            file,
            format!(
                "{text:<width$}",
                width = usize::try_from(before.len()).unwrap()
            ),
        )
        .unwrap();
        let time = before.modified().unwrap();
        fs::File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(time)
            .unwrap();
    };
    replace(&pip.join("__main__.py"), "import no_such_thing");
    for compiled in fs::read_dir(pip.join("__pycache__")).unwrap() {
        let compiled = compiled.unwrap().path();
        if compiled.to_str().unwrap().contains("__main__") {
            replace(&compiled, "");
        }
    }
    let (second, said) = require(&sandbox, "Django==5.2.19\n# once\n");
    assert!(
        said.starts_with("built with pip  ") && !said.contains("copied"),
        "{said}"
    );
    let log = sandbox.deploy_log(2);
    assert!(
        log.contains("nothing is taken from the last environment: `"),
        "{log}"
    );
    assert_eq!(holds(&second), fresh);
}

/// Killed while it copies or installs: nothing half is left, and the next push makes it whole.
#[test]
fn killed_in_the_middle_nothing_half_is_left() {
    let sandbox = Sandbox::new("environments-killed").live();
    let shelf = sandbox.home.join("cache/venv");
    sandbox.write("requirements.txt", REQUIREMENTS);
    sandbox.commit("Requirements");
    let mut push = sandbox.push_command().spawn().unwrap();
    let copied = || {
        let entries = fs::read_dir(&shelf)
            .ok()?
            .filter_map(Result::ok)
            .map(|entry| entry.path());
        let mut half = entries.filter(|entry| !entry.join(".landfall-complete").exists());
        half.find(|entry| entry.join("bin/django-admin").exists())
    };
    let half = until_some(
        "the new environment has files of the last",
        Duration::from_secs(60),
        copied,
    );
    let hook = machine::processes_of(&sandbox.settings_file())
        .into_iter()
        .find(|process| process.command.contains("landfall hook"))
        .expect("the hook runs");
    kill(Pid::from_raw(hook.pid), Signal::SIGKILL).unwrap();
    assert!(!push.wait().unwrap().success());
    assert!(half.exists() && !half.join(".landfall-complete").exists());
    let again = sandbox.push().accepted();
    assert!(
        built(&again).contains("2 packages installed, 4 copied"),
        "{}",
        again.stderr
    );
    let _ = holds(&environment(&sandbox));
}
