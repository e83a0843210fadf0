//! What is read back from an app's home, which the app itself can write to: release.json, processes.json, run/pending.json,
//! run/site.json and site.json (which root reads), the lock's holder, what a cache entry took, logs. Each is read by the function that
//! commands read it with. Nothing panics; what is read is written as the same; what people are shown of it acts on no terminal; what
//! root takes of it ends no word of nginx's; and what root refuses is not repeated.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use landfall::base::flock::{self, FileLock};
use landfall::base::hint::chain;
use landfall::base::host::{Host, rfc3339};
use landfall::base::names::ReleaseId;
use landfall::base::tail::Tail;
use landfall::handover::{self, Pending};
use landfall::release::cache::{self, Shelf};
use landfall::release::layout::Home;
use landfall::release::process::{self, Processes};
use landfall::release::{lock, store};
use landfall::site::request;
use landfall::template::site::Needs;
use libfuzzer_sys::fuzz_target;
use nix::unistd::Uid;

mod message;

const RELEASE: ReleaseId = ReleaseId(7);

/// A home (`.ci/fuzz` takes it away), whose lock this process holds.
struct Scene {
    home: Home,
    host: Host,
    room: PathBuf,
    _lock: FileLock,
}

fn scene() -> &'static Scene {
    static SCENE: OnceLock<Scene> = OnceLock::new();
    SCENE.get_or_init(|| {
        let root = std::env::temp_dir().join(std::process::id().to_string());
        let home = Home::new(root, "notes".parse().expect("a name"));
        let key = "1f0c7a3e5b9d4e6f8a0b1c2d3e4f5a6b7c8d9e0f"
            .parse()
            .expect("an id");
        let entry = cache::path(&home, Shelf::Venv, &key);
        let release = home.release(RELEASE);
        for folder in [release.root(), &home.run(), &home.deploy_logs(), &entry] {
            fs::create_dir_all(folder).expect("TMPDIR can be written");
        }
        std::os::unix::fs::symlink(release.root(), home.current()).expect("a link");
        cache::complete(&entry).expect("an entry");
        let mut files = fs::read_dir(&entry).expect("the entry").flatten();
        let room = files.next().expect("it says that it is whole").path();
        let flock::Attempt::Taken(lock) = flock::try_lock(&home.lock()).expect("the lock") else {
            panic!("nobody else has it");
        };
        let host = Host::fixed(&[], home.root(), UNIX_EPOCH);
        Scene {
            home,
            host,
            room,
            _lock: lock,
        }
    })
}

fuzz_target!(|data: &[u8]| {
    let scene = scene();
    let release = scene.home.release(RELEASE);
    let put = |path: PathBuf| {
        fs::write(&path, data).expect("a file of the home");
        path
    };
    // Each is taken away again: the next is read in a home without it.
    let path = put(release.record());
    record(scene);
    take(path);
    let path = put(release.processes());
    processes(scene);
    take(path);
    let path = put(scene.home.pending());
    pending(scene);
    take(path);
    let path = put(scene.home.site_request());
    if let Some(needs) = read(request::of_deploy(&scene.home, Uid::effective())) {
        must_end_no_word(&needs.needs);
    }
    take(path);
    let path = put(release.site_needs());
    if let Some(needs) = read(request::of_live(&scene.home, Uid::effective())) {
        must_end_no_word(&needs);
    }
    take(path);
    put(scene.home.lock());
    held(scene);
    put(scene.room.clone());
    if let Some(room) = cache::last_taken(&scene.home, Shelf::Venv) {
        assert!(room.and(room).bytes >= room.bytes);
    }
    let path = put(scene.home.deploy_log(RELEASE));
    log(data, &path);
    take(path);
});

fn take(path: PathBuf) {
    fs::remove_file(path).expect("it is there");
}

