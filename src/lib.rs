//! Landfall: `git push production master` deploys a Django and Vue app to your own server, whole or not at all.
//!
//! # The path of a push
//! [`cli`]'s `hook` → [`deploy`] → the stages in [`stage`], in order: push, refs, plan, checkout, build, gate, render, boot,
//! migrate, health, commit, workers, verify, retire. `docs/internals/path.md` has the diagram.
//!
//! # Layers, strictly downward
//! cli → recipes (adopt, deploy, handover, rollback, cancel, recover, undo, prune, upkeep, site, provision) → stage, setup → report,
//! release, supervisor, template, acme, tls → event, config, keys →
//! git, tool → base. `tests/suite/layers.rs` checks it.

pub mod acme;
pub mod adopt;
pub mod base;
pub mod cancel;
pub mod cli;
pub mod config;
pub mod deploy;
pub mod event;
pub mod git;
pub mod handover;
pub mod keys;
pub mod provision;
pub mod prune;
pub mod recover;
pub mod release;
pub mod report;
pub mod rollback;
pub mod setup;
pub mod site;
pub mod stage;
pub mod supervisor;
pub mod template;
pub mod tls;
pub mod tool;
pub mod undo;
pub mod upkeep;
