//! Whether an issued certificate would work: whose key, in what order, trusted by whom, for which names, until when.
//!
//! takes: certificates, the keys there are, the domains, roots, the time · gives: what is to be installed, or the one thing
//! that is wrong with it · touches: nothing
//!
//! `nginx -t` says nothing of a missing intermediate, a date, a name or a key of another kind; visitors do.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};

use super::certificate::Certificate;
use super::chain::Chain;
use super::finding::{Code, Refusal, Remark};
use super::key;
use super::roots::Roots;
use crate::base::host::rfc3339;
use crate::base::names::Domain;
use crate::base::words::{count, first_of, list};

/// What it must be good for.
#[derive(Debug)]
pub struct Demand<'a> {
    /// Every name that visitors come by.
    pub domains: &'a [Domain],
    /// The trusted roots.
    pub roots: &'a Roots,
    /// One that nobody trusts is taken.
    pub allow_untrusted: bool,
    /// Seconds since 1970.
    pub now: u64,
}

/// The certificate among `all` that belongs to one of the keys; gives the key's place as well.
pub fn find_leaf<'a>(
    all: &'a [Certificate],
    spkis: &[Vec<u8>],
) -> Result<(&'a Certificate, usize), Refusal> {
    for certificate in all {
        if let Some(place) = spkis.iter().position(|spki| *spki == certificate.spki) {
            return Ok((certificate, place));
        }
    }
    let meant = all.iter().find(|each| !each.is_ca).or(all.first());
    let print = |spki: &[u8]| key::fingerprint(spki)[..16].to_owned();
    let its = meant.map(|each| (print(&each.spki), each.subject.clone()));
    let (its, subject) = its.unwrap_or_default();
    let known: Vec<String> = spkis.iter().map(|spki| print(spki)).collect();
    let keys = if known.is_empty() {
        "there is no key here yet".to_owned()
    } else {
        format!("here are {}", first_of(&known, 5))
    };
    Err(Refusal::new(
        Code::Mismatch,
        format!("the certificate of {subject} was made for another key: {its}…; {keys}"),
    )
    .hint("was the request made anew after ordering? order it again with the one that waits: landfall csr")
    .hint("if you have its key: landfall cert install FILE --key KEY"))
}

/// Checks the leaf and its chain; gives remarks.
pub fn check(chain: &Chain, demand: &Demand<'_>) -> Result<Vec<Remark>, Refusal> {
    let Some(leaf) = chain.certificates.first() else {
        return Err(Refusal::new(
            Code::CertificateEmpty,
            "there is no certificate",
        ));
    };
    check_leaf(leaf, demand)?;
    let mut remarks = chain.remarks.clone();
    if let Err(refusal) = check_trust(chain, demand) {
        if !demand.allow_untrusted {
            return Err(refusal);
        }
        remarks.push(Remark::new(
            Code::NotTrusted,
            "browsers will not trust it; it is taken because --allow-untrusted says so",
        ));
    }
    if !chain.unrelated.is_empty() {
        let what = count(chain.unrelated.len(), "certificate");
        remarks.push(Remark::new(
            Code::FixedUnrelated,
            format!("{what} that did not sign this one left out"),
        ));
    }
    let extra = leaf.extra(demand.domains);
    if !extra.is_empty() {
        remarks.push(Remark::new(
            Code::NamesExtra,
            format!("it is also for {}", first_of(&extra, 5)),
        ));
    }
    Ok(remarks)
}

fn check_leaf(leaf: &Certificate, demand: &Demand<'_>) -> Result<(), Refusal> {
    let now = i64::try_from(demand.now).unwrap_or(i64::MAX);
    if leaf.is_ca {
        return Err(Refusal::new(
            Code::IsCa,
            "this is the certificate of an authority, not of a site",
        )
        .hint("for trials: landfall cert self-signed"));
    }
    if !key::is_taken(&leaf.spki) {
        return Err(Refusal::new(
            Code::KeyWeak,
            format!(
                "its key is {}: clients want RSA of 2048 bits or more, or ECDSA",
                leaf.key_kind()
            ),
        )
        .hint("landfall csr --new   makes a key of 2048 bits"));
    }
    if leaf.has_old_signature {
        return Err(Refusal::new(
            Code::Sha1,
            "it is signed with SHA-1 or MD5, which no client takes any more",
        )
        .hint("have it issued again"));
    }
    if !leaf.is_for_servers {
        return Err(Refusal::new(
            Code::NoServerAuth,
            "it is not for servers (its extended key usage lacks serverAuth)",
        ));
    }
    if leaf.not_after < now {
        return Err(Refusal::new(
            Code::Expired,
            format!("it expired at {}", date(leaf.not_after)),
        )
        .hint("landfall csr   and order a new one"));
    }
    if leaf.not_before > now {
        return Err(Refusal::new(
            Code::NotYet,
            format!(
                "it is valid from {} on; it is {} here",
                date(leaf.not_before),
                date(now)
            ),
        )
        .hint("is this machine's clock right? timedatectl"));
    }
    check_names(leaf, demand)
}

