//! Makes a server as planned.
//!
//! takes: what is left out, whether hand edits are replaced · gives: what was done, what was kept · touches: packages, files,
//! units of the server · undone by: each step is whole on its own; a run that was killed is finished by the next, which first
//! tells those who had not been told of a changed file. A file that its reader refuses is put back as it was.

mod react;
mod write;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Group;
use super::differ::{self, Difference};
use super::facts::Facts;
use super::memory::Memory;
use super::plan::{Note, Plan, Reaction, What};
use crate::base::command::{Cmd, CommandError, Quiet, run as run_command};
use crate::base::flock::{Attempt, FileLock, try_lock};
use crate::base::fs;
use crate::base::hint::{Hint, Kind, Report};
use crate::base::host::Host;
use crate::base::server_paths::ServerPaths;
use crate::base::words::{count, list, shorten};
use crate::tool::{apt, systemd};

/// How often a long command says that it still works.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// How the setup is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Groups that are left out.
    pub without: BTreeSet<Group>,
    /// Files changed by hand are replaced, and kept aside.
    pub overwrite: bool,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// What was done, in words.
    pub changed: Vec<String>,
    /// Files changed by hand that stayed as they are.
    pub kept: Vec<Difference>,
    /// What to know.
    pub notes: Vec<Note>,
}

/// The setup cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Somebody else is at it.
    #[error("another `landfall server setup` runs (process {0})")]
    Busy(String),
    /// Packages that apt does not have.
    #[error("apt has no {}", list(.0))]
    NoCandidate(Vec<String>),
    /// Not a system this is written for.
    #[error("{0} is neither Debian nor Ubuntu, nor made of them")]
    OtherSystem(String),
    /// A step failed.
    #[error("{step} failed")]
    Step {
        /// What was done.
        step: String,
        /// Why it failed.
        #[source]
        error: Box<CommandError>,
    },
}

impl Hint for SetupError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Busy(pid) => vec![format!("see what it does: ps -f {pid}")],
            Self::NoCandidate(_) => vec![
                "see where apt looks: cat /etc/apt/sources.list /etc/apt/sources.list.d/*".into(),
                "or leave the group out: landfall server setup --without GROUP".into(),
            ],
            Self::OtherSystem(_) => Vec::new(),
            Self::Step { error, .. } => {
                let mut hints = error.hints();
                hints.push(
                    "what was done so far holds; the next run goes on: landfall server setup"
                        .into(),
                );
                hints
            }
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Step { error, .. } => error.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Busy(_) => Kind::Busy,
            Self::OtherSystem(_) => Kind::Refused,
            _ => Kind::Failed,
        }
    }
}

/// The one who sets up: what it works on and whom it tells.
pub(super) struct Setup<'a> {
    host: &'a Host,
    paths: &'a ServerPaths,
    memory: Memory,
    tell: &'a (dyn Fn(&str) + Sync),
    done: Done,
}

