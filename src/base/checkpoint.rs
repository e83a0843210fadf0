//! Instants at which the tests of crashes stop the program: before each change of the file system, each program that is started,
//! each order to supervisord, where a stage begins and ends, and where git takes over. A release build has none of it.
//!
//! takes: the kind of instant · gives: nothing · touches: in a debug build, the folder that `LANDFALL_CHECKPOINTS` names ·
//! undone by: -
//!
//! Each instant adds its kind as a line to the folder's `reached`. Where `stop` there reads `KIND NUMBER`, the program writes its
//! pid into `here` at the instant of that kind and number (from 1) and stops, all threads at once; who set it up ends it.

/// Before a change of the file system.
pub const WRITE: &str = "write";
/// Before a program is started.
pub const SPAWN: &str = "spawn";
/// Before an order to supervisord.
pub const ORDER: &str = "order";
/// A release is prepared and its hook has nothing more to say; git moves the branch next.
pub const PREPARED: &str = "prepared";
/// The push has its answer; a spare is made next.
pub const UPKEEP: &str = "upkeep";

/// An instant of this kind is reached.
#[cfg(not(debug_assertions))]
pub fn reached(_kind: &str) {}

/// What a process that is left behind must be told.
#[cfg(not(debug_assertions))]
pub fn environment() -> Option<(&'static str, String)> {
    None
}

#[cfg(debug_assertions)]
pub use told::{environment, reached};

#[cfg(debug_assertions)]
mod told {
    use std::fs::{self, File, OpenOptions};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;

    use nix::fcntl::{Flock, FlockArg};
    use nix::sys::signal::{Signal, raise};

    const VARIABLE: &str = "LANDFALL_CHECKPOINTS";

    #[expect(
        clippy::disallowed_methods,
        reason = "the tests' own, and known before there is a host"
    )]
    fn folder() -> Option<&'static Path> {
        static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
        FOLDER
            .get_or_init(|| std::env::var_os(VARIABLE).map(PathBuf::from))
            .as_deref()
    }

    /// What a process that is left behind must be told.
    pub fn environment() -> Option<(&'static str, String)> {
        Some((VARIABLE, folder()?.to_string_lossy().into_owned()))
    }

    /// An instant of this kind is reached.
    ///
    /// # Panics
    /// Where the tests' folder cannot be written: a test that misses its instant shows nothing.
    pub fn reached(kind: &str) {
        if let Some(folder) = folder()
            && let Err(error) = note(folder, kind)
        {
            panic!("{}: {error}", folder.display());
        }
    }

    #[expect(clippy::disallowed_methods, reason = "base::fs calls this")]
    fn note(folder: &Path, kind: &str) -> std::io::Result<()> {
        let log = folder.join("reached");
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        // Threads and processes take turns, so that each instant has one number.
        let mut log = Flock::lock(log, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        writeln!(log, "{kind}")?;
        let Ok(stop) = fs::read_to_string(folder.join("stop")) else {
            return Ok(());
        };
        let reached = fs::read_to_string(folder.join("reached"))?;
        let number = reached.lines().filter(|line| *line == kind).count();
        if stop.trim() == format!("{kind} {number}") {
            write!(File::create(folder.join("here"))?, "{}", std::process::id())?;
            drop(log);
            raise(Signal::SIGSTOP)?;
        }
        Ok(())
    }
}
