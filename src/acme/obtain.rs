//! One order, from the account to the certificate.
//!
//! takes: a standing order, names, roots · gives: a certificate with its chain, and its key · touches: the authority, answers to
//! its challenges, `ordered/` of the store · undone by: answers by itself; the key waits until [`served`]

use super::account::{self, Wish};
use super::ari;
use super::challenge::{AnswerError, Answers};
use super::client::Client;
use super::course::Course;
use super::directory::Directory;
use super::failure::{Failure, of_error};
use super::hook::Hook;
use super::preflight;
use super::renewal::{Memory, Miss};
use super::standing::{Challenge, StandingOrder};
use super::waiting;
use crate::base::fs::FsError;
use crate::base::hint::{Hint, Kind, chain};
use crate::base::names::AppName;
use crate::base::server_paths::ServerPaths;
use crate::tls::certificate::Certificate;
use crate::tls::key::{MakeError, PrivateKey};
use crate::tls::name::CertName;
use crate::tls::request::RequestError;
use crate::tls::roots::Roots;
use crate::tls::store::{Store, StoreError};

/// What is to be done.
pub struct Job<'a> {
    /// Whose certificate it is.
    pub app: &'a AppName,
    /// Where things lie.
    pub server: &'a ServerPaths,
    /// The app's certificates.
    pub store: &'a Store,
    /// What is asked for.
    pub standing: &'a StandingOrder,
    /// For which names.
    pub names: &'a [CertName],
    /// Whom the account is for.
    pub wish: &'a Wish,
    /// The roots by which the authority's own server is judged.
    pub roots: &'a Roots,
    /// The one that is replaced, if it is of the same authority.
    pub replaces: Option<&'a Certificate>,
    /// Seconds since 1970.
    pub now: u64,
    /// Takes lines for whoever waits.
    pub say: &'a dyn Fn(&str),
}

/// What the authority issued.
#[derive(Debug)]
pub struct Obtained {
    /// The certificate with its chain, as it came (PEM).
    pub chain: String,
    /// Its key.
    pub key: PrivateKey,
    /// The authority tells when to renew.
    pub tells_when: bool,
    /// What could not be cleared up.
    pub notes: Vec<String>,
}

/// Nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum ObtainError {
    /// The authority, the way to it, or what it would find.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No key.
    #[error(transparent)]
    Key(#[from] MakeError),
    /// No request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Another run makes the account.
    #[error("another run makes the account at the authority")]
    Busy,
    /// The kernel gives no timers.
    #[error("no timer can be made")]
    Timer(#[source] std::io::Error),
}

impl From<AnswerError> for ObtainError {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Failure(failure) => failure.into(),
            AnswerError::Fs(error) => error.into(),
        }
    }
}

impl Hint for ObtainError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Failure(error) => error.hints(),
            Self::Fs(error) => error.hints(),
            Self::Store(error) => error.hints(),
            Self::Key(error) => error.hints(),
            Self::Request(error) => error.hints(),
            Self::Busy => vec!["try again in a moment".into()],
            Self::Timer(_) => Vec::new(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Failure(error) => error.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Failure(error) => error.kind(),
            Self::Busy => Kind::Busy,
            _ => Kind::Failed,
        }
    }
}

impl ObtainError {
    /// As it is counted.
    pub fn miss(&self) -> Miss {
        let failure = match self {
            Self::Failure(failure) => Some(failure),
            _ => None,
        };
        Miss {
            code: failure.map(|failure| failure.code().word()),
            message: chain(self).join(": "),
            has_asked: failure.is_some_and(|failure| failure.has_asked),
            again_at: failure.and_then(|failure| failure.again_at),
        }
    }
}

/// Looks whether nginx would serve the answers, and whether the hook may be run; asks nobody elsewhere.
pub fn rehearse(job: &Job<'_>) -> Result<(), ObtainError> {
    prepare(job).map(|_| ())
}

/// Orders it.
pub fn obtain(job: &Job<'_>) -> Result<Obtained, ObtainError> {
    let (mut answers, mut notes) = prepare(job)?;
    let client = Client::new(job.roots, job.now)?;
    (job.say)(&format!("asking {} …", job.standing.directory.host()));
    // An authority that is down is left alone as one that says no.
    let directory = Directory::fetch(&client, &job.standing.directory).map_err(Failure::asked)?;
    if let Some(profile) = &job.standing.profile {
        directory.check_profile(profile)?;
    }
    let course = Course {
        job,
        client: &client,
        directory: &directory,
    };
    let issued = timer()?.block_on(course.run(&mut answers));
    notes.extend(answers.remove());
    let (chain, key) = issued?;
    Ok(Obtained {
        chain,
        key,
        tells_when: directory.tells_when_to_renew(),
        notes,
    })
}

/// The certificate is served: its order waits no more.
pub fn served(store: &Store) -> Result<(), StoreError> {
    waiting::forget(store)
}

/// Asks when the certificate should be renewed, if it is time to ask, and remembers the answer. No answer is no trouble: a third of
/// its life decides then.
pub fn ask_window(
    job: &Job<'_>,
    certificate: &Certificate,
    memory: &mut Memory,
) -> Result<(), FsError> {
    if memory.ask_at > job.now {
        return Ok(());
    }
    memory.ask_at = job.now.saturating_add(ari::ASK_LATER);
    match asked_window(job, certificate, memory) {
        Ok(()) => {}
        Err(error) => tracing::debug!(error = %chain(&error).join(": "), "no renewal information"),
    }
    memory.keep(job.store)
}

fn asked_window(
    job: &Job<'_>,
    certificate: &Certificate,
    memory: &mut Memory,
) -> Result<(), ObtainError> {
    let client = Client::new(job.roots, job.now)?;
    let directory = Directory::fetch(&client, &job.standing.directory)?;
    let Some(id) = ari::identifier(&certificate.der).filter(|_| directory.tells_when_to_renew())
    else {
        memory.window = None;
        return Ok(());
    };
    let folder = job.server.acme_accounts();
    let place = account::Place {
        folder: &folder,
        url: &job.standing.directory,
    };
    let (info, patience) = timer()?.block_on(async {
        let account = account::open(&client, &directory, &place, job.wish).await?;
        let asked = account.renewal_info(&id).await;
        asked.map_err(|error| ObtainError::from(of_error(&error)))
    })?;
    memory.window = ari::window(&info, certificate, memory.window.as_ref());
    memory.ask_at = ari::ask_at(job.now, patience.as_secs());
    Ok(())
}

fn timer() -> Result<tokio::runtime::Runtime, ObtainError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.map_err(ObtainError::Timer)
}

/// What can be known without the authority.
fn prepare(job: &Job<'_>) -> Result<(Answers, Vec<String>), ObtainError> {
    job.standing.check_wildcards(job.names)?;
    let (mut answers, notes) = Answers::none(job.store, &job.server.challenges())?;
    match &job.standing.challenge {
        Challenge::Http => preflight::check(job.app, job.names, &mut answers)?,
        Challenge::Dns { hook, .. } => drop(Hook::at(hook)?),
    }
    Ok((answers, notes))
}

#[cfg(test)]
#[path = "obtain_tests.rs"]
mod tests;
