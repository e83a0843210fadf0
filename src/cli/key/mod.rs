//! `landfall key`: who may push to an app over ssh, and run Landfall's commands there.

mod add;
mod list;
pub(super) mod place;
mod remove;

use std::path::PathBuf;

use serde::Serialize;

use self::place::Place;
use super::{Ended, Globals, session};
use crate::base::host::Host;
use crate::base::names::{AppName, Fingerprint, Who};
use crate::config::server::AppSettings;
use crate::keys::authorized::Entry;
use crate::keys::public_key::PublicKey;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Let somebody's key in: it may push to the app and run Landfall's commands, nothing else.
    Add(add::Args),
    /// List the keys that are let in.
    List(list::Args),
    /// Let a key in no more.
    Remove(remove::Args),
}

impl Command {
    /// Only shows something of one app.
    pub(super) fn only_shows(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// The app it names, where it shows one.
    pub(super) fn app(&self) -> Option<&AppName> {
        match self {
            Self::List(args) => args.name.as_ref(),
            Self::Add(_) | Self::Remove(_) => None,
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, command: &Command) -> Result<(), Ended> {
    match command {
        Command::Add(args) => add::run(host, globals, args),
        Command::List(args) => list::run(host, globals, args),
        Command::Remove(args) => remove::run(host, globals, args),
    }
}

/// The app's settings, without opening anything in its home: this may be root.
fn app(host: &Host, name: Option<&AppName>) -> Result<(AppSettings, PathBuf), Ended> {
    let globals = Globals {
        app: name.cloned(),
        json: false,
    };
    let file = session::find(host, &globals)?;
    place::check_root_for(&file, host)?;
    Ok((session::read_settings(&file)?, file))
}

/// The app's keys, to be changed.
fn place(host: &Host, name: &AppName) -> Result<(AppSettings, Place), Ended> {
    let (app, file) = app(host, Some(name))?;
    let place = Place::of(host, &app, &file);
    place.check_root(host)?;
    Ok((app, place))
}

/// A key, for people and programs.
#[derive(Debug, Serialize)]
struct Row {
    fingerprint: Option<Fingerprint>,
    /// `None` where the line holds no key that can be read.
    kind: Option<String>,
    who: Option<Who>,
    role: Option<&'static str>,
    added: Option<String>,
    /// False for a line that Landfall did not write.
    managed: bool,
}

impl Row {
    fn of(entry: &Entry) -> Self {
        Self {
            fingerprint: Some(entry.key.fingerprint().clone()),
            kind: Some(entry.key.kind()),
            who: Some(entry.who.clone()),
            role: Some(entry.role.word()),
            added: Some(entry.added.clone()),
            managed: true,
        }
    }

    fn of_foreign(line: &str) -> Self {
        let key = PublicKey::in_line(line);
        Self {
            fingerprint: key.as_ref().map(|key| key.fingerprint().clone()),
            kind: key.as_ref().map(PublicKey::kind),
            who: None,
            role: None,
            added: None,
            managed: false,
        }
    }

    fn cells(&self) -> Vec<String> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let who = match (&self.who, self.managed) {
            (Some(who), _) => who.to_string(),
            (None, _) => "(not managed)".into(),
        };
        vec![
            or_dash(self.fingerprint.as_ref().map(ToString::to_string)),
            or_dash(self.kind.clone()),
            or_dash(self.role.map(str::to_owned)),
            or_dash(self.added.clone()),
            who,
        ]
    }
}
