//! Changing the environment: under the app's lock, the file written whole, and what it takes for processes to see it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::fs;
use crate::base::host::Host;
use crate::base::names::EnvName;
use crate::base::secret::Secret;
use crate::base::words::list;
use crate::cli::session::{self, Session};
use crate::cli::{Ended, Globals, deploy, head, output};
use crate::config::env_file::EnvFile;
use crate::release::store;

#[derive(Debug, clap::Args)]
pub(super) struct Restart {
    /// Deploy the live commit again, so that its processes start with the new environment; no request is lost.
    #[arg(long)]
    restart: bool,
}

/// What a command did to the environment, by name.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Changes {
    set: BTreeSet<EnvName>,
    changed: BTreeSet<EnvName>,
    unchanged: BTreeSet<EnvName>,
    unset: BTreeSet<EnvName>,
}

impl Changes {
    /// Sets a variable.
    pub(super) fn set(
        &mut self,
        env: &mut EnvFile,
        name: EnvName,
        value: Secret,
    ) -> Result<(), Ended> {
        let kind = match env.get(&name) {
            None => &mut self.set,
            Some(old) if *old == value => &mut self.unchanged,
            Some(_) => &mut self.changed,
        };
        kind.insert(name.clone());
        Ok(env.set(name, value)?)
    }

    /// Removes a variable.
    pub(super) fn unset(&mut self, env: &mut EnvFile, name: EnvName) {
        if env.unset(&name) {
            self.unset.insert(name);
        }
    }

    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.changed.is_empty() && self.unset.is_empty()
    }

    /// One sentence each: `A and B are set`.
    fn sentences(&self) -> Vec<String> {
        [
            (&self.set, "set"),
            (&self.changed, "changed"),
            (&self.unset, "removed"),
            (&self.unchanged, "as it was"),
        ]
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, what)| {
            let names: Vec<&EnvName> = names.iter().collect();
            let (verb, what) = match (names.len(), what) {
                (1, what) => ("is", what),
                (_, "as it was") => ("are", "as they were"),
                (_, what) => ("are", what),
            };
            format!("{} {verb} {what}", list(&names))
        })
        .collect()
    }
}

/// Lets `change` work on the environment as it is once nobody else holds the app's lock, and writes what came of it.
pub(super) fn apply(
    host: &Host,
    globals: &Globals,
    restart: &Restart,
    change: impl FnOnce(&mut EnvFile) -> Result<Changes, Ended>,
) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let lock = session.lock(host, "change of the environment")?;
    let mut env = session::read_env(&session.home)?;
    let changes = change(&mut env)?;
    if !changes.is_empty() {
        let text = env.serialise();
        // The file is the app's life: what cannot be read again is not written.
        EnvFile::parse(&text)?;
        fs::write(&session.home.env_file(), text.as_bytes(), fs::PRIVATE)?;
    }
    drop(lock);
    if globals.json && !restart.restart {
        output::json(&changes);
    }
    for sentence in changes.sentences() {
        output::say(sentence);
    }
    warn_of_required(&session, &changes);
    take_effect(host, globals, &session, &changes, restart)
}

fn warn_of_required(session: &Session, changes: &Changes) {
    let Ok(head::Head::Settled(settings)) = head::settled(session) else {
        return;
    };
    for name in settings
        .required_env
        .iter()
        .filter(|name| changes.unset.contains(name))
    {
        output::say(format!(
            "warning: the app requires `{name}`: without it the next deploy is rejected"
        ));
    }
}

fn take_effect(
    host: &Host,
    globals: &Globals,
    session: &Session,
    changes: &Changes,
    restart: &Restart,
) -> Result<(), Ended> {
    if changes.is_empty() {
        return Ok(());
    }
    match (store::live_record(&session.home)?, restart.restart) {
        (None, _) => output::say("nothing is deployed yet: the first push starts with it"),
        (Some(_), false) => output::say(
            "processes see it when they start next: with the next push, or now with `landfall deploy`",
        ),
        (Some(_), true) => {
            let globals = Globals {
                app: Some(session.app.name.clone()),
                json: globals.json,
            };
            return deploy::run(host, &globals, &deploy::Args::of_live());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_by_name_only() {
        let mut env = EnvFile::parse("A=1\nB=2\nC=3\nD=4\n").unwrap();
        let mut changes = Changes::default();
        for (name, value) in [
            ("A", "1"),
            ("B", "hunter22"),
            ("E", "5"),
            ("F", "6"),
            ("D", "4"),
        ] {
            changes
                .set(&mut env, name.parse().unwrap(), Secret::new(value))
                .unwrap_or_else(|_| panic!("{name}"));
        }
        changes.unset(&mut env, "C".parse().unwrap());
        changes.unset(&mut env, "G".parse().unwrap());
        assert_eq!(
            changes.sentences(),
            [
                "E and F are set",
                "B is changed",
                "C is removed",
                "A and D are as they were"
            ]
        );
        assert_eq!(env.serialise(), "A=1\nB=hunter22\nD=4\nE=5\nF=6\n");
        assert!(!format!("{changes:?}").contains("hunter22"));
    }
}
