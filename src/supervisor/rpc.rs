//! supervisord's XML-RPC interface over its unix socket. <http://supervisord.org/api.html>
//!
//! takes: the socket's path · gives: what runs, typed · touches: the processes, as asked
//!
//! Names are programs' names; each program is a group of its own (`supervisor::program`).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::fault::{Fault, RpcError};
use super::xml::{Answer, Value, call, parse};
use crate::base::checkpoint;
use crate::base::socket;
use crate::base::words::{printable, shorten};
use crate::tool::http::read_response;

/// The longest that one call may take. supervisord answers each at once, between two looks at its processes.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that is read of an answer, in bytes: 1 KB per process.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// How often a stopping process is looked at.
const POLL: Duration = Duration::from_millis(10);
/// So often a program is ended before it is removed.
const RESTARTS: usize = 5;

/// One app's supervisord.
#[derive(Debug, Clone)]
pub struct Supervisor {
    socket: PathBuf,
}

/// What came of adding a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    Added,
    /// supervisord had it already, as it was then configured.
    AlreadyThere,
}

/// What came of removing a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Removed,
    /// supervisord had none of that name.
    WasNotThere,
}

/// A process as supervisord sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The program's name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Its pid, while it runs.
    pub pid: Option<u32>,
    /// When it was last started, in seconds since 1970; `None` if never.
    pub started_unix: Option<u64>,
    /// How long it has run; zero where it does not run.
    pub uptime: Duration,
    /// The exit code of its last end after it had started; 0 before that. -1: ended by a signal.
    pub exit_status: i64,
    /// What is wrong, in supervisor's words; empty if nothing is.
    pub problem: String,
}

/// States of a process, by supervisor's numbers (supervisor/states.py, `ProcessStates`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// 0: stopped by request, or never started.
    Stopped,
    /// 10: started, not yet for `startsecs`.
    Starting,
    /// 20
    Running,
    /// 30: ended too soon; will be tried again.
    Backoff,
    /// 40: told to stop, not gone yet.
    Stopping,
    /// 100: ended by itself.
    Exited,
    /// 200: ended too soon `startretries` times; not tried again.
    Fatal,
    /// 1000, or a number that this version does not know.
    Unknown,
}

impl State {
    fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Stopped,
            10 => Self::Starting,
            20 => Self::Running,
            30 => Self::Backoff,
            40 => Self::Stopping,
            100 => Self::Exited,
            200 => Self::Fatal,
            _ => Self::Unknown,
        }
    }

    /// The word people see; supervisor's own.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Backoff => "backoff",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
            Self::Fatal => "fatal",
            Self::Unknown => "unknown",
        }
    }

    /// True where there is no process and none will be started by itself (`STOPPED_STATES`). An `Exited` one may still
    /// be restarted, if its program says so.
    pub fn is_stopped(self) -> bool {
        matches!(
            self,
            Self::Stopped | Self::Exited | Self::Fatal | Self::Unknown
        )
    }
}

impl Supervisor {
    /// The supervisord that listens on `socket`. Does not connect yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// True if it answers.
    pub fn is_up(&self) -> bool {
        self.call("supervisor.getState", "", &[]).is_ok()
    }

    /// Its own pid.
    pub fn pid(&self) -> Result<u32, RpcError> {
        let method = "supervisor.getPID";
        match self.call(method, "", &[])? {
            Value::Int(pid) => {
                u32::try_from(pid).map_err(|error| garbled(method, error.to_string()))
            }
            _ => Err(garbled(method, "no number")),
        }
    }

    /// Makes it read its configuration again. Nothing starts or stops by that; programs are then there to be added.
    pub fn reread(&self) -> Result<(), RpcError> {
        self.call("supervisor.reloadConfig", "", &[]).map(|_| ())
    }

    /// Adds a program of the configuration last read, which is read again only if it has none of that name: reading takes
    /// supervisord longer than all else it is asked. The program starts at once if its `autostart` is true.
    pub fn add(&self, name: &str) -> Result<Added, RpcError> {
        let add = || self.call("supervisor.addProcessGroup", name, &[text(name)]);
        let added = match add() {
            Err(error) if error.fault() == Some(Fault::BadName) => {
                self.reread()?;
                add()
            }
            added => added,
        };
        match added {
            Ok(_) => Ok(Added::Added),
            Err(error) if error.fault() == Some(Fault::AlreadyAdded) => Ok(Added::AlreadyThere),
            Err(error) => Err(error),
        }
    }

    /// Removes a stopped program; one that runs is an error ([`Fault::StillRunning`]).
    pub fn remove(&self, name: &str) -> Result<Removed, RpcError> {
        match self.call("supervisor.removeProcessGroup", name, &[text(name)]) {
            Ok(_) => Ok(Removed::Removed),
            Err(error) if error.fault() == Some(Fault::BadName) => Ok(Removed::WasNotThere),
            Err(error) => Err(error),
        }
    }

    /// Removes a program, by `end` ended first if it runs. supervisord may start what was killed again as long as it has it, so
    /// what does not run may run a moment later: then `end` is called again, five times in all.
    pub fn take_out(
        &self,
        name: &str,
        end: impl Fn() -> Result<(), RpcError>,
    ) -> Result<Removed, RpcError> {
        for _ in 0..RESTARTS {
            match self.remove(name) {
                Err(error) if error.fault() == Some(Fault::StillRunning) => end()?,
                removed => return removed,
            }
        }
        self.remove(name)
    }

