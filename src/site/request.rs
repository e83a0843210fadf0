//! What root reads of an app's home: the one request of a deploy, or what the live release needs. Both are the app's to write,
//! so they are data: short, typed, and refused with a word when they are not.

use nix::unistd::Uid;

use crate::base::hint::{Hint, Kind};
use crate::base::untrusted::{self, UntrustedError};
use crate::release::layout::Home;
use crate::stage::site::{Request, Written};
use crate::template::site::Needs;

/// The longest file that is read, in bytes.
const LIMIT: u64 = 64 * 1024;
/// The most URL prefixes of a backend.
const MOST_PATHS: usize = 300;

/// A request that is refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// There is none.
    #[error("there is no request of a deploy in {0}")]
    None(String),
    /// It cannot be read safely.
    #[error(transparent)]
    Untrusted(#[from] UntrustedError),
    /// It is not what a deploy writes. What stands in it is not shown: it may be anything.
    #[error("the request in {0} is not one of Landfall's")]
    Malformed(String),
}

impl Hint for RequestError {
    fn kind(&self) -> Kind {
        Kind::Refused
    }
}

/// The request that a deploy of the app has left.
pub fn of_deploy(home: &Home, owner: Uid) -> Result<Request, RequestError> {
    let path = home.site_request();
    let shown = path.display().to_string();
    let text =
        untrusted::read(&path, owner, LIMIT)?.ok_or_else(|| RequestError::None(shown.clone()))?;
    let request: Request =
        serde_json::from_str(&text).map_err(|_| RequestError::Malformed(shown.clone()))?;
    checked(request.needs.clone(), &shown)?;
    Ok(request)
}

/// What the live release needs; nothing where there is none.
pub fn of_live(home: &Home, owner: Uid) -> Result<Needs, RequestError> {
    let path = home.current().join("site.json");
    let shown = path.display().to_string();
    match untrusted::read(&path, owner, LIMIT)? {
        None => Ok(Needs::default()),
        Some(text) => {
            let written: Written =
                serde_json::from_str(&text).map_err(|_| RequestError::Malformed(shown.clone()))?;
            checked(written.needs, &shown)
        }
    }
}

fn checked(needs: Needs, shown: &str) -> Result<Needs, RequestError> {
    let paths = needs
        .backend
        .as_ref()
        .map_or(0, |backend| backend.paths.len());
    if paths > MOST_PATHS {
        return Err(RequestError::Malformed(shown.to_owned()));
    }
    Ok(needs)
}
