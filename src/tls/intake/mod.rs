//! What people take for the certificate: what an authority sent, pasted, saved, converted.
//!
//! takes: bytes · gives: certificates in the order they came, or what it is instead and what to do · touches: nothing

pub mod text;

use text::{Block, Fault, Scanned};

use super::certificate::Certificate;
use super::finding::{Code, Refusal, Remark};

/// More than any chain has.
pub const LARGEST: usize = 1024 * 1024;

/// What was read.
#[derive(Debug)]
pub struct Taken {
    /// In the order they came, each once.
    pub certificates: Vec<Certificate>,
    /// What was put right.
    pub remarks: Vec<Remark>,
}

/// Reads what came from an authority.
pub fn read(bytes: &[u8]) -> Result<Taken, Refusal> {
    if bytes.len() > LARGEST {
        return Err(Refusal::new(
            Code::CertificateTooLarge,
            "this is larger than any certificate with its chain",
        ));
    }
    let Some(text) = text::decode(bytes) else {
        return Err(binary(bytes));
    };
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(
            Refusal::new(Code::CertificateEmpty, "there is nothing in it")
                .hint("paste the certificate, then end the input with Ctrl-D"),
        );
    }
    let scanned = text::scan(&text).map_err(|fault| refusal(&fault))?;
    if scanned.blocks.is_empty() {
        return Err(without_blocks(&text));
    }
    take(&scanned)
}

fn take(scanned: &Scanned) -> Result<Taken, Refusal> {
    let mut remarks: Vec<Remark> = scanned.fixed.iter().map(|code| fixed(*code)).collect();
    let mut certificates: Vec<Certificate> = Vec::new();
    let mut twice = 0;
    for block in &scanned.blocks {
        let Some(certificate) = certificate_in(block)? else {
            continue;
        };
        if certificates
            .iter()
            .any(|known| known.der == certificate.der)
        {
            twice += 1;
        } else {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(Refusal::new(
            Code::CertificateEmpty,
            "there is no certificate in it",
        ));
    }
    if twice > 0 {
        remarks.push(Remark::new(
            Code::FixedDuplicate,
            "a certificate that stood there twice is taken once",
        ));
    }
    Ok(Taken {
        certificates,
        remarks,
    })
}

/// The certificate of a block; none for what does no harm beside one.
fn certificate_in(block: &Block) -> Result<Option<Certificate>, Refusal> {
    let label = block.label();
    if label.ends_with("PRIVATE KEY") {
        return Err(is_key());
    }
    match label {
        "CERTIFICATE" | "X509 CERTIFICATE" => Certificate::parse(block.der())
            .map(Some)
            .ok_or_else(|| damaged(block)),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Err(is_request()),
        "PKCS7" | "CMS" => Err(p7b("PEM")),
        "TRUSTED CERTIFICATE" => Err(Refusal::new(
            Code::CertificateP7b,
            "this is a certificate in openssl's own form, with trust settings",
        )
        .hint("openssl x509 -in FILE -out FILE.pem")),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Err(Refusal::new(
            Code::CertificateIsKey,
            "this is a public key, not a certificate",
        )),
        _ => Ok(None),
    }
}

fn damaged(block: &Block) -> Refusal {
    let line = block.line();
    if text::der_length(block.der()).is_some_and(|length| length > block.der().len()) {
        return truncated(line);
    }
    Refusal::new(
        Code::CertificateBase64,
        format!("the block that begins on line {line} is no certificate: its text is damaged"),
    )
    .hint("download the file again, and do not copy its text")
}

fn truncated(line: usize) -> Refusal {
    Refusal::new(
        Code::CertificateTruncated,
        format!("a part of the certificate that begins on line {line} is missing"),
    )
    .hint("copy all of it, from the first BEGIN line to the last END line")
}

fn refusal(fault: &Fault) -> Refusal {
    match fault {
        Fault::Dashes(line) => Refusal::new(
            Code::CertificateDashes,
            format!("line {line}: BEGIN and END stand between five hyphens on each side, and here are others"),
        )
        .hint("download the file itself: a mail program or a word processor has changed the text"),
        Fault::Base64(line) => Refusal::new(
            Code::CertificateBase64,
            format!("line {line} has characters that no certificate has"),
        )
        .hint("download the file again, and do not copy its text"),
        Fault::Html(line) => html(&format!("line {line} has")),
        Fault::Truncated(line) => truncated(*line),
        Fault::NoBegin(line) => Refusal::new(
            Code::CertificateTruncated,
            format!("line {line} ends a certificate whose BEGIN line is missing"),
        )
        .hint("copy all of it, from the first BEGIN line to the last END line"),
    }
}

fn html(what: &str) -> Refusal {
    Refusal::new(
        Code::CertificateHtml,
        format!("{what} the signs of a web page: the page was saved, not the certificate"),
    )
    .hint("use the page's download button, or copy the text it shows")
}

fn is_key() -> Refusal {
    Refusal::new(
        Code::CertificateIsKey,
        "there is a private key in it; a certificate is what the authority sent back",
    )
    .hint("if the key was sent to anybody, it is no secret any more: landfall csr --new")
}

fn is_request() -> Refusal {
    Refusal::new(
        Code::CertificateIsCsr,
        "this is the request that goes to the authority, not the certificate that comes back",
    )
    .hint("get the certificate where you ordered it, then: landfall cert install FILE")
}

fn p7b(form: &str) -> Refusal {
    Refusal::new(Code::CertificateP7b, "this is PKCS#7 (.p7b), not PEM").hint(format!(
        "openssl pkcs7 -inform {form} -print_certs -in FILE -out FILE.pem"
    ))
}

/// `signedData` and `data` of PKCS#7.
const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];

