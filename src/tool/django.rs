//! The Django agent: one Python process a deploy, which sets Django up once and answers requests
//! (`templates/django/agent.py` says which).
//!
//! takes: requests · gives: typed answers · touches: what the request asks for (the database, `STATIC_ROOT`)

use std::io::{self, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::base::command::{
    Cmd, LINE_LIMIT, LineSink, TAIL_LINES, aside, printed_too_many, read_line, too_many,
};
use crate::base::hint::Hint;
use crate::base::stretch::{self, Stretch};
use crate::base::words::span;

/// The agent itself, written to disk before it is started.
pub const SCRIPT: &str = include_str!("../../templates/django/agent.py");

/// A request that failed.
#[derive(Debug, thiserror::Error)]
pub enum DjangoError {
    /// Python could not be started.
    #[error("cannot start Python for Django")]
    Start(#[source] std::io::Error),
    /// The app, or Django on its behalf, raised.
    #[error("{}{kind}: {message}", .place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
    Raised {
        /// The exception's class.
        kind: String,
        /// Its text.
        message: String,
        /// File, line and function of the app's own code it came from.
        place: Option<String>,
        /// The last lines of the traceback.
        traceback: Vec<String>,
        /// The whole answer, for requests that say how far they got.
        answer: Box<Value>,
    },
    /// The process ended, or answered something else.
    #[error("Django's process ended without an answer")]
    Gone(Vec<String>),
    /// It took too long.
    #[error("Django did not answer `{request}` within {}", span(*.limit))]
    Slow {
        /// What was asked.
        request: String,
        /// The limit.
        limit: Duration,
        /// The last lines it printed.
        printed: Vec<String>,
    },
    /// The answer is not what we expect.
    #[error("Django's process gave an answer Landfall does not understand")]
    Answer(#[source] serde_json::Error),
}

impl Hint for DjangoError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Start(error) => too_many(error).into_iter().collect(),
            Self::Raised { kind, message, .. } => advice(kind, message)
                .or_else(|| printed_too_many(self.tool_output()))
                .into_iter()
                .collect(),
            Self::Gone(printed) => printed_too_many(printed).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Raised { traceback, .. } => traceback,
            Self::Gone(printed) | Self::Slow { printed, .. } => printed,
            _ => &[],
        }
    }
}

fn advice(kind: &str, message: &str) -> Option<String> {
    let module = message
        .strip_prefix("No module named '")
        .and_then(|rest| rest.strip_suffix('\''));
    match (kind, module) {
        ("ModuleNotFoundError", Some(module)) => Some(format!(
            "is `{module}` in the requirements? If it is a file of yours that is not in git: landfall shared add PATH --from FILE"
        )),
        ("ImproperlyConfigured", _) if message.contains("SECRET_KEY") => Some("landfall env set SECRET_KEY=…".into()),
        ("KeyError", _) => Some(format!(
            "if the settings read it from the environment: landfall env set {}=…",
            message.trim_matches('\'')
        )),
        ("OperationalError", _) => {
            Some("is the database running, and is the address in the environment right? landfall env list".into())
        }
        _ => None,
    }
}

/// What `setup` answers.
#[derive(Debug, Clone, Deserialize)]
pub struct Setup {
    /// Django's version.
    pub django: String,
}

/// One message of Django's system checks.
#[derive(Debug, Clone, Deserialize)]
pub struct CheckMessage {
    /// `ERROR`, `CRITICAL`, `WARNING` …
    pub level: String,
    /// `models.W042`
    #[serde(default)]
    pub id: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Django's own hint.
    #[serde(default)]
    pub hint: Option<String>,
}

impl CheckMessage {
    /// True for what stops a deploy.
    pub fn is_error(&self) -> bool {
        matches!(self.level.as_str(), "ERROR" | "CRITICAL")
    }

    /// `(models.E001) text`, in one line.
    pub fn line(&self) -> String {
        let id = self
            .id
            .as_ref()
            .map(|id| format!("({id}) "))
            .unwrap_or_default();
        let hint = self
            .hint
            .as_ref()
            .map(|hint| format!(" ({hint})"))
            .unwrap_or_default();
        format!("{id}{}{hint}", self.message.replace('\n', " "))
    }
}

