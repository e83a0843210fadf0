//! replace: for machines on which two web processes do not fit (`strategy = "replace"`): the old one ends before the new one
//! starts, and requests wait in a socket's queue meanwhile.
//!
//! nginx connects to `current/web.sock`. A socket that nobody accepts from takes that name: connections to it wait, and are
//! handed to the new web process once it is live, or to the old one if it is not to be.
//!
//! takes: the release whose web process ends, the one whose starts · gives: what waits, as [`Held`] · touches: supervisor,
//! the old release's socket · undone by: the same the other way round; what a kill leaves, by the next run, which starts what
//! is live

use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};

use super::boot::{self, BootError};
use super::health::{self, HealthError};
use super::{Context, discard};
use crate::base::fs::{self, FsError};
use crate::base::hint::Hint;
use crate::base::stretch;
use crate::config::defaults::START_TIMEOUT;
use crate::config::server::Strategy;
use crate::event::{Outcome, Stage};
use crate::release::layout::ReleaseDir;
use crate::release::process::{Processes, WEB};
use crate::release::record::Checks;
use crate::release::store::StoreError;
use crate::supervisor::fault::RpcError;
use crate::tool::uwsgi;

/// How long the old web process may take to finish its requests: longer than supervisord gives it.
const DRAIN: Duration = Duration::from_secs(75);
/// A connection that was under way to the old name when the link moved has arrived by then.
const LAST_ARRIVAL: Duration = Duration::from_millis(100);
/// How often a queue is looked at that is empty.
const POLL: Duration = Duration::from_millis(2);
/// Requests handed over at a time; the others wait in the queue.
const AT_A_TIME: usize = 16;
/// As uWSGI's own socket: nginx's workers are other users, and nobody else can enter the home.
const MODE: u32 = 0o666;

/// The web process could not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The new one does not come up.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// It does not work.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// supervisor does not do as told.
    #[error(transparent)]
    Supervisor(#[from] RpcError),
    /// What runs could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The socket.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for ReplaceError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Boot(error) => error.hints(),
            Self::Health(error) => error.hints(),
            Self::Supervisor(error) => error.hints(),
            Self::Store(error) => error.hints(),
            Self::Fs(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Boot(error) => error.tool_output(),
            Self::Health(error) => error.tool_output(),
            _ => &[],
        }
    }
}

/// The app's processes are replaced one after the other, not side by side.
pub fn is_wanted(ctx: &Context<'_>) -> bool {
    ctx.app.strategy == Strategy::Replace
}

/// Ends `from`'s web process and starts `to`'s. Where that fails, `from`'s runs again.
pub fn run(
    ctx: &Context<'_>,
    from: &ReleaseDir,
    to: &ReleaseDir,
    checks: &Checks,
) -> Result<Held, ReplaceError> {
    let held = Held::begin(from)?;
    let proven = end(ctx, from, &held)
        .and_then(|()| start(ctx, from, to, checks))
        .and_then(|()| Ok(health::run(ctx, checks, to)?));
    match proven {
        Ok(()) => Ok(held),
        Err(error) => {
            let back = stop(ctx, to).and_then(|()| start_again(ctx, from));
            held.hand_over(&from.web_socket());
            back.and(Err(error))
        }
    }
}

/// The way back: `from`, which is live, gives way to `to`, which was.
pub fn back(ctx: &Context<'_>, from: &ReleaseDir, to: &ReleaseDir) -> Result<Held, ReplaceError> {
    let held = Held::begin(from)?;
    end(ctx, from, &held)?;
    start_again(ctx, to)?;
    Ok(held)
}

/// True if the release's web process runs.
pub fn runs(ctx: &Context<'_>, release: &ReleaseDir) -> bool {
    let Ok(processes) = Processes::read(release) else {
        return false;
    };
    let process = ctx
        .supervisor()
        .process(&processes.program(WEB, release.id()));
    matches!(process, Ok(Some(process)) if !process.state.is_stopped())
}

fn end(ctx: &Context<'_>, release: &ReleaseDir, held: &Held) -> Result<(), ReplaceError> {
    discard::drained_at(&held.aside);
    let _waiting = stretch::of_app("the old uWSGI ends");
    stop(ctx, release)
}

fn stop(ctx: &Context<'_>, release: &ReleaseDir) -> Result<(), ReplaceError> {
    let program = Processes::read(release)?.program(WEB, release.id());
    let supervisor = ctx.supervisor();
    if supervisor.process(&program)?.is_some() {
        supervisor.stop_and_wait(&program, DRAIN)?;
    }
    Ok(())
}

fn start(
    ctx: &Context<'_>,
    old: &ReleaseDir,
    release: &ReleaseDir,
    checks: &Checks,
) -> Result<(), ReplaceError> {
    let running = ctx.events.start(Stage::Boot);
    let processes = Processes::read(release)?;
    let booting = boot::start(ctx, &processes, release)?;
    boot::wait(ctx, &booting, release, checks)?;
    running.end(Outcome::done(format!(
        "application loaded in place of release {}",
        old.id()
    )));
    Ok(())
}

