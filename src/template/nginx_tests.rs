//! The rendered configuration in a real nginx.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::golden::{full_site, main_conf};
use super::site::{Main, Needs, Site};
use super::{Template, render};
use crate::base::{fs, user};
use crate::tool::http::{Response, get};
use crate::tool::nginx;

const WAIT: Duration = Duration::from_secs(10);

/// A home with two releases, and nginx for it.
struct Server {
    dir: TempDir,
    address: SocketAddr,
    nginx: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.nginx.id().cast_signed()),
            nix::sys::signal::Signal::SIGTERM,
        );
        let _ = self.nginx.wait();
    }
}

fn put(path: &Path, text: &str) {
    fs::create_folder(path.parent().unwrap()).unwrap();
    fs::write(path, text.as_bytes(), fs::PUBLIC).unwrap();
}

/// The hashed asset of a release, as its index page names it.
fn asset(n: usize) -> String {
    format!("/js/app.a1b2c3d{n}.js")
}

/// A home: `current/public` is a link to the cache, as in a real release.
fn home() -> TempDir {
    let dir = tempfile::Builder::new()
        .prefix("land fall")
        .tempdir()
        .unwrap();
    let home = dir.path();
    for n in [1, 2] {
        let (release, built) = (
            home.join(format!("releases/{n}")),
            home.join(format!("cache/frontend/{n}")),
        );
        put(&built.join("index.html"), &format!("page {n} {}", asset(n)));
        put(&built.join("about/index.html"), "about");
        put(&built.join(&asset(n)[1..]), &format!("script {n}"));
        put(&built.join("assets/index-DiwrgTda.js"), "vite");
        put(&built.join(".env"), "secret");
        put(
            &home.join("assets").join(&asset(n)[1..]),
            &format!("script {n}"),
        );
        put(&release.join("static/css/app.55e7cbb9ba48.css"), "css");
        put(&release.join("static/.git/config"), "secret");
        put(&home.join("shared/media/x.svg"), "<svg/>");
        put(&home.join("shared/media/x.jpg"), "jpg");
        fs::symlink(&built, &release.join("public")).unwrap();
        fs::symlink(&home.join("shared/media"), &release.join("media")).unwrap();
    }
    fs::symlink(
        Path::new("/etc/passwd"),
        &home.join("cache/frontend/1/passwd.txt"),
    )
    .unwrap();
    fs::symlink(
        Path::new("index.html"),
        &home.join("cache/frontend/1/own.txt"),
    )
    .unwrap();
    for folder in ["run/nginx", "log"] {
        fs::create_folder(&home.join(folder)).unwrap();
    }
    fs::symlink(Path::new("releases/1"), &home.join("current")).unwrap();
    dir
}

