//! L3: the app's home on disk: where things lie, which releases there are, the lock, the caches.

pub mod layout;
