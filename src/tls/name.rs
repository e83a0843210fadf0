//! The names a certificate is asked for, or is for.
//!
//! takes: what people write · gives: a name that authorities take · touches: nothing

use std::fmt;

use serde::{Deserialize, Serialize};

use super::finding::{Code, Refusal};
use crate::base::names::Domain;
use crate::base::words::shown;

/// `example.org` or `*.example.org`, in lower case and ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CertName(String);

/// Ends of names that mean something in one network only (the Baseline Requirements forbid internal names and reverse zones).
const INTERNAL: [&str; 10] = [
    "local",
    "localhost",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "arpa",
    "invalid",
    "test",
    "onion",
];

impl CertName {
    /// Reads a name, an international one too.
    pub fn parse(given: &str) -> Result<Self, Refusal> {
        let given = given.trim();
        let name = shown(given, 80);
        let refuse = |code, rule: &str| Err(Refusal::new(code, format!("`{name}`: {rule}")));
        if given.ends_with('.') {
            let without = given.trim_end_matches('.');
            return refuse(
                Code::NameTrailingDot,
                "a certificate's names have no dot at their end",
            )
            .map_err(|error| error.hint(format!("--domain {}", shown(without, 80))));
        }
        if given.contains('_') {
            return refuse(
                Code::NameUnderscore,
                "authorities take no name with an underscore",
            );
        }
        let (star, rest) = match given.strip_prefix("*.") {
            Some(rest) => ("*.", rest),
            None => ("", given),
        };
        if rest.contains('*') || (!star.is_empty() && !rest.contains('.')) {
            return refuse(
                Code::WildcardPosition,
                "`*` stands for the whole first label of a domain: `*.example.org`",
            );
        }
        let Some(ascii) = to_ascii(rest) else {
            return refuse(Code::Idn, "this is not a valid international name");
        };
        if ascii.len() > 253 || ascii.split('.').any(|label| label.len() > 63) {
            return refuse(
                Code::NameTooLong,
                "at most 253 characters, at most 63 between dots",
            );
        }
        if ascii.parse::<Domain>().is_err() || is_address(&ascii) {
            return refuse(
                Code::NameCharacter,
                "a name is made of letters, digits, `-` and dots, and is no address",
            );
        }
        let last = ascii.rsplit('.').next().unwrap_or_default();
        if !ascii.contains('.') || INTERNAL.contains(&last) {
            return refuse(
                Code::NameInternal,
                "no public authority certifies names of an internal network",
            )
            .map_err(|error| error.hint("for trials: landfall cert self-signed"));
        }
        Ok(Self(format!("{star}{ascii}")))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// It stands for a whole domain.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }
}

/// IDNs become their `xn--` form; one that claims to be one must be valid.
fn to_ascii(name: &str) -> Option<String> {
    let ascii = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(name).ok()?
    };
    let claims = ascii.split('.').any(|label| label.starts_with("xn--"));
    if claims && idna::domain_to_unicode(&ascii).1.is_err() {
        return None;
    }
    Some(ascii)
}

fn is_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for CertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for CertName {
    type Error = Refusal;
    fn try_from(given: String) -> Result<Self, Refusal> {
        Self::parse(&given)
    }
}

impl From<CertName> for String {
    fn from(name: CertName) -> Self {
        name.0
    }
}

/// True if a certificate's name is `domain`, or a wildcard for it: one label, as RFC 6125 has it.
pub fn covers(name: &str, domain: &Domain) -> bool {
    let domain = domain.as_str();
    match name.strip_prefix("*.") {
        Some(rest) => domain
            .split_once('.')
            .is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest)),
        None => name.eq_ignore_ascii_case(domain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_authorities_take_them() {
        for (given, name) in [
            ("Example.ORG", "example.org"),
            ("*.example.org", "*.example.org"),
            ("bücher.example.org", "xn--bcher-kva.example.org"),
            ("xn--bcher-kva.de", "xn--bcher-kva.de"),
            ("a-1.fr", "a-1.fr"),
        ] {
            assert_eq!(CertName::parse(given).unwrap().as_str(), name);
        }
        let long = format!("{}.org", "a".repeat(64));
        let longer = format!("{}org", "abcdefgh.".repeat(30));
        for (given, code) in [
            ("under_score.org", Code::NameUnderscore),
            ("example.org.", Code::NameTrailingDot),
            ("localhost", Code::NameInternal),
            ("server", Code::NameInternal),
            ("nas.local", Code::NameInternal),
            ("1.2.3.in-addr.arpa", Code::NameInternal),
            ("192.0.2.1", Code::NameCharacter),
            ("bad name.org", Code::NameCharacter),
            ("a\nb.org", Code::NameCharacter),
            ("", Code::NameCharacter),
            ("-a.org", Code::NameCharacter),
            ("www.*.org", Code::WildcardPosition),
            ("*.org", Code::WildcardPosition),
            ("w*.example.org", Code::WildcardPosition),
            ("*.*.example.org", Code::WildcardPosition),
            ("xn--a.example.org", Code::Idn),
            ("\u{202e}a.org", Code::Idn),
            (&long, Code::NameTooLong),
            (&longer, Code::NameTooLong),
        ] {
            let refused = CertName::parse(given).unwrap_err();
            assert_eq!(refused.code(), code, "{given}: {refused}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let domain = |name: &str| name.parse::<Domain>().unwrap();
        assert!(covers("Example.org", &domain("example.org")));
        assert!(covers("*.example.org", &domain("www.EXAMPLE.org")));
        assert!(!covers("*.example.org", &domain("example.org")));
        assert!(!covers("*.example.org", &domain("a.b.example.org")));
        assert!(!covers("example.org", &domain("www.example.org")));
    }
}
