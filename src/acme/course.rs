//! The way of one order through the protocol: account, order, answers, certificate.
//!
//! takes: what is to be done · gives: a certificate with its chain (PEM), its key · touches: the authority, answers, `ordered/` of
//! the store · undone by: [`Answers::remove`]

use std::path::Path;
use std::thread;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};

use super::account;
use super::ari;
use super::challenge::{AnswerError, Answers};
use super::client::Client;
use super::directory::Directory;
use super::failure::{Failure, down, is_kind, of_error, of_problem};
use super::hook::Hook;
use super::obtain::{Job, ObtainError};
use super::standing::Challenge;
use super::waiting::{self, Ordered};
use crate::tls::finding::Code;
use crate::tls::key::PrivateKey;
use crate::tls::request::{Request, Subject, Wanted};

/// How often a request is repeated whose nonce was not taken, each time with a new one. The library itself tries three times.
pub(super) const NONCES: u32 = 8;
pub(super) const NONCE_PAUSE: Duration = Duration::from_millis(100);

/// How long an authority may take to look at the answers, and to issue: it asks from several places.
const POLICY: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

/// Repeats a request whose nonce the authority did not take, and nothing else.
macro_rules! steady {
    ($ask:expr) => {{
        let mut left = $crate::acme::course::NONCES;
        loop {
            match $ask.await {
                Err(error) if left > 0 && $crate::acme::failure::is_bad_nonce(&error) => {
                    left -= 1;
                    tokio::time::sleep($crate::acme::course::NONCE_PAUSE).await;
                }
                other => break other,
            }
        }
    }};
}
pub(super) use steady;

/// An answer that the authority waits for.
struct Answer {
    name: String,
    token: String,
    file: String,
    record: String,
}

/// The way of one order.
pub(super) struct Course<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) client: &'a Client,
    pub(super) directory: &'a Directory,
}

