//! `landfall key add`
//!
//! takes: public keys · gives: what they may do · touches: the file sshd reads for the app · undone by: `landfall key remove`

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{Row, place};
use crate::base::fs::FsError;
use crate::base::hint::{Hint, Kind};
use crate::base::host::{Host, rfc3339};
use crate::base::names::{AppName, Fingerprint, Who};
use crate::base::user;
use crate::cli::{Ended, Globals, output};
use crate::config::server::{AppSettings, Mode};
use crate::keys::authorized::Entry;
use crate::keys::public_key::{self, Given, KeyError};
use crate::keys::role::Role;
use crate::release::layout::Home;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The key may push to this app and fetch from it, and run Landfall's commands over ssh, as far as its role goes; there is \
no shell and no forwarding. Each role may do what those before it may: `read` looks, `deploy` pushes, deploys and rolls \
back, `operate` changes the environment and what is shared. Whose key it is stands in the record of every release made \
with it. docs/using/keys.md has the whole list.

A file may have several keys, one a line. Keys of less than 2048 bits (RSA), DSA keys and certificates are refused.

Examples:
  sudo landfall key add notes ana.pub
  sudo landfall key add notes ben.pub --role read --who \"Ben Okri\"
  curl https://github.com/ana.keys | sudo landfall key add notes - --who Ana")]
pub(in crate::cli) struct Args {
    /// The app.
    name: AppName,
    /// A file of public keys, or `-` for standard input.
    file: PathBuf,
    /// What the key may do.
    #[arg(long, default_value = "deploy", value_name = "ROLE", value_parser = roles())]
    role: Role,
    /// Whose it is, as `key list` and the releases show it [default: the key's comment].
    #[arg(long, value_name = "NAME")]
    who: Option<Who>,
}

fn roles() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::word)).try_map(|word| word.parse::<Role>())
}

/// A key that is not let in.
#[derive(Debug, thiserror::Error)]
enum AddError {
    #[error("{0} cannot be taken")]
    Key(String, #[source] KeyError),
    #[error("nothing says whose the key {0} is: it has no comment that can be shown")]
    NoName(Fingerprint),
    #[error("{who} has the key {key} already, as `{role}`")]
    Exists {
        app: AppName,
        key: Fingerprint,
        who: Who,
        role: Role,
    },
    #[error("the key {key} is let in already by a line of {} that Landfall did not write", file.display())]
    LetInOtherwise { key: Fingerprint, file: PathBuf },
    #[error("standard input cannot be read as text")]
    Input(#[source] std::io::Error),
}

impl Hint for AddError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Key(_, error) => error.hints(),
            Self::NoName(_) => vec!["say so: --who NAME".into()],
            Self::Exists { app, key, .. } => vec![format!(
                "to give it another role or name, take it away first: landfall key remove {app} {}",
                key.short()
            )],
            Self::LetInOtherwise { .. } => vec![
                "sshd takes the first line that has the key, with all that line allows: take it out by hand first"
                    .into(),
            ],
            Self::Input(_) => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Exists { .. } | Self::LetInOtherwise { .. } => Kind::Refused,
            Self::Key(..) | Self::NoName(_) | Self::Input(_) => Kind::Usage,
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let (app, place) = super::place(host, &args.name)?;
    let given = read(host, &args.file)?;
    let forced = place.forced(host.exe())?;
    let _lock = place.lock()?;
    let mut keys = place.read()?;
    let mut rows = Vec::new();
    for Given { key, comment } in given {
        let who = args.who.clone().or(comment);
        let entry = Entry {
            who: who.ok_or_else(|| AddError::NoName(key.fingerprint().clone()))?,
            role: args.role,
            added: rfc3339(host.now_unix()),
            forced: forced.clone(),
            key,
        };
        check(&app, &place, &keys, &entry)?;
        rows.push(Row::of(&entry));
        keys.ours_mut().add(entry);
    }
    place.write(&keys)?;
    if globals.json {
        output::json(&rows);
    }
    for row in &rows {
        say(&app, row);
    }
    if let Some(rules) = place.missing_rules() {
        output::say(format!(
            "warning: sshd does not look there yet, {} is missing: sudo landfall server setup",
            rules.display()
        ));
    }
    Ok(())
}

fn read(host: &Host, file: &Path) -> Result<Vec<Given>, Ended> {
    let most = public_key::LARGEST as u64 + 1;
    let mut text = String::new();
    let name = if file == Path::new("-") {
        std::io::stdin()
            .take(most)
            .read_to_string(&mut text)
            .map_err(AddError::Input)?;
        "standard input".to_owned()
    } else {
        std::fs::File::open(host.absolute(file))
            .and_then(|open| open.take(most).read_to_string(&mut text))
            .map_err(|source| FsError::new("read", file, source))?;
        file.display().to_string()
    };
    Ok(public_key::parse(&text).map_err(|error| AddError::Key(name, error))?)
}

/// Nobody has the key yet.
fn check(
    app: &AppSettings,
    place: &place::Place,
    keys: &place::Keys,
    new: &Entry,
) -> Result<(), AddError> {
    if let Some(old) = keys.ours().entries().find(|old| old.key == new.key) {
        return Err(AddError::Exists {
            app: app.name.clone(),
            key: old.key.fingerprint().clone(),
            who: old.who.clone(),
            role: old.role,
        });
    }
    if keys.lets_in_otherwise(&new.key) {
        return Err(AddError::LetInOtherwise {
            key: new.key.fingerprint().clone(),
            file: place.file.clone(),
        });
    }
    Ok(())
}

fn say(app: &AppSettings, row: &Row) {
    let [key, kind, role, _, who] = &row.cells()[..] else {
        return;
    };
    output::say(format!("{who} may {role} {} with {key} ({kind})", app.name));
    let home = Home::new(app.home.clone(), app.name.clone());
    let host = user::hostname();
    let remote = match app.mode() {
        Mode::Server => format!("{0}@{host}:{0}.git", app.name),
        Mode::User(_) => format!("{}@{host}:{}", user::name(), home.repository().display()),
    };
    output::say(format!(
        "in their clone: git remote add production {remote}"
    ));
}
