//! What is wrong with a name, a key or a certificate: a code that stays the same, a sentence, and the way out.
//!
//! takes: nothing · gives: errors and remarks · touches: nothing
//!
//! No finding ever holds a byte of a key: messages are made of counts, labels, line numbers and public values.

use serde::Serialize;

use crate::base::hint::{Hint, Kind};

/// Declares the codes with the words people search for and the exit code they lead to.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $word:literal $kind:ident,)*) => {
        /// What was found. The words are documented (`docs/using/tls.md`) and stay.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }
        }
    };
}

codes! {
    /// A name with `_`.
    NameUnderscore "E_NAME_UNDERSCORE" Usage,
    /// A name that no public authority may certify.
    NameInternal "E_NAME_INTERNAL" Usage,
    /// A name with a dot at its end.
    NameTrailingDot "E_NAME_TRAILING_DOT" Usage,
    /// A name or a label that is too long.
    NameTooLong "E_NAME_TOO_LONG" Usage,
    /// A character that no host name has.
    NameCharacter "E_NAME_CHARACTER" Usage,
    /// `*` elsewhere than as the whole first label.
    WildcardPosition "E_WILDCARD_POS" Usage,
    /// An international name that is not valid.
    Idn "E_IDN" Usage,
    /// A common name above 64 characters.
    CommonName "E_CN_64" Usage,
    /// A country that is no code of two letters.
    Country "E_COUNTRY_2" Usage,
    /// Another part of the subject.
    Subject "E_SUBJECT" Usage,
    /// A key that is too short.
    KeyWeak "E_KEY_WEAK" Usage,
    /// A kind of key that authorities or nginx do not take.
    KeyType "E_KEY_TYPE" Usage,
    /// A key under a passphrase.
    KeyEncrypted "E_KEY_ENCRYPTED" Usage,
    /// A key that others can read.
    KeyPermissions "E_KEY_PERM" Refused,
    /// A public key in place of the private one.
    KeyIsPublic "E_KEY_IS_PUBLIC" Usage,
    /// A certificate or a request in place of the key.
    KeyIsOther "E_KEY_IS_OTHER" Usage,
    /// A key whose line breaks are gone.
    KeyOneLine "E_KEY_ONELINE" Usage,
    /// A part of a key.
    KeyTruncated "E_KEY_TRUNCATED" Usage,
    /// A key in DER.
    KeyDer "E_KEY_DER" Usage,
    /// No key at all.
    KeyNone "E_KEY_NONE" Usage,
    /// A web page.
    CertificateHtml "E_CRT_HTML" Usage,
    /// DER.
    CertificateDer "E_CRT_DER" Usage,
    /// PKCS#7.
    CertificateP7b "E_CRT_P7B" Usage,
    /// PKCS#12.
    CertificateP12 "E_CRT_P12" Usage,
    /// The request instead of what came back.
    CertificateIsCsr "E_CRT_IS_CSR" Usage,
    /// A private key.
    CertificateIsKey "E_CRT_IS_KEY" Usage,
    /// A part of it.
    CertificateTruncated "E_CRT_TRUNCATED" Usage,
    /// Nothing.
    CertificateEmpty "E_CRT_EMPTY" Usage,
    /// Not base64.
    CertificateBase64 "E_CRT_BASE64" Usage,
    /// Markers with other dashes than five hyphens.
    CertificateDashes "E_CRT_DASHES" Usage,
    /// Larger than any chain.
    CertificateTooLarge "E_CRT_TOO_LARGE" Usage,
    /// Made for another key.
    Mismatch "E_MISMATCH" Refused,
    /// An intermediate is missing.
    ChainMissing "E_CHAIN_MISSING" Refused,
    /// The missing intermediate could not be fetched.
    ChainFetch "E_CHAIN_FETCH" Refused,
    /// The intermediates are another's.
    ChainUnrelated "E_CHAIN_UNRELATED" Refused,
    /// No trusted root.
    Untrusted "E_UNTRUSTED" Refused,
    /// An authority's trial system.
    StagingAuthority "E_STAGING_CA" Refused,
    /// Its time is over.
    Expired "E_EXPIRED" Refused,
    /// Its time has not come.
    NotYet "E_NOT_YET" Refused,
    /// Domains are missing.
    Names "E_NAMES" Refused,
    /// A signature of SHA-1 or MD5.
    Sha1 "E_SHA1" Refused,
    /// An authority's own certificate.
    IsCa "E_IS_CA" Refused,
    /// Not for servers.
    NoServerAuth "E_NO_SERVERAUTH" Refused,
    /// The authority finds no address of a name, or no record.
    AcmeDns "E_ACME_DNS" Failed,
    /// The authority cannot connect to a name.
    AcmeConnect "E_ACME_CONNECT" Failed,
    /// The authority finds no file at a name.
    AcmeNotFound "E_ACME_404" Failed,
    /// The authority finds something else than the answer.
    AcmeUnauthorized "E_ACME_UNAUTHORIZED" Failed,
    /// The authority was asked too often.
    AcmeRate "E_ACME_RATE" Busy,
    /// A CAA record keeps the authority from it.
    AcmeCaa "E_ACME_CAA" Refused,
    /// The authority does not do what it is asked.
    AcmeRejected "E_ACME_REJECTED" Refused,
    /// The authority does not have that profile.
    AcmeProfile "E_ACME_PROFILE" Usage,
    /// The authority's terms were not agreed to.
    AcmeTerms "E_ACME_TOS" Refused,
    /// The authority cannot be reached, or is in trouble.
    AcmeDown "E_ACME_DOWN" Failed,
    /// The hook failed, or may not be run.
    AcmeHook "E_ACME_HOOK" Failed,
    /// nginx does not serve the answers to challenges.
    AcmeWebroot "E_ACME_WEBROOT_UNREADABLE" Failed,
    /// A wildcard without a hook.
    AcmeWildcard "E_ACME_WILDCARD_NEEDS_DNS" Usage,
    /// A byte order mark was taken away.
    FixedBom "W_FIXED_BOM" Usage,
    /// Line ends were changed.
    FixedCrlf "W_FIXED_CRLF" Usage,
    /// Spaces were taken away.
    FixedIndent "W_FIXED_INDENT" Usage,
    /// Line breaks were put in.
    FixedGlued "W_FIXED_GLUED" Usage,
    /// The certificates were sorted.
    FixedOrder "W_FIXED_ORDER" Usage,
    /// The root was taken out.
    FixedRoot "W_FIXED_ROOT" Usage,
    /// A certificate that was there twice.
    FixedDuplicate "W_FIXED_DUP" Usage,
    /// A certificate that does not belong to the chain was taken out.
    FixedUnrelated "W_FIXED_UNRELATED" Usage,
    /// More names than the app has.
    NamesExtra "W_NAMES_EXTRA" Usage,
    /// The missing intermediate was fetched.
    FetchedChain "W_CHAIN_FETCHED" Usage,
    /// It ends before the present one.
    OlderThanCurrent "W_OLDER_THAN_CURRENT" Usage,
    /// Installed though nobody trusts it.
    NotTrusted "W_UNTRUSTED" Usage,
}

/// What keeps a certificate, a key or a request from being taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({})", code.word())]
pub struct Refusal {
    code: Code,
    message: String,
    hints: Vec<String>,
}

impl Refusal {
    /// `message` is a sentence without its full stop.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// With one more thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What it is.
    pub fn code(&self) -> Code {
        self.code
    }
}

impl Hint for Refusal {
    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }

    fn kind(&self) -> Kind {
        self.code.kind()
    }
}

/// Something that was put right, or is worth a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The code's word.
    pub code: &'static str,
    /// A sentence.
    pub message: String,
}

impl Remark {
    /// A remark.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: code.word(),
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_word_of_its_own_in_the_documentation() {
        let page = include_str!("../../docs/using/tls.md");
        for (number, code) in Code::ALL.iter().enumerate() {
            assert!(
                page.contains(&format!("`{}`", code.word())),
                "{}",
                code.word()
            );
            assert!(
                Code::ALL[..number]
                    .iter()
                    .all(|other| other.word() != code.word())
            );
        }
    }
}
