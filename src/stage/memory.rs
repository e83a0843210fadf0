//! memory: asks whether a second web process fits beside the one that serves, before one is started.
//!
//! takes: the app, what its web process takes now · gives: nothing, or a sentence · touches: nothing

use super::Context;
use super::replace;
use crate::base::proc::{self, Snapshot};
use crate::base::words::bytes;
use crate::config::server::Mode;
use crate::release::process::{Processes, WEB};
use crate::release::store;

/// For the Python process that checks the new release meanwhile.
const CHECKS: u64 = 64 * MEBIBYTE;
/// Resident pages are counted by each processor, and summed up now and then (proc(5)).
const COUNTED_LATE: u64 = 16 * MEBIBYTE;
const MEBIBYTE: u64 = 1024 * 1024;

/// Says so where two web processes side by side may not fit, and what can be done.
pub fn tight(ctx: &Context<'_>) -> Option<String> {
    if replace::is_wanted(ctx) {
        return None;
    }
    let live = ctx.home.release(store::live(ctx.home).ok()??);
    let program = Processes::read(&live).ok()?.program(WEB, live.id());
    let supervisor = ctx.supervisor();
    let web = supervisor.process(&program).ok()??.pid?;
    let daemon = (ctx.app.mode() == Mode::Server)
        .then(|| supervisor.pid().ok())
        .flatten();
    let free = proc::free_memory()?;
    let processes = Snapshot::take();
    let ask = |memory: &dyn Fn(u32) -> u64| {
        // The service holds all of the app's processes; a deploy over ssh runs beside it.
        let most = u64::from(ctx.app.memory_max_mb) * MEBIBYTE;
        let left = daemon.map(|daemon| most.saturating_sub(memory(daemon)));
        sentence(memory(web), free, left)
    };
    // Shares of pages take the kernel milliseconds to count. What fits when shared pages count in full fits.
    ask(&|pid| processes.memory(pid).unwrap_or_default() + COUNTED_LATE)?;
    ask(&|pid| processes.own_memory(pid))
}

/// `free` is the machine's, `left` what the app's own limit leaves.
fn sentence(web: u64, free: u64, left: Option<u64>) -> Option<String> {
    let (has, whose) = match left {
        Some(left) if left < web => (left, "the app's memory_max_mb leaves"),
        _ if free < web + CHECKS => (free, "the machine has"),
        _ => return None,
    };
    Some(format!(
        "the web process takes {}, and {whose} {}: two side by side may not fit; strategy = \"replace\" in the app's settings \
         ends the old one first",
        bytes(web),
        bytes(has)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_twice_is_said() {
        let mb = |n: u64| n * 1_000_000;
        assert_eq!(sentence(mb(100), mb(500), None), None);
        assert_eq!(sentence(mb(100), mb(500), Some(mb(100))), None);
        let said = sentence(mb(100), mb(120), None).unwrap();
        assert!(
            said.contains("takes 100 MB, and the machine has 120 MB"),
            "{said}"
        );
        let said = sentence(mb(100), mb(500), Some(mb(60))).unwrap();
        assert!(said.contains("memory_max_mb leaves 60 MB"), "{said}");
    }
}
