//! A release takes over from another under load, with everything real: supervisord, nginx, uWSGI, rendered files.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::program::{Program, ReleasePrograms, StopSignal, Supervisord};
use super::rpc::{Added, State, Supervisor};
use crate::base::names::ReleaseId;
use crate::base::{fs, user};
use crate::release::layout::{Home, ReleaseDir};
use crate::template::site::{Backend, Main, Needs, Site};
use crate::template::uwsgi::Uwsgi;
use crate::template::uwsgi_tests::environment;
use crate::template::{Template, render};
use crate::tool::supervisord::Daemon;
use crate::tool::{http, nginx, uwsgi};

const WAIT: Duration = Duration::from_secs(20);
const RELEASES: u32 = 5;

struct Stage {
    _dir: tempfile::TempDir,
    home: Home,
    address: SocketAddr,
    daemon: Daemon,
    supervisor: Supervisor,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.daemon.stop(WAIT);
    }
}

fn write(path: &Path, text: &str) {
    fs::create_folder(path.parent().unwrap()).unwrap();
    fs::write(path, text.as_bytes(), fs::PUBLIC).unwrap();
}

fn program(home: &Home, name: &str, command: &[&str], stop_signal: StopSignal) -> Program {
    Program {
        name: name.to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        autostart: true,
        restart: true,
        ready_after: Duration::ZERO,
        stop_signal,
        stop_wait: Duration::from_secs(10),
        log: home.process_log(name),
    }
}

