//! Programs as values, and the one function that runs them.
//!
//! Takes a [`Cmd`] (argv, directory, whole environment, time limit); gives what it printed. No shell is involved. The
//! program gets a process group of its own, no input, and one pipe for both of its outputs, so their order is kept.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::checkpoint;
use super::hint::Hint;
use super::occupants;
use super::stretch;
use super::words::span;

/// How many of the last lines a failed program's error carries.
pub const TAIL_LINES: usize = 30;
/// A longer line is cut: a program that prints a megabyte without a newline must not fill memory or the log.
pub const LINE_LIMIT: u64 = 16 * 1024;
/// Lines that wait to be taken; a program that prints faster than they are written waits, and fills no memory.
const LINES_WAITING: usize = 256;
/// How a shell says that what it ran was ended by KILL: 128 and the signal's number.
const OF_KILLED: i32 = 137;
/// How long a program told to stop may take before it is killed.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long output is still read after the program ended, for children it left holding the pipe.
const LEFTOVER_GRACE: Duration = Duration::from_millis(300);

/// A program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cmd {
    program: PathBuf,
    args: Vec<String>,
    cwd: Option<PathBuf>,
    env: BTreeMap<String, String>,
    timeout: Option<Duration>,
    input: Option<String>,
}

impl Cmd {
    /// A program by path, or by name in the PATH of the environment given with [`Cmd::envs`].
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            cwd: None,
            env: BTreeMap::new(),
            timeout: None,
            input: None,
        }
    }

    /// The app's own command line, already split into words. An empty one runs nothing and fails.
    pub fn from_argv(argv: &[String]) -> Self {
        let mut words = argv.iter();
        Self::new(words.next().map(String::as_str).unwrap_or_default()).args(words)
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a path as an argument.
    #[must_use]
    pub fn path_arg(self, path: &Path) -> Self {
        let text = path.to_string_lossy().into_owned();
        self.arg(text)
    }

    /// The working directory.
    #[must_use]
    pub fn cwd(mut self, dir: &Path) -> Self {
        self.cwd = Some(dir.to_owned());
        self
    }

    /// A working directory was given.
    pub fn has_cwd(&self) -> bool {
        self.cwd.is_some()
    }

    /// Sets one variable. The environment is empty but for what is set here.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets variables.
    #[must_use]
    pub fn envs<K: Into<String>, V: Into<String>>(
        mut self,
        env: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.env.extend(
            env.into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        self
    }

    /// The longest it may run.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A run for the app at `home`: whatever it starts ends with it, also what leaves its process group and its parent
    /// behind.
    #[must_use]
    pub fn of_run(self, home: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let run = format!("{}.{number}", std::process::id());
        self.env(occupants::RUN, occupants::mark(home, &run))
    }

    /// Ends what is left of a run.
    pub fn end_run(&self) {
        if let Some(mark) = self.env.get(occupants::RUN) {
            occupants::end_run(mark);
        }
    }

    /// Program and arguments.
    pub fn argv(&self) -> Vec<String> {
        std::iter::once(self.program.to_string_lossy().into_owned())
            .chain(self.args.iter().cloned())
            .collect()
    }

    /// The command line as it could be typed.
    pub fn display(&self) -> String {
        shell_words::join(self.argv())
    }

    /// Program and subcommand, without what else it is told: `npm ci`.
    fn short_name(&self) -> String {
        let program = self.program.file_name().unwrap_or_default();
        let program = program.to_string_lossy().into_owned();
        let is_word = |word: &&String| word.bytes().all(|byte| byte.is_ascii_lowercase());
        match self.args.first().filter(is_word) {
            Some(word) => format!("{program} {word}"),
            None => program,
        }
    }

    /// The whole environment the program gets.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// What it reads from its standard input, which is empty otherwise. For [`run`] and [`output`].
    #[must_use]
    pub fn input(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// The standard library's form, for those who hold the child themselves.
    #[expect(clippy::disallowed_methods, reason = "wrapped here")]
    pub fn to_std(&self) -> std::process::Command {
        checkpoint::reached(checkpoint::SPAWN);
        let mut command = std::process::Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null());
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        command
    }

    fn error(&self, problem: Problem, tail: VecDeque<String>) -> CommandError {
        CommandError {
            command: self.display(),
            problem,
            tail: tail.into(),
        }
    }
}

/// A program that could not be started, failed, or ran too long.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` {problem}")]
pub struct CommandError {
    command: String,
    problem: Problem,
    tail: Vec<String>,
}

/// What went wrong with a program.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is no such program in the PATH that was given.
    #[error("is not installed, or not in {0}")]
    NotFound(String),
    /// It could not be started.
    #[error("cannot be started: {0}")]
    Start(io::Error),
    /// It ended with a code other than 0.
    #[error("failed with exit code {0}{hint}", hint = if *.0 == OF_KILLED { " (something it ran was killed: the machine may be out of memory)" } else { "" })]
    Code(i32),
    /// A signal ended it.
    #[error("was ended by signal {0}{hint}", hint = if *.0 == 9 { " (KILL: the machine may be out of memory)" } else { "" })]
    Signal(i32),
    /// It ran longer than allowed.
    #[error("did not end within {} and was stopped", span(*.0))]
    Timeout(Duration),
}

