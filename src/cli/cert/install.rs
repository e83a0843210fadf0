//! `landfall cert install`
//!
//! takes: what an authority sent · gives: a site that serves it · touches: `/etc/ssl/landfall/NAME/`, nginx · undone by: itself,
//! where anything fails

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::fetched;
use super::place::{self, Place};
use super::serve::{self, Fresh};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::host::{Host, rfc3339};
use crate::base::terminal;
use crate::cli::{Ended, Globals, output};
use crate::tls::certificate::Certificate;
use crate::tls::chain::Chain;
use crate::tls::fetch::Reach;
use crate::tls::finding::{Code, Remark};
use crate::tls::health::Life;
use crate::tls::intake::{self, Taken};
use crate::tls::roots::Roots;
use crate::tls::store::Known;
use crate::tls::verify::{self, Demand};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Root's. The file is taken as it came: order, line ends and glued blocks are put right. Its key is found by itself, the chain is \
followed to a trusted root, every domain of the app must stand in it. nginx tests its configuration with the new pair; key and \
chain are swapped by one rename, nginx reloads, and each domain must show the new certificate in a handshake: if anything \
fails, the old pair is back. What is wrong has a code, explained in docs/using/tls.md.

Examples:
  sudo landfall cert install notes.crt
  sudo landfall cert install - --app notes          paste it, then Ctrl-D
  sudo landfall cert install notes.crt --chain intermediate.pem --dry-run")]
pub(in crate::cli) struct Args {
    /// The certificate as the authority sent it (PEM), or `-` for standard input.
    file: PathBuf,
    /// Intermediate certificates that came apart; can be given several times.
    #[arg(long, value_name = "FILE")]
    chain: Vec<PathBuf>,
    /// Fetch intermediates that are missing, from where the certificate says they are (http only).
    #[arg(long, conflicts_with = "allow_untrusted")]
    fetch_chain: bool,
    /// Its key, if no request of `landfall csr` was used.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The roots to trust instead of the system's.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Take one that browsers do not trust.
    #[arg(long)]
    allow_untrusted: bool,
    /// Check all of it, show it, change nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// An authority of one's own may have its web server anywhere.
    fn reach(&self) -> Reach {
        if self.roots.is_some() {
            Reach::Anywhere
        } else {
            Reach::Public
        }
    }
}

/// The file could not be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("standard input cannot be read")]
    Input(#[source] std::io::Error),
}

impl Hint for ReadError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

#[derive(Serialize)]
struct Report<'a> {
    app: &'a str,
    result: &'static str,
    version: &'a str,
    names: &'a [String],
    issuer: &'a str,
    key: String,
    not_after: String,
    days_left: i64,
    sha256: String,
    remarks: &'a [Remark],
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let place = place::of_root(host, globals, "cert install")?;
    let Taken {
        mut certificates,
        mut remarks,
    } = read_all(host, args)?;
    let mut keys = keys(host, &place, args)?;
    let spkis: Vec<Vec<u8>> = keys.iter().map(|known| known.key.spki()).collect();
    if args.fetch_chain {
        let roots = roots(host, args)?;
        let demand = demand(host, &place, args, &roots);
        remarks.extend(fetched::complete(
            &mut certificates,
            &spkis,
            &demand,
            args.reach(),
        )?);
    }
    let (leaf, at) = verify::find_leaf(&certificates, &spkis)?;
    let chain = Chain::of(leaf, &certificates);
    remarks.extend(check(host, &place, args, &chain)?);
    let old = place.store.chain().ok().flatten().unwrap_or_default();
    remarks.extend(older(old.first(), leaf));
    let known = keys.swap_remove(at);
    if !globals.json {
        for remark in &remarks {
            output::say(format!("note: {} ({})", remark.message, remark.code));
        }
        side_by_side(host, old.first(), leaf);
    }
    let before = serve::in_force(&place)?;
    let fresh = Fresh {
        chain: &chain,
        key: known.key.pem(),
        own_authority: args.roots.is_some(),
        directory: None,
    };
    let version = serve::serve(host, &place, &fresh, args.dry_run)?;
    if !args.dry_run {
        forget(&place, &known)?;
        serve::say_renewals_end(&place, before.as_ref());
    }
    report(host, globals, args, &place, leaf, &version, &remarks);
    Ok(())
}

fn read_all(host: &Host, args: &Args) -> Result<Taken, Ended> {
    let mut taken = intake::read(&read(host, &args.file)?)?;
    for file in &args.chain {
        let more = intake::read(&read(host, file)?)?;
        for certificate in more.certificates {
            if !taken.certificates.contains(&certificate) {
                taken.certificates.push(certificate);
            }
        }
        for remark in more.remarks {
            if !taken.remarks.contains(&remark) {
                taken.remarks.push(remark);
            }
        }
    }
    Ok(taken)
}

