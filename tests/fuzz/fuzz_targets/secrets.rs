//! The keys among the seeds (`LANDFALL_FUZZ_SEEDS`), and that no message shows eight characters of one.

use std::collections::HashSet;
use std::sync::OnceLock;

const WINDOW: usize = 8;

fn windows() -> &'static HashSet<Vec<u8>> {
    static WINDOWS: OnceLock<HashSet<Vec<u8>>> = OnceLock::new();
    WINDOWS.get_or_init(|| {
        let folder = std::env::var("LANDFALL_FUZZ_SEEDS").unwrap_or_else(|_| {
            concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp/fuzz-seeds").into()
        });
        let mut windows = HashSet::new();
        for entry in std::fs::read_dir(folder)
            .expect("there are seeds")
            .flatten()
        {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "key") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a seed that is a key is text");
            let lines = text.lines().filter(|line| !line.contains('-'));
            windows
                .extend(lines.flat_map(|line| line.as_bytes().windows(WINDOW).map(<[u8]>::to_vec)));
        }
        assert!(windows.len() > 1_000, "no keys among the seeds");
        windows
    })
}

/// # Panics
/// Where a key shows in it.
pub fn must_not_be_in(said: &str) {
    let secrets = windows();
    let shows = said
        .as_bytes()
        .windows(WINDOW)
        .any(|window| secrets.contains(window));
    assert!(!shows, "a key's bytes in: {said}");
}
