//! L3: certificates ordered from an authority by ACME (RFC 8555): the account, the order, the answers to challenges, and when
//! the next one is due.
//!
//! takes: names, an authority's directory · gives: a certificate with its chain and its key · touches: the network, the folder of
//! challenges, `/etc/ssl/landfall/` · undone by: itself: answers are taken away again, a key waits with its order until it is
//! served
//!
//! The protocol is the `instant-acme` crate's. Its requests go over [`client`], one at a time.

pub mod account;
pub mod ari;
mod challenge;
mod client;
mod course;
pub mod directory;
pub mod failure;
pub mod hook;
pub mod obtain;
pub mod preflight;
pub mod renewal;
pub mod standing;
mod waiting;