impl Course<'_> {
    /// From the account to the certificate.
    pub(super) async fn run(
        &self,
        answers: &mut Answers,
    ) -> Result<(String, PrivateKey), ObtainError> {
        let folder = self.job.server.acme_accounts();
        let place = account::Place {
            folder: &folder,
            url: &self.job.standing.directory,
        };
        let account = account::open(self.client, self.directory, &place, self.job.wish).await?;
        let (mut order, key) = match self.go_on(&account).await? {
            Some(found) => found,
            None => self.begin(&account).await?,
        };
        if order.state().status == OrderStatus::Pending {
            self.authorize(&mut order, answers).await?;
            answers.remove();
        }
        let chain = self.certificate(&mut order, &key).await?;
        Ok((chain, key))
    }

    /// An error of a request for a certificate.
    fn failed(&self, error: &Error) -> Failure {
        let failure = of_error(error).asked().again_at(self.client.again_at());
        if !is_kind(error, "accountDoesNotExist") {
            return failure;
        }
        let folder = self.job.server.acme_accounts();
        let url = &self.job.standing.directory;
        let place = account::Place {
            folder: &folder,
            url,
        };
        failure.hint(account::anew(&place.file()))
    }

    /// The order that a run before left, if it is for the same and still worth something.
    async fn go_on(&self, account: &Account) -> Result<Option<(Order, PrivateKey)>, ObtainError> {
        let job = self.job;
        let Some((ordered, key)) = waiting::read(job.store, job.now)? else {
            return Ok(None);
        };
        let is_same = ordered.directory == job.standing.directory
            && ordered.account == account.id()
            && ordered.names == job.names
            && ordered.profile == job.standing.profile
            && ordered.key == self.key_kind()?;
        if !is_same {
            return Ok(None);
        }
        match steady!(account.order(ordered.order.clone())) {
            Ok(mut order) => {
                let is_over = order.state().status == OrderStatus::Invalid;
                if !is_over {
                    (job.say)("going on with the order of an earlier run");
                }
                Ok((!is_over).then_some((order, key)))
            }
            // It is forgotten there.
            Err(Error::Api(_)) => Ok(None),
            Err(error) => Err(self.failed(&error).into()),
        }
    }

    fn key_kind(&self) -> Result<String, ObtainError> {
        let (job, standing) = (self.job, self.job.standing);
        let current = if standing.reuse_key {
            job.store.current_key()?
        } else {
            None
        };
        Ok(current.map_or_else(|| standing.key.word().to_owned(), |key| key.kind()))
    }

    /// A new order, with a key that waits beside it.
    async fn begin(&self, account: &Account) -> Result<(Order, PrivateKey), ObtainError> {
        let (job, standing) = (self.job, self.job.standing);
        let current = if standing.reuse_key {
            job.store.current_key()?
        } else {
            None
        };
        let key = match current {
            Some(key) => key,
            None => PrivateKey::make(standing.key)?,
        };
        let identifiers: Vec<Identifier> = job
            .names
            .iter()
            .map(|name| Identifier::Dns(name.to_string()))
            .collect();
        let plain = || {
            let order = NewOrder::new(&identifiers);
            match &standing.profile {
                Some(profile) => order.profile(profile),
                None => order,
            }
        };
        let replaced = job
            .replaces
            .and_then(|certificate| ari::identifier(&certificate.der));
        let replaced = replaced.filter(|_| self.directory.tells_when_to_renew());
        let has_word = replaced.is_some();
        let mut ordered = if let Some(id) = replaced {
            steady!(account.new_order(&plain().replaces(id.clone())))
        } else {
            steady!(account.new_order(&plain()))
        };
        // It was replaced already, or the authority does not know it any more: that is no reason to have none.
        if let Err(error) = &ordered
            && has_word
            && ["alreadyReplaced", "malformed", "unauthorized"]
                .iter()
                .any(|kind| is_kind(error, kind))
        {
            ordered = steady!(account.new_order(&plain()));
        }
        let order = ordered.map_err(|error| self.failed(&error))?;
        let ordered = Ordered {
            directory: standing.directory.clone(),
            account: account.id().to_owned(),
            order: order.url().to_owned(),
            names: job.names.to_vec(),
            profile: standing.profile.clone(),
            key: key.kind(),
            spki: key.fingerprint(),
            created: job.now,
        };
        waiting::keep(job.store, &key, &ordered)?;
        Ok((order, key))
    }

    /// Shows that the names are ours.
    async fn authorize(&self, order: &mut Order, answers: &mut Answers) -> Result<(), ObtainError> {
        steady!(load(order)).map_err(|error| self.failed(&error))?;
        let wanted = self.wanted(order).await?;
        self.publish(&wanted, answers)?;
        self.ready(order).await?;
        match steady!(order.poll_ready(&POLICY)) {
            Ok(OrderStatus::Invalid) => Err(self.explain(order, None).await.into()),
            Ok(_) => Ok(()),
            Err(error @ Error::Api(_)) => Err(self.explain(order, Some(&error)).await.into()),
            Err(error) => Err(self.failed(&error).into()),
        }
    }

    fn kind(&self) -> ChallengeType {
        match self.job.standing.challenge {
            Challenge::Http => ChallengeType::Http01,
            Challenge::Dns { .. } => ChallengeType::Dns01,
        }
    }

    /// The answers that are missing. The authority may know some of the names from an order before.
    async fn wanted(&self, order: &mut Order) -> Result<Vec<Answer>, ObtainError> {
        let mut wanted = Vec::new();
        let mut all = order.authorizations();
        while let Some(each) = all.next().await {
            let mut each = each.map_err(|error| self.failed(&error))?;
            let name = each.identifier().to_string();
            if !self.job.names.iter().any(|known| known.as_str() == name) {
                let error = down("the authority asks about a name that was not ordered");
                return Err(error.because(&name).asked().into());
            }
            match each.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                _ => {
                    waiting::forget(self.job.store)?;
                    let error =
                        Failure::new(Code::AcmeRejected, format!("the order is over for {name}"));
                    return Err(error
                        .hint("landfall cert issue --force   orders anew")
                        .asked()
                        .into());
                }
            }
            let Some(challenge) = each.challenge(self.kind()) else {
                let error = Failure::new(
                    Code::AcmeRejected,
                    format!("the authority does not take this way of showing that {name} is ours"),
                );
                return Err(error
                    .hint("the other way: --dns-hook FILE, or without it")
                    .asked()
                    .into());
            };
            let authorization = challenge.key_authorization();
            wanted.push(Answer {
                name: name.trim_start_matches("*.").to_owned(),
                token: challenge.token.clone(),
                file: authorization.as_str().to_owned(),
                record: authorization.dns_value(),
            });
        }
        Ok(wanted)
    }

    /// All of them, before the first is looked at: a domain and its wildcard have two records under one name.
    fn publish(&self, wanted: &[Answer], answers: &mut Answers) -> Result<(), ObtainError> {
        let counted = |error: AnswerError| match error {
            AnswerError::Failure(failure) => ObtainError::from(failure.asked()),
            AnswerError::Fs(error) => error.into(),
        };
        match &self.job.standing.challenge {
            Challenge::Http => {
                for answer in wanted {
                    answers.file(&answer.token, &answer.file).map_err(counted)?;
                }
            }
            Challenge::Dns { hook, wait } => {
                let hook = Hook::at(Path::new(hook))?;
                for answer in wanted {
                    let name = format!("_acme-challenge.{}", answer.name);
                    answers
                        .record(&hook, &name, &answer.record)
                        .map_err(counted)?;
                }
                if !wanted.is_empty() {
                    (self.job.say)(&format!(
                        "the records are set; {wait} seconds for DNS to tell them"
                    ));
                    thread::sleep(Duration::from_secs(*wait));
                }
            }
        }
        Ok(())
    }

    /// Tells the authority to look.
    async fn ready(&self, order: &mut Order) -> Result<(), ObtainError> {
        let mut all = order.authorizations();
        while let Some(each) = all.next().await {
            let mut each = each.map_err(|error| self.failed(&error))?;
            if each.status != AuthorizationStatus::Pending {
                continue;
            }
            let name = each.identifier().to_string();
            let Some(mut challenge) = each.challenge(self.kind()) else {
                continue;
            };
            match steady!(challenge.set_ready()) {
                Ok(()) => {}
                Err(Error::Api(problem)) => {
                    let failure = of_problem(&problem, Some(&name)).asked();
                    return Err(failure.again_at(self.client.again_at()).into());
                }
                Err(error) => return Err(self.failed(&error).into()),
            }
        }
        Ok(())
    }

    /// What the authority says of the first name that it does not believe to be ours.
    async fn explain(&self, order: &mut Order, error: Option<&Error>) -> Failure {
        let mut all = order.authorizations();
        while let Some(each) = all.next().await {
            let Ok(mut each) = each else { continue };
            let name = each.identifier().to_string();
            if steady!(reload(&mut each)).is_err() {
                continue;
            }
            let problem = each.challenges.iter().find_map(|each| each.error.as_ref());
            if let Some(problem) = problem {
                return of_problem(problem, Some(&name))
                    .asked()
                    .again_at(self.client.again_at());
            }
        }
        match error {
            Some(error) => self.failed(error),
            None => Failure::new(
                Code::AcmeRejected,
                "the authority does not say why the order is over",
            )
            .asked(),
        }
    }

    async fn certificate(
        &self,
        order: &mut Order,
        key: &PrivateKey,
    ) -> Result<String, ObtainError> {
        if order.state().status == OrderStatus::Ready {
            let wanted = Wanted {
                names: self.job.names.to_vec(),
                subject: Subject::default(),
            };
            let request = Request::make(&wanted, key)?;
            let finalized = steady!(order.finalize_csr(request.der()));
            if let Err(error) = finalized {
                // It would be refused again: the next order has another key.
                let is_passing = ["rateLimited", "serverInternal"]
                    .iter()
                    .any(|kind| is_kind(&error, kind));
                if matches!(error, Error::Api(_)) && !is_passing {
                    waiting::forget(self.job.store)?;
                }
                return Err(self.failed(&error).into());
            }
        }
        let chain = steady!(order.poll_certificate(&POLICY));
        Ok(chain.map_err(|error| self.failed(&error))?)
    }
}

async fn load(order: &mut Order) -> Result<(), Error> {
    let mut all = order.authorizations();
    while let Some(each) = all.next().await {
        each?;
    }
    Ok(())
}

async fn reload(each: &mut instant_acme::AuthorizationHandle<'_>) -> Result<(), Error> {
    each.refresh().await.map(|_| ())
}