impl CommandError {
    /// The command line as it could be typed.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// What went wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl Hint for CommandError {
    fn hints(&self) -> Vec<String> {
        let printed = |words: &[&str]| {
            let mut lines = self.tail.iter();
            lines.any(|line| words.iter().any(|word| line.contains(word)))
        };
        if printed(&["No space left on device", "ENOSPC"]) {
            return vec!["the disk is full, or has no inodes left: df -h; df -i".into()];
        }
        let refused = match &self.problem {
            Problem::Start(error) => too_many(error),
            _ => None,
        };
        if refused.is_some() || said_too_many(&self.tail) {
            return vec![TOO_MANY.into()];
        }
        if matches!(self.problem, Problem::Signal(9) | Problem::Code(OF_KILLED)) {
            return vec![
                "out of memory, if the kernel says so: dmesg | grep -i 'killed process'".into(),
                "give it more: swap (landfall server setup makes some), memory, or memory_max_mb in the app's settings on the server"
                    .into(),
            ];
        }
        if printed(&[
            "heap out of memory",
            "Cannot allocate memory",
            "ENOMEM",
            "MemoryError",
        ]) {
            return vec![
                "out of memory: give the server swap (landfall server setup makes some) or memory"
                    .into(),
            ];
        }
        Vec::new()
    }

    fn tool_output(&self) -> &[String] {
        &self.tail
    }
}

/// What to do where the kernel makes no more processes or threads (fork(2), EAGAIN).
const TOO_MANY: &str = "too many processes or threads run already: end some (ps -eLf), or allow more: TasksMax= of the service \
    or of user-UID.slice, and `nproc` in /etc/security/limits.conf";

/// The hint for an error at starting a process or a thread, where there are too many.
pub fn too_many(error: &io::Error) -> Option<String> {
    (error.raw_os_error() == Some(Errno::EAGAIN as i32)).then(|| TOO_MANY.to_owned())
}

/// The hint where a program printed that it could start no more.
pub fn printed_too_many(lines: &[String]) -> Option<String> {
    said_too_many(lines).then(|| TOO_MANY.to_owned())
}

/// In the words of sh, of Python, of Node and of what Rust and C programs make of the errno.
fn said_too_many(lines: &[String]) -> bool {
    const WORDS: [&str; 5] = [
        "Cannot fork",
        "can't start new thread",
        "Resource temporarily unavailable",
        "uv_thread_create",
        "EAGAIN",
    ];
    let mut lines = lines.iter();
    lines.any(|line| WORDS.iter().any(|word| line.contains(word)))
}

/// Takes the lines a program prints, as they come.
pub trait LineSink: Sync {
    /// One line, without its newline; bytes that are not UTF-8 are replaced.
    fn line(&self, line: &str);
}

impl<F: Fn(&str) + Sync> LineSink for F {
    fn line(&self, line: &str) {
        self(line);
    }
}

/// Throws lines away.
pub struct Quiet;

impl LineSink for Quiet {
    fn line(&self, _: &str) {}
}

enum Message {
    Line(String),
    Silence,
    Ended(io::Result<ExitStatus>),
}

