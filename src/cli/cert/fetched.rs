//! A chain that came without its intermediates, completed from where its certificates say they are.
//!
//! takes: what came, what it must be good for · gives: what is missing, added · touches: the issuers' web servers

use crate::tls::certificate::Certificate;
use crate::tls::chain::Chain;
use crate::tls::fetch::{self, Reach};
use crate::tls::finding::{Code, Refusal, Remark};
use crate::tls::verify::{self, Demand};

/// Longer chains of intermediates are nobody's.
const MOST: usize = 4;

/// Adds the intermediates that a trusted path lacks. What else may be wrong is left to who asks next; what was fetched counts
/// only where the path is whole then.
pub(super) fn complete(
    all: &mut Vec<Certificate>,
    spkis: &[Vec<u8>],
    demand: &Demand<'_>,
    reach: Reach,
) -> Result<Vec<Remark>, Refusal> {
    let mut remarks = Vec::new();
    for _ in 0..MOST {
        let (leaf, _) = verify::find_leaf(all, spkis)?;
        let chain = Chain::of(leaf, all);
        let Err(refusal) = verify::check(&chain, demand) else {
            break;
        };
        let is_missing = matches!(refusal.code(), Code::ChainMissing | Code::ChainUnrelated);
        let top = chain.certificates.last();
        let (true, Some(url)) = (is_missing, top.and_then(|top| top.issuer_url.clone())) else {
            return Err(refusal);
        };
        let found = fetch::certificates(&url, reach)?;
        let (before, top) = (all.len(), top.cloned());
        let signs = |each: &Certificate| top.as_ref().is_some_and(|top| top.is_signed_by(each));
        if !found.iter().any(signs) {
            return Err(Refusal::new(
                Code::ChainFetch,
                format!("what is at {url} has not signed the certificate"),
            )
            .hint("get the issuer's from the authority, then: landfall cert install FILE --chain CHAIN.pem"));
        }
        for each in found {
            if !all.contains(&each) {
                all.push(each);
            }
        }
        if all.len() == before {
            return Err(refusal);
        }
        remarks.push(Remark::new(
            Code::FetchedChain,
            format!("the issuer's certificate was fetched from {url}"),
        ));
    }
    Ok(remarks)
}
