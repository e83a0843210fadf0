//! `landfall cert issue`
//!
//! takes: names, an authority, a way to show that the names are ours · gives: a site that serves a certificate which renews
//! itself · touches: `/etc/ssl/landfall/`, the folder of challenges, nginx, the authority · undone by: itself, where anything
//! fails

use std::path::PathBuf;

use serde::Serialize;

use super::install::{date, side_by_side};
use super::order::{Done, Errand, take_turn};
use super::place::{self, Place};
use super::serve;
use crate::acme::account::{Email, Wish};
use crate::acme::directory::{DirectoryUrl, PRODUCTION, STAGING};
use crate::acme::hook::Hook;
use crate::acme::obtain::ObtainError;
use crate::acme::renewal::{Due, Memory};
use crate::acme::standing::{Challenge, StandingOrder};
use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::{Host, rfc3339};
use crate::base::names::AppName;
use crate::base::words::shown;
use crate::cli::{Ended, Globals, output};
use crate::tls::health::Life;
use crate::tls::key::KeyKind;
use crate::tls::name::CertName;
use crate::tls::roots::Roots;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Root's. Orders a certificate for the app's domains and redirects by ACME, from Let's Encrypt if no other authority is named, and \
serves it as `landfall cert install` does. The names are shown to be ours by files that nginx serves on port 80 (http-01), or by \
records that a program of yours sets at your DNS (dns-01): `HOOK add NAME VALUE`, `HOOK remove NAME VALUE`. Before the \
authority is asked, nginx is.

What was asked is remembered: landfall-cert-renew.timer renews the certificate in time, without options. --staging orders from \
Let's Encrypt's trial system; what it issues is looked at, kept apart and never served. The same goes for another \
--directory than the one whose certificate is served, until --force says that it takes over.

Examples:
  sudo landfall cert issue --app notes --email ana@example.org --agree-tos
  sudo landfall cert issue --app notes --staging --agree-tos
  sudo landfall cert issue --app notes --domain '*.example.org' --dns-hook /etc/landfall/hooks/dns --agree-tos
  sudo landfall cert issue --app notes --directory https://ca.example.net/acme/directory --roots ca.pem --agree-tos")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "options that do not depend on each other"
)]
pub(in crate::cli) struct Args {
    /// A name besides the app's domains, such as `*.example.org`; can be given several times.
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// Let's Encrypt's trial system.
    #[arg(long, conflicts_with = "directory")]
    staging: bool,
    /// Another authority, by the address of its directory.
    #[arg(long, value_name = "URL")]
    directory: Option<DirectoryUrl>,
    /// Where the authority may write to.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<Email>,
    /// The authority's terms are agreed to; needed once for each authority.
    #[arg(long)]
    agree_tos: bool,
    /// The program that sets and removes records: dns-01, which wildcards need.
    #[arg(long, value_name = "FILE")]
    dns_hook: Option<PathBuf>,
    /// How long DNS may take to tell of a record that was set.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600), requires = "dns_hook")]
    dns_wait: u64,
    /// One of the authority's profiles, such as `shortlived`.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The kind of key that is made.
    #[arg(long, value_enum, value_name = "KIND", default_value = "ecdsa-p256")]
    key: KeyKind,
    /// No new key, now and for renewals: the one that is served.
    #[arg(long)]
    reuse_key: bool,
    /// The roots to trust instead of the system's: for the authority's own server and for what it issues.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Order though the certificate lasts, though an attempt has just failed, or from another authority than before.
    #[arg(long)]
    force: bool,
    /// Look whether it would work, as far as this machine knows; ask nobody.
    #[arg(long)]
    dry_run: bool,
}

/// It is not ordered now.
#[derive(Debug, thiserror::Error)]
#[error("an attempt failed at {at}; the authority is left alone until {until}")]
struct Paused {
    app: AppName,
    at: String,
    until: String,
}

impl Hint for Paused {
    fn hints(&self) -> Vec<String> {
        vec![
            format!("see why: landfall cert status --app {}", self.app),
            "ask it all the same: --force".into(),
        ]
    }

    fn kind(&self) -> Kind {
        Kind::Busy
    }
}

/// A profile with characters that no authority's has.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the name of a profile")]
struct ProfileError(String);

impl Hint for ProfileError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

#[derive(Serialize)]
struct Report<'a> {
    app: &'a str,
    result: &'static str,
    directory: &'a str,
    names: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_renewal: Option<String>,
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let place = place::of_root(host, globals, "cert issue")?;
    let (standing, roots_text) = standing(host, args)?;
    let names = standing.names(&place.domains)?;
    standing
        .check_wildcards(&names)
        .map_err(ObtainError::from)?;
    let _turn = take_turn(&place)?;
    let before = serve::in_force(&place)?;
    let is_trial = standing.directory.is_staging()
        || before
            .as_ref()
            .is_some_and(|before| before.directory != standing.directory && !args.force);
    let roots = match &roots_text {
        Some(text) => Roots::of_file(text)?,
        None => Roots::of_system(),
    };
    let errand = Errand {
        host,
        place: &place,
        standing: &standing,
        names: &names,
        roots: &roots,
        roots_text: roots_text.as_deref(),
        wish: &Wish {
            email: args.email.clone(),
            agrees: args.agree_tos,
        },
        is_trial,
        is_quiet: globals.json,
    };
    let report = Report {
        app: place.app.name.as_str(),
        result: "would be asked",
        directory: standing.directory.as_str(),
        names: names.iter().map(CertName::as_str).collect(),
        version: None,
        issuer: None,
        not_after: None,
        sha256: None,
        next_renewal: None,
    };
    if args.dry_run {
        errand.rehearse()?;
        tell(globals, &report, &lines_of_rehearsal(&standing, &names));
        return Ok(());
    }
    if !args.force
        && !is_trial
        && let Some(until) = not_due(host, &place, before.as_ref() == Some(&standing), &names)?
    {
        let lines = vec![format!(
            "{} has such a certificate, which is not due before {}; order all the same: --force",
            place.app.name,
            rfc3339(until)
        )];
        let report = Report {
            result: "not due",
            next_renewal: Some(rfc3339(until)),
            ..report
        };
        tell(globals, &report, &lines);
        return Ok(());
    }
    let old = place.store.chain().ok().flatten().unwrap_or_default();
    let done = errand.run()?;
    if !globals.json {
        side_by_side(host, old.first(), &done.leaf);
    }
    finish(host, globals, &errand, report, &done)
}

