//! The chain of a certificate: its own first, then who signed it, without roots.
//!
//! takes: certificates in any order, the leaf · gives: them in order, and what was left out · touches: nothing

use super::certificate::Certificate;
use super::finding::{Code, Remark};

/// A chain in order.
#[derive(Debug)]
pub struct Chain {
    /// The leaf, then the intermediates. Cross-signed ones follow the one they stand for.
    pub certificates: Vec<Certificate>,
    /// Roots that were in the file; clients have them, or do not want them.
    pub roots: Vec<Certificate>,
    /// What does not belong to it.
    pub unrelated: Vec<Certificate>,
    /// What was put right.
    pub remarks: Vec<Remark>,
}

impl Chain {
    /// Sorts `all`, of which `leaf` is one.
    pub fn of(leaf: &Certificate, all: &[Certificate]) -> Self {
        let others = all.iter().filter(|each| each.der != leaf.der).cloned();
        // Roots go first: a walk that takes a self-signed one loses its cross-signed twin, and older clients with it.
        let (roots, mut pool): (Vec<_>, Vec<_>) =
            others.partition(|each| each.is_self_signed() && each.is_ca);
        let mut certificates = vec![leaf.clone()];
        let mut next = 0;
        while next < certificates.len() {
            let (signers, rest): (Vec<_>, Vec<_>) = pool
                .into_iter()
                .partition(|each| each.is_ca && certificates[next].is_signed_by(each));
            certificates.extend(signers);
            pool = rest;
            next += 1;
        }
        let mut chain = Self {
            certificates,
            roots,
            unrelated: pool,
            remarks: Vec::new(),
        };
        chain.remark(all);
        chain
    }

    fn remark(&mut self, all: &[Certificate]) {
        let given = all
            .iter()
            .filter(|each| self.certificates.iter().any(|own| own.der == each.der));
        if !given.eq(self.certificates.iter()) {
            self.remarks.push(Remark::new(
                Code::FixedOrder,
                "the certificates are put in order: the site's own first",
            ));
        }
        if !self.roots.is_empty() {
            self.remarks.push(Remark::new(
                Code::FixedRoot,
                "the root is left out: who visits has it already",
            ));
        }
    }

    /// As nginx reads it.
    pub fn pem(&self) -> String {
        self.certificates.iter().map(Certificate::pem).collect()
    }
}
