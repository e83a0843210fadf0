//! What is known of a release: `release.json`, written whole, for people (`cat`), commands and the next deploy.

use serde::{Deserialize, Deserializer, Serialize};

use crate::base::disk::Room;
use crate::base::names::{Fingerprint, ObjectId, ReleaseId, UrlPath};
use crate::base::words::{printable, shorten};

/// The version of the file's format.
pub const FORMAT: u32 = 1;

/// The longest text of a record or of a lock's holder, in characters.
const LONGEST: usize = 300;

/// Text that people are shown. The file is the app's to write, and who reads may be root at a terminal.
pub(super) fn shown<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    Ok(shorten(&printable(&text), LONGEST))
}

/// One release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// Its number.
    pub release: ReleaseId,
    /// The commit it was made from.
    pub commit: ObjectId,
    /// That commit's tree.
    pub tree: ObjectId,
    /// The first line of the commit's message.
    #[serde(deserialize_with = "shown")]
    pub subject: String,
    /// The branch or revision that was asked for.
    #[serde(deserialize_with = "shown")]
    pub source: String,
    /// Who asked.
    #[serde(deserialize_with = "shown")]
    pub who: String,
    /// The key that let them in, where it was one of `landfall key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    /// Where it stands.
    pub state: State,
    /// When the deploy began, in seconds since 1970.
    pub created: u64,
    /// When it last became live, in seconds since 1970.
    #[serde(default)]
    pub live_at: Option<u64>,
    /// Which switch of this app made it live last, from 1: what came after what, whatever the clock said.
    #[serde(default)]
    pub turn: u64,
    /// A rollback went from it to an earlier one; it is not gone back to by itself.
    #[serde(default)]
    pub rolled_back: bool,
    /// The caches it uses.
    #[serde(default)]
    pub keys: Keys,
    /// What was found in the cache, not built.
    #[serde(default)]
    pub reused: Vec<String>,
    /// What its checkout takes.
    #[serde(default)]
    pub checked_out: Room,
    /// How to ask whether it works.
    pub checks: Checks,
    /// What Django said of itself.
    #[serde(default)]
    pub django: Option<DjangoFacts>,
    /// The migrations this deploy applied, in order; written before they are applied.
    #[serde(default)]
    pub migrations: Vec<AppliedMigration>,
}

impl Record {
    /// Sorts releases by when they last became live.
    pub fn order(&self) -> (u64, Option<u64>, ReleaseId) {
        (self.turn, self.live_at, self.release)
    }
}

/// Where a release stands. What `current` points at is live whatever the file says: the link is the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is being made.
    Preparing,
    /// It works and waits for git to move the ref.
    Prepared,
    /// It serves.
    Live,
    /// It has served.
    Retired,
}

impl State {
    /// The word people see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Prepared => "prepared",
            Self::Live => "live",
            Self::Retired => "retired",
        }
    }

    /// True for a release that has been live: a rollback may go there, and retention counts it.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Live | Self::Retired)
    }
}

/// The keys of the cache entries a release uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The built frontend.
    #[serde(default)]
    pub frontend: Option<ObjectId>,
    /// The installed `node_modules` it was built with.
    #[serde(default)]
    pub node_modules: Option<ObjectId>,
    /// The Python environment.
    #[serde(default)]
    pub venv: Option<ObjectId>,
}

/// How to ask a release whether it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// It has a built frontend.
    pub frontend: bool,
    /// It has a web process.
    pub backend: bool,
    /// The Host header to ask with.
    pub host: String,
    /// The path that must answer.
    pub health_path: UrlPath,
    /// The path is known to exist; otherwise 404 is an answer too.
    pub health_named: bool,
    /// The longest until it answers, in seconds.
    pub health_timeout: u64,
    /// Until the application is loaded, in seconds; 0 in records of an earlier version, for the default.
    #[serde(default)]
    pub start_timeout: u64,
}

/// What Django said of its settings; the next deploy plans with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DjangoFacts {
    /// Django's version.
    pub version: String,
    /// The web process reads the collected static files when it starts, so they must be there before.
    pub static_at_start: bool,
    /// The static files were collected by this deploy, and are nothing that lies in git.
    #[serde(default)]
    pub collected: bool,
    /// The path of STATIC_URL, where it is of this site.
    #[serde(default)]
    pub static_url: Option<UrlPath>,
}

/// A migration that a deploy applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedMigration {
    /// Django's label of the app it belongs to.
    pub app: String,
    /// Its name.
    pub name: String,
    /// It can be unapplied.
    pub reversible: bool,
    /// It touches the schema only; unapplying it loses no data that was there before.
    pub schema_only: bool,
}

impl AppliedMigration {
    /// `app.name`, as people name it.
    pub fn label(&self) -> String {
        format!("{}.{}", self.app, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_says_acts_on_no_terminal() {
        #[derive(Deserialize)]
        struct Text(#[serde(deserialize_with = "shown")] String);
        let read = |text: &str| {
            let json = serde_json::to_string(text).unwrap();
            serde_json::from_str::<Text>(&json).unwrap().0
        };
        assert_eq!(read("\u{1b}[2Jana"), "\\u{1b}[2Jana");
        assert_eq!(read(&"x".repeat(9_000)).chars().count(), LONGEST);
        let once = read(&"\u{7}".repeat(200));
        assert_eq!(read(&once), once);
    }
}