/// The settings that matter to a deploy.
#[derive(Debug, Clone, Deserialize)]
pub struct Introspection {
    /// `DEBUG`
    pub debug: bool,
    /// `ALLOWED_HOSTS`
    pub allowed_hosts: Vec<String>,
    /// `STATIC_URL`
    #[serde(default)]
    pub static_url: Option<String>,
    /// `STATIC_ROOT`, absolute.
    #[serde(default)]
    pub static_root: Option<String>,
    /// `MEDIA_URL`
    #[serde(default)]
    pub media_url: Option<String>,
    /// `MEDIA_ROOT`, absolute.
    #[serde(default)]
    pub media_root: Option<String>,
    /// `DATABASES`
    #[serde(default)]
    pub databases: Vec<Database>,
    /// `SECURE_SSL_REDIRECT`
    #[serde(default)]
    pub secure_ssl_redirect: bool,
    /// The literal prefixes of the URLs Django answers.
    #[serde(default)]
    pub routes: Vec<String>,
    /// `INSTALLED_APPS`
    #[serde(default)]
    pub installed_apps: Vec<String>,
    /// The web process reads the collected static files when it starts.
    #[serde(default)]
    pub static_at_start: bool,
}

/// One database.
#[derive(Debug, Clone, Deserialize)]
pub struct Database {
    /// Its alias.
    pub alias: String,
    /// `sqlite`, `postgresql` …
    #[serde(default)]
    pub vendor: Option<String>,
    /// Its name; for `SQLite`, its file.
    #[serde(default)]
    pub name: Option<String>,
}

/// A migration, by app and name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MigrationName {
    /// Django's label of its app.
    pub app: String,
    /// Its name.
    pub name: String,
}

/// The pending migrations.
#[derive(Debug, Clone, Deserialize)]
pub struct MigrationPlan {
    /// In the order they are applied.
    #[serde(rename = "migrations")]
    pub pending: Vec<PendingMigration>,
    /// Applied in the database, but not in this commit.
    #[serde(default)]
    pub unknown: Vec<MigrationName>,
    /// Apps whose models changed without a migration.
    #[serde(default)]
    pub unmade: Vec<String>,
}

/// A migration that will be applied.
#[derive(Debug, Clone, Deserialize)]
pub struct PendingMigration {
    /// Django's label of its app.
    pub app: String,
    /// Its name.
    pub name: String,
    /// It can be unapplied.
    pub reversible: bool,
    /// It touches the schema only.
    pub schema_only: bool,
    /// Its operations.
    #[serde(default)]
    pub operations: Vec<Operation>,
}

/// One operation of a migration.
#[derive(Debug, Clone, Deserialize)]
pub struct Operation {
    /// What it does, in words.
    #[serde(default)]
    pub describe: String,
    /// Why the code that still serves breaks, if it does.
    #[serde(default)]
    pub breaks: Option<String>,
    /// What data it removes for good, if it does.
    #[serde(default)]
    pub loses: Option<String>,
}

/// What collecting static files did.
#[derive(Debug, Clone, Deserialize)]
pub struct Collected {
    /// Where they are.
    #[serde(default)]
    pub root: Option<String>,
    /// How many were copied.
    #[serde(default)]
    pub copied: usize,
    /// How many were there already.
    #[serde(default)]
    pub unmodified: usize,
    /// Why nothing was collected.
    #[serde(default)]
    pub skipped: Option<String>,
}

/// Lines that wait to be read; an app that prints faster waits.
const LINES_WAITING: usize = 256;
/// The longest answer.
const ANSWER_LIMIT: u64 = 16 * 1024 * 1024;

enum Message {
    Answer(String),
    Printed(String),
    Closed,
}

/// A running agent. Ended by dropping it.
pub struct Agent {
    command: Cmd,
    child: Child,
    requests: Option<ChildStdin>,
    messages: Receiver<Message>,
    printed: Vec<String>,
    /// The first answer's stretch is there since the start.
    has_answered: bool,
}