/// Writes nginx's configuration; gives the program that runs it.
fn nginx_program(home: &Home, user: Option<String>) -> Program {
    let main = Main {
        app: home.app().clone(),
        home: home.root().to_owned(),
        include: home.current().join("nginx.conf*"),
        user,
        workers: 2,
    };
    write(
        &home.nginx_conf(),
        &render(Template::NginxMain, &main).unwrap(),
    );
    let binary = nginx::find().expect("nginx is missing: apt install nginx-light");
    let argv = nginx::run(&binary, &home.nginx_conf()).argv();
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    program(home, "nginx", &argv, StopSignal::Quit)
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("takeover")
            .tempdir()
            .unwrap();
        let home = Home::new(dir.path().to_owned(), "notes".parse().unwrap());
        for folder in [home.nginx_temp(), home.log(), home.assets()] {
            fs::create_folder(&folder).unwrap();
        }
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let user = user::is_root().then(user::name);
        let nginx = nginx_program(&home, user.clone());
        let conf = Supervisord {
            app: home.app().clone(),
            home: home.root().to_owned(),
            user,
            programs: vec![nginx],
        };
        write(
            &home.supervisord_conf(),
            &render(Template::Supervisord, &conf).unwrap(),
        );
        let daemon = Daemon {
            conf: home.supervisord_conf(),
            socket: home.supervisord_socket(),
            pid_file: home.supervisord_pid(),
            home: home.root().to_owned(),
        };
        let supervisor = Supervisor::new(home.supervisord_socket());
        Self {
            _dir: dir,
            home,
            address,
            daemon,
            supervisor,
        }
    }

    fn release(&self, n: u32) -> ReleaseDir {
        self.home.release(ReleaseId(n))
    }

    fn site(&self, n: u32) -> Site {
        Site {
            app: self.home.app().clone(),
            release: ReleaseId(n),
            home: self.home.root().to_owned(),
            listen: self.address,
            server_names: Vec::new(),
            needs: Needs {
                frontend: None,
                backend: Some(Backend {
                    paths: Vec::new(),
                    static_url: None,
                    media_url: None,
                }),
            },
            max_upload_mb: 1,
            gzip_static: false,
            https: false,
        }
    }

    /// Writes a release whose application answers with its number.
    fn prepare(&self, n: u32) {
        let (release, app) = (self.release(n), self.home.app().clone());
        let code = format!(
            "import time\ndef application(env, start):\n    time.sleep(0.01)\n    start('200 OK', [])\n    return [b'{n}']\n"
        );
        write(&release.src().join("notes/wsgi.py"), &code);
        let ini = Uwsgi {
            app: app.clone(),
            release: ReleaseId(n),
            socket: release.web_socket(),
            module: "notes.wsgi:application".parse().unwrap(),
            processes: 2,
            threads: 2,
            listen: 128,
            drain: Duration::from_secs(5),
        };
        write(
            &release.uwsgi_ini(),
            &render(Template::Uwsgi, &ini).unwrap(),
        );
        let site = render(Template::NginxSite, &self.site(n)).unwrap();
        write(&release.site_conf(), &site);
        let binary = environment().join("bin/uwsgi");
        let (folder, ini) = (release.src(), release.uwsgi_ini());
        let words: [&Path; 6] = [
            Path::new("/usr/bin/env"),
            Path::new("-C"),
            &folder,
            &binary,
            Path::new("--ini"),
            &ini,
        ];
        let words = words.map(|word| word.to_str().unwrap());
        let web = program(&self.home, &format!("web-{n}"), &words, StopSignal::Hup);
        let mut file = ReleasePrograms {
            app,
            release: ReleaseId(n),
            programs: vec![web],
        };
        write(
            &release.programs(),
            &render(Template::Programs, &file).unwrap(),
        );
        file.programs[0].autostart = false;
        write(
            &self.home.next_programs(),
            &render(Template::Programs, &file).unwrap(),
        );
    }

    /// The calls of a deploy: boot, commit, retire.
    fn take_over(&self, n: u32) {
        let (name, old) = (format!("web-{n}"), format!("web-{}", n - 1));
        self.prepare(n);
        self.supervisor.reread().unwrap();
        assert_eq!(self.supervisor.add(&name).unwrap(), Added::Added);
        self.supervisor.start(&name).unwrap();
        self.wait_until_loaded(n);
        self.switch(n);
        // What came before this ping is accepted by now.
        uwsgi::ping(&self.release(n - 1).web_socket(), WAIT).unwrap();
        self.supervisor.stop_and_wait(&old, WAIT).unwrap();
        assert_eq!(
            self.supervisor.process(&old).unwrap().unwrap().state,
            State::Stopped
        );
        self.supervisor.remove(&old).unwrap();
    }

    fn wait_until_loaded(&self, n: u32) {
        let deadline = Instant::now() + WAIT;
        while let Err(error) = uwsgi::ping(&self.release(n).web_socket(), WAIT) {
            assert!(
                error.may_be_starting() && Instant::now() < deadline,
                "{error}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn switch(&self, n: u32) {
        let target = PathBuf::from(format!("releases/{n}"));
        fs::swap_link(&target, &self.home.current()).unwrap();
    }

    /// The number of requests; panics at the first that fails, or is answered by an older release than one before.
    fn browse(&self, stop: &AtomicBool) -> usize {
        let (mut requests, mut newest) = (0, 0);
        loop {
            // The last request comes after the last takeover, however long the one before it took.
            let is_last = stop.load(Ordering::Acquire);
            let response = http::get(self.address, "x", "/", WAIT).unwrap();
            assert_eq!(response.status, 200);
            let release: u32 = response.text().parse().unwrap();
            assert!(release >= newest, "release {release} after {newest}");
            newest = release;
            requests += 1;
            if is_last {
                break;
            }
        }
        assert_eq!(newest, RELEASES);
        requests
    }
}

#[test]
fn releases_take_over_without_a_lost_request() {
    let stage = Stage::new();
    stage.prepare(1);
    stage.switch(1);
    stage
        .daemon
        .start(WAIT)
        .expect("supervisord does not start: apt install supervisor");
    stage.wait_until_loaded(1);
    let deadline = Instant::now() + WAIT;
    while http::get(stage.address, "x", "/", WAIT).is_err() {
        assert!(Instant::now() < deadline, "nginx does not answer");
        thread::sleep(Duration::from_millis(20));
    }
    let stop = AtomicBool::new(false);
    let results: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| stage.browse(&stop)))
            .collect();
        for n in 2..=RELEASES {
            stage.take_over(n);
        }
        stop.store(true, Ordering::Release);
        clients
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect()
    });
    assert!(results.iter().all(Result::is_ok), "a client lost a request");
    println!(
        "{} requests in {} releases",
        results.into_iter().flatten().sum::<usize>(),
        RELEASES - 1
    );
}