/// Runs `cmd` to its end.
///
/// # Streams
/// Input is empty. Both outputs go line by line to `sink`, and nowhere else.
///
/// # Errors
/// It cannot be started, ends with a code other than 0 or by a signal, or exceeds its time limit (then its process group
/// gets TERM, and KILL five seconds later). The error carries the last [`TAIL_LINES`] lines.
pub fn run(cmd: &Cmd, sink: &dyn LineSink) -> Result<(), CommandError> {
    collect(cmd, sink, 0).map(|_| ())
}

/// Runs `cmd` and gives what it printed (both outputs), for programs that answer in a few lines.
///
/// # Errors
/// As [`run`].
pub fn output(cmd: &Cmd) -> Result<String, CommandError> {
    collect(cmd, &Quiet, usize::MAX).map(|lines| lines.join("\n"))
}

fn collect(cmd: &Cmd, sink: &dyn LineSink, keep: usize) -> Result<Vec<String>, CommandError> {
    tracing::debug!(command = %cmd.display(), cwd = ?cmd.cwd, "run");
    let _waiting = stretch::of_app(&cmd.short_name());
    let (group, messages) = start(cmd).map_err(|problem| cmd.error(problem, VecDeque::new()))?;
    let (tail, kept, problem) = follow(cmd, sink, keep, group, &messages);
    match problem {
        None => Ok(kept),
        Some(problem) => Err(cmd.error(problem, tail)),
    }
}

/// Starts the program, and before it the threads that follow it: where the kernel makes no more of them, nothing runs.
fn start(cmd: &Cmd) -> Result<(Pid, Receiver<Message>), Problem> {
    let (reader, writer) = io::pipe().map_err(Problem::Start)?;
    let (sender, messages) = mpsc::sync_channel(LINES_WAITING);
    read_lines(File::from(OwnedFd::from(reader)), sender.clone()).map_err(Problem::Start)?;
    let children = wait_for(sender).map_err(Problem::Start)?;
    let child = spawn(cmd, writer)?;
    let group = Pid::from_raw(child.id().cast_signed());
    // It waits for one.
    let _ = children.send(child);
    Ok((group, messages))
}

fn spawn(cmd: &Cmd, writer: PipeWriter) -> Result<Child, Problem> {
    let second = writer.try_clone().map_err(Problem::Start)?;
    let mut command = cmd.to_std();
    command.stdout(writer).stderr(second).process_group(0);
    if let Some(input) = &cmd.input {
        command.stdin(reading(input.clone()).map_err(Problem::Start)?);
    }
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let path = cmd.env.get("PATH").map(String::as_str).unwrap_or_default();
            Problem::NotFound(if cmd.program.components().count() > 1 {
                "the file system".into()
            } else {
                format!("PATH ({path})")
            })
        }
        _ => Problem::Start(error),
    })
}

/// Reads the next line into `bytes`, or `limit` bytes of it; gives how many.
pub fn read_line(source: &mut impl BufRead, limit: u64, bytes: &mut Vec<u8>) -> io::Result<usize> {
    bytes.clear();
    source.take(limit).read_until(b'\n', bytes)
}

/// The end of a pipe that gives `text`, however late and however little of it is read.
fn reading(text: String) -> io::Result<io::PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    aside(move || {
        // A program that does not want it all hangs up.
        let _ = writer.write_all(text.as_bytes());
    })?;
    Ok(reader)
}

/// `work` in a thread of its own; an error where there are too many, which [`thread::spawn`] would panic at.
pub fn aside(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().spawn(work).map(|_| ())
}

fn read_lines(source: File, sender: SyncSender<Message>) -> io::Result<()> {
    aside(move || {
        let mut source = BufReader::new(source);
        let mut bytes = Vec::new();
        loop {
            match read_line(&mut source, LINE_LIMIT, &mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    let line = String::from_utf8_lossy(&bytes);
                    // A progress bar rewrites its line; what it last said is the line.
                    let line = line.trim_end_matches(['\n', '\r']);
                    let line = line.rsplit('\r').next().unwrap_or(line).to_owned();
                    if sender.send(Message::Line(line)).is_err() {
                        break;
                    }
                }
            }
        }
        let _ = sender.send(Message::Silence);
    })
}

