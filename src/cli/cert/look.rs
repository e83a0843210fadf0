//! What there is to say of one app's certificate, or of the one at an address: graded.
//!
//! takes: an app, or an address · gives: [`Look`] · touches: reads files, makes handshakes

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::place::Place;
use super::serve;
use crate::acme::renewal::{Due, Memory};
use crate::base::fs;
use crate::base::host::rfc3339;
use crate::base::names::Domain;
use crate::base::words::list;
use crate::site::certificate;
use crate::tls::certificate::Certificate;
use crate::tls::chain::Chain;
use crate::tls::health::{Grade, Life, Limits};
use crate::tls::roots::Roots;
use crate::tls::store::Meta;
use crate::tls::verify::{self, Demand};
use crate::tool::https;

const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a renewal that is due may take: the timer comes by twice a day.
const GRACE: u64 = 24 * 60 * 60;

/// One app or address.
#[derive(Debug, Serialize)]
pub(super) struct Look {
    /// The app, or the address.
    pub(super) of: String,
    /// The worst of all that was found.
    pub(super) grade: Grade,
    /// What was found, the worst first.
    pub(super) problems: Vec<Problem>,
    /// What is left of its life.
    pub(super) life: Option<Life>,
    /// Until when it is valid.
    pub(super) not_after: Option<String>,
    /// What it is for.
    pub(super) names: Vec<String>,
    /// Names that are not the app's.
    pub(super) names_extra: Vec<String>,
    /// Who signed it.
    pub(super) issuer: Option<String>,
    /// Its key in words.
    pub(super) key: Option<String>,
    /// Of the certificates after its own.
    pub(super) intermediates: usize,
    /// SHA-256 of it.
    pub(super) sha256: Option<String>,
    /// Requests that wait; none where they cannot be seen.
    pub(super) pending: Option<Vec<Waiting>>,
    /// How it renews itself; none for one that does not.
    pub(super) renewal: Option<Renewal>,
}

/// What `landfall cert renew` will do.
#[derive(Debug, Serialize)]
pub(super) struct Renewal {
    /// Whom it asks.
    pub(super) directory: String,
    /// From when on, in RFC 3339.
    pub(super) next: String,
    /// How many attempts failed in a row.
    pub(super) failures: u32,
    /// What came of the last attempt, if it failed.
    pub(super) last_failure: Option<String>,
    #[serde(skip)]
    due: u64,
}

/// Something to do.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    pub(super) grade: Grade,
    pub(super) message: String,
}

/// A request that waits.
#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    pub(super) id: String,
    pub(super) since: String,
    pub(super) days: u64,
}

/// What is asked of all.
pub(super) struct Asked<'a> {
    pub(super) roots: &'a Roots,
    pub(super) limits: Limits,
    pub(super) now: u64,
}

impl Look {
    fn nothing(of: String) -> Self {
        Self {
            of,
            grade: Grade::Ok,
            problems: Vec::new(),
            life: None,
            not_after: None,
            names: Vec::new(),
            names_extra: Vec::new(),
            issuer: None,
            key: None,
            intermediates: 0,
            sha256: None,
            pending: None,
            renewal: None,
        }
    }

    fn found(&mut self, grade: Grade, message: impl Into<String>) {
        self.grade = self.grade.worst(grade);
        self.problems.push(Problem {
            grade,
            message: message.into(),
        });
    }

    /// An app's: on disk and as it is served.
    pub(super) fn at_app(place: &Place, asked: &Asked<'_>) -> Self {
        let mut look = Self::nothing(place.app.name.to_string());
        look.pending = waiting(place, asked.now);
        match place.store.chain() {
            Ok(Some(chain)) => {
                let meta = place.store.current().ok().flatten();
                look.renewal = renewal(place, &chain, asked.now);
                look.certificate(&chain, &place.domains, meta.as_ref(), asked);
                look.key_file(place);
                look.served(place, &chain);
            }
            Ok(None) => look.found(
                Grade::Critical,
                format!(
                    "there is no certificate: landfall site apply {}",
                    place.app.name
                ),
            ),
            Err(error) => look.found(Grade::Unknown, error.to_string()),
        }
        look.sorted()
    }

    /// That of any server.
    pub(super) fn at_address(
        name: &str,
        host: &str,
        address: SocketAddr,
        asked: &Asked<'_>,
    ) -> Self {
        let mut look = Self::nothing(name.to_owned());
        match https::chain(address, host, HANDSHAKE) {
            Ok(ders) => {
                let chain: Vec<_> = ders
                    .iter()
                    .filter_map(|der| Certificate::parse(der))
                    .collect();
                let domains: Vec<Domain> = host.parse().into_iter().collect();
                look.certificate(&chain, &domains, None, asked);
            }
            Err(error) => look.found(Grade::Critical, error.to_string()),
        }
        look.sorted()
    }

    /// Nothing could be found out.
    pub(super) fn unknown(of: String, why: String) -> Self {
        let mut look = Self::nothing(of);
        look.found(Grade::Unknown, why);
        look
    }

    fn sorted(mut self) -> Self {
        self.problems
            .sort_by_key(|problem| std::cmp::Reverse(problem.grade));
        self
    }

