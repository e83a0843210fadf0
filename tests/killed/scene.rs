//! The app that is killed: a home with two good releases, the run that is stopped in it, and what must hold afterwards.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant as Clock};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::sandbox::make_executable;
use crate::common::{Probe, Push, Sandbox, machine, until};
use crate::left::Left;
use crate::plan::{Case, Instant, Killer};
use crate::power::{self, Disk};

const PATHS: &[&str] = &["/", "/api/about/"];
/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// A push of a new commit: a build, a migration, workers, a singleton, and the pruning of an old release at the end.
    Push,
    /// `landfall rollback`.
    Rollback,
    /// What a push does first where the one before it was killed.
    Recover,
}

impl Recipe {
    pub(crate) const ALL: [Self; 3] = [Self::Push, Self::Rollback, Self::Recover];
}

/// An app and its home.
pub(crate) struct Scene {
    sandbox: Sandbox,
    /// What git calls for ssh.
    ssh: PathBuf,
    /// The number of the next commit.
    next: u32,
    /// What a home has that nobody was killed in.
    whole: Option<Left>,
    /// How long a run of each recipe takes.
    takes: Vec<(Recipe, Duration)>,
}

impl Scene {
    pub(crate) fn new(name: &str) -> Self {
        let sandbox = Sandbox::new(name).setting("keep_releases = 1").create();
        sandbox.add_workers();
        let ssh = let_in(&sandbox);
        let mut scene = Self {
            sandbox,
            ssh,
            next: 1,
            whole: None,
            takes: Vec::new(),
        };
        // As many as are kept, and one that is pruned.
        for _ in 0..3 {
            scene.commit();
            let _ = scene.sandbox.push().accepted();
            scene.sandbox.settle();
        }
        scene.whole = Some(Left::of(&scene.sandbox));
        scene
    }

    /// A commit that changes the frontend, the backend and the database; gives the name that both show.
    fn commit(&mut self) -> String {
        let number = self.next;
        self.next += 1;
        let name = format!("r{number}");
        self.sandbox.name_release(&name);
        let before = match number {
            1 => "0001_initial".to_owned(),
            _ => format!("{number:04}_t{}", number - 1),
        };
        self.sandbox.write(
            &format!("backend/board/migrations/{:04}_t{number}.py", number + 1),
            format!(
                "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n    \
                 dependencies = [(\"board\", \"{before}\")]\n    operations = [\n        \
                 migrations.CreateModel(\"T{number}\", [(\"id\", models.BigAutoField(primary_key=True))]),\n    ]\n"
            ),
        );
        self.sandbox.commit(&name);
        name
    }

    /// The instants of each recipe, in their order.
    pub(crate) fn count(mut self) -> Vec<(Recipe, Vec<Instant>)> {
        Recipe::ALL
            .into_iter()
            .map(|recipe| {
                self.prepare(recipe);
                let mut child = self.begin(recipe);
                assert!(child.wait().unwrap().success(), "{recipe:?} failed");
                let reached = fs::read_to_string(self.checkpoints().join("reached")).unwrap();
                let mut kinds: Vec<&str> = reached.lines().collect();
                if recipe == Recipe::Recover {
                    // What follows is a push as any other.
                    kinds.truncate(kinds.iter().position(|kind| *kind == "plan").unwrap());
                }
                let instants = (0..kinds.len()).map(|at| {
                    let same = kinds[..=at].iter().filter(|kind| **kind == kinds[at]);
                    Instant::At(kinds[at].to_owned(), same.count())
                });
                let instants = instants.collect();
                self.sandbox.settle();
                (recipe, instants)
            })
            .collect()
    }

    fn checkpoints(&self) -> PathBuf {
        self.sandbox.root.join("checkpoints")
    }

    /// What must be there for the recipe to be run.
    fn prepare(&mut self, recipe: Recipe) {
        match recipe {
            Recipe::Push => {
                self.commit();
            }
            Recipe::Rollback => {}
            Recipe::Recover => {
                // As much as can be left: a web process, a migration, the programs' file.
                self.commit();
                self.arm(&Instant::At("health".into(), 2));
                let mut child = self.begin(Recipe::Push);
                assert!(self.stopped(&mut child).is_some(), "it was to be stopped");
                self.kill(&mut child, Killer::All);
            }
        }
        self.arm(&Instant::Part(Duration::ZERO));
    }

    /// The next run is to be stopped there.
    fn arm(&self, instant: &Instant) {
        let folder = self.checkpoints();
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        if let Instant::At(kind, number) = instant {
            fs::write(folder.join("stop"), format!("{kind} {number}")).unwrap();
        }
    }

