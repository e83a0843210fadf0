//! `landfall key remove`

use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::{AppName, Fingerprint};
use crate::base::words::{list, printable, shorten};
use crate::cli::{Ended, Globals, output};
use crate::keys::authorized::{Entry, KeysFile};

/// Shorter beginnings of a fingerprint are names of nobody's key.
const SHORTEST: usize = 4;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing new is let in, on connections that are open neither; what runs goes on to its end. Releases made with the key \
keep their record of it.

Examples:
  sudo landfall key remove notes SHA256:UCUiLr7P
  sudo landfall key remove notes \"Ben Okri\"")]
pub(in crate::cli) struct Args {
    /// The app.
    name: AppName,
    /// The beginning of its fingerprint, or whose it is: as `key list` shows them.
    key: String,
}

/// Nothing was removed.
#[derive(Debug, thiserror::Error)]
enum RemoveError {
    #[error("`{app}` lets in no key that is `{given}`")]
    NoSuchKey { app: AppName, given: String },
    #[error("`{given}` may be the keys {}", list(.keys))]
    Several {
        given: String,
        keys: Vec<Fingerprint>,
    },
}

impl Hint for RemoveError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoSuchKey { app, .. } => vec![format!(
                "see them: landfall key list {app}; a line that is not managed goes by hand"
            )],
            Self::Several { .. } => vec!["name one by more of its fingerprint".into()],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchKey { .. } => Kind::NotFound,
            Self::Several { .. } => Kind::Usage,
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let (app, place) = super::place(host, &args.name)?;
    let _lock = place.lock()?;
    let mut keys = place.read()?;
    let found = find(keys.ours(), &args.name, &args.key)?;
    let key = found.key.fingerprint().clone();
    keys.ours_mut().remove(&key);
    place.write(&keys)?;
    if globals.json {
        output::json(&super::Row::of(&found));
    }
    output::say(format!(
        "{key} of {} is let in no more; what runs for it now goes on to its end",
        found.who
    ));
    if keys.ours().is_empty() {
        output::say(format!(
            "it was the last one: nobody can push to {} with a key of Landfall's now",
            app.name
        ));
    }
    Ok(())
}

fn find(file: &KeysFile, app: &AppName, given: &str) -> Result<Entry, RemoveError> {
    let begins = |key: &Fingerprint| {
        let bare = given.strip_prefix("SHA256:").unwrap_or(given);
        bare.len() >= SHORTEST && key.as_str()["SHA256:".len()..].starts_with(bare)
    };
    let found: Vec<&Entry> = file
        .entries()
        .filter(|entry| begins(entry.key.fingerprint()) || entry.who.as_str() == given)
        .collect();
    let given = || printable(&shorten(given, 60));
    match &found[..] {
        [] => Err(RemoveError::NoSuchKey {
            app: app.clone(),
            given: given(),
        }),
        [one] => Ok((*one).clone()),
        several => Err(RemoveError::Several {
            given: given(),
            keys: several
                .iter()
                .map(|entry| entry.key.fingerprint().clone())
                .collect(),
        }),
    }
}
