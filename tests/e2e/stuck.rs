//! Tools that hang: each ends with a clear error within its limit, nobody is left behind, and what serves never notices.

use std::io::Read as _;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{Probe, Sandbox, State, machine, until};

const PATHS: &[&str] = &["/", "/api/about/"];
/// A deploy that waits for a hanging tool ends this long after the tool's limit at the latest; the machine may be busy.
const SOON: Duration = Duration::from_secs(60);

/// Pushes what hangs; it is refused soon with `words`, and all is as it was.
fn hangs(sandbox: &Sandbox, what: &str, words: &[&str]) {
    sandbox.commit(what);
    let before = State::of(sandbox);
    let probe = Probe::start(sandbox.address, PATHS);
    let begun = Instant::now();
    let mut push = sandbox.push().rejected();
    let took = begun.elapsed();
    for word in words {
        push = push.said(word);
    }
    assert!(took < SOON, "{what}: {took:?}");
    println!("{what}: {took:.1?}");
    before.comes_back(sandbox, &[]);
    let _ = probe.stop().lost_nothing().only("1");
    // And the same without the fault works.
    sandbox.git(&["revert", "--no-edit", "HEAD"]);
    sandbox.settle();
    assert!(machine::strays(&sandbox.processes(), "supervisord").is_empty());
}

#[test]
fn a_build_and_a_check_that_hang() {
    let sandbox = Sandbox::new("stuck-build").live();
    sandbox.write("landfall.toml", "[frontend]\ntimeout = \"2s\"\n");
    // It ignores TERM, and so does what it started.
    sandbox.edit(
        "frontend/build.js",
        "rmSync(\"dist\"",
        "process.on(\"SIGTERM\", () => {});\nimport { spawn } from \"node:child_process\";\n\
         spawn(\"sh\", [\"-c\", \"trap '' TERM; while :; do sleep 7101; done\"], { stdio: \"inherit\" });\n\
         await new Promise((done) => setTimeout(done, 3600_000));\nrmSync(\"dist\"",
    );
    hangs(
        &sandbox,
        "A build that hangs",
        &["error: frontend: `npm run build` did not end within 2s and was stopped"],
    );
    sandbox.write(
        "landfall.toml",
        "[gate]\nrun = [\"sh hang.sh\"]\ntimeout = \"2s\"\n",
    );
    sandbox.write("hang.sh", "trap '' TERM\nwhile :; do sleep 7101; done\n");
    hangs(
        &sandbox,
        "A check that hangs",
        &["error: gate: `sh hang.sh` did not end within 2s and was stopped"],
    );
    assert!(machine::processes_of(std::path::Path::new("sleep 7101")).is_empty());
}

/// A registry that takes the connection and says nothing.
#[test]
fn a_package_index_that_never_answers() {
    let sandbox = Sandbox::new("stuck-pip").live();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming().flatten() {
            held.push(stream);
            let _ = held.last_mut().map(|stream| stream.read(&mut [0; 16]));
        }
    });
    let text = sandbox.read("requirements.txt");
    sandbox.write(
        "requirements.txt",
        format!("--index-url http://127.0.0.1:{port}/simple\n{text}"),
    );
    sandbox.write("landfall.toml", "[backend]\ninstall_timeout = \"4s\"\n");
    hangs(
        &sandbox,
        "An index that hangs",
        &["error: python: ", "did not end within 4s and was stopped"],
    );
}

#[test]
fn an_application_that_is_never_loaded() {
    let sandbox = Sandbox::new("stuck-boot").live();
    // It is the limit of the checks before, too, which are to pass.
    sandbox.write("landfall.toml", "[backend]\nstart_timeout = \"12s\"\n");
    sandbox.edit(
        "backend/small/wsgi.py",
        "import os\n",
        "import os\nimport signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(3600)\n",
    );
    hangs(
        &sandbox,
        "An application that hangs",
        &[
            "error: boot: the application was not loaded within 12s",
            "hint: if it needs longer: [backend] start_timeout in landfall.toml",
        ],
    );
    sandbox.write("landfall.toml", "[backend]\nstart_timeout = \"3s\"\n");
    sandbox.edit(
        "backend/small/settings.py",
        "import os\n",
        "import os, sys\nif os.environ.get(\"LANDFALL_RUN\"):\n    import time\n    time.sleep(3600)\n",
    );
    hangs(
        &sandbox,
        "Settings that hang",
        &["error: gate: ", "within 3s"],
    );
}

