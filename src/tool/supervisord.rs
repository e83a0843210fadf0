//! supervisord: started for one app's configuration, and stopped. Talking to it is `supervisor::rpc`.
//!
//! takes: the paths of its files · gives: a supervisord whose socket answers · touches: one daemon, `run/supervisord.out`

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::base::command::{Cmd, printed_too_many, too_many};
use crate::base::fs::{self, FsError};
use crate::base::hint::Hint;
use crate::base::host::SYSTEM_PATH;
use crate::base::socket;
use crate::base::words::span;

/// How often a condition is looked at while waiting.
const POLL: Duration = Duration::from_millis(20);
/// The longest that connecting to its socket may take; its queue is long, so this is only for a stuck one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How many of the last lines of its output an error carries.
const TAIL_LINES: usize = 30;

/// The files of one supervisord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Its configuration.
    pub conf: PathBuf,
    /// The socket that the configuration names.
    pub socket: PathBuf,
    /// The pid file that the configuration names.
    pub pid_file: PathBuf,
    /// The home directory (`HOME`) of what it starts, and its own working directory.
    pub home: PathBuf,
}

impl Daemon {
    /// The command that starts it. It goes into the background by itself, after its socket listens.
    pub fn command(&self, supervisord: &Path) -> Cmd {
        Cmd::new(supervisord)
            .arg("--configuration")
            .path_arg(&self.conf)
            .cwd(&self.home)
            .env("PATH", SYSTEM_PATH)
            .env("HOME", self.home.to_string_lossy())
            .env("LANG", "C.UTF-8")
    }

    /// Where what it says before it has a log goes.
    fn start_output(&self) -> PathBuf {
        self.pid_file.with_extension("out")
    }

    /// Starts it and waits until its socket answers and its pid file is there, at most `timeout`. One that already runs is
    /// left alone.
    ///
    /// # Streams
    /// Input is empty; both outputs go to `supervisord.out` beside the pid file. Nothing of the caller's stays open in the
    /// daemon: not the pipes of a git hook (git would wait for it), nor a lock.
    pub fn start(&self, timeout: Duration) -> Result<(), SupervisordError> {
        if self.is_up() {
            return Ok(());
        }
        let program = super::find_program("supervisord").ok_or(SupervisordError::Missing)?;
        let deadline = Instant::now() + timeout;
        let output = self.start_output();
        fs::write(&output, b"", fs::PUBLIC)?;
        let open = || {
            std::fs::OpenOptions::new()
                .append(true)
                .open(&output)
                .map_err(|source| FsError::new("open", &output, source))
        };
        // Not base::command::run: it ends the program's group with the program, which can hit the daemon in the moment
        // between its fork and its setsid.
        let mut child = self
            .command(&program)
            .to_std()
            .stdout(Stdio::from(open()?))
            .stderr(Stdio::from(open()?))
            .process_group(0)
            .spawn()
            .map_err(SupervisordError::Start)?;
        loop {
            if self.is_up() {
                // Its first process ends as soon as the daemon is on its own.
                let _ = child.wait();
                return Ok(());
            }
            let ended = child.try_wait().map_err(SupervisordError::Start)?;
            if ended.is_some_and(|status| !status.success()) || Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Err(self.not_up(timeout));
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until it is up, at most `timeout`: for one that somebody else starts. True if it is.
    pub fn wait_until_up(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while !self.is_up() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    /// It listens before it goes into the background, and writes its pid after that (supervisor/supervisord.py, `run`).
    fn is_up(&self) -> bool {
        socket::unix(&self.socket, CONNECT_TIMEOUT).is_ok() && self.pid().is_some()
    }

    fn not_up(&self, timeout: Duration) -> SupervisordError {
        let text = fs::read(&self.start_output()).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        SupervisordError::NotUp {
            socket: self.socket.clone(),
            timeout,
            output: lines[from..].to_vec(),
        }
    }

    /// Its pid, if it runs: the number in the pid file, where that process was started with this configuration.
    pub fn pid(&self) -> Option<u32> {
        let pid: u32 = fs::read(&self.pid_file).ok()?.trim().parse().ok()?;
        let argv = fs::read_bytes(Path::new(&format!("/proc/{pid}/cmdline"))).ok()?;
        let conf = self.conf.to_string_lossy();
        argv.split(|byte| *byte == 0)
            .any(|arg| arg == conf.as_bytes())
            .then_some(pid)
    }

    /// Tells it to stop (TERM: it stops its programs first, each in its own time) and waits until it is gone, at most
    /// `timeout`. One that does not run is fine.
    pub fn stop(&self, timeout: Duration) -> Result<(), SupervisordError> {
        let Some(pid) = self.pid() else {
            return Ok(());
        };
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
        self.wait_until_gone(pid, timeout)
    }

    /// Waits until the process `pid` of this supervisord is gone, at most `timeout`.
    pub fn wait_until_gone(&self, pid: u32, timeout: Duration) -> Result<(), SupervisordError> {
        let deadline = Instant::now() + timeout;
        // The pid file goes a moment before the process, so both are looked at; a zombie's command line is empty.
        while fs::read_bytes(Path::new(&format!("/proc/{pid}/cmdline")))
            .is_ok_and(|argv| !argv.is_empty())
        {
            if Instant::now() > deadline {
                return Err(SupervisordError::StillRunning { pid, timeout });
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

/// supervisord does not start or does not stop.
#[derive(Debug, thiserror::Error)]
pub enum SupervisordError {
    /// It is not installed.
    #[error("supervisord is not installed")]
    Missing,
    /// The process could not be made.
    #[error("supervisord cannot be started")]
    Start(#[source] io::Error),
    /// Its socket did not come up.
    #[error("supervisord was started, but did not answer on {} within {}", socket.display(), span(*timeout))]
    NotUp {
        /// The socket.
        socket: PathBuf,
        /// How long was waited.
        timeout: Duration,
        /// What it said.
        output: Vec<String>,
    },
    /// It did not end.
    #[error("supervisord (pid {pid}) did not stop within {}", span(*timeout))]
    StillRunning {
        /// Its pid.
        pid: u32,
        /// How long was waited.
        timeout: Duration,
    },
    /// A file of its could not be used.
    #[error(transparent)]
    File(#[from] FsError),
}

impl Hint for SupervisordError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing => vec!["sudo apt install supervisor".into()],
            Self::NotUp { socket, .. } if socket.as_os_str().len() > LONGEST_SOCKET => {
                vec![format!(
                    "the home's path is too long for sockets: {} of at most {LONGEST_SOCKET} bytes",
                    socket.as_os_str().len()
                )]
            }
            Self::StillRunning { pid, .. } => {
                vec![format!("see what it waits for: ps --ppid {pid}")]
            }
            Self::File(error) => error.hints(),
            Self::Start(error) => too_many(error).into_iter().collect(),
            Self::NotUp { output, .. } => printed_too_many(output).into_iter().collect(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::NotUp { output, .. } => output,
            _ => &[],
        }
    }
}

/// The longest socket path, in bytes: supervisord first binds `PATH.PID`, then links it to `PATH` (its http.py,
/// `supervisor_af_unix_http_server`), so `.PID` (at most `.4194304`) must fit too.
pub const LONGEST_SOCKET: usize = socket::LONGEST_PATH - 8;