    /// Starts a program; does not wait until it runs. One that runs is an error ([`Fault::AlreadyStarted`]).
    pub fn start(&self, name: &str) -> Result<(), RpcError> {
        let params = [text(name), Value::Bool(false)];
        self.call("supervisor.startProcess", name, &params)
            .map(|_| ())
    }

    /// Sends a program its stop signal; does not wait until it ends. One that does not run, or is stopping already, is
    /// fine.
    pub fn stop(&self, name: &str) -> Result<(), RpcError> {
        let params = [text(name), Value::Bool(false)];
        match self.call("supervisor.stopProcess", name, &params) {
            Err(error) if error.fault() != Some(Fault::NotRunning) => Err(error),
            _ => Ok(()),
        }
    }

    /// Stops a program and waits until it is gone, at most `longest`. One that does not run is fine. supervisord kills it
    /// after the program's own `stop_wait`, which should be shorter.
    pub fn stop_and_wait(&self, name: &str, longest: Duration) -> Result<(), RpcError> {
        self.stop(name)?;
        let deadline = Instant::now() + longest;
        while !self
            .process(name)?
            .is_none_or(|process| process.state.is_stopped())
        {
            if Instant::now() > deadline {
                return Err(RpcError::NotStopped {
                    name: name.to_owned(),
                    waited: longest,
                });
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Sends a running program a signal, by its name without `SIG`: `HUP`.
    pub fn signal(&self, name: &str, signal: &str) -> Result<(), RpcError> {
        let params = [text(name), text(signal)];
        self.call("supervisor.signalProcess", name, &params)
            .map(|_| ())
    }

    /// All processes, by name.
    pub fn processes(&self) -> Result<Vec<Process>, RpcError> {
        let method = "supervisor.getAllProcessInfo";
        let Value::Array(items) = self.call(method, "", &[])? else {
            return Err(garbled(method, "no list"));
        };
        let read = |item| {
            read_process(item).ok_or_else(|| garbled(method, "a process without its fields"))
        };
        items.iter().map(read).collect()
    }

    /// One process, if supervisord has it.
    pub fn process(&self, name: &str) -> Result<Option<Process>, RpcError> {
        let mut all = self.processes()?;
        Ok(all
            .iter()
            .position(|each| each.name == name)
            .map(|at| all.swap_remove(at)))
    }

    /// Tells it to stop its programs, each in its own time, and to end. Does not wait: see
    /// [`Daemon::wait_until_gone`](crate::tool::supervisord::Daemon::wait_until_gone).
    pub fn shutdown(&self) -> Result<(), RpcError> {
        self.call("supervisor.shutdown", "", &[]).map(|_| ())
    }

    fn call(
        &self,
        method: &'static str,
        subject: &str,
        params: &[Value],
    ) -> Result<Value, RpcError> {
        if !method.starts_with("supervisor.get") {
            checkpoint::reached(checkpoint::ORDER);
        }
        let answer = self.exchange(method, &call(method, params))?;
        match parse(&answer).map_err(|problem| garbled(method, problem))? {
            Answer::Value(value) => Ok(value),
            Answer::Fault(number, text) => Err(RpcError::Fault {
                method,
                subject: subject.to_owned(),
                fault: Fault::from_number(number),
                text: printable(&shorten(&text, 500)),
            }),
        }
    }

    fn exchange(&self, method: &'static str, body: &str) -> Result<String, RpcError> {
        let down = |source| RpcError::Down {
            socket: self.socket.clone(),
            source,
        };
        let mut stream = socket::unix(&self.socket, CALL_TIMEOUT).map_err(down)?;
        let request = format!(
            "POST /RPC2 HTTP/1.0\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(down)?;
        let response = read_response(&mut stream, ANSWER_LIMIT).map_err(down)?;
        if response.status != 200 {
            return Err(garbled(method, format!("HTTP status {}", response.status)));
        }
        Ok(response.text())
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn garbled(method: &'static str, problem: impl Into<String>) -> RpcError {
    RpcError::Garbled {
        method,
        problem: problem.into(),
    }
}

/// The fields of `getProcessInfo` (supervisor/rpcinterface.py).
fn read_process(info: &Value) -> Option<Process> {
    let state = State::from_number(info.int("state")?);
    let number = |member| {
        info.int(member)
            .and_then(|number| u64::try_from(number).ok())
    };
    let started_unix = number("start").filter(|seconds| *seconds > 0);
    let pid = number("pid").filter(|pid| *pid > 0);
    let uptime = match (pid, started_unix, number("now")) {
        (Some(_), Some(start), Some(now)) => Duration::from_secs(now.saturating_sub(start)),
        _ => Duration::ZERO,
    };
    Some(Process {
        name: info.text("name")?.to_owned(),
        state,
        pid: pid.and_then(|pid| u32::try_from(pid).ok()),
        started_unix,
        uptime,
        exit_status: info.int("exitstatus").unwrap_or_default(),
        problem: info.text("spawnerr").unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
#[path = "rpc_tests.rs"]
mod tests;