impl Agent {
    /// Starts the agent: `command` runs `SCRIPT` in the backend's folder with the app's environment.
    pub fn start(command: &Cmd) -> Result<Self, DjangoError> {
        // Python works from now on, whatever we do beside, until it has its first answer.
        let starting = stretch::of_app("Django setup");
        let mut child = command
            .to_std()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(DjangoError::Start)?;
        let (sender, messages) = mpsc::sync_channel(LINES_WAITING);
        let requests = child.stdin.take();
        let mut agent = Self {
            command: command.clone(),
            child,
            requests,
            messages,
            printed: Vec::new(),
            has_answered: false,
        };
        agent.listen(sender, starting).map_err(DjangoError::Start)?;
        Ok(agent)
    }

    fn listen(&mut self, sender: SyncSender<Message>, starting: Stretch) -> io::Result<()> {
        if let Some(stdout) = self.child.stdout.take() {
            let sender = sender.clone();
            let mut starting = Some(starting);
            aside(move || {
                each_line(stdout, ANSWER_LIMIT, |line| {
                    drop(starting.take());
                    sender.send(Message::Answer(line))
                });
                let _ = sender.send(Message::Closed);
            })?;
        }
        if let Some(stderr) = self.child.stderr.take() {
            aside(move || {
                each_line(stderr, LINE_LIMIT, |line| {
                    sender.send(Message::Printed(line))
                });
            })?;
        }
        Ok(())
    }

    /// The command that starts the agent at `script` with the Python of `venv`.
    pub fn command(venv: &Path, script: &Path, backend: &Path) -> Cmd {
        Cmd::new(venv.join("bin/python"))
            .path_arg(script)
            .cwd(backend)
    }

    /// Sends a request without waiting for its answer; [`Agent::answer`] waits.
    pub fn send(&mut self, request: &Value) -> Result<(), DjangoError> {
        let sent = self
            .requests
            .as_mut()
            .map(|stdin| writeln!(stdin, "{request}").and_then(|()| stdin.flush()));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(DjangoError::Gone(self.last_lines())),
        }
    }

    /// Waits for the answer to a request that was sent. What the app prints meanwhile goes to `sink`; progress lines go to
    /// `progress`.
    pub fn answer<T: DeserializeOwned>(
        &mut self,
        request: &str,
        limit: Duration,
        sink: &dyn LineSink,
        progress: &mut dyn FnMut(&Value),
    ) -> Result<T, DjangoError> {
        let begin = || stretch::of_app(&format!("Django {request}"));
        let _waiting = std::mem::replace(&mut self.has_answered, true).then(begin);
        let deadline = Instant::now() + limit;
        loop {
            match self
                .messages
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(Message::Printed(line)) => {
                    sink.line(&line);
                    if self.printed.len() == TAIL_LINES {
                        self.printed.remove(0);
                    }
                    self.printed.push(line);
                }
                Ok(Message::Answer(line)) => {
                    let answer: Value = serde_json::from_str(&line).map_err(DjangoError::Answer)?;
                    match answer.get("end").and_then(Value::as_str) {
                        Some("ok") => {
                            return serde_json::from_value(answer).map_err(DjangoError::Answer);
                        }
                        Some(_) => {
                            for line in traceback(&answer) {
                                sink.line(&line);
                            }
                            return Err(raised(answer));
                        }
                        None => progress(&answer),
                    }
                }
                Ok(Message::Closed) | Err(RecvTimeoutError::Disconnected) => {
                    // What it printed last may still be on its way.
                    while let Ok(Message::Printed(line)) =
                        self.messages.recv_timeout(Duration::from_millis(100))
                    {
                        sink.line(&line);
                        self.printed.push(line);
                    }
                    return Err(DjangoError::Gone(self.last_lines()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(DjangoError::Slow {
                        request: request.into(),
                        limit,
                        printed: self.last_lines(),
                    });
                }
            }
        }
    }

    /// Sends a request and waits for its answer.
    pub fn ask<T: DeserializeOwned>(
        &mut self,
        request: &Value,
        limit: Duration,
        sink: &dyn LineSink,
    ) -> Result<T, DjangoError> {
        self.send(request)?;
        let name = request
            .get("do")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        self.answer(&name, limit, sink, &mut |_| {})
    }

    /// Closes its input, which ends it. [`Drop`] waits for that.
    pub fn dismiss(&mut self) {
        self.requests = None;
    }

    fn last_lines(&self) -> Vec<String> {
        self.printed[self.printed.len().saturating_sub(TAIL_LINES)..].to_vec()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // One that hangs in the app's code is killed.
        self.dismiss();
        let deadline = Instant::now() + Duration::from_millis(500);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        // With what the app's code has started beside it.
        let group = Pid::from_raw(self.child.id().cast_signed());
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
        self.command.end_run();
    }
}

