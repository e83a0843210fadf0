//! When an authority would like a certificate renewed: ACME renewal information (RFC 9773).
//!
//! takes: a certificate · gives: a window, when to ask again · touches: two requests

use aws_lc_rs::rand;
use instant_acme::{CertificateIdentifier, RenewalInfo};
use rustls::pki_types::CertificateDer;

use super::renewal::Window;
use crate::tls::certificate::Certificate;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;
/// When an authority is asked again that has no word, or did not answer.
pub const ASK_LATER: u64 = DAY / 4;

/// How a certificate is called there; none for one that does not name its issuer's key.
pub(super) fn identifier(der: &[u8]) -> Option<CertificateIdentifier<'static>> {
    CertificateIdentifier::try_from(&CertificateDer::from(der))
        .ok()
        .map(CertificateIdentifier::into_owned)
}

/// Its word, if it makes sense; `known` is what it said before, whose moment stays while the window does.
pub(super) fn window(
    info: &RenewalInfo,
    certificate: &Certificate,
    known: Option<&Window>,
) -> Option<Window> {
    let unix = |time: i64| u64::try_from(time).ok();
    let start = unix(info.suggested_window.start.unix_timestamp())?;
    let end = unix(info.suggested_window.end.unix_timestamp())?;
    // A window after the certificate's end would be the end of the site.
    if end <= start || start >= unix(certificate.not_after)? {
        return None;
    }
    let of = certificate.fingerprint();
    if let Some(known) = known
        && (&known.of, known.start, known.end) == (&of, start, end)
    {
        return Some(known.clone());
    }
    Some(Window {
        of,
        start,
        end,
        chosen: start + random_below(end - start),
    })
}

/// Not more often than each minute, at least once a day (RFC 9773, 4.3).
pub(super) fn ask_at(now: u64, patience: u64) -> u64 {
    now.saturating_add(patience.clamp(MINUTE, DAY))
}

fn random_below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    // Without randomness all of them come at the window's start, which is within it.
    if rand::fill(&mut bytes).is_err() {
        return 0;
    }
    u64::from_le_bytes(bytes) % limit.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::openssl::{Pki, leaf_extensions};

    fn info(start: &str, end: &str) -> RenewalInfo {
        let text = format!(
            r#"{{"suggestedWindow":{{"start":"{start}","end":"{end}"}},"explanationURL":"https://x"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_moment_in_the_window_is_drawn_once() {
        let pki = Pki::new();
        let certificate = leaf(&pki);
        let year = 1970 + certificate.not_after / 31_557_600;
        let good = info("2026-01-02T04:00:00Z", "2026-01-03T04:00:00+00:00");
        let first = window(&good, &certificate, None).unwrap();
        assert_eq!((first.start, first.end), (1_767_326_400, 1_767_412_800));
        assert!((first.start..first.end).contains(&first.chosen));
        assert_eq!(window(&good, &certificate, Some(&first)).unwrap(), first);
        let drawn = (0..20).map(|_| window(&good, &certificate, None).unwrap().chosen);
        let drawn: std::collections::BTreeSet<u64> = drawn.collect();
        assert!(drawn.len() > 15, "{drawn:?}");
        let moved = info("2026-01-02T05:00:00Z", "2026-01-03T04:00:00Z");
        assert_eq!(
            window(&moved, &certificate, Some(&first)).unwrap().start,
            1_767_330_000
        );
        for (start, end) in [
            ("2026-01-03T04:00:00Z", "2026-01-02T04:00:00Z"),
            ("2026-01-03T04:00:00Z", "2026-01-03T04:00:00Z"),
            (
                &format!("{}-01-01T00:00:00Z", year + 2),
                &format!("{}-02-01T00:00:00Z", year + 2),
            ),
            ("1900-01-01T00:00:00Z", "1900-02-01T00:00:00Z"),
        ] {
            assert_eq!(
                window(&info(start, end), &certificate, None),
                None,
                "{start}"
            );
        }
        assert_eq!(ask_at(10, 0), 70);
        assert_eq!(ask_at(10, u64::MAX), 10 + DAY);
    }

    fn leaf(pki: &Pki) -> Certificate {
        pki.openssl.key("site", "P-256");
        let extensions = leaf_extensions(&["example.org"]) + "authorityKeyIdentifier=keyid\n";
        pki.sign("site", "site", "int", &extensions, "-days 90");
        let taken = crate::tls::intake::read(pki.pem("site").as_bytes()).unwrap();
        taken.certificates[0].clone()
    }

    /// The form of RFC 9773, 4.1, put together from what openssl says of the same certificate.
    #[test]
    fn a_certificate_is_called_by_its_issuers_key_and_its_number() {
        let pki = Pki::new();
        let certificate = leaf(&pki);
        let hex = |text: &str| {
            let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
            data_encoding::HEXUPPER
                .decode(digits.to_uppercase().as_bytes())
                .unwrap()
        };
        let text = pki
            .openssl
            .run("x509 -in site.pem -noout -serial -ext authorityKeyIdentifier");
        let serial = text.lines().next().unwrap().trim_start_matches("serial=");
        let key = text
            .lines()
            .last()
            .unwrap()
            .trim()
            .trim_start_matches("keyid:");
        let base64 = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
        let mut number = hex(serial);
        if number[0] >= 0x80 {
            number.insert(0, 0);
        }
        let expected = format!("{}.{}", base64(&hex(key)), base64(&number));
        assert_eq!(identifier(&certificate.der).unwrap().to_string(), expected);
        assert!(identifier(b"no certificate").is_none());
    }
}
