//! The terminal the caller sits at.

use std::io::{self, BufRead, IsTerminal};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

/// True if what is read from stdin is typed by a person.
pub fn types_stdin() -> bool {
    io::stdin().is_terminal()
}

/// True if stdout is seen by a person.
pub fn shows_stdout() -> bool {
    io::stdout().is_terminal()
}

/// True if nobody is there any more to read what is written to stdout: its pipe or connection was closed on the other
/// side. A follower that has nothing to write would never learn it from writing.
pub fn reader_is_gone() -> bool {
    let stdout = io::stdout();
    let mut polled = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let closed = PollFlags::POLLERR | PollFlags::POLLHUP;
    poll(&mut polled, PollTimeout::ZERO).is_ok()
        && polled[0]
            .revents()
            .is_some_and(|events| events.intersects(closed))
}

/// One line typed at the terminal, without showing it.
pub fn read_hidden_line() -> io::Result<String> {
    let stdin = io::stdin();
    let shown = tcgetattr(&stdin)?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    hidden.local_flags.insert(LocalFlags::ECHONL);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden)?;
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &shown)?;
    read?;
    Ok(line)
}
