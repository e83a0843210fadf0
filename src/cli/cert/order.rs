//! One order by ACME, from the options to visitors: what `issue` and `renew` have in common.
//!
//! takes: an app, a standing order · gives: a site that serves the new certificate, or one kept apart · touches:
//! `/etc/ssl/landfall/`, the folder of challenges, nginx, the authority · undone by: itself, where anything fails

use std::path::PathBuf;

use super::place::Place;
use super::serve::{Fresh, serve};
use crate::acme::account::Wish;
use crate::acme::ari;
use crate::acme::obtain::{self, Job, ObtainError};
use crate::acme::renewal::{Memory, Miss};
use crate::acme::standing::StandingOrder;
use crate::base::flock::{self, Attempt, FileLock};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind, chain};
use crate::base::host::Host;
use crate::base::names::AppName;
use crate::base::words::printable;
use crate::cli::{Ended, output};
use crate::site::certificate::InstallError;
use crate::tls::certificate::Certificate;
use crate::tls::chain::Chain;
use crate::tls::finding::{Refusal, Remark};
use crate::tls::intake;
use crate::tls::key::PrivateKey;
use crate::tls::name::CertName;
use crate::tls::roots::Roots;
use crate::tls::store::StoreError;
use crate::tls::verify::{self, Demand};

/// An order that came to nothing; what was served is served.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    /// Nothing was issued.
    #[error(transparent)]
    Obtain(#[from] ObtainError),
    /// What was issued is not good.
    #[error("what the authority issued is not served")]
    NotGood(#[source] Refusal),
    /// It is good, and nginx does not serve it.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for OrderError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Obtain(error) => error.hints(),
            Self::NotGood(error) => error.hints(),
            Self::Install(error) => error.hints(),
            Self::Store(error) => error.hints(),
            Self::Fs(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Obtain(error) => error.tool_output(),
            Self::Install(error) => error.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Obtain(error) => error.kind(),
            Self::NotGood(error) => error.kind(),
            Self::Install(error) => error.kind(),
            _ => Kind::Failed,
        }
    }
}

impl OrderError {
    /// As it is counted: what came after the authority had issued was asked of it.
    fn miss(&self) -> Miss {
        match self {
            Self::Obtain(error) => error.miss(),
            Self::NotGood(refusal) => Miss {
                code: Some(refusal.code().word()),
                ..self.miss_of_ours()
            },
            _ => self.miss_of_ours(),
        }
    }

    fn miss_of_ours(&self) -> Miss {
        Miss {
            code: None,
            message: chain(self).join(": "),
            has_asked: true,
            again_at: None,
        }
    }
}

/// Another run is at it.
#[derive(Debug, thiserror::Error)]
#[error("another run orders a certificate for `{app}`: {holder}")]
pub(super) struct Busy {
    app: AppName,
    holder: String,
}

impl Hint for Busy {
    fn hints(&self) -> Vec<String> {
        vec![format!(
            "see what comes of it: landfall cert status --app {}",
            self.app
        )]
    }

    fn kind(&self) -> Kind {
        Kind::Busy
    }
}

/// One order at a time for each app: two would answer each other's challenges away.
pub(super) fn take_turn(place: &Place) -> Result<FileLock, Ended> {
    let run = place.server.run();
    fs::create_folder_with_mode(&run, 0o755)?;
    let app = &place.app.name;
    match flock::try_lock(&run.join(format!("acme-{app}.lock")))? {
        Attempt::Taken(mut lock) => {
            // Only a word for those who wait.
            let _ = lock.describe(&format!("process {}", std::process::id()));
            Ok(lock)
        }
        Attempt::HeldBy(holder) => Err(Busy {
            app: app.clone(),
            holder: printable(&holder),
        }
        .into()),
    }
}

/// What is to be ordered for an app.
pub(super) struct Errand<'a> {
    pub(super) host: &'a Host,
    pub(super) place: &'a Place,
    pub(super) standing: &'a StandingOrder,
    pub(super) names: &'a [CertName],
    pub(super) roots: &'a Roots,
    /// The roots' file, where it was given with this run.
    pub(super) roots_text: Option<&'a [u8]>,
    pub(super) wish: &'a Wish,
    /// The certificate is only looked at.
    pub(super) is_trial: bool,
    /// Nobody reads along.
    pub(super) is_quiet: bool,
}

/// What came of it.
pub(super) struct Done {
    pub(super) leaf: Certificate,
    pub(super) remarks: Vec<Remark>,
    /// The version that is served, or the folder of one that is not.
    pub(super) version: String,
}

