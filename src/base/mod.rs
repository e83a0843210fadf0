//! L0: process state, names, files, commands. The only layer that touches the environment, the clock or a process.

pub mod ancestor;
pub mod aside;
pub mod checkpoint;
pub mod command;
pub mod compress;
pub mod disk;
pub mod flock;
pub mod fs;
pub mod hint;
pub mod host;
pub mod names;
pub mod occupants;
pub mod proc;
pub mod replica;
pub mod secret;
pub mod server_paths;
pub mod socket;
pub mod stretch;
pub mod tail;
pub mod terminal;
pub mod unchanged;
pub mod untrusted;
pub mod user;
pub mod words;