fn read(host: &Host, file: &Path) -> Result<Vec<u8>, Ended> {
    let most = intake::LARGEST as u64 + 1;
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        if terminal::types_stdin() {
            output::say("paste the certificate with its chain, then Ctrl-D:");
        }
        let mut input = std::io::stdin().take(most);
        input.read_to_end(&mut bytes).map_err(ReadError::Input)?;
    } else {
        let path = host.absolute(file);
        std::fs::File::open(&path)
            .and_then(|open| open.take(most).read_to_end(&mut bytes))
            .map_err(|source| FsError::new("read", &path, source))?;
    }
    Ok(bytes)
}

/// The one that was brought, then those of the store.
fn keys(host: &Host, place: &Place, args: &Args) -> Result<Vec<Known>, Ended> {
    let mut keys = Vec::new();
    if let Some(file) = &args.key {
        keys.push(Known {
            key: place::read_key(&host.absolute(file))?,
            pending: None,
        });
    }
    keys.extend(place.store.keys()?);
    Ok(keys)
}

fn check(host: &Host, place: &Place, args: &Args, chain: &Chain) -> Result<Vec<Remark>, Ended> {
    let roots = roots(host, args)?;
    Ok(verify::check(chain, &demand(host, place, args, &roots))?)
}

fn roots(host: &Host, args: &Args) -> Result<Roots, Ended> {
    Ok(match &args.roots {
        Some(file) => Roots::of_file(&fs::read_bytes(&host.absolute(file))?)?,
        None => Roots::of_system(),
    })
}

fn demand<'a>(host: &Host, place: &'a Place, args: &Args, roots: &'a Roots) -> Demand<'a> {
    Demand {
        domains: &place.domains,
        roots,
        allow_untrusted: args.allow_untrusted,
        now: host.now_unix(),
    }
}

fn older(old: Option<&Certificate>, new: &Certificate) -> Option<Remark> {
    let old = old.filter(|old| !old.is_self_signed() && old.der != new.der)?;
    (new.not_after <= old.not_after).then(|| {
        Remark::new(
            Code::OlderThanCurrent,
            "it does not last longer than the one that is served",
        )
    })
}

/// Old and new in two columns.
pub(super) fn side_by_side(host: &Host, old: Option<&Certificate>, new: &Certificate) {
    let now = host.now_unix();
    let cells = |certificate: &Certificate| {
        let life = Life::of(certificate, now);
        [
            certificate.names.join(" "),
            if certificate.is_self_signed() {
                "itself".into()
            } else {
                certificate.issuer.clone()
            },
            certificate.key_kind(),
            date(certificate.not_before),
            format!(
                "{} ({} days left)",
                date(certificate.not_after),
                life.days_left
            ),
            certificate.fingerprint()[..16].to_owned(),
        ]
    };
    let olds = old.map_or_else(|| std::array::from_fn(|_| "-".to_owned()), cells);
    let heads = ["names", "issuer", "key", "from", "until", "SHA-256"];
    let rows: Vec<Vec<String>> = heads
        .iter()
        .zip(olds)
        .zip(cells(new))
        .map(|((head, old), new)| vec![(*head).to_owned(), old, new])
        .collect();
    output::table(&["", "served now", "new"], &rows);
}

pub(super) fn date(unix: i64) -> String {
    rfc3339(u64::try_from(unix).unwrap_or_default())
}

/// The request is answered. Others that wait stay, and are said.
fn forget(place: &Place, known: &Known) -> Result<(), Ended> {
    if let Some(id) = &known.pending {
        place.store.forget(id)?;
    }
    for other in place.store.pending()? {
        let since = rfc3339(other.meta.created);
        output::say(format!(
            "note: another request waits since {since}: {}",
            other.id
        ));
    }
    Ok(())
}

fn report(
    host: &Host,
    globals: &Globals,
    args: &Args,
    place: &Place,
    leaf: &Certificate,
    version: &str,
    remarks: &[Remark],
) {
    let life = Life::of(leaf, host.now_unix());
    if globals.json {
        output::json(&Report {
            app: place.app.name.as_str(),
            result: if args.dry_run { "tested" } else { "served" },
            version,
            names: &leaf.names,
            issuer: &leaf.issuer,
            key: leaf.key_kind(),
            not_after: date(leaf.not_after),
            days_left: life.days_left,
            sha256: leaf.fingerprint(),
            remarks,
        });
        return;
    }
    let app = &place.app.name;
    output::say(if args.dry_run {
        format!("it would be served for {app}; nothing was changed")
    } else {
        format!(
            "{app} serves the new certificate on every domain; {} days are left",
            life.days_left
        )
    });
}