fn binary(bytes: &[u8]) -> Refusal {
    let starts_with = |oid: &[u8]| {
        let head = &bytes[..bytes.len().min(40)];
        head.windows(oid.len()).any(|window| window == oid)
    };
    let Some(length) = text::der_length(bytes) else {
        return Refusal::new(
            Code::CertificateEmpty,
            "this is no certificate, and no text",
        );
    };
    if length > bytes.len() {
        return truncated(1);
    }
    let bytes = &bytes[..length];
    if Certificate::parse(bytes).is_some() {
        return Refusal::new(
            Code::CertificateDer,
            "this is the certificate as DER, not PEM",
        )
        .hint("openssl x509 -inform DER -in FILE -out FILE.pem");
    }
    if starts_with(&SIGNED_DATA) {
        return p7b("DER");
    }
    if starts_with(&DATA) {
        return Refusal::new(
            Code::CertificateP12,
            "this is PKCS#12 (.pfx, .p12), which holds a key too",
        )
        .hint("openssl pkcs12 -in FILE -nokeys -out FILE.pem");
    }
    if super::request::is_request(bytes) {
        return is_request();
    }
    if matches!(PrivateNumber::of(bytes), PrivateNumber::Version) {
        return is_key();
    }
    Refusal::new(Code::CertificateEmpty, "this is no certificate")
}

/// Private keys begin with their version.
enum PrivateNumber {
    Version,
    Other,
}

impl PrivateNumber {
    fn of(der: &[u8]) -> Self {
        let head = if der.get(1).is_some_and(|length| *length < 0x80) {
            2
        } else {
            2 + usize::from(der.get(1).unwrap_or(&0) & 0x7f)
        };
        match der.get(head..head + 3) {
            Some([2, 1, 0 | 1]) => Self::Version,
            _ => Self::Other,
        }
    }
}

fn without_blocks(text: &str) -> Refusal {
    let lower = text.to_ascii_lowercase();
    if [
        "<html",
        "<!doctype",
        "<body",
        "<pre",
        "<head",
        "<div",
        "&lt;",
    ]
    .iter()
    .any(|sign| lower.contains(sign))
    {
        return html("it has");
    }
    // The base64 of a sequence, without its markers.
    if text.trim().starts_with("MII") {
        return Refusal::new(
            Code::CertificateTruncated,
            "the BEGIN and END lines are missing",
        )
        .hint("copy all of it, from the first BEGIN line to the last END line");
    }
    Refusal::new(Code::CertificateEmpty, "there is no certificate in it")
}

fn fixed(code: Code) -> Remark {
    Remark::new(
        code,
        match code {
            Code::FixedBom => "a byte order mark at the beginning is left out",
            Code::FixedCrlf => "line ends of Windows are changed",
            Code::FixedIndent => "spaces around lines are left out",
            _ => "line breaks that were missing are put in",
        },
    )
}

#[cfg(test)]
mod tests;