    fn begin(&self, recipe: Recipe) -> Child {
        self.spawn(self.command(recipe))
    }

    /// As [`Scene::begin`], with everything it does to the disk written down.
    fn begin_traced(&self, recipe: Recipe) -> Child {
        self.spawn(power::traced(
            &self.sandbox,
            &self.command(recipe),
            &self.trace(),
        ))
    }

    fn trace(&self) -> PathBuf {
        self.sandbox.root.join("trace")
    }

    fn command(&self, recipe: Recipe) -> Command {
        let mut command: Command = match recipe {
            Recipe::Push | Recipe::Recover => {
                let mut command = self.sandbox.git_command();
                command.args(["push", "production", "HEAD:refs/heads/master"]);
                command
            }
            Recipe::Rollback => {
                let mut command = self.sandbox.landfall_command();
                command.args(["rollback", "--keep-database"]);
                command
            }
        };
        command.env("LANDFALL_CHECKPOINTS", self.checkpoints());
        command
    }

    fn spawn(&self, mut command: Command) -> Child {
        let output = || {
            let path = self.sandbox.root.join("said");
            let file = fs::OpenOptions::new().create(true).append(true).open(path);
            Stdio::from(file.unwrap())
        };
        command.stdout(output()).stderr(output());
        command.spawn().expect("it runs")
    }

