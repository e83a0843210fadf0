//! A line that moves while something takes its time; on a terminal only.

use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::output;

const STEP: Duration = Duration::from_millis(100);
const MARKS: [char; 4] = ['|', '/', '-', '\\'];

/// Does `work`, and shows meanwhile on the terminal that it goes on. Nothing is shown anywhere else.
pub(super) fn meanwhile<T>(what: &str, work: impl FnOnce() -> T) -> T {
    if !output::stderr_is_terminal() {
        return work();
    }
    thread::scope(|scope| {
        // Dropped when the work ends, also where it panics.
        let (done, waiting) = channel::<()>();
        scope.spawn(move || {
            let begun = Instant::now();
            for mark in MARKS.iter().cycle() {
                draw(&format!("{mark} {what} … {} s", begun.elapsed().as_secs()));
                if waiting.recv_timeout(STEP) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            draw("");
        });
        let made = work();
        drop(done);
        made
    })
}

/// The line anew, from its beginning (ECMA-48: EL).
fn draw(line: &str) {
    let mut terminal = std::io::stderr().lock();
    let _ = write!(terminal, "\r\x1b[K{line}");
    let _ = terminal.flush();
}