fn record(scene: &Scene) {
    let release = scene.home.release(RELEASE);
    let record = match store::read(&release) {
        Ok(record) => record,
        Err(error) => {
            let path = release.record().display().to_string();
            let said = ["understand", "read"].map(|verb| format!("cannot {verb} {path}"));
            assert!(said.contains(&error.to_string()), "{error}");
            return;
        }
    };
    for text in [&record.subject, &record.source, &record.who] {
        message::must_be_a_line(text);
    }
    for time in [Some(record.created), record.live_at].into_iter().flatten() {
        message::must_be_clear(&rfc3339(time));
    }
    let _ = store::next_turn(&scene.home).expect("the records can be read");
    let _ = store::rollback_targets(&scene.home).expect("the records can be read");
    let again = serde_json::to_string(&record).expect("what was read is written");
    assert_eq!(
        serde_json::from_str::<landfall::release::record::Record>(&again).expect("and read again"),
        record
    );
}

fn processes(scene: &Scene) {
    if let Ok(processes) = Processes::read(&scene.home.release(RELEASE)) {
        for name in processes.processes.keys() {
            let program = processes.program(name.as_str(), RELEASE);
            assert_eq!(
                process::parse_program(&program),
                Some((name.as_str(), RELEASE))
            );
        }
        let again = serde_json::to_string(&processes).expect("what was read is written");
        assert_eq!(
            serde_json::from_str::<Processes>(&again).expect("and read again"),
            processes
        );
    }
}

fn pending(scene: &Scene) {
    let _ = handover::under_way(&scene.home);
    if let Some(pending) = handover::waiting(&scene.home) {
        let _ = pending.begun();
        let again = serde_json::to_string(&pending).expect("what was read is written");
        let again: Pending = serde_json::from_str(&again).expect("and read again");
        assert_eq!(format!("{again:?}"), format!("{pending:?}"));
    }
}

/// What root makes of a file of the app. A refusal says which file, and nothing of what is in it.
fn read<T>(result: Result<T, request::RequestError>) -> Option<T> {
    let error = match result {
        Ok(taken) => return Some(taken),
        Err(error) => chain(&error).join(": "),
    };
    let root = scene().home.root().display().to_string();
    let said = error.replace(&root, "HOME").replace("current/", "run/");
    assert!(
        [
            "the request in HOME/run/site.json is not one of Landfall's",
            "HOME/run/site.json is longer than 65536 bytes",
            "HOME/run/site.json cannot be read as text",
        ]
        .contains(&&*said),
        "{said}"
    );
    None
}

fn must_end_no_word(needs: &Needs) {
    let Some(backend) = &needs.backend else {
        return;
    };
    let urls = [&backend.static_url, &backend.media_url]
        .into_iter()
        .flatten();
    for path in backend.paths.iter().chain(urls) {
        let path = path.as_str();
        assert!(path.starts_with('/'), "{path:?}");
        assert!(
            !path.contains(|c: char| c.is_control()
                || c.is_whitespace()
                || "\"'\\;{}$#".contains(c)),
            "{path:?}"
        );
    }
}

fn held(scene: &Scene) {
    let said = lock::holder(&scene.home, &scene.host).expect("the lock can be looked at");
    message::must_be_clear(&said.expect("we hold it"));
    if let Some(holder) = lock::held(&scene.home).expect("the lock can be looked at") {
        message::must_be_clear(&holder.describe(u64::MAX));
    }
}

/// Every byte comes once, in lines that are bounded.
fn log(data: &[u8], path: &std::path::Path) {
    let (mut tail, lines) = Tail::whole(path).expect("it can be read");
    let rest = tail.rest();
    let all = lines.len() + usize::from(rest.is_some());
    assert!(all <= data.len());
    let (_, last) = Tail::of(path, 3).expect("it can be read");
    assert!(
        last.len() <= 3 && lines.ends_with(&last),
        "{last:?} of {lines:?}"
    );
    assert!(Tail::of(path, usize::MAX).expect("it can be read").1 == lines);
}
