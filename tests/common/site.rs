//! What a sandbox's app shows: over HTTP, on disk, among the machine's processes.

use std::fs;
use std::time::{Duration, Instant};

use super::client::{self, Connection, Response};
use super::machine::{self, Process};
use super::sandbox::Sandbox;

impl Sandbox {
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        client::get(self.address, path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Response {
        Connection::open(self.address)
            .and_then(|mut connection| {
                let headers = [("Content-Type", content_type)];
                connection.send("POST", path, &headers, body, false)
            })
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// The release that page and API name; both must be the same. A release may go live between the two questions, once.
    #[track_caller]
    pub(crate) fn release_shown(&self) -> String {
        let ask = |path| self.get(path).ok().release();
        let (mut page, mut api) = (ask("/"), ask("/api/about/"));
        if page != api {
            (page, api) = (ask("/"), ask("/api/about/"));
        }
        assert_eq!(page, api, "page and API are of different releases");
        page.expect("the page names its release")
    }

    /// The number of the live release.
    pub(crate) fn live(&self) -> Option<u32> {
        let target = fs::read_link(self.home.join("current")).ok()?;
        target.file_name()?.to_str()?.parse().ok()
    }

    /// The numbers of the releases there are.
    pub(crate) fn releases(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = fs::read_dir(self.home.join("releases"))
            .map(|entries| {
                entries
                    .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
                    .collect()
            })
            .unwrap_or_default();
        numbers.sort_unstable();
        numbers
    }

    /// The log of a deploy.
    pub(crate) fn deploy_log(&self, release: u32) -> String {
        fs::read_to_string(self.home.join(format!("log/deploys/{release}.log")))
            .unwrap_or_else(|error| panic!("the log of deploy {release}: {error}"))
    }

    /// The calls of the counted tools since the last time this was asked, each as it was typed.
    pub(crate) fn calls(&self) -> Vec<String> {
        let file = self.home.join("calls.log");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(&file);
        text.lines().map(str::to_owned).collect()
    }

    /// The processes that belong to this sandbox.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let mut all = machine::processes_of(&self.root);
        if !self.home.starts_with(&self.root) {
            all.extend(machine::processes_of(&self.home));
        }
        all
    }

    /// Waits until nothing of a release runs but of the live one, nor what a push left behind, and besides it only what outlives
    /// releases: supervisord, and nginx with its two workers.
    #[track_caller]
    pub(crate) fn settle(&self) {
        const OUTLIVE: usize = 4;
        super::until("old processes end", Duration::from_secs(90), || {
            let live = self.live();
            if machine::all_of(&self.root)
                .iter()
                .any(Process::is_left_behind)
            {
                return false;
            }
            let processes = self.processes();
            let others = processes.iter().filter(|process| process.release.is_none());
            others.count() == OUTLIVE
                && processes
                    .iter()
                    .all(|process| process.release.is_none() || process.release == live)
        });
    }

    /// Processes of this sandbox that supervisord has nothing to do with, once those that just end have ended.
    pub(crate) fn strays(&self) -> Vec<Process> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let running = self.processes();
            let strays = machine::strays(&running, "supervisord");
            if strays.is_empty() || Instant::now() > deadline {
                return strays.into_iter().cloned().collect();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends everything of this sandbox, also what a push left behind, each process by its number.
    pub(crate) fn end_processes(&self) {
        use nix::sys::signal::{Signal, kill};
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let mut all = machine::all_of(&self.root);
            if !self.home.starts_with(&self.root) {
                all.extend(machine::all_of(&self.home));
            }
            if all.is_empty() || Instant::now() > deadline {
                return;
            }
            for process in all {
                let _ = kill(nix::unistd::Pid::from_raw(process.pid), Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