impl Server {
    fn start(change: impl Fn(Site) -> Site) -> Self {
        let dir = home();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let site = change(Site {
            listen: address,
            ..full_site(dir.path())
        });
        let conf = dir.path().join("run/nginx.conf");
        let user = user::is_root().then(user::name);
        let main = Main {
            user,
            ..main_conf(dir.path())
        };
        put(&conf, &render(Template::NginxMain, &main).unwrap());
        let program = nginx::find().expect("nginx is missing: apt install nginx-light");
        // Before the first release.
        nginx::check(&program, &conf).unwrap();
        for n in [1, 2] {
            let file = dir.path().join(format!("releases/{n}/nginx.conf"));
            put(&file, &render(Template::NginxSite, &site).unwrap());
        }
        nginx::check(&program, &conf).unwrap();
        let run = nginx::run(&program, &conf);
        let server = Self {
            dir,
            address,
            nginx: run.to_std().spawn().unwrap(),
        };
        let deadline = Instant::now() + WAIT;
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    fn get(&self, path: &str) -> Response {
        get(self.address, "notes.example.org", path, WAIT).unwrap()
    }

    fn status(&self, path: &str) -> u16 {
        self.get(path).status
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }
}

#[test]
fn pages_assets_and_everything_else_go_where_they_should() {
    let server = Server::start(|site| site);
    let page = "page 1 /js/app.a1b2c3d1.js";
    for path in [
        "/",
        "/index.html",
        "/users/jane.doe",
        "/deep/in/the/app?x=1",
    ] {
        let response = server.get(path);
        assert_eq!(
            (response.status, response.text().as_str()),
            (200, page),
            "{path}"
        );
        assert_eq!(response.header("cache-control"), Some("no-cache"), "{path}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(server.get("/about").text(), "about");
    // A former release's asset, for open tabs; one that never was is no page.
    assert_eq!(server.get(&asset(2)).text(), "script 2");
    assert_eq!(server.status("/js/app.00000000.js"), 404);
    for path in [
        "/js/gone.js",
        "/favicon.ico",
        "/.env",
        "/.git/config",
        "/static/.git/config",
        "/static/gone.css",
    ] {
        assert_eq!(server.status(path), 404, "{path}");
    }
    // Under `STATIC_URL`, but the frontend's.
    let script = "static/js/main.a1b2c3d9.js";
    put(&server.path("cache/frontend/1").join(script), "cra");
    assert_eq!(server.get("/static/js/main.a1b2c3d9.js").text(), "cra");
}

#[test]
fn files_whose_name_has_a_hash_are_kept_for_good() {
    let server = Server::start(|site| site);
    for path in [
        asset(1).as_str(),
        &asset(2),
        "/static/css/app.55e7cbb9ba48.css",
        "/assets/index-DiwrgTda.js",
    ] {
        let response = server.get(path);
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(
            response.header("cache-control"),
            Some("public, max-age=31536000, immutable"),
            "{path}"
        );
    }
    assert_eq!(
        server.get(&asset(1)).header("content-type"),
        Some("text/javascript")
    );
    for name in [
        "app.12345678.js",
        "assets/user-settings.js",
        "assets/foo-my-page2.js",
        "report-20240101.json",
    ] {
        put(&server.path("cache/frontend/1").join(name), "no hash");
        let response = server.get(&format!("/{name}"));
        assert_eq!(response.header("cache-control"), Some("no-cache"), "{name}");
    }
}

#[test]
fn uploads_cannot_run_as_pages_of_the_site() {
    let server = Server::start(|site| site);
    let svg = server.get("/media/x.svg");
    assert_eq!(svg.status, 200);
    assert!(
        svg.header("content-security-policy")
            .unwrap()
            .contains("sandbox")
    );
    let jpg = server.get("/media/x.jpg");
    assert_eq!(
        (jpg.text().as_str(), jpg.header("content-security-policy")),
        ("jpg", None)
    );
    assert_eq!(jpg.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_link_in_the_frontend_is_not_followed_whoever_made_it() {
    let server = Server::start(|site| site);
    assert_eq!(server.status("/passwd.txt"), 403);
    assert_eq!(server.status("/own.txt"), 403);
}

#[test]
fn other_hosts_are_refused_only_where_hosts_are_named() {
    let server = Server::start(|site| site);
    assert_eq!(
        get(server.address, "evil.example", "/", WAIT)
            .unwrap()
            .status,
        404
    );
    let open = Server::start(|site| Site {
        server_names: Vec::new(),
        ..site
    });
    assert_eq!(
        get(open.address, "evil.example", "/", WAIT).unwrap().status,
        200
    );
}

/// Answers uwsgi requests with the release's number, or with the request's variables, one per line.
fn answer(listener: &UnixListener, n: usize, stop: &AtomicBool) {
    listener.set_nonblocking(true).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let Ok((mut stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_micros(200));
            continue;
        };
        let mut head = [0; 4];
        stream.set_nonblocking(false).unwrap();
        stream.read_exact(&mut head).unwrap();
        let mut body = vec![0; usize::from(u16::from_le_bytes([head[1], head[2]]))];
        stream.read_exact(&mut body).unwrap();
        let mut words = Vec::new();
        let mut rest = body.as_slice();
        while let [low, high, text @ ..] = rest {
            let (word, after) = text.split_at(usize::from(u16::from_le_bytes([*low, *high])));
            words.push(String::from_utf8_lossy(word).into_owned());
            rest = after;
        }
        let lines: Vec<String> = words.chunks(2).map(|pair| pair.join("=")).collect();
        let text = format!("HTTP/1.1 200 OK\r\n\r\nrelease {n}\n{}\n", lines.join("\n"));
        let _ = stream.write_all(text.as_bytes());
    }
}

#[test]
fn django_is_told_the_truth_whatever_the_client_claims() {
    let server = Server::start(|site| Site {
        needs: Needs {
            frontend: None,
            ..site.needs.clone()
        },
        ..site
    });
    let listener = UnixListener::bind(server.path("releases/1/web.sock")).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| answer(&listener, 1, &stop));
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        stream.write_all(b"GET /a%20b/?q=1 HTTP/1.0\r\nHost: notes.example.org:8080\r\nX-Forwarded-Proto: https\r\n\
            X_Forwarded_Proto: https\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Ssl: on\r\nX-Other: kept\r\nProxy: evil\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        stop.store(true, Ordering::Relaxed);
        let lines: BTreeSet<&str> = text.lines().collect();
        for expected in [
            "PATH_INFO=/a b/",
            "QUERY_STRING=q=1",
            "HTTP_HOST=notes.example.org:8080",
            "HTTP_X_OTHER=kept",
            "HTTP_X_FORWARDED_PROTO=http",
            "HTTP_X_FORWARDED_SSL=off",
            "HTTP_X_FORWARDED_FOR=127.0.0.1",
            "REMOTE_ADDR=127.0.0.1",
        ] {
            assert!(lines.contains(expected), "{expected} in {text}");
        }
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.starts_with("HTTP_X_FORWARDED_PROTO="))
                .count(),
            1,
            "{text}"
        );
        for refused in ["=https", "HTTP_PROXY"] {
            assert!(!text.contains(refused), "{refused} in {text}");
        }
    });
}