fn standing(host: &Host, args: &Args) -> Result<(StandingOrder, Option<Vec<u8>>), Ended> {
    let directory = match (&args.directory, args.staging) {
        (Some(directory), _) => directory.clone(),
        (None, true) => STAGING.parse()?,
        (None, false) => PRODUCTION.parse()?,
    };
    let challenge = match &args.dns_hook {
        Some(hook) => Challenge::Dns {
            hook: Hook::at(hook).map_err(ObtainError::from)?.path().to_owned(),
            wait: args.dns_wait,
        },
        None => Challenge::Http,
    };
    let mut domains = Vec::new();
    for domain in &args.domains {
        domains.push(CertName::parse(domain)?);
    }
    let is_plain = |profile: &&String| {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        !profile.is_empty() && profile.len() <= 64 && profile.bytes().all(is_plain)
    };
    if let Some(profile) = args.profile.as_ref().filter(|profile| !is_plain(profile)) {
        return Err(ProfileError(shown(profile, 60)).into());
    }
    let roots = match &args.roots {
        Some(file) => Some(fs::read_bytes(&host.absolute(file))?),
        None => None,
    };
    let standing = StandingOrder {
        directory,
        domains,
        challenge,
        profile: args.profile.clone(),
        key: args.key,
        reuse_key: args.reuse_key,
        own_roots: roots.is_some(),
    };
    Ok((standing, roots))
}

/// Until when nothing is to be done, because the very same was ordered; an attempt that has just failed is an error.
fn not_due(
    host: &Host,
    place: &Place,
    is_same: bool,
    names: &[CertName],
) -> Result<Option<u64>, Ended> {
    let now = host.now_unix();
    let memory = Memory::of(&place.store)?;
    if memory.not_before > now {
        return Err(Paused {
            app: place.app.name.clone(),
            at: rfc3339(memory.failed.map_or(0, |failed| failed.at)),
            until: rfc3339(memory.not_before),
        }
        .into());
    }
    let chain = place.store.chain().ok().flatten().unwrap_or_default();
    let Some(leaf) = chain.first().filter(|_| is_same) else {
        return Ok(None);
    };
    let has_all = names
        .iter()
        .all(|name| leaf.names.iter().any(|has| has == name.as_str()));
    match memory.due(leaf, !has_all, now) {
        Due::At(until) => Ok(Some(until)),
        Due::Now(_) | Due::Paused(..) => Ok(None),
    }
}

fn lines_of_rehearsal(standing: &StandingOrder, names: &[CertName]) -> Vec<String> {
    let names: Vec<&str> = names.iter().map(CertName::as_str).collect();
    let how = match &standing.challenge {
        Challenge::Http => "http-01; nginx serves the answers".to_owned(),
        Challenge::Dns { hook, .. } => format!("dns-01 by {}", hook.display()),
    };
    vec![
        format!("  from     {}", standing.directory),
        format!("  names    {}", names.join(", ")),
        format!("  by       {how}"),
        "the authority was not asked, and nothing was changed".into(),
    ]
}

fn finish(
    host: &Host,
    globals: &Globals,
    errand: &Errand<'_>,
    report: Report<'_>,
    done: &Done,
) -> Result<(), Ended> {
    let leaf = &done.leaf;
    let app = &errand.place.app.name;
    let days = Life::of(leaf, host.now_unix()).days_left;
    let mut lines: Vec<String> = done
        .remarks
        .iter()
        .map(|remark| format!("note: {} ({})", remark.message, remark.code))
        .collect();
    let next = match Memory::of(&errand.place.store)?.due(leaf, false, host.now_unix()) {
        Due::At(until) => until,
        Due::Now(_) | Due::Paused(..) => host.now_unix(),
    };
    if errand.is_trial {
        lines.push(format!(
            "{} issued it: {app} could have one. It is kept apart in {}, and what was served is served",
            errand.standing.directory.host(),
            done.version
        ));
        lines.push(if errand.standing.directory.is_staging() {
            "next: the same without --staging".into()
        } else {
            "next: the same with --force, if this authority is to take over".into()
        });
    } else {
        lines.push(format!(
            "{app} serves the new certificate on every domain; {days} days are left, and it renews itself from {} on",
            rfc3339(next)
        ));
    }
    let report = Report {
        result: if errand.is_trial {
            "kept apart"
        } else {
            "served"
        },
        version: Some(&done.version),
        issuer: Some(&leaf.issuer),
        not_after: Some(date(leaf.not_after)),
        sha256: Some(leaf.fingerprint()),
        next_renewal: (!errand.is_trial).then(|| rfc3339(next)),
        ..report
    };
    tell(globals, &report, &lines);
    Ok(())
}

fn tell(globals: &Globals, report: &Report<'_>, lines: &[String]) {
    if globals.json {
        output::json(report);
    }
    for line in lines {
        output::say(line);
    }
}
