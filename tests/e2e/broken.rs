//! Each stage fails in turn. The old release answers all along, the push says what happened and what to do, nothing of
//! the failed release stays but its log, and a push after the fix works.

mod go_live;
mod prepare;

use std::time::Duration;

use crate::common::state::State;
use crate::common::{App, Probe, Push, Sandbox, golden, redact, until};

/// Both sides of the small app.
const PATHS: &[&str] = &["/", "/api/about/"];

/// How a failing push ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    /// In pre-receive: git rejects the push.
    Prepare,
    /// In post-receive: git has accepted it; the ref is put back.
    GoLive,
}

/// A deploy that fails: breaks the app, pushes, checks all that must hold, mends it, pushes again.
pub(crate) struct Failure {
    name: &'static str,
    half: Half,
    stage: &'static str,
    /// What the tool itself printed, to be found in its lines.
    tool: &'static [&'static str],
}

impl Failure {
    pub(crate) fn prepare(name: &'static str, stage: &'static str) -> Self {
        Self {
            name,
            half: Half::Prepare,
            stage,
            tool: &[],
        }
    }

    pub(crate) fn go_live(name: &'static str, stage: &'static str) -> Self {
        Self {
            half: Half::GoLive,
            ..Self::prepare(name, stage)
        }
    }

    pub(crate) fn tool_says(mut self, lines: &'static [&'static str]) -> Self {
        self.tool = lines;
        self
    }

    /// A commit that breaks it, a commit that mends it.
    pub(crate) fn by_commit(self, breaks: impl Fn(&Sandbox), mends: impl Fn(&Sandbox)) {
        let sandbox = self.sandbox();
        sandbox.name_release("2");
        breaks(&sandbox);
        sandbox.commit("Break it");
        self.fails(&sandbox);
        mends(&sandbox);
        sandbox.commit("Mend it");
        self.works(&sandbox);
    }

    /// Something on the server is amiss; once it is put right, the very same push works.
    pub(crate) fn by_server(self, breaks: impl Fn(&Sandbox), mends: impl Fn(&Sandbox)) {
        let sandbox = self.sandbox();
        sandbox.name_release("2");
        breaks(&sandbox);
        sandbox.commit("Ask for more");
        self.fails(&sandbox);
        mends(&sandbox);
        self.works(&sandbox);
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox::new(&format!("broken-{}", self.name)).live()
    }

    /// Pushes what is broken.
    fn fails(&self, sandbox: &Sandbox) {
        let before = State::of(sandbox);
        let log = sandbox.releases().last().copied().unwrap_or_default() + 1;
        let probe = Probe::start(sandbox.address, PATHS);
        let push = sandbox.push();
        let seen = probe.stop().lost_nothing();
        let push = match self.half {
            Half::Prepare => {
                let push = push.rejected();
                let _ = seen.only("1");
                push
            }
            // The new release may have answered for a moment.
            Half::GoLive => push.said("git says the push succeeded, the deploy did not"),
        };
        assert_eq!(sandbox.release_shown(), "1");
        self.check_words(sandbox, &push);
        // A visitor may have got the new page in the moment it was live: the assets it names are kept as any release's.
        let may_stay: &[&str] = if self.half == Half::GoLive {
            &["assets/"]
        } else {
            &[]
        };
        before.comes_back(sandbox, may_stay);
        // Nothing of it but its log, which has what was said and every line of the tools.
        let log = sandbox.deploy_log(log);
        for wanted in std::iter::once(&"error: ").chain(self.tool) {
            assert!(log.contains(wanted), "no {wanted:?} in the log:\n{log}");
        }
        assert_eq!(sandbox.release_shown(), "1");
    }

    /// Stage, cause, the tool's last lines, the next command: the whole output is in the golden file.
    fn check_words(&self, sandbox: &Sandbox, push: &Push) {
        let start = format!("error: {}: ", self.stage);
        let at = push.remote.iter().position(|line| line.starts_with(&start));
        let Some(at) = at else {
            panic!("no {start:?} in\n{}", push.stderr);
        };
        let tool: Vec<&str> = push.remote[at..]
            .iter()
            .filter_map(|line| line.strip_prefix("  | "))
            .collect();
        for wanted in self.tool {
            assert!(
                tool.iter().any(|line| line.contains(wanted)),
                "the tool's last lines lack {wanted:?}:\n{}",
                push.stderr
            );
        }
        assert!(
            push.remote.iter().any(|line| line.starts_with("hint: ")),
            "no hint:\n{}",
            push.stderr
        );
        let root = sandbox.root.to_string_lossy().into_owned();
        let folders = [(root.as_str(), "[sandbox]")];
        golden::check(
            &format!("broken/{}.txt", self.name),
            &redact::lines(&steady_lines(&push.remote), &folders),
        );
    }

    /// Pushes what is mended.
    fn works(&self, sandbox: &Sandbox) {
        let push = sandbox.push().accepted();
        assert_eq!(sandbox.release_shown(), "2", "{}", push.stderr);
        assert_eq!(
            sandbox.remote_ref("refs/heads/master"),
            Some(sandbox.head())
        );
        let about = sandbox.get("/api/about/").ok().json();
        assert_eq!(about["commit"], sandbox.head().as_str());
        sandbox.settle();
    }
}

/// What tools print differs from version to version, and is checked apart; what a slow stage is at shows only on a slow
/// machine.
fn steady_lines(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .filter(|line| !line.ends_with(" …") && !line.starts_with("  |"))
        .cloned()
        .collect()
}

/// A first push that fails leaves an app to which the next push is the first.
#[test]
fn a_first_push_that_fails() {
    let sandbox = Sandbox::new("broken-first").create();
    let before = State::of(&sandbox);
    sandbox.edit(
        "backend/small/wsgi.py",
        "import os\n",
        "import os\nimport nowhere\n",
    );
    sandbox.commit("Break it");
    let _ = sandbox.push().rejected().said("error: boot: ");
    assert_eq!(sandbox.releases(), [] as [u32; 0]);
    before.comes_back(&sandbox, &["run/django-agent.py", "run/lock"]);
    sandbox.edit("backend/small/wsgi.py", "import nowhere\n", "");
    sandbox.commit("Mend it");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "1");
}

/// supervisord is gone, and everything with it: the next push brings it back and then works as ever.
#[test]
fn a_server_whose_supervisord_was_killed() {
    let sandbox = Sandbox::new("broken-supervisord").app(App::Small).live();
    let pids = sandbox.processes();
    for process in &pids {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(process.pid),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
    until("everything is gone", Duration::from_secs(60), || {
        sandbox.processes().is_empty()
    });
    sandbox.name_release("2");
    sandbox.commit("Second");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "2");
    sandbox.settle();
}