/// Starts a web process that was good before; whether it is, its next requests tell.
fn start_again(ctx: &Context<'_>, release: &ReleaseDir) -> Result<(), ReplaceError> {
    let program = Processes::read(release)?.program(WEB, release.id());
    if !runs(ctx, release) {
        ctx.supervisor().start(&program)?;
    }
    let _waiting = stretch::of_app("the old uWSGI loads again");
    let begun = Instant::now();
    while uwsgi::ping(&release.web_socket(), Duration::from_millis(500)).is_err()
        && begun.elapsed() < START_TIMEOUT
    {
        thread::sleep(POLL);
    }
    Ok(())
}

/// Requests that wait. Dropped without being handed over, they are refused.
#[must_use = "who waits must be handed over"]
pub struct Held {
    listener: UnixListener,
    /// The old web process's own socket, under another name.
    aside: PathBuf,
}

impl Held {
    /// From now on, who asks for the release's web process waits.
    fn begin(release: &ReleaseDir) -> Result<Self, FsError> {
        let (socket, aside) = (release.web_socket(), release.web_socket_aside());
        let new = release.web_socket_held();
        fs::remove_file(&new)?;
        fs::remove_file(&aside)?;
        let listener = listen_at(&new).map_err(|error| FsError::new("listen at", &new, error))?;
        fs::set_mode(&new, MODE)?;
        if fs::metadata_if_exists(&socket)?.is_some() {
            fs::link_file(&socket, &aside)?;
        }
        fs::rename(&new, &socket)?;
        Ok(Self { listener, aside })
    }

    /// Hands everybody who waits, and who comes within a moment, to the web process at `socket`; ends when all are answered.
    pub fn hand_over(self, socket: &Path) {
        let _waiting = stretch::of_app("requests that waited are answered");
        let is_last = AtomicBool::new(false);
        thread::scope(|scope| {
            // Where the kernel makes no more threads (fork(2), EAGAIN), fewer do; this one is the last.
            for _ in 1..AT_A_TIME {
                let work = || relay_all(&self.listener, socket, &is_last);
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            thread::sleep(LAST_ARRIVAL);
            is_last.store(true, Ordering::Release);
            relay_all(&self.listener, socket, &is_last);
        });
        // A name nobody asks for any more; what is left of it, the next run removes.
        let _ = fs::remove_file(&self.aside);
    }
}

/// A listener with the longest queue the kernel gives (listen(2)), that does not wait.
fn listen_at(path: &Path) -> io::Result<UnixListener> {
    let fd = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&fd, Backlog::MAXCONN)?;
    Ok(UnixListener::from(fd))
}

fn relay_all(listener: &UnixListener, socket: &Path, is_last: &AtomicBool) {
    loop {
        // Asked before looking: who came until then is seen.
        let was_last = is_last.load(Ordering::Acquire);
        match listener.accept() {
            Ok((client, _)) => {
                // A client that is gone, or a web process that ends, is an error of that request alone.
                let _ = relay(&client, socket);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && was_last => return,
            Err(_) => thread::sleep(POLL),
        }
    }
}

/// Passes a request on, and its answer back, until the web process has said all.
fn relay(client: &UnixStream, socket: &Path) -> io::Result<()> {
    client.set_nonblocking(false)?;
    let server = UnixStream::connect(socket)?;
    thread::scope(|scope| {
        let request = || {
            let _ = io::copy(&mut &*client, &mut &server);
            // nginx is gone, or the answer has ended; either way there is nothing more to say.
            let _ = server.shutdown(Shutdown::Write);
        };
        thread::Builder::new().spawn_scoped(scope, request)?;
        let answered = io::copy(&mut &server, &mut &*client);
        let _ = client.shutdown(Shutdown::Both);
        answered.map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn who_comes_while_nobody_answers_is_answered_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let home = crate::release::layout::Home::new(dir.path().to_owned(), "a".parse().unwrap());
        let release = home.release(crate::base::names::ReleaseId(1));
        fs::create_folder(release.root()).unwrap();
        let old = UnixListener::bind(release.web_socket()).unwrap();
        let held = Held::begin(&release).unwrap();
        // The old one is reached under its other name only, and ends.
        drop(UnixStream::connect(&held.aside).unwrap());
        old.accept().unwrap();
        drop(old);
        let clients: Vec<_> = (0..40)
            .map(|number| {
                let mut client = UnixStream::connect(release.web_socket()).unwrap();
                thread::spawn(move || {
                    write!(client, "{number:03}").unwrap();
                    let mut answer = String::new();
                    client.read_to_string(&mut answer).unwrap();
                    assert_eq!(answer, format!("answer to {number:03}"));
                })
            })
            .collect();
        let place = dir.path().join("new.sock");
        let new = UnixListener::bind(&place).unwrap();
        let answering = thread::spawn(move || {
            for _ in 0..40 {
                let (mut request, _) = new.accept().unwrap();
                thread::spawn(move || {
                    let mut number = [0; 3];
                    request.read_exact(&mut number).unwrap();
                    thread::sleep(Duration::from_millis(20));
                    let number = String::from_utf8_lossy(&number).into_owned();
                    write!(request, "answer to {number}").unwrap();
                });
            }
        });
        held.hand_over(&place);
        for client in clients {
            client.join().unwrap();
        }
        answering.join().unwrap();
    }
}
