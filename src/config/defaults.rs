//! What holds where neither landfall.toml nor the repository says anything.
//!
//! takes: nothing · gives: constants · touches: nothing

use std::time::Duration;

/// Install and build of a frontend, each.
pub const FRONTEND_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// The Python environment.
pub const INSTALL_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// The application is loaded.
pub const START_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// Migrations, and static files.
pub const MIGRATE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Each of the app's own checks.
pub const GATE_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// The first good answer of the new release.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(30);
/// The path asked for.
pub const HEALTH_PATH: &str = "/";
/// uWSGI's worker processes.
pub const PROCESSES: u16 = 2;
/// Threads in each.
pub const THREADS: u16 = 2;
/// A process besides web: to finish after TERM.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// A Celery worker: to finish its tasks after TERM.
pub const CELERY_STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// To have run so long counts as started.
pub const READY_AFTER: Duration = Duration::from_secs(3);
