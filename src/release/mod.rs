//! L3: the app's home on disk: where things lie, which releases there are, the lock, the caches.

pub mod assets;
pub mod cache;
pub mod compressed;
pub mod layout;
pub mod lock;
pub mod noted;
pub mod process;
pub mod record;
pub mod seen;
pub mod spare;
pub mod stamps;
pub mod store;
pub mod trash;
