//! L3: the app's processes: programs as values, and supervisord's own word on what runs.

pub mod fault;
pub mod program;
pub mod rpc;
mod xml;

#[cfg(test)]
mod takeover_tests;
