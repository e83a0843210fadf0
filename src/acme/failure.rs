//! Why no certificate was issued: a code that stays, what the authority said, when it may be asked again.
//!
//! takes: the library's errors, problems of the authority (RFC 8555, 6.7) · gives: [`Failure`] · touches: nothing

use instant_acme::{Error, Problem};

use crate::base::hint::{Hint, Kind};
use crate::base::host::rfc3339;
use crate::base::words::shown;
use crate::tls::finding::{Code, Refusal};

/// The most characters that are shown of what an authority says: it comes from outside, and from whoever it asked.
const MOST: usize = 600;

/// What an authority says that does not know an account (any more).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// No certificate.
#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
pub struct Failure {
    refusal: Box<Refusal>,
    #[source]
    cause: Option<Cause>,
    output: Vec<String>,
    /// Before this time, in seconds since 1970, the authority does not want to be asked.
    pub again_at: Option<u64>,
    /// The authority was asked for a certificate: the attempt counts there.
    pub has_asked: bool,
}

/// What another said, fit for a terminal.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

impl Failure {
    /// `message` is a sentence without its full stop.
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            refusal: Box::new(Refusal::new(code, message)),
            cause: None,
            output: Vec::new(),
            again_at: None,
            has_asked: false,
        }
    }

    /// With one more thing to do.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        *self.refusal = self.refusal.clone().hint(hint);
        self
    }

    /// With what somebody else said about it.
    #[must_use]
    pub(super) fn because(mut self, said: &str) -> Self {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        self.cause = (!said.is_empty()).then(|| Cause(shown(&said, MOST)));
        self
    }

    /// With the last lines that a program printed.
    #[must_use]
    pub(super) fn with_output(mut self, lines: &[String]) -> Self {
        self.output = lines.to_vec();
        self
    }

    /// The authority was asked.
    #[must_use]
    pub(super) fn asked(mut self) -> Self {
        self.has_asked = true;
        self
    }

    /// The authority wants to be left alone until then.
    #[must_use]
    pub(super) fn again_at(mut self, again_at: Option<u64>) -> Self {
        if let Some(time) = again_at {
            *self.refusal = self
                .refusal
                .clone()
                .hint(format!("the authority takes it again at {}", rfc3339(time)));
        }
        self.again_at = again_at;
        self
    }

    /// What it is.
    pub fn code(&self) -> Code {
        self.refusal.code()
    }
}

impl Hint for Failure {
    fn hints(&self) -> Vec<String> {
        self.refusal.hints()
    }

    fn tool_output(&self) -> &[String] {
        &self.output
    }

    fn kind(&self) -> Kind {
        self.refusal.kind()
    }
}

/// The connection gave no answer that is ACME's: why, in words.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// No answer at all.
    #[error("{0}")]
    Silent(String),
    /// An answer of something else: a proxy, a page that says sorry.
    #[error("it answered {status} and no ACME: `{start}`")]
    NoAcme {
        /// The status.
        status: u16,
        /// How the answer begins.
        start: String,
    },
}

/// What a kind of problem is (RFC 8555, 6.7; profiles: draft-ietf-acme-profiles).
fn code_of(problem: &Problem) -> Code {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.strip_prefix("urn:ietf:params:acme:error:");
    let detail = problem.detail.as_deref().unwrap_or_default();
    match kind.unwrap_or_default() {
        "dns" => Code::AcmeDns,
        // Some call it by what they wanted the address or the record for.
        "connection" if detail.contains("resolve") => Code::AcmeDns,
        "unauthorized" if detail.contains("TXT record") => Code::AcmeDns,
        "connection" | "tls" => Code::AcmeConnect,
        "unauthorized" | "incorrectResponse" if detail.contains("404") => Code::AcmeNotFound,
        "unauthorized" | "incorrectResponse" => Code::AcmeUnauthorized,
        "rateLimited" => Code::AcmeRate,
        "caa" => Code::AcmeCaa,
        "invalidProfile" => Code::AcmeProfile,
        "userActionRequired" => Code::AcmeTerms,
        "serverInternal" | "badNonce" => Code::AcmeDown,
        _ if problem.status == Some(429) => Code::AcmeRate,
        _ => Code::AcmeRejected,
    }
}

