//! `landfall cert`: certificates of the server's apps.

mod fetched;
mod install;
mod issue;
mod look;
mod notify;
mod order;
pub(in crate::cli) mod place;
mod renew;
mod self_signed;
mod serve;
mod status;

use super::{Ended, Globals};
use crate::base::host::Host;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check what the authority sent, and serve it.
    Install(install::Args),
    /// Order a certificate by ACME, from Let's Encrypt or another authority, that renews itself.
    Issue(issue::Args),
    /// Renew what was ordered so, where it is time.
    Renew(renew::Args),
    /// Show how long certificates last and whether they work; for monitoring too.
    Status(status::Args),
    /// Serve a certificate that is made here and that browsers do not trust.
    SelfSigned(self_signed::Args),
}

impl Command {
    /// True for what may be asked over ssh.
    pub(super) fn only_shows(&self) -> bool {
        match self {
            Self::Status(args) => args.is_of_one_app(),
            Self::Install(_) | Self::Issue(_) | Self::Renew(_) | Self::SelfSigned(_) => false,
        }
    }
}

pub(super) fn run(host: &Host, globals: &Globals, command: &Command) -> Result<(), Ended> {
    match command {
        Command::Install(args) => install::run(host, globals, args),
        Command::Issue(args) => issue::run(host, globals, args),
        Command::Renew(args) => renew::run(host, globals, args),
        Command::Status(args) => status::run(host, globals, args),
        Command::SelfSigned(args) => self_signed::run(host, globals, args),
    }
}
