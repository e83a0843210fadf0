//! L3: certificates and their keys on the server: where they lie, and the pair that stands in until one is issued.

pub mod self_signed;
pub mod store;
