//! The account at an authority: made once for each directory, its key root's alone.
//!
//! takes: a directory, an address of mail · gives: the account · touches: `/etc/ssl/landfall/acme.accounts/`, the authority ·
//! undone by: removing the file; the authority forgets nothing
//!
//! Its key is not a certificate's: authorities refuse that (RFC 8555, 11.1).

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use instant_acme::{Account, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::course::steady;
use super::directory::{Directory, DirectoryUrl};
use super::failure::{Failure, of_error};
use super::obtain::ObtainError;
use crate::base::flock::{self, Attempt, FileLock};
use crate::base::fs::{self, FsError};
use crate::base::secret::Secret;
use crate::tls::finding::Code;

/// Nobody but root looks in.
const FOLDER: u32 = 0o700;
/// How long another's account is waited for, which is one for this one too.
const TURN: Duration = Duration::from_secs(60);

/// An address of mail that authorities take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// It is none.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an address of mail")]
pub struct EmailError(String);

impl crate::base::hint::Hint for EmailError {
    fn kind(&self) -> crate::base::hint::Kind {
        crate::base::hint::Kind::Usage
    }
}

impl std::str::FromStr for Email {
    type Err = EmailError;

    fn from_str(given: &str) -> Result<Self, EmailError> {
        let is_plain = |b: u8| b.is_ascii_graphic() && !b"<>,;:\"\\()?&#%".contains(&b);
        let parts: Vec<&str> = given.split('@').collect();
        match parts[..] {
            [user, host]
                if !user.is_empty()
                    && host.contains('.')
                    && given.len() <= 200
                    && given.bytes().all(is_plain) =>
            {
                Ok(Self(given.to_owned()))
            }
            _ => Err(EmailError(crate::base::words::shown(given, 60))),
        }
    }
}

impl TryFrom<String> for Email {
    type Error = EmailError;
    fn try_from(given: String) -> Result<Self, EmailError> {
        given.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

/// What is asked of an account.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Where the authority may write to.
    pub email: Option<Email>,
    /// Its terms are agreed to.
    pub agrees: bool,
}

/// The file of an account.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: DirectoryUrl,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<Email>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terms: Option<String>,
    /// The library's own form; it holds the key.
    credentials: AccountCredentials,
}

/// Where accounts are, and whose.
pub(super) struct Place<'a> {
    pub(super) folder: &'a Path,
    pub(super) url: &'a DirectoryUrl,
}

impl Place<'_> {
    /// Where it lies.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.url.file_stem()))
    }

    fn keep(&self, kept: &Kept) -> Result<(), FsError> {
        let text = Secret::new(serde_json::to_string_pretty(kept).unwrap_or_default());
        fs::write(&self.file(), text.expose().as_bytes(), fs::PRIVATE)
    }

    fn read(&self) -> Result<Option<Kept>, ObtainError> {
        let Some(text) = fs::read_if_exists(&self.file())?.map(Secret::new) else {
            return Ok(None);
        };
        // What serde says may hold what it read.
        let kept = serde_json::from_str(text.expose()).map_err(|_| self.broken())?;
        Ok(Some(kept))
    }

    fn broken(&self) -> Failure {
        let file = self.file();
        Failure::new(
            Code::AcmeRejected,
            format!("the account in {} cannot be read", file.display()),
        )
        .hint(anew(&file))
    }

    fn turn(&self) -> Result<FileLock, ObtainError> {
        fs::create_folder_with_mode(self.folder, FOLDER)?;
        let begun = Instant::now();
        loop {
            match flock::try_lock(&self.folder.join("lock"))? {
                Attempt::Taken(lock) => return Ok(lock),
                Attempt::HeldBy(_) if begun.elapsed() > TURN => return Err(ObtainError::Busy),
                Attempt::HeldBy(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

/// How another account is made.
pub(super) fn anew(file: &Path) -> String {
    let file = file.display();
    format!("for another account: mv {file} {file}.old, then: landfall cert issue --agree-tos")
}

/// The account, made where there is none.
pub(super) async fn open(
    client: &Client,
    directory: &Directory,
    place: &Place<'_>,
    wish: &Wish,
) -> Result<Account, ObtainError> {
    let _turn = place.turn()?;
    let fail = |error: &instant_acme::Error| of_error(error).asked().again_at(client.again_at());
    let Some(mut kept) = place.read()? else {
        return make(client, directory, place, wish).await;
    };
    let url = kept.directory.clone();
    let credentials = copy(&kept.credentials).ok_or_else(|| place.broken())?;
    let account = Account::builder_with_http(Box::new(client.clone()))
        .from_credentials(credentials)
        .await
        .map_err(|error| fail(&error))?;
    if let Some(email) = wish
        .email
        .as_ref()
        .filter(|email| kept.email.as_ref() != Some(email))
    {
        let contact = format!("mailto:{}", email.0);
        steady!(account.update_contacts(&[&contact])).map_err(|error| fail(&error))?;
        kept.email = Some(email.clone());
        place.keep(&Kept {
            directory: url,
            ..kept
        })?;
    }
    Ok(account)
}

/// The library's credentials cannot be cloned, and are consumed by their use.
fn copy(credentials: &AccountCredentials) -> Option<AccountCredentials> {
    let text = Secret::new(serde_json::to_string(credentials).ok()?);
    serde_json::from_str(text.expose()).ok()
}

async fn make(
    client: &Client,
    directory: &Directory,
    place: &Place<'_>,
    wish: &Wish,
) -> Result<Account, ObtainError> {
    directory.check_account()?;
    let terms = directory.terms();
    if !wish.agrees {
        let shown = terms.unwrap_or_else(|| "its own page has them".into());
        return Err(Failure::new(
            Code::AcmeTerms,
            format!("the authority wants its terms agreed to first: {shown}"),
        )
        .hint("read them, then: landfall cert issue --agree-tos")
        .into());
    }
    let contact = wish
        .email
        .as_ref()
        .map(|email| format!("mailto:{}", email.0));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let made = steady!(Account::builder_with_http(Box::new(client.clone())).create(
        &new,
        place.url.to_string(),
        None
    ));
    let (account, credentials) =
        made.map_err(|error| of_error(&error).asked().again_at(client.again_at()))?;
    place.keep(&Kept {
        directory: place.url.clone(),
        email: wish.email.clone(),
        terms,
        credentials,
    })?;
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_mail_is_one_and_nothing_else() {
        for good in ["ana@example.org", "a.b+c@mail.example.org"] {
            good.parse::<Email>().unwrap();
        }
        for bad in [
            "",
            "ana",
            "ana@",
            "@example.org",
            "a@b",
            "a@b.c@d.e",
            "a b@c.de",
            "a@c.de,x@y.zz",
            "a@c.de?subject=x",
            "a@c.de\n",
        ] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_damaged_account_shows_nothing_of_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let url: DirectoryUrl = "https://ca.example.org/dir".parse().unwrap();
        let place = Place {
            folder: dir.path(),
            url: &url,
        };
        assert!(place.read().unwrap().is_none());
        let text = r#"{"directory":"https://ca.example.org/dir","credentials":{"id":"x","key_pkcs8":"SECRET!SECRET","directory":"y"}}"#;
        fs::write(&place.file(), text.as_bytes(), fs::PRIVATE).unwrap();
        let error = place.read().err().unwrap();
        let said = crate::base::hint::chain(&error).join(" ") + &format!("{error:?}");
        assert!(!said.contains("SECRET"), "{said}");
        let hints = crate::base::hint::Hint::hints(&error).join(" ");
        assert!(hints.contains(".json.old"), "{hints}");
    }
}
