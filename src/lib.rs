//! Landfall: `git push production master` deploys a Django and Vue app to your own server, whole or not at all.
//!
//! # The path of a push
//! `cli::hook` → [`deploy`](crate) → the stages in `stage/`, in order: push, refs, plan, checkout, build, gate, render, boot,
//! migrate, health, commit, workers, verify, retire. `docs/internals/path.md` has the diagram.
//!
//! # Layers, strictly downward
//! cli → recipes (deploy, rollback, recover, prune) → stage → report, release, supervisor, template → event → config →
//! git, tool → base. `tests/suite/layers.rs` checks it.

pub mod base;
pub mod config;
pub mod event;
pub mod release;
pub mod supervisor;
pub mod template;
pub mod tool;