/// A migration waits for a lock that somebody holds for ever.
#[test]
fn a_migration_that_waits_for_a_lock() {
    let sandbox = Sandbox::new("stuck-migration").live();
    // It is the limit of `collectstatic`, too, which is to pass.
    sandbox.write("landfall.toml", "[backend]\nmigrate_timeout = \"12s\"\n");
    sandbox.write(
        "backend/board/migrations/0002_lock.py",
        "import fcntl, os\n\nfrom django.db import migrations\n\n\ndef wait(apps, editor):\n    \
         with open(os.path.join(os.environ[\"LANDFALL_SHARED\"], \"the.lock\"), \"w\") as lock:\n        \
         fcntl.flock(lock, fcntl.LOCK_EX)\n\n\nclass Migration(migrations.Migration):\n    \
         dependencies = [(\"board\", \"0001_initial\")]\n    operations = [migrations.RunPython(wait, migrations.RunPython.noop)]\n",
    );
    let lock = std::fs::File::create(sandbox.home.join("shared/the.lock")).unwrap();
    let held = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusive).unwrap();
    hangs(
        &sandbox,
        "A migration that waits",
        &["error: migrate: ", "within 12s"],
    );
    drop(held);
}

/// A worker that ignores TERM gets KILL after its time; the push does not wait for it.
#[test]
fn an_old_worker_that_ignores_term() {
    let sandbox = Sandbox::new("stuck-worker").live();
    sandbox.write(
        "landfall.toml",
        "[workers.deaf]\ncommand = \"python deaf.py\"\nready_after = \"1s\"\nstop_timeout = \"2s\"\n\
         [workers.beat]\ncommand = \"python deaf.py one\"\nsingleton = true\nready_after = \"1s\"\nstop_timeout = \"2s\"\n",
    );
    sandbox.write(
        "backend/deaf.py",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True:\n    time.sleep(1)\n",
    );
    sandbox.name_release("2");
    sandbox.commit("Deaf workers");
    let _ = sandbox.push().accepted();
    let old = deaf(&sandbox);
    assert_eq!(old.len(), 2, "{old:?}");
    sandbox.name_release("3");
    sandbox.commit("Other deaf workers");
    let begun = Instant::now();
    let _ = sandbox.push().accepted();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    until("the old ones end", Duration::from_secs(30), || {
        let now = deaf(&sandbox);
        now.len() == 2 && now.iter().all(|pid| !old.contains(pid))
    });
    // And a release that fails late takes its deaf workers along.
    sandbox.edit(
        "backend/small/urls.py",
        "urlpatterns = [",
        "1 / 0\nurlpatterns = [",
    );
    sandbox.commit("Broken");
    let _ = sandbox.push().rejected();
    until("nothing of it is left", Duration::from_secs(30), || {
        deaf(&sandbox).len() == 2
    });
}

fn deaf(sandbox: &Sandbox) -> Vec<i32> {
    let all = sandbox.processes().into_iter();
    let deaf = all.filter(|process| process.command.contains("python deaf.py"));
    deaf.map(|process| process.pid).collect()
}

/// What keeps the processes running has died: the next push starts it again, with everything of the live release.
#[test]
fn a_supervisord_and_an_nginx_that_died() {
    let sandbox = Sandbox::new("stuck-supervisord").live();
    let pid = |name: &str| {
        let text = std::fs::read_to_string(sandbox.home.join("run").join(name)).unwrap();
        Pid::from_raw(text.trim().parse().unwrap())
    };
    kill(pid("supervisord.pid"), Signal::SIGKILL).unwrap();
    sandbox.name_release("2");
    sandbox.commit("After supervisord died");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "2");
    sandbox.settle();
    assert!(machine::strays(&sandbox.processes(), "supervisord").is_empty());
    // nginx is stopped by hand: supervisor does not start it again, the next deploy does.
    let nginx = sandbox.processes().into_iter();
    let masters: Vec<i32> = nginx
        .filter(|process| process.command.contains("nginx: master"))
        .map(|process| process.pid)
        .collect();
    assert_eq!(masters.len(), 1);
    kill(Pid::from_raw(masters[0]), Signal::SIGKILL).unwrap();
    sandbox.name_release("3");
    sandbox.commit("After nginx died");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "3");
    sandbox.settle();
    assert!(machine::strays(&sandbox.processes(), "supervisord").is_empty());
}
