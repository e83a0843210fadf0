//! Caches that are built once and kept between runs, so that a test does not wait for pip and npm.
//!
//! Each fixture is deployed once to a home in `target/tmp/seed/KEY`. What that leaves in its caches is linked (`cp -al`)
//! into the home of every sandbox, which is on the same file system. A Python environment's scripts name the place where
//! it was made; the seed stays there.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use super::app::App;
use super::machine;
use super::sandbox::Sandbox;

/// What decides the keys of the caches and what lies in them, besides the fixtures' own files.
const RECIPE: [&str; 5] = [
    include_str!("../../src/stage/build/inherit.rs"),
    include_str!("../../src/stage/plan/keys.rs"),
    include_str!("../../src/release/cache.rs"),
    include_str!("../../src/tool/python.rs"),
    include_str!("seed.rs"),
];

/// The tools whose runs are counted. In a sandbox each is a script that writes down how it was called and then becomes the
/// real one.
const COUNTED: [&str; 5] = ["node", "npm", "npx", "pip", "python3"];

/// The folders of the home that a sandbox gets.
const CACHES: [&str; 2] = ["cache", ".cache"];

/// Where cargo lets tests keep files.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// The folder of scripts that goes first in a sandbox's PATH.
pub(crate) fn counters() -> PathBuf {
    let folder = place().join("bin");
    let _lock = lock("bin");
    if !folder.is_dir() {
        let making = folder.with_extension("new");
        let _ = fs::remove_dir_all(&making);
        fs::create_dir_all(&making).expect("the seed's folder can be made");
        for tool in COUNTED {
            let Some(real) = machine::find(tool) else {
                continue;
            };
            // HOME is the app's home in everything that Landfall runs.
            let script = format!(
                "#!/bin/sh\necho {tool} \"$@\" >> \"$HOME/calls.log\"\nexec {} \"$@\"\n",
                real.display()
            );
            let path = making.join(tool);
            fs::write(&path, script).expect("a script can be written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        fs::rename(&making, &folder).expect("the scripts can be put in place");
    }
    folder
}

/// Puts the fixture's caches into a home that has none yet.
pub(crate) fn plant(app: App, home: &Path) {
    if !app.has_caches() {
        return;
    }
    let seed = grown(app);
    for name in CACHES {
        let (from, to) = (seed.join(name), home.join(name));
        if !from.is_dir() {
            continue;
        }
        let _ = fs::remove_dir_all(&to);
        // Links, or on a disk of its own copies.
        let is_near = device(&from) == device(home);
        let how = if is_near { "-al" } else { "-a" };
        let copied = Command::new("cp").arg(how).arg(&from).arg(&to).status();
        assert!(
            copied.is_ok_and(|status| status.success()),
            "cannot link {} to {}",
            from.display(),
            to.display()
        );
    }
}

fn device(path: &Path) -> Option<u64> {
    Some(fs::metadata(path).ok()?.dev())
}

/// The home with the fixture's caches; deployed now if it never was.
pub(crate) fn grown(app: App) -> PathBuf {
    let place = place();
    let home = place.join(app.name());
    let _lock = lock(app.name());
    let done = place.join(format!("{}.done", app.name()));
    if !done.exists() {
        let _ = fs::remove_dir_all(&home);
        grow(app, &home, &place.join(format!("{}.keep", app.name())));
        File::create(&done).expect("the seed's folder can be written");
    }
    home
}

fn grow(app: App, home: &Path, keep: &Path) {
    let _ = fs::remove_dir_all(keep);
    fs::create_dir_all(keep).expect("the seed's folder can be written");
    {
        let sandbox = Sandbox::seedling(app, home);
        sandbox.push().accepted();
        for name in CACHES {
            if home.join(name).is_dir() {
                fs::rename(home.join(name), keep.join(name)).expect("the caches can be moved");
            }
        }
    }
    // The app is removed now, its home too; the caches come back to where they were made.
    fs::rename(keep, home).expect("the caches can be moved back");
}

/// The folder of this machine's seed.
fn place() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    RECIPE.hash(&mut hasher);
    for app in [App::Notes, App::Small] {
        for (path, content) in app.files() {
            let decides = ["requirements.txt", "package.json", "package-lock.json"]
                .iter()
                .any(|name| path.ends_with(name));
            if decides {
                (path, content).hash(&mut hasher);
            }
        }
    }
    for tool in COUNTED {
        if let Some(file) = machine::find(tool).and_then(|file| file.canonicalize().ok()) {
            let meta = file.metadata().expect("it was just found");
            (file, meta.size(), meta.mtime()).hash(&mut hasher);
        }
    }
    folder()
        .join("seed")
        .join(format!("{:08x}", hasher.finish() >> 32))
}

fn lock(name: &str) -> Flock<File> {
    let place = place();
    fs::create_dir_all(&place).expect("target/tmp can be written");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(place.join(format!("{name}.lock")))
        .expect("the seed's lock can be opened");
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| errno)
        .expect("the seed's lock can be taken")
}