/// Waits for the child that it is given.
fn wait_for(sender: SyncSender<Message>) -> io::Result<Sender<Child>> {
    let (children, given) = mpsc::channel::<Child>();
    aside(move || {
        if let Ok(mut child) = given.recv() {
            let _ = sender.send(Message::Ended(child.wait()));
        }
    })?;
    Ok(children)
}

fn follow(
    cmd: &Cmd,
    sink: &dyn LineSink,
    keep: usize,
    group: Pid,
    messages: &Receiver<Message>,
) -> (VecDeque<String>, Vec<String>, Option<Problem>) {
    let (mut tail, mut kept) = (VecDeque::new(), Vec::new());
    let mut deadline = cmd.timeout.map(|timeout| Instant::now() + timeout);
    let (mut status, mut silent, mut timed_out) = (None, false, None);
    while !(silent && status.is_some()) {
        let message = match deadline {
            Some(deadline) => {
                messages.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
            None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match message {
            Ok(Message::Line(line)) => {
                sink.line(&line);
                if kept.len() < keep {
                    kept.push(line.clone());
                }
                if tail.len() == TAIL_LINES {
                    tail.pop_front();
                }
                tail.push_back(line);
            }
            Ok(Message::Silence) => silent = true,
            Ok(Message::Ended(ended)) => {
                status = Some(ended);
                deadline = Some(Instant::now() + LEFTOVER_GRACE);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if status.is_some() => break,
            Err(RecvTimeoutError::Timeout) if timed_out.is_none() => {
                timed_out = cmd.timeout;
                let _ = killpg(group, Signal::SIGTERM);
                deadline = Some(Instant::now() + STOP_GRACE);
            }
            Err(RecvTimeoutError::Timeout) => {
                let _ = killpg(group, Signal::SIGKILL);
                deadline = None;
            }
        }
    }
    // What the program left running in its group ends with it; a build has no business in the background.
    let _ = killpg(group, Signal::SIGKILL);
    cmd.end_run();
    let problem = timed_out
        .map(Problem::Timeout)
        .or_else(|| problem_of(status));
    (tail, kept, problem)
}

fn problem_of(status: Option<io::Result<ExitStatus>>) -> Option<Problem> {
    match status? {
        Ok(status) if status.success() => None,
        Ok(status) => Some(match (status.code(), status.signal()) {
            (Some(code), _) => Problem::Code(code),
            (None, signal) => Problem::Signal(signal.unwrap_or_default()),
        }),
        Err(error) => Some(Problem::Start(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Cmd {
        Cmd::new("/bin/sh")
            .arg("-c")
            .arg(script)
            .env("PATH", "/usr/bin:/bin")
    }

    #[test]
    fn both_outputs_come_in_order_and_the_environment_is_chosen() {
        assert_eq!(
            output(&sh("echo a; echo b >&2; echo c; env | grep -v PWD | sort"))
                .unwrap()
                .lines()
                .next()
                .unwrap(),
            "a"
        );
        let env = output(&Cmd::new("/usr/bin/env").env("A", "1")).unwrap();
        assert_eq!(env, "A=1");
    }

    #[test]
    fn a_failure_has_its_code_and_the_last_lines() {
        let error = run(&sh("echo almost; exit 3"), &Quiet).unwrap_err();
        assert!(
            error.to_string().ends_with("failed with exit code 3"),
            "{error}"
        );
        assert_eq!(error.tool_output(), ["almost"]);
    }

    #[test]
    fn a_missing_program_is_named_with_the_path_searched() {
        let error = run(&Cmd::new("no-such-program").env("PATH", "/usr/bin"), &Quiet).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`no-such-program` is not installed, or not in PATH (/usr/bin)"
        );
    }

    #[test]
    fn a_stuck_program_is_stopped_with_what_it_started() {
        let started = Instant::now();
        let error = run(
            &sh("sleep 60 & sleep 60").timeout(Duration::from_millis(200)),
            &Quiet,
        )
        .unwrap_err();
        assert!(matches!(error.problem(), Problem::Timeout(_)), "{error}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_program_that_leaves_a_child_behind_does_not_hold_us() {
        let started = Instant::now();
        run(&sh("sleep 60 & echo done"), &Quiet).unwrap();
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
