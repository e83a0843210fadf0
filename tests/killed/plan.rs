//! Which instants are tried, and the trying: several sandboxes side by side, each with one case after the other.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::scene::{Recipe, Scene};

/// Sandboxes side by side; a push waits more than it computes.
const SIDE_BY_SIDE: usize = 4;
/// After so many faults the rest is not tried: the product is broken.
const ENOUGH: usize = 12;

/// When a run is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Instant {
    /// At the instant of this kind and number (from 1).
    At(String, usize),
    /// So much into the run, in hundredths of the time it takes.
    Part(Duration),
}

impl Instant {
    /// Before a change of the disk.
    pub(crate) fn is_write(&self) -> bool {
        matches!(self, Self::At(kind, _) if kind == "write")
    }

    /// The beginning or the end of a stage.
    pub(crate) fn has_name(&self) -> bool {
        matches!(self, Self::At(kind, _) if !["write", "spawn", "order"].contains(&kind.as_str()))
    }
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Killer {
    /// The program, git, what watches over them, and every program they started.
    All,
    /// The program alone, as the kernel does where memory ends.
    HookAlone,
    /// Everything on the machine, and what was not synced yet is lost: contents, or names too. Only at an instant, before a boot.
    PowerCut { names: bool },
}

/// One killing.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) recipe: Recipe,
    pub(crate) instant: Instant,
    /// The machine boots before the next push.
    pub(crate) boots: bool,
    pub(crate) killer: Killer,
}

impl Case {
    pub(crate) fn new(recipe: Recipe, instant: Instant, boots: bool) -> Self {
        Self {
            recipe,
            instant,
            boots,
            killer: Killer::All,
        }
    }

    pub(crate) fn by(mut self, killer: Killer) -> Self {
        self.killer = killer;
        self
    }
}

/// Tries all cases; every fault is told, with its case.
pub(crate) fn run(name: &str, cases: Vec<Case>) {
    // A run that takes less time than the one before it may end before it is killed; an instant does not run away.
    let by_time = matches!(
        cases[..],
        [
            Case {
                instant: Instant::Part(_),
                ..
            },
            ..
        ]
    );
    let (all, began) = (cases.len(), std::time::Instant::now());
    let queue = Mutex::new(VecDeque::from(cases));
    let faults: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let (killed, missed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let next = || {
        let enough = faults.lock().unwrap().len() >= ENOUGH;
        (!enough)
            .then(|| queue.lock().unwrap().pop_front())
            .flatten()
    };
    thread::scope(|scope| {
        for number in 0..SIDE_BY_SIDE.min(all) {
            let name = format!("{name}-{number}");
            let (next, faults, killed, missed) = (&next, &faults, &killed, &missed);
            scope.spawn(move || {
                let mut scene: Option<Scene> = None;
                while let Some(case) = next() {
                    let tried = panic::catch_unwind(AssertUnwindSafe(|| {
                        let scene = scene.get_or_insert_with(|| Scene::new(&name));
                        scene.try_case(&case)
                    }));
                    match tried {
                        Ok(true) => {
                            let number = killed.fetch_add(1, Ordering::Relaxed) + 1;
                            if number.is_multiple_of(50) {
                                println!("{number} of {all}");
                            }
                            number
                        }
                        Ok(false) => missed.fetch_add(1, Ordering::Relaxed),
                        Err(panic) => {
                            let text = text_of(panic.as_ref());
                            eprintln!("FAULT {case:?}\n{text}\n");
                            faults.lock().unwrap().push(format!("{case:?}\n{text}"));
                            // What is broken breaks what comes after it; the next case gets a home of its own.
                            let broken = AssertUnwindSafe(scene.take());
                            let _ = panic::catch_unwind(|| {
                                let broken = broken;
                                broken.0.map(Scene::give_up)
                            });
                            0
                        }
                    };
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    println!(
        "{name}: {} killings of {all}, {} runs ended before their instant, {} faults, {} s",
        killed.load(Ordering::Relaxed),
        missed.load(Ordering::Relaxed),
        faults.len(),
        began.elapsed().as_secs()
    );
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    let missed = missed.load(Ordering::Relaxed);
    let most = if by_time { all - 1 } else { all / 10 };
    assert!(missed <= most, "{missed} of {all} runs were not killed");
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".into())
}

/// The seed to repeat a run with, or a new one.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("LANDFALL_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(0, |now| u64::from(now.subsec_nanos()) ^ now.as_secs())
    })
}

/// Numbers that look random and come again with their seed (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap_or_default() % end
    }
}
