//! L3: certificates and their keys on the server: requests for them, what comes back from an authority, where they lie, and
//! the pair that stands in until one is issued.

pub mod certificate;
pub mod chain;
pub mod fetch;
pub mod finding;
pub mod health;
pub mod intake;
pub mod key;
pub mod name;
#[cfg(test)]
pub(crate) mod openssl;
pub mod pending;
pub mod request;
pub mod roots;
pub mod self_signed;
pub mod store;
pub mod verify;