/// Hands on each line, or the first `limit` bytes of it, until the end or until nobody listens.
fn each_line<E>(source: impl Read, limit: u64, mut take: impl FnMut(String) -> Result<(), E>) {
    let (mut source, mut bytes) = (BufReader::new(source), Vec::new());
    while matches!(read_line(&mut source, limit, &mut bytes), Ok(1..)) {
        let line = String::from_utf8_lossy(&bytes);
        if take(line.trim_end_matches('\n').to_owned()).is_err() {
            return;
        }
    }
}

fn raised(answer: Value) -> DjangoError {
    let text = |key: &str| {
        answer
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    DjangoError::Raised {
        kind: text("kind"),
        message: text("message"),
        place: Some(text("where")).filter(|place| !place.is_empty()),
        traceback: own_frames(&traceback(&answer)),
        answer: Box::new(answer),
    }
}

/// The lines of the traceback in an answer.
fn traceback(answer: &Value) -> Vec<String> {
    let lines = answer.get("traceback").and_then(Value::as_array);
    let lines = lines.into_iter().flatten().filter_map(Value::as_str);
    lines
        .flat_map(str::lines)
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// A traceback without the frames of Django, other packages and Python itself, which say nothing about the app. The log has
/// all of it.
fn own_frames(traceback: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_own = true;
    for line in traceback {
        if let Some(file) = line.strip_prefix("  File ") {
            is_own = ![
                "/site-packages/",
                "/dist-packages/",
                "/lib/python3",
                "<frozen ",
                "django-agent.py",
            ]
            .iter()
            .any(|foreign| file.contains(foreign));
        } else if !line.starts_with("    ") {
            is_own = true;
        }
        if is_own {
            lines.push(line.clone());
        }
    }
    lines.split_off(lines.len().saturating_sub(TAIL_LINES))
}

/// The request that applies pending migrations.
pub fn migrate() -> Value {
    json!({"do": "migrate"})
}

/// The request that unapplies migrations, given in the order they were applied.
pub fn unapply<'a>(migrations: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let migrations: Vec<Value> = migrations
        .into_iter()
        .map(|(app, name)| json!({"app": app, "name": name}))
        .collect();
    json!({"do": "unapply", "migrations": migrations})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceback_keeps_the_apps_own_frames() {
        let answer = json!({"end": "error", "do": "setup", "kind": "ModuleNotFoundError", "message": "No module named 'x'",
            "where": "board/views.py:2 in <module>", "traceback": [
                "Traceback (most recent call last):",
                "  File \"/h/venv/lib/python3.11/site-packages/django/urls/resolvers.py\", line 5, in check",
                "    for pattern in self.url_patterns:",
                "                   ^^^^",
                "  File \"/h/src/board/views.py\", line 2, in <module>",
                "    import x",
                "ModuleNotFoundError: No module named 'x'"]});
        let error = raised(answer);
        assert_eq!(
            error.to_string(),
            "board/views.py:2 in <module>: ModuleNotFoundError: No module named 'x'"
        );
        assert_eq!(
            error.tool_output(),
            [
                "Traceback (most recent call last):",
                "  File \"/h/src/board/views.py\", line 2, in <module>",
                "    import x",
                "ModuleNotFoundError: No module named 'x'"
            ]
        );
    }
}
