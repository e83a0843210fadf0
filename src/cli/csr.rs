//! `landfall csr`
//!
//! takes: names, a kind of key · gives: a request for a certificate (PEM) · touches: `pending/` of the app's certificates ·
//! undone by: removing that folder; what is served is never touched

use std::path::PathBuf;

use serde::Serialize;

use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::{Host, rfc3339};
use crate::base::words::list;
use crate::cli::cert::place::{self, Place};
use crate::cli::{Ended, Globals, output, working};
use crate::site;
use crate::tls::key::{KeyKind, PrivateKey};
use crate::tls::name::CertName;
use crate::tls::pending::Pending;
use crate::tls::request::{Request, Subject, Wanted};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Root's. A new key is made and waits beside the request, in pending/ID/ below /etc/ssl/landfall/NAME; the key that is served \
is not touched, so nothing can break until the certificate has come and `landfall cert install` puts both in place. A second \
run shows the request that waits. The names are the app's domains and its redirects.

Many authorities (Gandi among them) take further names from a form of their own and not from the request: type there the \
names that are shown. docs/using/tls.md goes through a renewal step by step.

Examples:
  sudo landfall csr
  sudo landfall csr --app notes --key ecdsa-p256 --out notes.csr
  sudo landfall csr --domain example.org --domain '*.example.org' --country FR --org 'Example SARL' --new")]
pub(in crate::cli) struct Args {
    /// A name the certificate is for; can be given several times [default: the app's domains].
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// The kind of key that is made [default: rsa2048, which every authority takes].
    #[arg(long, value_enum, value_name = "KIND")]
    key: Option<KeyKind>,
    /// No new key: the one that is served. Some authorities refuse that.
    #[arg(long, conflicts_with_all = ["key", "key_file"])]
    reuse_key: bool,
    /// No new key: the one in this file, in any form that openssl writes.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    key_file: Option<PathBuf>,
    /// Country, two letters.
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// State or province.
    #[arg(long, value_name = "NAME")]
    state: Option<String>,
    /// City.
    #[arg(long, value_name = "NAME")]
    locality: Option<String>,
    /// Organisation.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// Leave the common name out; the names stand in the request anyway.
    #[arg(long)]
    no_cn: bool,
    /// Write the request to this file; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Make another request, though one waits.
    #[arg(long)]
    new: bool,
}

/// No request is made.
#[derive(Debug, thiserror::Error)]
enum CsrError {
    #[error("another request waits already, since {since}: for {names}, with {key}")]
    OtherWaits {
        since: String,
        names: String,
        key: String,
    },
    #[error("no key is served yet that could be used again")]
    NoKey,
}

impl Hint for CsrError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::OtherWaits { .. } => vec![
                "see it: landfall csr".into(),
                "make this one as well: landfall csr … --new".into(),
            ],
            Self::NoKey => vec!["leave --reuse-key out".into()],
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::OtherWaits { .. } => Kind::Refused,
            Self::NoKey => Kind::NotFound,
        }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    is_new: bool,
    names: &'a [CertName],
    subject: String,
    key: &'a str,
    key_sha256: &'a str,
    request_md5: String,
    request_sha256: String,
    created: String,
    request: String,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let place = place::of_root(host, globals, "csr")?;
    let wanted = wanted(&place, args)?;
    // Two at once would take each other's for what a killed one left.
    let _turn = site::take_turn(&place.server)?;
    place.store.tidy()?;
    let waiting = place.store.pending()?.into_iter().next();
    if let Some(waiting) = waiting.filter(|_| !args.new) {
        if !is_meant(args, &wanted, &waiting) {
            return Err(CsrError::OtherWaits {
                since: rfc3339(waiting.meta.created),
                names: listed(&waiting.meta.wanted.names),
                key: waiting.meta.key.clone(),
            }
            .into());
        }
        return show(host, globals, args, &place, &waiting, false);
    }
    let key = key(host, &place, args)?;
    let request = Request::make(&wanted, &key)?;
    let made = place.store.keep(&wanted, &key, request, host.now_unix())?;
    show(host, globals, args, &place, &made, true)
}

