//! L2: settings. As written (`written`, `server`), detected from the tree (`detect`), and settled (`settings`): only the
//! last travels inward, and it is only made by checking.

pub mod server;
pub mod settings;