/// Of a problem that concerns `name`, or the whole order.
pub(super) fn of_problem(problem: &Problem, name: Option<&str>) -> Failure {
    let code = code_of(problem);
    let of = name.map_or_else(String::new, |name| format!(" for {name}"));
    let message = match code {
        Code::AcmeDns => format!("the authority finds no address or record{of}"),
        Code::AcmeConnect => format!("the authority cannot connect{of}"),
        Code::AcmeNotFound => format!("the authority does not find the answer{of}"),
        Code::AcmeUnauthorized => format!("the authority finds another answer{of}"),
        Code::AcmeRate => "the authority was asked too often".to_owned(),
        Code::AcmeCaa => format!("DNS lets other authorities certify it, not this one{of}"),
        Code::AcmeProfile => "the authority does not have this profile".to_owned(),
        Code::AcmeTerms => "the authority wants its terms agreed to".to_owned(),
        Code::AcmeDown => "the authority has trouble of its own".to_owned(),
        _ if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            "the authority does not know the account".to_owned()
        }
        _ => format!("the authority refuses{of}"),
    };
    let mut failure = Failure::new(code, message).because(&said(problem));
    let mut hints = hints(code, name);
    // Of a record, the record is looked at first.
    if problem
        .detail
        .as_deref()
        .unwrap_or_default()
        .contains("TXT")
    {
        hints.reverse();
    }
    for hint in hints {
        failure = failure.hint(hint);
    }
    failure
}

