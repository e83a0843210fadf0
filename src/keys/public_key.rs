//! A public ssh key, as people hand it over: the text of `id_ed25519.pub`, one key or several.
//!
//! takes: text · gives: [`PublicKey`]s that sshd takes and that are strong enough · touches: nothing

use ssh_key::public::KeyData;
use ssh_key::{EcdsaCurve, HashAlg};

use crate::base::hint::{Hint, Kind};
use crate::base::names::{Fingerprint, Who};
use crate::base::words::{printable, shorten};

/// The largest text that is looked at, in bytes: a hundred keys of the largest kind.
pub const LARGEST: usize = 256 * 1024;
/// The shortest RSA key that is taken, in bits.
const SHORTEST_RSA: usize = 2048;
/// OpenSSH takes no longer one (`OPENSSH_RSA_MAX_MODULUS_BITS`).
const LONGEST_RSA: usize = 16384;

/// A key that may be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    data: KeyData,
    fingerprint: Fingerprint,
}

/// A key as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The key.
    pub key: PublicKey,
    /// Whose it is, by its comment; `None` where it has none that can be shown.
    pub comment: Option<Who>,
}

/// A text that is no key, or a key that is not taken. The first number is that of the line. Never shows the text: it may
/// be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The other half.
    #[error("this is a private key: it belongs on your own machine and nowhere else")]
    Private,
    /// Nothing but comments.
    #[error("there is no key in it")]
    None,
    /// Too much.
    #[error("it is larger than {LARGEST} bytes, too large for public keys")]
    TooLarge,
    /// Anything else.
    #[error("line {0} is no public key")]
    NoKey(usize),
    /// The form of RFC 4716.
    #[error("line {0} begins a key in the form of ssh.com (RFC 4716)")]
    OtherForm(usize),
    /// A key signed by an authority; who may come in is told by keys alone.
    #[error("line {0} is a certificate, not a key")]
    Certificate(usize),
    /// `command="…" ssh-ed25519 …`
    #[error("line {0} has options in front of the key; Landfall writes its own")]
    Options(usize),
    /// DSA.
    #[error("line {0} is a DSA key, which OpenSSH takes no more")]
    Dsa(usize),
    /// Short RSA.
    #[error("line {0} is an RSA key of {1} bits; at least {SHORTEST_RSA} are needed")]
    ShortRsa(usize, usize),
    /// Huge RSA.
    #[error("line {0} is an RSA key of {1} bits; OpenSSH takes at most {LONGEST_RSA}")]
    LongRsa(usize, usize),
    /// Something sshd may know and we don't.
    #[error("line {0} is a key of the kind `{1}`, which is not taken")]
    OtherKind(usize, String),
}

impl Hint for KeyError {
    fn hints(&self) -> Vec<String> {
        let make = "make a key: ssh-keygen -t ed25519; its public half is ~/.ssh/id_ed25519.pub";
        match self {
            Self::Private => vec![
                "give the file that ends in .pub".into(),
                "if the private one has left its machine, make another: ssh-keygen -t ed25519"
                    .into(),
            ],
            Self::OtherForm(_) => vec!["convert it: ssh-keygen -i -f FILE".into()],
            Self::Options(_) => {
                vec![
                    "leave them out: the line begins with the key's kind, as in id_ed25519.pub"
                        .into(),
                ]
            }
            Self::Certificate(_) => vec!["give the key's own file, not NAME-cert.pub".into()],
            Self::TooLarge => Vec::new(),
            _ => vec![make.into()],
        }
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// The keys in a text, one a line; empty lines and lines of comment are passed over.
pub fn parse(text: &str) -> Result<Vec<Given>, KeyError> {
    if text.len() > LARGEST {
        return Err(KeyError::TooLarge);
    }
    // First of all, so that no other message is given for a secret.
    if text.contains("PRIVATE KEY") || text.contains("PuTTY-User-Key-File") {
        return Err(KeyError::Private);
    }
    let lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()));
    let keys = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| Given::parse(number, line))
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(KeyError::None);
    }
    Ok(keys)
}

