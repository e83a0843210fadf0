//! What people take for a certificate: read, put in order, checked. Nothing panics, no message shows a key, and what is
//! given to nginx reads the same again.

#![no_main]

use landfall::base::hint::Hint;
use landfall::tls::chain::Chain;
use landfall::tls::intake;
use landfall::tls::roots::Roots;
use landfall::tls::verify::{self, Demand};
use libfuzzer_sys::fuzz_target;

mod secrets;

fuzz_target!(|data: &[u8]| {
    let taken = match intake::read(data) {
        Ok(taken) => taken,
        Err(refusal) => {
            secrets::must_not_be_in(&format!("{refusal:?} {refusal} {:?}", refusal.hints()));
            return;
        }
    };
    secrets::must_not_be_in(&format!("{:?}", taken.remarks));
    let leaf = &taken.certificates[0];
    let chain = Chain::of(leaf, &taken.certificates);
    let again = intake::read(chain.pem().as_bytes()).expect("what is written is read");
    assert_eq!(again.certificates, chain.certificates);
    let domains = ["example.org".parse().expect("a domain")];
    let demand = Demand {
        domains: &domains,
        roots: &Roots::default(),
        allow_untrusted: true,
        now: leaf.not_before.max(0).cast_unsigned(),
    };
    match verify::check(&chain, &demand) {
        Ok(remarks) => secrets::must_not_be_in(&format!("{remarks:?}")),
        Err(refusal) => secrets::must_not_be_in(&format!("{refusal:?} {:?}", refusal.hints())),
    }
});