    /// Waits until the run stands at its instant; gives the pid of who stands there, or nothing where the run ended first.
    fn stopped(&self, child: &mut Child) -> Option<i32> {
        let (here, deadline) = (self.checkpoints().join("here"), Clock::now() + LIMIT);
        loop {
            let pid = fs::read_to_string(&here)
                .ok()
                .and_then(|pid| pid.parse().ok());
            if let Some(pid) = pid {
                let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                // Stopped, or stopped and traced.
                let is_stopped = state.rsplit_once(") ");
                if is_stopped.is_some_and(|(_, rest)| rest.starts_with(['T', 't'])) {
                    return Some(pid);
                }
            } else if child.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(Clock::now() < deadline, "neither ended nor stopped");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends a run with all that belongs to it; nobody gets to tidy up.
    fn kill(&self, child: &mut Child, killer: Killer) {
        let hooks = |process: &machine::Process| {
            process.command.contains("landfall hook")
                || process.command.contains("landfall rollback")
        };
        loop {
            let all = machine::all_of(&self.sandbox.root);
            let of_run: Vec<_> = machine::strays(&all, "supervisord")
                .into_iter()
                .filter(|process| killer != Killer::HookAlone || hooks(process))
                // It ends with what it traces, and writes down the rest.
                .filter(|process| !process.command.starts_with("strace "))
                .collect();
            for process in &of_run {
                let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
            }
            if of_run.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = child.wait();
    }

    /// Kills a run and looks whether everything holds; false where the run ended before it could be killed.
    pub(crate) fn try_case(&mut self, case: &Case) -> bool {
        let _ = fs::remove_file(self.sandbox.root.join("said"));
        self.prepare(case.recipe);
        let mut disk = Disk::new(&self.sandbox.home);
        let mut probe = Probe::start(self.sandbox.address, PATHS);
        let killed = match &case.instant {
            Instant::At(..) => {
                self.arm(&case.instant);
                let mut child = match case.killer {
                    Killer::PowerCut { .. } => self.begin_traced(case.recipe),
                    _ => self.begin(case.recipe),
                };
                let stopped = self.stopped(&mut child);
                self.kill(&mut child, case.killer);
                stopped.is_some()
            }
            Instant::Part(part) => {
                let takes = self.takes(case.recipe);
                let mut child = self.begin(case.recipe);
                thread::sleep(takes * u32::try_from(part.as_millis()).unwrap() / 100);
                let had_ended = child.try_wait().unwrap().is_some();
                self.kill(&mut child, case.killer);
                !had_ended
            }
        };
        self.sandbox.release_shown();
        if case.boots {
            let _ = probe.stop().lost_nothing();
            self.sandbox.end_processes();
            if let Killer::PowerCut { names } = case.killer {
                disk.follow(&self.trace(), &mut |_, _, _| {});
                disk.cut(names);
            }
            self.boot();
            probe = Probe::start(self.sandbox.address, PATHS);
        }
        let name = match case.recipe {
            // What was rolled back to is older than the branch; what comes next is a new commit.
            Recipe::Rollback => self.commit(),
            Recipe::Push | Recipe::Recover => format!("r{}", self.next - 1),
        };
        let began = Clock::now();
        self.push_again();
        // How busy the machine is changes; a whole push has just shown it.
        let pushes = self
            .takes
            .iter_mut()
            .filter(|(each, _)| *each != Recipe::Rollback);
        pushes.for_each(|(_, takes)| *takes = began.elapsed());
        let _ = probe.stop().lost_nothing();
        assert_eq!(self.sandbox.release_shown(), name);
        self.sandbox.settle();
        let whole = self.whole.as_ref().expect("it was looked at");
        whole.is_all_of(&self.sandbox);
        killed
    }

    /// The same push, over ssh, as people push.
    fn push_again(&self) {
        let output = self
            .sandbox
            .git_command()
            .env("GIT_SSH", &self.ssh)
            .env("GIT_SSH_VARIANT", "simple")
            .args(["push", "host:small.git", "HEAD:refs/heads/master"])
            .output()
            .expect("git runs");
        let again = Push::new(&output);
        // The killed run may have made it live before it ended.
        if again.stderr.contains("up-to-date") {
            let name = format!("r{}", self.next - 1);
            assert_eq!(self.sandbox.release_shown(), name, "{}", again.stderr);
            self.sandbox.landfall_ok(&["deploy"]);
        } else {
            let _ = again.accepted();
        }
    }

    /// How long a run takes that nobody kills.
    fn takes(&mut self, recipe: Recipe) -> Duration {
        if let Some((_, takes)) = self.takes.iter().find(|(each, _)| *each == recipe) {
            return *takes;
        }
        let began = Clock::now();
        let mut child = self.begin(recipe);
        assert!(child.wait().unwrap().success(), "{recipe:?} failed");
        let takes = began.elapsed();
        self.takes.push((recipe, takes));
        self.sandbox.settle();
        self.prepare(recipe);
        takes
    }

    /// What a boot starts is started.
    fn boot(&self) {
        let supervisord = machine::find("supervisord").expect("it is installed");
        let conf = self.sandbox.home.join("run/supervisord.conf");
        let output = self
            .sandbox
            .command(supervisord)
            .arg("--configuration")
            .arg(&conf)
            .env("HOME", &self.sandbox.home)
            .current_dir(&self.sandbox.home)
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
        until("the site is back after a boot", LIMIT, || {
            PATHS.iter().all(|path| {
                crate::common::client::get(self.sandbox.address, path)
                    .is_ok_and(|answer| answer.status == 200)
            })
        });
        self.sandbox.release_shown();
    }

    /// A push that installs and builds the frontend anew, and Python's packages where that is asked for, traced: the disk before
    /// it, and the trace.
    pub(crate) fn traced_push(&mut self, with_python: bool) -> (Disk, PathBuf) {
        self.commit();
        if with_python {
            let packages = self.sandbox.read("requirements.txt");
            self.sandbox
                .write("requirements.txt", packages + "# again\n");
        }
        for file in ["frontend/package.json", "frontend/package-lock.json"] {
            self.sandbox
                .edit(file, "\"version\": \"1.0.0\"", "\"version\": \"1.0.1\"");
        }
        self.sandbox.commit("Install again");
        self.arm(&Instant::Part(Duration::ZERO));
        let disk = Disk::new(&self.sandbox.home);
        let mut child = self.begin_traced(Recipe::Push);
        assert!(child.wait().unwrap().success(), "the push failed");
        self.sandbox.settle();
        (disk, self.trace())
    }

    pub(crate) fn home(&self) -> &std::path::Path {
        &self.sandbox.home
    }

    /// Ends a home that is broken, without looking what it leaves.
    pub(crate) fn give_up(self) {
        self.sandbox.end_processes();
    }
}

/// Gives a key to the app; what git calls for ssh then runs what sshd would for that key.
fn let_in(sandbox: &Sandbox) -> PathBuf {
    let key = sandbox.root.join("key");
    let made = sandbox
        .command("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "Ana", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    let public = key.with_extension("pub").to_string_lossy().into_owned();
    sandbox.landfall_ok(&["key", "add", "small", &public, "--role", "deploy"]);
    let keys = fs::read_to_string(sandbox.root.join("user/.ssh/authorized_keys")).unwrap();
    let (_, forced) = keys
        .split_once("command=\"")
        .expect("the command is forced");
    let (forced, _) = forced.split_once("\" ssh-").unwrap();
    let script = sandbox.root.join("ssh");
    let text = format!(
        "#!/bin/sh\nSSH_ORIGINAL_COMMAND=\"$2\" exec {}\n",
        forced.replace("\\\"", "\"")
    );
    fs::write(&script, text).unwrap();
    make_executable(&script);
    script
}
