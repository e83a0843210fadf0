//! What the server's nginx knows: its version, and that of the OpenSSL it runs with.
//!
//! takes: what `nginx -V` prints · gives: versions, and the words that differ between them · touches: runs `nginx -V`

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::base::command::{Cmd, CommandError, output};
use crate::base::hint::Hint;
use crate::base::host::SYSTEM_PATH;

/// A version of three numbers; the third may be missing, and is 0 then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The version that `text` begins with: `1.22.1`, `1.24.0 (Ubuntu)`, `3.0.17-1~deb12u2`.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let mut numbers = text[..end].split('.').map(str::parse);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next()?.ok()?;
        let patch = numbers.next().and_then(Result::ok).unwrap_or(0);
        Some(Self(major, minor, patch))
    }
}

impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// nginx as it is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NginxVersion {
    /// Its own version.
    pub nginx: Version,
    /// That of the OpenSSL it runs with; none where it was built without TLS or with another library.
    pub openssl: Option<Version>,
}

impl NginxVersion {
    /// Reads what `nginx -V` prints.
    pub fn parse(text: &str) -> Option<Self> {
        let nginx = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("nginx version: nginx/"))
            .and_then(Version::parse)?;
        Some(Self {
            nginx,
            openssl: openssl(text),
        })
    }

    /// HTTP/2 is asked for by `http2 on;` in the server block, and no longer by a word in `listen`.
    pub fn has_http2_directive(&self) -> bool {
        self.nginx >= Version(1, 25, 1)
    }

    /// A server can refuse a TLS handshake before it shows any certificate (`ssl_reject_handshake on;`).
    pub fn can_reject_handshake(&self) -> bool {
        self.nginx >= Version(1, 19, 4)
    }

    /// OpenSSL knows the hybrid group `X25519MLKEM768`; an older one refuses a list of groups that names it.
    pub fn knows_mlkem(&self) -> bool {
        self.openssl >= Some(Version(3, 5, 0))
    }

    /// The words after the port in a `listen` of TLS. All servers that listen on one address must say the same before nginx
    /// 1.25.1, so every site and the catch-all take them from here.
    pub fn tls_listen_options(&self) -> &'static str {
        if self.has_http2_directive() {
            "ssl"
        } else {
            "ssl http2"
        }
    }

    /// The line that a server block needs for HTTP/2, where `listen` does not say it.
    pub fn http2_line(&self) -> Option<&'static str> {
        self.has_http2_directive().then_some("http2 on;")
    }
}

/// `built with OpenSSL A (running with OpenSSL B)`: what runs counts.
fn openssl(text: &str) -> Option<Version> {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("built with OpenSSL "))?;
    let running = line.split_once("running with OpenSSL ");
    Version::parse(running.map_or(line, |(_, running)| running))
}

/// It serves `FILE.gz` in place of `FILE`: its build says so (`nginx -V`).
pub fn has_gzip_static(text: &str) -> bool {
    text.contains("--with-http_gzip_static_module")
}

/// `nginx -V`.
pub fn ask(nginx: &Path) -> Cmd {
    Cmd::new(nginx)
        .arg("-V")
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .timeout(Duration::from_secs(10))
}

/// Runs [`ask`].
///
/// # Errors
/// nginx does not run, or says nothing that is a version.
pub fn installed(nginx: &Path) -> Result<NginxVersion, NginxVersionError> {
    let text = output(&ask(nginx)).map_err(|error| NginxVersionError::Failed(Box::new(error)))?;
    NginxVersion::parse(&text).ok_or_else(|| {
        let first = text.lines().next().unwrap_or_default();
        NginxVersionError::Unknown(crate::base::words::printable(first))
    })
}

/// nginx does not say which it is.
#[derive(Debug, thiserror::Error)]
pub enum NginxVersionError {
    /// It does not run.
    #[error("nginx does not say its version")]
    Failed(#[source] Box<CommandError>),
    /// What it says is no version.
    #[error("`{0}` is no version of nginx")]
    Unknown(String),
}

impl Hint for NginxVersionError {
    fn hints(&self) -> Vec<String> {
        vec!["see what it says: nginx -V".into()]
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Failed(error) => error.tool_output(),
            Self::Unknown(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKWORM: &str = "nginx version: nginx/1.22.1\nbuilt with OpenSSL 3.0.8 7 Feb 2023 (running with OpenSSL 3.0.17 1 Jul 2025)\nTLS SNI support enabled";

    #[test]
    fn old_and_new_releases_are_told_apart() {
        let bookworm = NginxVersion::parse(BOOKWORM).unwrap();
        assert_eq!(bookworm.nginx, Version(1, 22, 1));
        assert_eq!(bookworm.openssl, Some(Version(3, 0, 17)));
        assert_eq!(bookworm.tls_listen_options(), "ssl http2");
        assert_eq!(bookworm.http2_line(), None);
        assert!(bookworm.can_reject_handshake() && !bookworm.knows_mlkem());

        let trixie = "nginx version: nginx/1.26.3\nbuilt with OpenSSL 3.5.1 1 Jul 2025";
        let trixie = NginxVersion::parse(trixie).unwrap();
        assert_eq!(trixie.tls_listen_options(), "ssl");
        assert_eq!(trixie.http2_line(), Some("http2 on;"));
        assert!(trixie.knows_mlkem());

        let jammy = "nginx version: nginx/1.18.0 (Ubuntu)\nbuilt with OpenSSL 3.0.2 15 Mar 2022";
        let jammy = NginxVersion::parse(jammy).unwrap();
        assert!(!jammy.can_reject_handshake());
    }

    #[test]
    fn another_tls_library_has_no_openssl_version() {
        let text = "nginx version: nginx/1.27.0\nbuilt with BoringSSL (running with BoringSSL)";
        let other = NginxVersion::parse(text).unwrap();
        assert_eq!(other.openssl, None);
        assert!(!other.knows_mlkem());
    }

    #[test]
    fn what_is_no_version_is_none() {
        assert_eq!(Version::parse("1"), None);
        assert_eq!(Version::parse("one.two"), None);
        assert_eq!(Version::parse("1.27"), Some(Version(1, 27, 0)));
        assert_eq!(NginxVersion::parse("command not found"), None);
    }

    #[test]
    fn the_installed_nginx_says_its_version() {
        let nginx = super::super::nginx::find().expect("nginx is missing: apt install nginx-light");
        assert!(installed(&nginx).unwrap().nginx > Version(1, 0, 0));
    }
}
