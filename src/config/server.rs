//! The server's settings of an app: `NAME.toml` in the folder of apps.
//!
//! takes: the file's text · gives: [`AppSettings`] · touches: nothing

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::names::{AppName, BranchName, Domain};

/// An app as the server knows it. Written by `landfall app create`, edited by whoever administers the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    /// The app's name; the file is called after it.
    pub name: AppName,
    /// The app's home, absolute.
    pub home: PathBuf,
    /// The branch that deploys.
    pub branch: BranchName,
    /// The host names the site answers to; the first is the one its URL is made of.
    #[serde(default)]
    pub domains: Vec<Domain>,
    /// Where nginx listens in user mode.
    pub listen: SocketAddr,
    /// A push to another branch is accepted (and not deployed) or refused.
    #[serde(default = "yes")]
    pub accept_other_branches: bool,
    /// A push may rewrite the deployed branch.
    #[serde(default = "yes")]
    pub allow_force_push: bool,
    /// `-o skip-gate` is allowed.
    #[serde(default)]
    pub allow_skip_gate: bool,
    /// Good releases kept besides the live one.
    #[serde(default = "five")]
    pub keep_releases: usize,
    /// The largest request body nginx takes, in MiB.
    #[serde(default = "twenty_five")]
    pub max_upload_mb: u32,
}

fn yes() -> bool {
    true
}

fn five() -> usize {
    5
}

fn twenty_five() -> u32 {
    25
}

impl AppSettings {
    /// The URL people open: the first domain, or the address nginx listens on.
    pub fn url(&self) -> String {
        match (self.domains.first(), self.listen.port()) {
            (Some(domain), 80) => format!("http://{domain}"),
            (Some(domain), port) => format!("http://{domain}:{port}"),
            (None, 80) => format!("http://{}", self.listen.ip()),
            (None, _) => format!("http://{}", self.listen),
        }
    }
}