impl Given {
    fn parse(number: usize, line: &str) -> Result<Self, KeyError> {
        if line.chars().any(char::is_control) {
            return Err(KeyError::NoKey(number));
        }
        if line.starts_with("---- BEGIN SSH2 PUBLIC KEY") {
            return Err(KeyError::OtherForm(number));
        }
        let first = line.split(' ').next().unwrap_or_default();
        if first.contains("-cert-v0") {
            return Err(KeyError::Certificate(number));
        }
        let Ok(parsed) = line.parse::<ssh_key::PublicKey>() else {
            return Err(
                match after_options(line).map(str::parse::<ssh_key::PublicKey>) {
                    Some(Ok(_)) => KeyError::Options(number),
                    _ => KeyError::NoKey(number),
                },
            );
        };
        check(number, parsed.key_data())?;
        Ok(Self {
            key: PublicKey::of(&parsed).ok_or(KeyError::NoKey(number))?,
            comment: shorten(parsed.comment().trim(), 60).parse().ok(),
        })
    }
}

/// What follows the options in a line of `authorized_keys`: they end with the first space outside quotes.
fn after_options(line: &str) -> Option<&str> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => return Some(line[at..].trim_start()),
            _ => {}
        }
    }
    None
}

impl PublicKey {
    /// `None` for a fingerprint of another form, which there is not.
    pub(super) fn of(parsed: &ssh_key::PublicKey) -> Option<Self> {
        let fingerprint = parsed.fingerprint(HashAlg::Sha256).to_string();
        Some(Self {
            data: parsed.key_data().clone(),
            fingerprint: fingerprint.parse().ok()?,
        })
    }

    /// The key in a line of `authorized_keys`, with or without options; `None` where there is none that can be read.
    pub fn in_line(line: &str) -> Option<Self> {
        let line = line.trim();
        let parsed = line.parse().ok();
        let parsed = parsed.or_else(|| after_options(line)?.parse().ok());
        Self::of(&parsed?)
    }

    /// As `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Its kind: `ed25519`, `rsa 3072`, `ecdsa nistp256`.
    pub fn kind(&self) -> String {
        match &self.data {
            KeyData::Rsa(rsa) => format!("rsa {}", bits(rsa)),
            KeyData::Ed25519(_) => "ed25519".into(),
            KeyData::SkEd25519(_) => "ed25519-sk".into(),
            KeyData::Ecdsa(key) => format!("ecdsa {}", key.curve()),
            KeyData::SkEcdsaSha2NistP256(_) => format!("ecdsa-sk {}", EcdsaCurve::NistP256),
            other => printable(other.algorithm().as_ref()),
        }
    }

    /// The kind and the key itself, without a comment: `ssh-ed25519 AAAA…`. Made of the parsed key, not of the text given.
    pub fn line(&self) -> String {
        let bare = ssh_key::PublicKey::new(self.data.clone(), "");
        // Writing into memory cannot fail.
        bare.to_openssh().unwrap_or_default().trim_end().to_owned()
    }
}

fn check(number: usize, key: &KeyData) -> Result<(), KeyError> {
    match key {
        KeyData::Dsa(_) => Err(KeyError::Dsa(number)),
        KeyData::Rsa(rsa) => match bits(rsa) {
            short if short < SHORTEST_RSA => Err(KeyError::ShortRsa(number, short)),
            long if long > LONGEST_RSA => Err(KeyError::LongRsa(number, long)),
            _ => Ok(()),
        },
        KeyData::Ed25519(_)
        | KeyData::SkEd25519(_)
        | KeyData::Ecdsa(_)
        | KeyData::SkEcdsaSha2NistP256(_) => Ok(()),
        other => {
            let name = printable(&shorten(other.algorithm().as_ref(), 40));
            Err(KeyError::OtherKind(number, name))
        }
    }
}

