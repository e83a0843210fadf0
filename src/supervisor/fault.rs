//! What goes wrong in talking to supervisord.
//!
//! takes: its faults' numbers · gives: typed errors with hints · touches: nothing

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::hint::{Hint, Kind};
use crate::base::words::span;

/// What supervisord refused, by its numbers (supervisor/xmlrpc.py, `Faults`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 6: it is shutting down.
    ShuttingDown,
    /// 10: no such program.
    BadName,
    /// 20: no such file to run.
    NoFile,
    /// 21: the file cannot be run.
    NotExecutable,
    /// 30
    Failed,
    /// 40: it ended while it was waited for.
    AbnormalTermination,
    /// 50: it could not be started, or ended too soon.
    SpawnError,
    /// 60
    AlreadyStarted,
    /// 70
    NotRunning,
    /// 90
    AlreadyAdded,
    /// 91: it must be stopped before it is removed.
    StillRunning,
    /// 92: the configuration is not valid.
    CannotReread,
    /// Any other.
    Other(i64),
}

impl Fault {
    pub(super) fn from_number(number: i64) -> Self {
        match number {
            6 => Self::ShuttingDown,
            10 => Self::BadName,
            20 => Self::NoFile,
            21 => Self::NotExecutable,
            30 => Self::Failed,
            40 => Self::AbnormalTermination,
            50 => Self::SpawnError,
            60 => Self::AlreadyStarted,
            70 => Self::NotRunning,
            90 => Self::AlreadyAdded,
            91 => Self::StillRunning,
            92 => Self::CannotReread,
            other => Self::Other(other),
        }
    }
}

/// supervisord does not answer, or refuses.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Nobody listens on its socket.
    #[error("supervisord does not answer on {}", socket.display())]
    Down {
        /// The socket.
        socket: PathBuf,
        /// What connecting said.
        #[source]
        source: io::Error,
    },
    /// It took the call, and said nothing or something else than XML-RPC.
    #[error("supervisord gave no proper answer to `{method}`: {problem}")]
    Garbled {
        /// The method called.
        method: &'static str,
        /// What is odd.
        problem: String,
    },
    /// It refused.
    #[error("supervisord refuses `{method}`{}: {text}", if subject.is_empty() { String::new() } else { format!(" of `{subject}`") })]
    Fault {
        /// The method called.
        method: &'static str,
        /// The program it was called for, or nothing.
        subject: String,
        /// Why, typed.
        fault: Fault,
        /// Why, in its words.
        text: String,
    },
    /// A program did not stop in time.
    #[error("`{name}` did not stop within {}", span(*waited))]
    NotStopped {
        /// The program.
        name: String,
        /// How long was waited.
        waited: Duration,
    },
}

impl RpcError {
    /// Why supervisord refused, if it did.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Fault { fault, .. } => Some(*fault),
            _ => None,
        }
    }
}

impl Hint for RpcError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Down { socket, .. } => {
                let conf = socket.with_file_name("supervisord.conf");
                vec![format!("start it: supervisord -c {}", conf.display())]
            }
            Self::Fault {
                fault: Fault::CannotReread,
                ..
            } => {
                vec!["see run/supervisord.conf in the app's home, and the files it includes".into()]
            }
            _ => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        match self.fault() {
            Some(Fault::BadName) => Kind::NotFound,
            _ => Kind::Failed,
        }
    }
}