    fn certificate(
        &mut self,
        chain: &[Certificate],
        domains: &[Domain],
        meta: Option<&Meta>,
        asked: &Asked<'_>,
    ) {
        let Some(leaf) = chain.first() else {
            self.found(Grade::Critical, "no certificate is shown");
            return;
        };
        let life = Life::of(leaf, asked.now);
        self.life = Some(life);
        self.not_after = Some(date(leaf.not_after));
        self.names.clone_from(&leaf.names);
        self.names_extra = leaf.extra(domains);
        self.issuer = Some(leaf.issuer.clone());
        self.key = Some(leaf.key_kind());
        self.intermediates = chain.len() - 1;
        self.sha256 = Some(leaf.fingerprint());
        self.life_left(leaf, life, asked);
        let missing: Vec<&str> = leaf
            .missing(domains)
            .into_iter()
            .map(Domain::as_str)
            .collect();
        if !missing.is_empty() {
            self.found(Grade::Critical, format!("it is not for {}", list(&missing)));
        }
        self.trust(leaf, chain, meta, asked);
    }

    fn life_left(&mut self, leaf: &Certificate, life: Life, asked: &Asked<'_>) {
        let grade = life.grade(leaf.not_before, leaf.not_after, asked.now, asked.limits);
        // At the same share of its life it is renewed: that takes its time, and is no trouble yet.
        let is_renewing = self.renewal.as_ref().is_some_and(|renewal| {
            renewal.last_failure.is_none() && asked.now < renewal.due.saturating_add(GRACE)
        });
        if grade == Grade::Ok || (grade == Grade::Warning && is_renewing) {
            return;
        }
        let next = match &self.renewal {
            Some(_) => "landfall cert renew",
            None => "landfall csr",
        };
        let message = if life.days_left < 0 {
            format!("it expired at {}", date(leaf.not_after))
        } else if i64::try_from(asked.now).is_ok_and(|now| now < leaf.not_before) {
            format!("it is not valid before {}", date(leaf.not_before))
        } else {
            format!("{} of {} days are left: {next}", life.days_left, life.days)
        };
        self.found(grade, message);
    }

    fn trust(
        &mut self,
        leaf: &Certificate,
        chain: &[Certificate],
        meta: Option<&Meta>,
        asked: &Asked<'_>,
    ) {
        if leaf.is_self_signed() {
            self.found(
                Grade::Warning,
                "browsers do not trust it: it was made here, and stands in until one is issued",
            );
            return;
        }
        if meta.is_some_and(|meta| meta.own_authority) {
            return;
        }
        // Names and dates are graded by themselves; here it is the path alone.
        let demand = Demand {
            domains: &[],
            roots: asked.roots,
            allow_untrusted: false,
            now: asked.now,
        };
        let in_time = i64::try_from(asked.now)
            .is_ok_and(|now| (leaf.not_before..=leaf.not_after).contains(&now));
        if let Err(refusal) = verify::check(&Chain::of(leaf, chain), &demand)
            && in_time
        {
            self.found(Grade::Warning, refusal.to_string());
        }
    }

    fn key_file(&mut self, place: &Place) {
        let file = place.store.key();
        match fs::mode_of_target(&file) {
            Ok(0o600 | 0o400) => {}
            Ok(mode) => self.found(
                Grade::Warning,
                format!(
                    "the key's mode is {mode:04o}, not 0600: chmod 600 {}",
                    file.display()
                ),
            ),
            Err(error) => self.found(Grade::Critical, error.to_string()),
        }
    }

    /// nginx goes on with what it read last, whatever lies on disk.
    fn served(&mut self, place: &Place, chain: &[Certificate]) {
        let site = fs::read_if_exists(&place.server.site(&place.app.name));
        let site = site.ok().flatten().unwrap_or_default();
        for sight in certificate::sights(&place.app, &site) {
            match sight.chain() {
                Ok(seen) if seen.first() == chain.first().map(|leaf| &leaf.der) => {}
                Ok(_) => self.found(
                    Grade::Warning,
                    format!(
                        "{} shows another certificate than is on disk: systemctl reload nginx",
                        sight.name()
                    ),
                ),
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    let cause = cause.unwrap_or_default();
                    self.found(Grade::Critical, format!("{error}: {cause}"));
                }
            }
        }
    }
}

/// From files that the app's own user may read, too.
fn renewal(place: &Place, chain: &[Certificate], now: u64) -> Option<Renewal> {
    let standing = serve::in_force(place).ok().flatten()?;
    let leaf = chain.first()?;
    let memory = Memory::of(&place.store).ok()?;
    let is_missing = !leaf.missing(&place.domains).is_empty();
    let next = match memory.due(leaf, is_missing, now) {
        Due::At(next) | Due::Paused(_, next) => next,
        Due::Now(_) => now,
    };
    let due = memory.moment(leaf);
    let last_failure = memory
        .failed
        .map(|failed| format!("{}: {}", rfc3339(failed.at), failed.message));
    Some(Renewal {
        directory: standing.directory.to_string(),
        next: rfc3339(next),
        failures: memory.failures,
        last_failure,
        due,
    })
}

fn waiting(place: &Place, now: u64) -> Option<Vec<Waiting>> {
    let pending = place.store.pending().ok()?;
    let waiting = pending.into_iter().map(|each| Waiting {
        id: each.id,
        since: rfc3339(each.meta.created),
        days: now.saturating_sub(each.meta.created) / (24 * 60 * 60),
    });
    Some(waiting.collect())
}

fn date(unix: i64) -> String {
    rfc3339(u64::try_from(unix).unwrap_or_default())
}