/// Asks for a page, the script it names and the API, again and again, and counts; panics at the first that fails.
fn browse(server: &Server, stop: &AtomicBool, asked: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        let page = server.get("/some/route");
        assert_eq!(page.status, 200);
        let script = page.text().split(' ').next_back().unwrap().to_owned();
        assert_eq!(server.status(&script), 200, "{script}");
        assert_eq!(server.status("/api/x"), 200);
        asked.fetch_add(3, Ordering::Relaxed);
    }
}

#[test]
fn no_request_is_lost_while_current_changes() {
    const SWITCHES: usize = 200;
    const REQUESTS: usize = 300;
    let server = Server::start(|site| site);
    let sockets =
        [1, 2].map(|n| UnixListener::bind(server.path(&format!("releases/{n}/web.sock"))).unwrap());
    let (stop, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let asked = AtomicUsize::new(0);
    let mut switches = 0;
    let results: Vec<_> = thread::scope(|scope| {
        for (socket, n) in sockets.iter().zip(1..) {
            let done = &done;
            scope.spawn(move || answer(socket, n, done));
        }
        let clients: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| browse(&server, &stop, &asked)))
            .collect();
        // A busy machine takes longer to ask as often.
        let deadline = Instant::now() + 12 * WAIT;
        while switches < SWITCHES
            || (asked.load(Ordering::Relaxed) <= REQUESTS
                && Instant::now() < deadline
                && !clients.iter().any(thread::ScopedJoinHandle::is_finished))
        {
            let next = PathBuf::from(format!("releases/{}", 2 - switches % 2));
            fs::swap_link(&next, &server.path("current")).unwrap();
            thread::sleep(Duration::from_millis(5));
            switches += 1;
        }
        stop.store(true, Ordering::Relaxed);
        let results = clients
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        done.store(true, Ordering::Relaxed);
        results
    });
    assert!(results.iter().all(Result::is_ok), "a client lost a request");
    let requests = asked.into_inner();
    println!("{requests} requests in {switches} switches");
    assert!(
        requests > REQUESTS,
        "too little load to mean anything: {requests}"
    );
}
