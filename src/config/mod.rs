//! L2: settings. As written (`written`, `server`), detected from the tree (`detect`), and settled (`settings`): only the
//! last travels inward, and it is only made by checking (`settle`).

pub mod command_line;
pub mod defaults;
pub mod detect;
pub mod env_file;
pub mod error;
pub mod git_tree;
pub mod ignored;
pub mod init;
pub mod paths;
pub mod server;
pub mod server_edit;
pub mod settings;
pub mod settle;
pub mod tree;
pub mod written;