impl Errand<'_> {
    fn job<'a>(&'a self, replaces: Option<&'a Certificate>, say: &'a dyn Fn(&str)) -> Job<'a> {
        Job {
            app: &self.place.app.name,
            server: &self.place.server,
            store: &self.place.store,
            standing: self.standing,
            names: self.names,
            wish: self.wish,
            roots: self.roots,
            replaces,
            now: self.host.now_unix(),
            say,
        }
    }

    fn say(&self, line: &str) {
        if !self.is_quiet {
            output::say(line);
        }
    }

    /// Looks whether it could be ordered, as far as this machine knows.
    pub(super) fn rehearse(&self) -> Result<(), OrderError> {
        Ok(obtain::rehearse(&self.job(None, &|line| self.say(line)))?)
    }

    /// Asks when the served certificate should be renewed.
    pub(super) fn ask_window(
        &self,
        leaf: &Certificate,
        memory: &mut Memory,
    ) -> Result<(), FsError> {
        obtain::ask_window(&self.job(None, &|_| {}), leaf, memory)
    }

    /// Orders and serves it; an attempt that fails is counted.
    pub(super) fn run(&self) -> Result<Done, OrderError> {
        let done = self.attempt();
        if let Err(error) = &done
            && !self.is_trial
        {
            let mut memory = Memory::of(&self.place.store)?;
            memory.miss(&error.miss(), self.host.now_unix());
            memory.keep(&self.place.store)?;
        }
        done
    }

    fn attempt(&self) -> Result<Done, OrderError> {
        let place = self.place;
        let old = place.store.chain().ok().flatten().unwrap_or_default();
        let meta = place.store.current()?;
        let replaces = old
            .first()
            .filter(|_| self.standing.is_in_force(meta.as_ref()));
        let obtained = obtain::obtain(&self.job(replaces, &|line| self.say(line)))?;
        for note in &obtained.notes {
            self.say(&format!("note: not taken away yet: {}", printable(note)));
        }
        let (chain, remarks) = self.check(&obtained.chain, &obtained.key)?;
        let leaf = chain.certificates[0].clone();
        if self.is_trial {
            let version = self.keep_apart(&chain, &obtained.key)?;
            obtain::served(&place.store)?;
            return Ok(Done {
                leaf,
                remarks,
                version,
            });
        }
        // Before it is served: a certificate that nobody would renew must not be.
        self.standing.keep(&place.store, self.roots_text)?;
        let fresh = Fresh {
            chain: &chain,
            key: obtained.key.pem(),
            own_authority: self.standing.own_roots,
            directory: Some(self.standing.directory.as_str()),
        };
        let version = serve(self.host, place, &fresh, false)?;
        obtain::served(&place.store)?;
        let now = self.host.now_unix();
        let ask_at = if obtained.tells_when {
            now
        } else {
            now.saturating_add(ari::ASK_LATER)
        };
        Memory::after_success(ask_at).keep(&place.store)?;
        Ok(Done {
            leaf,
            remarks,
            version,
        })
    }

    /// As `landfall cert install` looks at it, but for the trust in a trial.
    fn check(&self, pem: &str, key: &PrivateKey) -> Result<(Chain, Vec<Remark>), OrderError> {
        let taken = intake::read(pem.as_bytes()).map_err(OrderError::NotGood)?;
        let (leaf, _) =
            verify::find_leaf(&taken.certificates, &[key.spki()]).map_err(OrderError::NotGood)?;
        let chain = Chain::of(leaf, &taken.certificates);
        let demand = Demand {
            domains: &self.place.domains,
            roots: self.roots,
            allow_untrusted: self.is_trial,
            now: self.host.now_unix(),
        };
        let mut remarks = verify::check(&chain, &demand).map_err(OrderError::NotGood)?;
        // More names than the app has are what --domain asks for; that a trial is not trusted is said otherwise.
        remarks.retain(|remark| !["W_NAMES_EXTRA", "W_UNTRUSTED"].contains(&remark.code));
        Ok((chain, remarks))
    }

    /// In a folder of its own, which nothing serves.
    fn keep_apart(&self, chain: &Chain, key: &PrivateKey) -> Result<String, OrderError> {
        let folder: PathBuf = self.place.store.folder().join("trial");
        fs::remove_tree(&folder)?;
        fs::create_folder_with_mode(&folder, 0o700)?;
        fs::write(
            &folder.join("privkey.pem"),
            key.pem().expose().as_bytes(),
            fs::PRIVATE,
        )?;
        fs::write(
            &folder.join("fullchain.pem"),
            chain.pem().as_bytes(),
            fs::PUBLIC,
        )?;
        Ok(folder.display().to_string())
    }
}