fn bits(rsa: &ssh_key::public::RsaPublicKey) -> usize {
    let bytes = rsa.n.as_positive_bytes().unwrap_or_default();
    let leading = bytes
        .first()
        .map_or(0, |first| first.leading_zeros() as usize);
    bytes.len() * 8 - leading
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti user@example.com";

    /// The wire form of strings, as RFC 4251 has it, under base64: keys that no tool makes any more.
    fn made(kind: &str, parts: &[&[u8]]) -> String {
        let mut wire = Vec::new();
        for part in std::iter::once(kind.as_bytes()).chain(parts.iter().copied()) {
            wire.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            wire.extend(part);
        }
        format!("{kind} {}", base64(&wire))
    }

    fn base64(bytes: &[u8]) -> String {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
            let bits = (at(0) << 16) | (at(1) << 8) | at(2);
            for place in 0..4 {
                let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
                text.push(if place <= chunk.len() {
                    char::from(letter)
                } else {
                    '='
                });
            }
        }
        text
    }

    /// A modulus of so many bits; whether it is a product of primes nobody asks here.
    fn rsa(bits: usize) -> String {
        let mut n = vec![0xff; bits.div_ceil(8)];
        n[0] >>= (8 - bits % 8) % 8;
        if n[0] & 0x80 != 0 {
            n.insert(0, 0);
        }
        made("ssh-rsa", &[&[1, 0, 1], &n])
    }

    fn refused(text: &str) -> KeyError {
        parse(text).unwrap_err()
    }

    #[test]
    fn keys_are_read_with_their_kinds_and_comments() {
        let text = format!("# Ana's\n\n{ED25519}\r\n{} a  b\n{}", rsa(3072), rsa(2048));
        let keys = parse(&text).unwrap();
        let kinds: Vec<String> = keys.iter().map(|given| given.key.kind()).collect();
        assert_eq!(kinds, ["ed25519", "rsa 3072", "rsa 2048"]);
        // What `ssh-keygen -lf` says of it.
        assert_eq!(
            keys[0].key.fingerprint().as_str(),
            "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ"
        );
        assert_eq!(
            keys[0].comment.as_ref().unwrap().as_str(),
            "user@example.com"
        );
        assert_eq!(keys[1].comment.as_ref().unwrap().as_str(), "a  b");
        assert_eq!(keys[2].comment, None);
        let behind_options = format!("command=\"a \\\" b\",no-pty {ED25519}");
        assert_eq!(
            PublicKey::in_line(&behind_options).as_ref(),
            Some(&keys[0].key)
        );
        assert_eq!(PublicKey::in_line("junk"), None);
        assert_eq!(keys[0].key.line(), ED25519.rsplit_once(' ').unwrap().0);
        assert_eq!(parse(&keys[1].key.line()).unwrap()[0].key, keys[1].key);
    }

    #[test]
    fn what_is_no_good_key_is_refused_by_its_line() {
        let dsa = made("ssh-dss", &[&[1; 128], &[1; 20], &[1; 128], &[1; 128]]);
        let (_, blob) = ED25519.split_once(' ').unwrap();
        for (text, error) in [
            (String::new(), KeyError::None),
            ("# nothing\n".into(), KeyError::None),
            ("hello".into(), KeyError::NoKey(1)),
            (format!("{ED25519}\nhello\n"), KeyError::NoKey(2)),
            (ED25519.replace("AAAAC3", "AAAAC4"), KeyError::NoKey(1)),
            (format!("ssh-rsa {blob}"), KeyError::NoKey(1)),
            (format!("{ED25519}\u{0}"), KeyError::NoKey(1)),
            (format!("{ED25519}\u{1b}[2J"), KeyError::NoKey(1)),
            (ED25519.replacen(' ', "\t", 1), KeyError::NoKey(1)),
            (rsa(2047), KeyError::ShortRsa(1, 2047)),
            (rsa(1024), KeyError::ShortRsa(1, 1024)),
            (rsa(16392), KeyError::LongRsa(1, 16392)),
            (dsa, KeyError::Dsa(1)),
            (format!("no-pty {ED25519}"), KeyError::Options(1)),
            (
                format!("command=\"sh\",no-pty {ED25519}"),
                KeyError::Options(1),
            ),
            (
                made("ssh-ed25519-cert-v01@openssh.com", &[&[1; 32]]),
                KeyError::Certificate(1),
            ),
            (
                "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA".into(),
                KeyError::OtherForm(1),
            ),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n".into(),
                KeyError::Private,
            ),
            (
                format!("{ED25519}\n-----BEGIN RSA PRIVATE KEY-----\n"),
                KeyError::Private,
            ),
            (
                "PuTTY-User-Key-File-3: ssh-ed25519\n".into(),
                KeyError::Private,
            ),
            ("a".repeat(LARGEST + 1), KeyError::TooLarge),
        ] {
            assert_eq!(refused(&text), error, "{}", shorten(&text, 80));
        }
    }

    #[test]
    fn bytes_of_any_kind_end_in_a_key_or_an_error() {
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut bytes = ED25519.as_bytes().to_vec();
            for _ in 0..3 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let place = (state >> 33) as usize % bytes.len();
                bytes[place] = (state >> 24) as u8;
            }
            let text = String::from_utf8_lossy(&bytes);
            for given in parse(&text).unwrap_or_default() {
                let again = parse(&given.key.line()).unwrap();
                assert_eq!(again[0].key, given.key, "{text:?}");
            }
        }
    }
}
