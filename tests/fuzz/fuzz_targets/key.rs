//! What people take for a key. Nothing panics, no message shows it, and what is kept reads as the same key again.

#![no_main]

use landfall::base::hint::Hint;
use landfall::tls::key::PrivateKey;
use libfuzzer_sys::fuzz_target;

mod secrets;

fuzz_target!(|data: &[u8]| {
    match PrivateKey::read(data) {
        Ok(key) => {
            secrets::must_not_be_in(&format!("{key:?} {}", key.kind()));
            let again =
                PrivateKey::read(key.pem().expose().as_bytes()).expect("what is kept is read");
            assert_eq!(again.spki(), key.spki());
        }
        Err(refusal) => {
            secrets::must_not_be_in(&format!("{refusal:?} {refusal} {:?}", refusal.hints()));
        }
    }
});