/// What the authority says, of each name.
fn said(problem: &Problem) -> String {
    let mut parts: Vec<String> = problem.detail.clone().into_iter().collect();
    for sub in problem.subproblems.iter().take(5) {
        let name = sub
            .identifier
            .as_ref()
            .map(|identifier| identifier.authorized(false).to_string());
        let detail = sub.detail.clone().unwrap_or_default();
        parts.push(format!("{}: {detail}", name.unwrap_or_default()));
    }
    if parts.is_empty() {
        parts.extend(problem.r#type.clone());
    }
    format!("the authority: {}", parts.join("; "))
}

fn hints(code: Code, name: Option<&str>) -> Vec<String> {
    let name = name.unwrap_or("NAME").trim_start_matches("*.").to_owned();
    match code {
        Code::AcmeDns => vec![
            format!(
                "does the name lead to this server, from outside? dig +short {name} A {name} AAAA"
            ),
            format!(
                "by dns-01 it is the record: dig +short _acme-challenge.{name} TXT; slow servers: --dns-wait SECONDS"
            ),
        ],
        Code::AcmeConnect => vec![
            format!(
                "does the name lead to this server, by IPv6 too? dig +short {name} A {name} AAAA"
            ),
            "is port 80 open, also in the provider's own firewall? landfall server check".into(),
        ],
        Code::AcmeNotFound | Code::AcmeUnauthorized => vec![
            format!(
                "does the name lead to this server and no other, by IPv6 too? dig +short {name} A {name} AAAA"
            ),
            format!("by dns-01 it is the record: dig +short _acme-challenge.{name} TXT"),
        ],
        Code::AcmeCaa => vec![format!(
            "see which it lets: dig +short {name} CAA; add this one there"
        )],
        Code::AcmeRejected => vec!["see the names: landfall app show".into()],
        Code::AcmeTerms => vec!["read them, then: landfall cert issue --agree-tos".into()],
        Code::AcmeProfile => vec!["leave --profile out, or take one that it has".into()],
        _ => Vec::new(),
    }
}

/// Of an error of the library.
pub(super) fn of_error(error: &Error) -> Failure {
    match error {
        Error::Api(problem) => of_problem(problem, None),
        Error::Timeout(_) => down("the authority does not come to an end in time"),
        Error::Other(inner) => match inner.downcast_ref::<WireError>() {
            Some(wire @ WireError::NoAcme { status: 429, .. }) => {
                Failure::new(Code::AcmeRate, "the authority was asked too often")
                    .because(&wire.to_string())
            }
            Some(wire @ WireError::Silent(_)) => {
                down("the authority cannot be reached").because(&wire.to_string())
            }
            Some(wire) => down("the authority is not what answers").because(&wire.to_string()),
            None => down("the authority does not keep to the protocol").because(&inner.to_string()),
        },
        // What could not be parsed may be anything: it is not shown.
        Error::Json(_) => down("the authority does not keep to the protocol"),
        other => down("the authority does not keep to the protocol").because(&other.to_string()),
    }
}

pub(super) fn down(message: &str) -> Failure {
    Failure::new(Code::AcmeDown, message)
        .hint("a renewal is tried again by itself: landfall cert status")
}

/// True for a request that was not looked at, because of its nonce: asking once more is right (RFC 8555, 6.5).
pub(super) fn is_bad_nonce(error: &Error) -> bool {
    is_kind(error, "badNonce")
}

/// True for this kind of problem.
pub(super) fn is_kind(error: &Error, kind: &str) -> bool {
    let Error::Api(Problem {
        r#type: Some(found),
        ..
    }) = error
    else {
        return false;
    };
    found.strip_prefix("urn:ietf:params:acme:error:") == Some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hint::chain;

    fn problem(kind: &str, detail: &str) -> Problem {
        serde_json::from_value(serde_json::json!({
            "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": 400,
        }))
        .unwrap()
    }

    #[test]
    fn each_kind_of_problem_has_its_code_and_says_what_to_do() {
        for (kind, detail, code) in [
            ("dns", "NXDOMAIN looking up A for x", Code::AcmeDns),
            ("connection", "Connection refused", Code::AcmeConnect),
            (
                "connection",
                "The server could not resolve a domain name",
                Code::AcmeDns,
            ),
            (
                "unauthorized",
                "No TXT record found at _acme-challenge.x",
                Code::AcmeDns,
            ),
            ("tls", "x", Code::AcmeConnect),
            (
                "unauthorized",
                "Invalid response from http://x: 404",
                Code::AcmeNotFound,
            ),
            (
                "unauthorized",
                "The key authorization file from the server did not match",
                Code::AcmeUnauthorized,
            ),
            ("incorrectResponse", "x", Code::AcmeUnauthorized),
            ("rateLimited", "too many certificates", Code::AcmeRate),
            ("caa", "CAA record for x prevents issuance", Code::AcmeCaa),
            ("rejectedIdentifier", "x", Code::AcmeRejected),
            ("malformed", "x", Code::AcmeRejected),
            ("invalidProfile", "x", Code::AcmeProfile),
            ("userActionRequired", "x", Code::AcmeTerms),
            ("serverInternal", "x", Code::AcmeDown),
            ("somethingNew", "x", Code::AcmeRejected),
        ] {
            let failure = of_problem(&problem(kind, detail), Some("example.org"));
            assert_eq!(failure.code(), code, "{kind}");
            let said = chain(&failure);
            assert!(said[0].ends_with(&format!("({})", code.word())), "{said:?}");
            assert!(said[1].ends_with(detail), "{said:?}");
            let is_helped = !failure.hints().is_empty();
            assert!(
                is_helped || [Code::AcmeRate, Code::AcmeDown].contains(&code),
                "{kind}"
            );
        }
    }

    #[test]
    fn what_an_authority_says_cannot_drive_a_terminal_and_is_bounded() {
        let nasty = format!(
            "\u{1b}]0;owned\u{7}\nerror: fake\u{202e} {}",
            "x".repeat(5000)
        );
        let failure = of_problem(&problem("caa", &nasty), Some("example.org"));
        let said = chain(&failure).join("\n");
        assert!(said.chars().count() < 900, "{}", said.len());
        assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}']));
        assert_eq!(said.lines().count(), 2, "{said}");
        let subproblems: Problem = serde_json::from_value(serde_json::json!({
            "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "some",
            "subproblems": [{"identifier": {"type": "dns", "value": "a.example.org"}, "detail": "not\u{1b}[31m this"}],
        }))
        .unwrap();
        let said = chain(&of_problem(&subproblems, None)).join("\n");
        assert!(
            said.contains("a.example.org: not\\u{1b}[31m this"),
            "{said}"
        );
    }

    #[test]
    fn errors_of_the_wire_are_told_apart_and_bodies_that_are_not_json_are_not_shown() {
        let wire = |wire: WireError| of_error(&Error::Other(Box::new(wire)));
        assert_eq!(
            wire(WireError::Silent("nobody".into())).code(),
            Code::AcmeDown
        );
        let limited = WireError::NoAcme {
            status: 429,
            start: "slow".into(),
        };
        assert_eq!(wire(limited).code(), Code::AcmeRate);
        let json = serde_json::from_str::<u8>("\"secret\"").unwrap_err();
        let said = chain(&of_error(&Error::Json(json))).join(" ");
        assert!(!said.contains("secret"), "{said}");
    }
}