fn check_names(leaf: &Certificate, demand: &Demand<'_>) -> Result<(), Refusal> {
    let missing: Vec<&str> = leaf
        .missing(demand.domains)
        .into_iter()
        .map(Domain::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let has = match &leaf.names[..] {
        [] => "it is for no host name at all".to_owned(),
        names => format!("it is for {}", first_of(names, 5)),
    };
    Err(Refusal::new(
        Code::Names,
        format!("{} missing in it: {has}", list_is(&missing)),
    )
    .hint("many authorities take further names from their own form, not from the request: order again with all of them")
    .hint("or take the name out of the app's settings: landfall app show"))
}

fn list_is(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", list(names))
}

fn check_trust(chain: &Chain, demand: &Demand<'_>) -> Result<(), Refusal> {
    let leaf = &chain.certificates[0];
    let ders: Vec<CertificateDer<'_>> = chain
        .certificates
        .iter()
        .map(|each| CertificateDer::from(each.der.as_slice()))
        .collect();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(demand.now));
    let verified = EndEntityCert::try_from(&ders[0]).and_then(|end| {
        end.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            demand.roots.anchors(),
            &ders[1..],
            now,
            KeyUsage::server_auth(),
            None,
            None,
        )
        .map(|_| ())
    });
    match verified {
        Ok(()) => Ok(()),
        Err(error) => Err(untrusted(leaf, chain, demand.roots, &error)),
    }
}

fn untrusted(leaf: &Certificate, chain: &Chain, roots: &Roots, error: &webpki::Error) -> Refusal {
    if roots.anchors().is_empty() {
        return Refusal::new(Code::Untrusted, "this machine trusts no authority at all")
            .hint("sudo apt install ca-certificates");
    }
    let issuers = chain.certificates.iter().map(|each| &each.issuer);
    let is_staging = |name: &String| name.contains("STAGING") || name.starts_with("Fake LE ");
    if let Some(issuer) = issuers.clone().find(|name| is_staging(name)) {
        return Refusal::new(
            Code::StagingAuthority,
            format!("{issuer} is an authority's trial system: no browser trusts it"),
        );
    }
    let top = chain.certificates.last().unwrap_or(leaf);
    if top.is_self_signed() || chain.roots.iter().any(|root| top.is_signed_by(root)) {
        return unknown_root(top);
    }
    if !chain
        .certificates
        .iter()
        .any(|each| roots.know_issuer_of(each))
    {
        // Authorities say where their issuer's certificate is; those of one's own rarely do.
        let may_be_own = chain.certificates.len() > 1 && top.issuer_url.is_none();
        if !may_be_own || !chain.unrelated.is_empty() {
            return incomplete(top, chain);
        }
        return unknown_root(top);
    }
    Refusal::new(
        Code::Untrusted,
        format!(
            "no valid path leads from it to a trusted root ({})",
            reason(error)
        ),
    )
    .hint("look at it: openssl verify -show_chain -untrusted FILE FILE")
}

fn unknown_root(top: &Certificate) -> Refusal {
    Refusal::new(
        Code::Untrusted,
        format!("its root, {}, is not trusted on this machine", top.issuer),
    )
    .hint("an authority of your own: landfall cert install FILE --roots ROOT.pem")
    .hint("or take it as it is: --allow-untrusted")
}

fn incomplete(top: &Certificate, chain: &Chain) -> Refusal {
    let needed = &top.issuer;
    let refusal = if chain.unrelated.is_empty() {
        Refusal::new(
            Code::ChainMissing,
            if chain.certificates.len() == 1 {
                format!("the intermediate certificate of {needed} is missing")
            } else {
                format!("the certificate of {needed} is missing, or should be trusted and is not")
            },
        )
    } else {
        let others: Vec<&str> = chain
            .unrelated
            .iter()
            .map(|each| each.subject.as_str())
            .collect();
        Refusal::new(
            Code::ChainUnrelated,
            format!(
                "{needed} is missing; what came with it is of {}",
                first_of(&others, 3)
            ),
        )
    };
    let refusal = match &top.issuer_url {
        Some(url) if url.starts_with("http://") => refusal.hint(format!(
            "landfall cert install FILE --fetch-chain   gets it from {url}"
        )),
        Some(url) => refusal.hint(format!(
            "it is at {url}; as DER, then: openssl x509 -inform DER -in FILE -out CHAIN.pem"
        )),
        None => {
            refusal.hint("the authority has it beside the certificate, as bundle, chain or CA file")
        }
    };
    refusal.hint("landfall cert install FILE --chain CHAIN.pem")
}

/// The library's reasons that mean something to people.
fn reason(error: &webpki::Error) -> &'static str {
    match error {
        webpki::Error::CertExpired { .. } => "a certificate of the chain has expired",
        webpki::Error::CertNotValidYet { .. } => "a certificate of the chain is not valid yet",
        webpki::Error::InvalidSignatureForPublicKey => "a signature is wrong",
        webpki::Error::NameConstraintViolation => "an authority may not certify these names",
        webpki::Error::PathLenConstraintViolated => "the chain is longer than an authority allows",
        _ => "an issuer is unknown, or signs in a way that clients do not take",
    }
}

fn date(unix: i64) -> String {
    rfc3339(u64::try_from(unix).unwrap_or(0))
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