/// Sets the server up.
///
/// # Errors
/// A step failed; what was done before it holds.
pub fn run(
    host: &Host,
    paths: &ServerPaths,
    options: &Options,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Done, Report> {
    let _lock = lock(paths)?;
    let mut setup = Setup {
        host,
        paths,
        memory: Memory::read(paths)?,
        tell,
        done: Done::default(),
    };
    setup.memory.without = options.without.iter().map(ToString::to_string).collect();
    let facts = setup.install(options)?;
    let plan = Plan::make(&facts, &setup.memory, &options.without);
    let differences = differ::differences(&plan, &facts, &setup.memory, paths)?;
    setup.remember_what_is_so(&plan, &differences);
    for group in Group::ALL {
        setup.group(&differences, group, options)?;
    }
    // What an earlier run left of groups that are left out now.
    setup.react()?;
    setup.memory.write(paths)?;
    setup.done.notes = plan.notes;
    Ok(setup.done)
}

fn lock(paths: &ServerPaths) -> Result<FileLock, Report> {
    fs::create_folder_with_mode(&paths.run(), 0o755)?;
    match try_lock(&paths.run().join("setup.lock"))? {
        Attempt::Taken(mut lock) => {
            // Who holds it is for those who wait; the lock itself is the kernel's.
            let _ = lock.describe(&std::process::id().to_string());
            Ok(lock)
        }
        Attempt::HeldBy(pid) => Err(SetupError::Busy(pid).into()),
    }
}

impl Setup<'_> {
    /// Installs what is missing; gives the server's facts after it.
    fn install(&mut self, options: &Options) -> Result<Facts, Report> {
        let mut facts = Facts::gather(self.host)?;
        if !facts
            .os
            .family
            .iter()
            .any(|id| id == "debian" || id == "ubuntu")
        {
            return Err(SetupError::OtherSystem(facts.os.name).into());
        }
        if facts.dpkg_is_broken {
            self.mend()?;
            facts = Facts::gather(self.host)?;
        }
        let mut missing = self.missing(&facts, options);
        if missing.is_empty() {
            return Ok(facts);
        }
        if missing
            .iter()
            .any(|name| !facts.candidates.contains_key(name))
        {
            self.step(
                "fetch the lists of packages (apt-get update)",
                &apt::update(self.host),
            )?;
            facts = Facts::gather(self.host)?;
            missing = self.missing(&facts, options);
        }
        let unknown: Vec<String> = missing
            .iter()
            .filter(|name| !facts.candidates.contains_key(*name))
            .cloned()
            .collect();
        if !unknown.is_empty() {
            return Err(SetupError::NoCandidate(unknown).into());
        }
        self.memory.installed.extend(missing.iter().cloned());
        self.memory.write(self.paths)?;
        let what = format!(
            "install {} (apt-get install)",
            count(missing.len(), "package")
        );
        let install = apt::install(self.host, &missing);
        if self.step(&what, &install).is_err() {
            // Lists a day old may name files that the mirror has no more.
            self.step(
                "fetch the lists of packages (apt-get update)",
                &apt::update(self.host),
            )?;
            self.step(&what, &install)?;
        }
        self.changed(format!("installed {}", list(&missing)));
        Facts::gather(self.host)
    }

    fn missing(&self, facts: &Facts, options: &Options) -> Vec<String> {
        let plan = Plan::make(facts, &self.memory, &options.without);
        differ::missing_packages(&plan, facts)
    }

    /// Finishes what an interrupted dpkg left.
    fn mend(&mut self) -> Result<(), SetupError> {
        let configured = self.step(
            "finish an interrupted installation (dpkg --configure)",
            &apt::configure(self.host),
        );
        if configured.is_err() {
            self.step(
                "mend an interrupted installation (apt-get --fix-broken)",
                &apt::mend(self.host),
            )?;
        }
        self.changed("finished an interrupted installation".to_owned());
        Ok(())
    }

    /// Files that are as planned are ours from now on, whoever wrote them.
    fn remember_what_is_so(&mut self, plan: &Plan, differences: &[Difference]) {
        for item in &plan.items {
            if let What::File { path, text, .. } = &item.what
                && !differences
                    .iter()
                    .any(|difference| difference.item == *item)
            {
                self.memory.files.insert(path.clone(), text.clone());
            }
        }
    }

    /// Makes a group as planned: files and folders, then who must be told, then units.
    fn group(
        &mut self,
        differences: &[Difference],
        group: Group,
        options: &Options,
    ) -> Result<(), Report> {
        let of_group = || {
            differences
                .iter()
                .filter(|difference| difference.item.group == group)
        };
        for difference in of_group() {
            if !matches!(difference.item.what, What::Unit { .. }) {
                self.make(difference, options.overwrite)?;
            }
        }
        self.react()?;
        for difference in of_group() {
            if let What::Unit { name, on } = &difference.item.what {
                let verb = if *on { "enable" } else { "disable" };
                let what = format!("{verb} {name}");
                self.step(&what, &systemd::systemctl(&[verb, "--now", name]))?;
                let switched = if *on { "on" } else { "off" };
                self.changed(format!(
                    "switched {name} {switched}: {}",
                    difference.item.why
                ));
            }
        }
        Ok(())
    }

    fn changed(&mut self, what: String) {
        (self.tell)(&what);
        self.done.changed.push(what);
    }

    /// Runs a command of a step; says now and then that a long one still works.
    fn step(&self, what: &str, cmd: &Cmd) -> Result<(), SetupError> {
        let last = Mutex::new(Instant::now());
        let alive = |line: &str| {
            if let Ok(mut last) = last.lock()
                && last.elapsed() >= SIGN_OF_LIFE
            {
                *last = Instant::now();
                (self.tell)(&format!("  … {}", shorten(line.trim(), 100)));
            }
        };
        if what.contains("apt-get") || what.contains("dpkg") {
            (self.tell)(&format!("{what} …"));
        }
        run_command(cmd, &alive).map_err(|error| SetupError::Step {
            step: what.to_owned(),
            error: Box::new(error),
        })
    }
}

/// Runs a command whose failure is nobody's concern.
pub(super) fn try_quietly(cmd: &Cmd) {
    let _ = run_command(cmd, &Quiet);
}

/// The order in which readers are told: systemd knows units before they are started.
const ORDER: [Reaction; 6] = [
    Reaction::Systemd,
    Reaction::Nginx,
    Reaction::Ssh,
    Reaction::Firewall,
    Reaction::Fail2ban,
    Reaction::Journal,
];
