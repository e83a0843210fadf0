//! Connections with a deadline: no read, write or connect lasts longer than the caller allows.
//!
//! takes: an address and a deadline · gives: a stream · touches: one socket

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// The longest path of a unix socket, in bytes: `sun_path` holds 108 with the closing zero, see unix(7).
pub const LONGEST_PATH: usize = 107;

/// A stream that ends with `TimedOut` when its deadline is over, however slowly the other side drips.
#[derive(Debug)]
pub struct Timed<S> {
    stream: S,
    deadline: Instant,
}

/// Streams whose waiting can be bounded.
pub trait Bounded {
    /// The longest that the next read and the next write may wait.
    fn bound(&self, wait: Duration) -> io::Result<()>;
}

impl Bounded for UnixStream {
    fn bound(&self, wait: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(wait))?;
        self.set_write_timeout(Some(wait))
    }
}

impl Bounded for TcpStream {
    fn bound(&self, wait: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(wait))?;
        self.set_write_timeout(Some(wait))
    }
}

/// Connects to the unix socket at `path`; all that is done with the stream ends `timeout` from now.
///
/// # Errors
/// `NotFound`: no such file. `ConnectionRefused`: nobody listens. `TimedOut`: the listener's queue stayed full.
/// `InvalidInput`: the path is longer than [`LONGEST_PATH`].
pub fn unix(path: &Path, timeout: Duration) -> io::Result<Timed<UnixStream>> {
    let deadline = Instant::now() + timeout;
    let fd = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // connect(2) waits while the listener's queue is full, and the standard library sets no limit before it: unix(7),
    // SO_SNDTIMEO in socket(7).
    let micros = i64::try_from(timeout.as_micros().max(1)).unwrap_or(i64::MAX);
    setsockopt(&fd, sockopt::SendTimeout, &TimeVal::microseconds(micros))?;
    let address = UnixAddr::new(path).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path is too long for a socket",
        )
    })?;
    match connect(fd.as_raw_fd(), &address) {
        Ok(()) => Ok(Timed {
            stream: UnixStream::from(fd),
            deadline,
        }),
        Err(Errno::EAGAIN | Errno::EINPROGRESS) => Err(io::ErrorKind::TimedOut.into()),
        Err(errno) => Err(errno.into()),
    }
}

/// Connects over TCP; all that is done with the stream ends `timeout` from now.
pub fn tcp(address: SocketAddr, timeout: Duration) -> io::Result<Timed<TcpStream>> {
    let deadline = Instant::now() + timeout;
    let stream = TcpStream::connect_timeout(&address, timeout)?;
    // A request after a TLS handshake would wait 40 ms for an acknowledgement (tcp(7)).
    stream.set_nodelay(true)?;
    Ok(Timed { stream, deadline })
}

impl<S: Bounded> Timed<S> {
    fn prepare(&self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.bound(left)
    }
}

/// What the kernel calls "would block" on a socket with a timeout is the timeout.
fn named(result: io::Result<usize>) -> io::Result<usize> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    })
}

impl<S: Bounded + Read> Read for Timed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.prepare()?;
        named(self.stream.read(buffer))
    }
}

impl<S: Bounded + Write> Write for Timed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.prepare()?;
        named(self.stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_silent_listener_and_a_full_queue_both_time_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _listener = UnixListener::bind(&path).unwrap();
        let mut stream = unix(&path, Duration::from_millis(50)).unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let full = dir.path().join("full");
        let fd = socket(
            AddressFamily::Unix,
            SockType::Stream,
            SockFlag::empty(),
            None,
        )
        .unwrap();
        nix::sys::socket::bind(fd.as_raw_fd(), &UnixAddr::new(&full).unwrap()).unwrap();
        nix::sys::socket::listen(&fd, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
        let _first = unix(&full, Duration::from_millis(50)).unwrap();
        let error = unix(&full, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_missing_socket_a_dead_one_and_a_long_path_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let wait = Duration::from_secs(1);
        assert_eq!(
            unix(&path, wait).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(
            unix(&path, wait).unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        let long = dir.path().join("x".repeat(LONGEST_PATH));
        assert_eq!(
            unix(&long, wait).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
