//! What can be checked of the code itself: its layers, its sizes, who may do what; and the Python agent's own tests.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests look at the files themselves, and a failed unwrap is a failed test"
)]

mod agent;
mod layers;
mod security;
mod source;