fn wanted(place: &Place, args: &Args) -> Result<Wanted, Ended> {
    let mut names: Vec<CertName> = Vec::new();
    let given = args.domains.iter().map(String::as_str);
    let own = place.domains.iter().map(AsRef::as_ref);
    let all: Vec<&str> = if args.domains.is_empty() {
        own.collect()
    } else {
        given.collect()
    };
    for name in all {
        let name = CertName::parse(name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let subject = Subject {
        country: args.country.clone(),
        state: args.state.clone(),
        locality: args.locality.clone(),
        organization: args.org.clone(),
        common_name: names.first().filter(|_| !args.no_cn).cloned(),
    };
    Ok(Wanted {
        names,
        subject: subject.checked()?,
    })
}

/// A plain `landfall csr` means what waits; one with options only if it asks for the same.
fn is_meant(args: &Args, wanted: &Wanted, waiting: &Pending) -> bool {
    if args.reuse_key || args.key_file.is_some() {
        return false;
    }
    let asks = !args.domains.is_empty()
        || [&args.country, &args.state, &args.locality, &args.org]
            .into_iter()
            .any(Option::is_some)
        || args.no_cn;
    let same_key = args.key.is_none_or(|kind| kind.word() == waiting.meta.key);
    same_key && (!asks || *wanted == waiting.meta.wanted)
}

fn key(host: &Host, place: &Place, args: &Args) -> Result<PrivateKey, Ended> {
    if let Some(file) = &args.key_file {
        return place::read_key(&host.absolute(file));
    }
    if args.reuse_key {
        return Ok(place.store.current_key()?.ok_or(CsrError::NoKey)?);
    }
    let kind = args.key.unwrap_or(KeyKind::Rsa2048);
    let make = || PrivateKey::make(kind);
    Ok(match kind {
        // Seconds, with bad luck.
        KeyKind::Rsa3072 | KeyKind::Rsa4096 => {
            working::meanwhile(&format!("making a key: {}", kind.word()), make)
        }
        _ => make(),
    }?)
}

fn show(
    host: &Host,
    globals: &Globals,
    args: &Args,
    place: &Place,
    pending: &Pending,
    is_new: bool,
) -> Result<(), Ended> {
    let to_stdout = args.out.as_os_str() == "-";
    if !to_stdout {
        let file = host.absolute(&args.out);
        fs::write(&file, pending.pem().as_bytes(), fs::PUBLIC)?;
    }
    let shown = Shown {
        id: &pending.id,
        is_new,
        names: &pending.meta.wanted.names,
        subject: pending.meta.wanted.subject.to_string(),
        key: &pending.meta.key,
        key_sha256: &pending.meta.spki,
        request_md5: pending.request.md5(),
        request_sha256: pending.request.sha256(),
        created: rfc3339(pending.meta.created),
        request: pending.pem(),
    };
    if globals.json {
        output::json(&shown);
    } else if to_stdout {
        output::text(&shown.request);
    }
    for line in lines(place, &shown) {
        output::say(line);
    }
    if !to_stdout {
        output::say(format!("the request is written to {}", args.out.display()));
    }
    output::say(format!(
        "next: give it to the authority, then: landfall cert install FILE --app {}",
        place.app.name
    ));
    Ok(())
}

fn lines(place: &Place, shown: &Shown<'_>) -> Vec<String> {
    let head = if shown.is_new {
        "a request is made; its key waits with it, and what is served is not touched".to_owned()
    } else {
        format!(
            "this request waits for its certificate since {}; another: --new",
            shown.created
        )
    };
    let (first, second) = shown.request_sha256.split_at(32);
    let subject = match shown.subject.as_str() {
        "" => "empty",
        subject => subject,
    };
    let mut lines = vec![
        head,
        format!(
            "  names    {}   type these at an authority that asks",
            listed(shown.names)
        ),
        format!("  subject  {subject}"),
        format!("  key      {}, SHA-256 {}", shown.key, shown.key_sha256),
        format!(
            "  check    _{}.DOMAIN CNAME {first}.{second}.sectigo.com   if the authority checks so",
            shown.request_md5
        ),
    ];
    let missing: Vec<&str> = place
        .domains
        .iter()
        .filter(|domain| {
            let names = shown.names.iter();
            !names
                .map(CertName::as_str)
                .any(|name| crate::tls::name::covers(name, domain))
        })
        .map(AsRef::as_ref)
        .collect();
    if !missing.is_empty() {
        lines.push(format!(
            "warning: the app answers to {} too, which the request does not name",
            list(&missing)
        ));
    }
    lines
}

fn listed(names: &[CertName]) -> String {
    let names: Vec<&str> = names.iter().map(CertName::as_str).collect();
    names.join(", ")
}
