//! The memory of Landfall's hooks while something happens.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::machine;
use super::sandbox::Sandbox;

/// Runs `work`, and gives the most memory that one of Landfall's hooks has had meanwhile, in KiB.
pub(crate) fn with_peak<T>(sandbox: &Sandbox, work: impl FnOnce() -> T) -> (T, u64) {
    let (done, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            let settings = sandbox.settings_file();
            while !done.load(Ordering::Relaxed) {
                let hooks = machine::processes_of(&settings)
                    .into_iter()
                    .filter(|process| process.command.contains("landfall hook"));
                for hook in hooks {
                    // The kernel keeps the peak; only what comes after the last look is missed.
                    while let Some(now) = machine::peak_memory(hook.pid) {
                        peak.fetch_max(now, Ordering::Relaxed);
                        thread::sleep(Duration::from_millis(1));
                    }
                }
                thread::sleep(Duration::from_millis(5));
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    });
    (result, peak.into_inner())
}
