//! Random sites in one real nginx, which tells each value back by what it does: the name it answers to, the folder a page
//! comes from, the socket behind a path, the header, the limit.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use landfall::base::names::{AppName, Domain, ReleaseId, UrlPath};
use landfall::base::user;
use landfall::config::server::Layout;
use landfall::template::server_site::{Abilities, ServerSite};
use landfall::template::site::{Main, Needs, Site};
use landfall::template::{Template, TemplateError, render};
use landfall::tls::self_signed;
use landfall::tool::http::Response;
use landfall::tool::{http, https, nginx};
use proptest::prelude::*;

use crate::random::{domain, folder, make, needs, sample};

/// How many sites are tried of each kind.
const CASES: usize = 60;
const WAIT: Duration = Duration::from_secs(20);

/// What is random of a site.
#[derive(Debug, Clone)]
struct Case {
    folder: String,
    names: Vec<Domain>,
    redirects: Vec<Domain>,
    needs: Needs,
    max_upload_mb: u32,
    hsts_seconds: u32,
    split: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let names = || prop::collection::vec(domain(), 0..3);
    let rest = (
        1..10_001_u32,
        prop_oneof![Just(0), 1..u32::MAX],
        any::<bool>(),
    );
    (folder(), names(), names(), needs(), rest).prop_map(
        |(folder, names, redirects, needs, (max_upload_mb, hsts_seconds, split))| Case {
            folder,
            names,
            redirects,
            needs,
            max_upload_mb,
            hsts_seconds,
            split,
        },
    )
}

/// A home with a file for each folder that a site names, and Django's place taken by [`answer`].
fn furnish(dir: &Path, number: usize, name: &str) -> Option<PathBuf> {
    let home = make(dir, number, name)?;
    for (file, what) in [
        ("current/public/index.html", "page"),
        ("current/static/css/x.css", "static"),
        ("current/media/x.txt", "media"),
        ("assets/old.a1b2c3d4.js", "kept"),
        ("challenges/.well-known/acme-challenge/token", "challenge"),
    ] {
        let file = home.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("{what} {number}")).unwrap();
    }
    for folder in ["log", "run/nginx"] {
        fs::create_dir_all(home.join(folder)).unwrap();
    }
    let listener = UnixListener::bind(home.join("current/web.sock")).unwrap();
    thread::spawn(move || answer(&listener, number));
    Some(home)
}

/// Answers each uwsgi request with the site's number and the path it was asked for.
fn answer(listener: &UnixListener, number: usize) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut head = [0; 4];
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
        let path = words.chunks(2).find(|pair| pair[0] == "PATH_INFO").unwrap();
        let text = format!("HTTP/1.1 200 OK\r\n\r\nbackend {number} {}", path[1]);
        let _ = stream.write_all(text.as_bytes());
    }
}

/// A loopback address of its own for each server block of each site.
fn address(kind: u8, number: usize, port: u16) -> SocketAddr {
    let number = u8::try_from(number).unwrap();
    (Ipv4Addr::new(127, 77, kind, number + 1), port).into()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// nginx with everything in `sites/`; it ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

fn main_conf(home: &Path, include: PathBuf) -> Main {
    Main {
        app: "main".parse().unwrap(),
        home: home.to_owned(),
        include,
        user: user::is_root().then(user::name),
        workers: 1,
    }
}

impl Server {
    fn start(dir: &Path, first: SocketAddr) -> Self {
        let home = dir.join("all");
        for folder in ["log", "run/nginx"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        let conf = home.join("nginx.conf");
        let main = main_conf(&home, dir.join("sites/*.conf"));
        fs::write(&conf, render(Template::NginxMain, &main).unwrap()).unwrap();
        let program = nginx::find().expect("nginx is missing: apt install nginx-light");
        nginx::check(&program, &conf).unwrap_or_else(|error| panic!("{error:?}"));
        let server = Self(nginx::run(&program, &conf).to_std().spawn().unwrap());
        let deadline = Instant::now() + WAIT;
        while TcpStream::connect(first).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }
}

/// `nginx -t` of a main configuration in a home of this name. None where it is refused.
fn main_is_taken(home: &Path) -> Option<()> {
    let main = main_conf(home, home.join("current/nginx.conf*"));
    let text = rendered(render(Template::NginxMain, &main))?;
    let conf = home.join("run/nginx.conf");
    fs::write(&conf, text).unwrap();
    let program = nginx::find().unwrap();
    nginx::check(&program, &conf).unwrap_or_else(|error| panic!("{home:?}: {error:?}"));
    Some(())
}

fn rendered(text: Result<String, TemplateError>) -> Option<String> {
    match text {
        Ok(text) => Some(text),
        Err(TemplateError::Value { .. } | TemplateError::Data { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn base(path: &UrlPath) -> &str {
    path.as_str().trim_end_matches('/')
}

/// What one origin serves, asked of it. The number of values compared.
fn compare(number: usize, needs: &Needs, ask: &dyn Fn(&str) -> Response) -> usize {
    let mut compared = 0;
    let mut says = |path: &str, expected: String| {
        let response = ask(path);
        let found = (response.status, response.text());
        assert_eq!(found, (200, expected), "{number} {path} {needs:?}");
        compared += 1;
    };
    if needs.frontend.is_some() {
        says("/", format!("page {number}"));
        says("/index.html", format!("page {number}"));
        says("/old.a1b2c3d4.js", format!("kept {number}"));
    }
    let Some(backend) = &needs.backend else {
        return compared;
    };
    let url = |url: &Option<UrlPath>| {
        let url = url.as_ref().map(base).unwrap_or_default();
        url.to_owned()
    };
    let (static_url, media_url) = (url(&backend.static_url), url(&backend.media_url));
    let files = [
        (&static_url, "css/x.css", "static"),
        (&media_url, "x.txt", "media"),
    ];
    for (url, file, what) in files {
        // Names that begin with a dot are hidden, and where both are the same it is Django's files.
        if !url.is_empty() && !url.contains("/.") && (what == "static" || *url != static_url) {
            says(&format!("{url}/{file}"), format!("{what} {number}"));
        }
    }
    if needs.frontend.is_none() {
        says("/zz-probe", format!("backend {number} /zz-probe"));
        return compared;
    }
    for path in backend.paths.iter().map(base) {
        let own = [
            "",
            "/index.html",
            "/.well-known/landfall",
            &static_url,
            &media_url,
        ];
        if !own.contains(&path) {
            says(path, format!("backend {number} {path}"));
            says(
                &format!("{path}/zz-probe"),
                format!("backend {number} {path}/zz-probe"),
            );
        }
    }
    compared
}

/// The status that a request with so long a body gets before any of it is sent.
fn upload(address: SocketAddr, host: &str, length: u64) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    let request = format!(
        "POST /index.html HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    String::from_utf8_lossy(&status[9..]).into_owned()
}

#[test]
fn nginx_serves_each_site_of_user_mode_as_it_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sites")).unwrap();
    let (port, mut sites, mut compared) = (free_port(), Vec::new(), 0);
    for (number, case) in sample(CASES, &case()).into_iter().enumerate() {
        let Some(home) = furnish(dir.path(), number, &case.folder) else {
            continue;
        };
        if main_is_taken(&home).is_none() {
            continue;
        }
        let site = Site {
            app: format!("site-{number}").parse().unwrap(),
            release: ReleaseId(1),
            home,
            listen: address(1, number, port),
            server_names: case.names.clone(),
            needs: case.needs.clone(),
            max_upload_mb: case.max_upload_mb,
            https: false,
            gzip_static: false,
        };
        if let Some(text) = rendered(render(Template::NginxSite, &site)) {
            let file = dir.path().join(format!("sites/{number}.conf"));
            fs::write(file, text).unwrap();
            sites.push((number, site));
        }
    }
    let _server = Server::start(dir.path(), sites[0].1.listen);
    for (number, site) in &sites {
        let unnamed = vec!["anything.example".parse().unwrap()];
        let is_unnamed = site.server_names.is_empty();
        let names: &Vec<Domain> = if is_unnamed {
            &unnamed
        } else {
            &site.server_names
        };
        for name in names {
            let ask = |path: &str| http::get(site.listen, name.as_str(), path, WAIT).unwrap();
            compared += 1 + compare(*number, &site.needs, &ask);
        }
        let other = http::get(site.listen, "other.example", "/", WAIT).unwrap();
        assert_eq!(other.status == 404, !is_unnamed);
        let limit = u64::from(site.max_upload_mb) * 1024 * 1024;
        let name = names[0].as_str();
        assert_eq!(upload(site.listen, name, limit + 1), "413");
        if site.needs.frontend.is_some() {
            assert_eq!(upload(site.listen, name, limit), "405");
        }
        compared += 3;
    }
    let refused = CASES - sites.len();
    println!(
        "nginx, user mode: {} sites, {compared} values, {refused} refused",
        sites.len()
    );
    assert!(sites.len() > CASES / 2 && refused > 0 && compared > 300);
}

/// The rendered site with its ports on addresses of its own: 80, 443 and the backend's are those of the machine.
fn on_own_addresses(text: &str, number: usize, port: u16, backend_port: u16) -> String {
    let listen = |kind| format!("listen {}", address(kind, number, port));
    text.replace("listen 80;", &format!("{};", listen(2)))
        .replace("listen 443 ssl", &format!("{} ssl", listen(3)))
        .replace(
            &format!("listen {backend_port} ssl"),
            &format!("{} ssl", listen(4)),
        )
}

fn server_site(number: usize, case: &Case, home: &Path) -> ServerSite {
    let app: AppName = format!("server-{number}").parse().unwrap();
    let first: Domain = format!("s{number}.example.org").parse().unwrap();
    ServerSite {
        app,
        home: home.to_owned(),
        domains: std::iter::once(first).chain(case.names.clone()).collect(),
        redirect_domains: case.redirects.clone(),
        layout: if case.split {
            Layout::Split
        } else {
            Layout::OneOrigin
        },
        backend_port: 8443,
        needs: case.needs.clone(),
        max_upload_mb: case.max_upload_mb,
        hsts_seconds: case.hsts_seconds,
        certificate: home.join("fullchain.pem"),
        certificate_key: home.join("privkey.pem"),
        logs: home.join("log"),
        challenges: home.join("challenges"),
        nginx: Abilities {
            ipv6: false,
            http2_directive: false,
            gzip_static: false,
            no_tickets: true,
            curves: "X25519:prime256v1".into(),
        },
        state: format!("state{number}"),
    }
}

#[test]
fn nginx_serves_each_site_of_the_server_as_it_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sites")).unwrap();
    let name = "example.org".parse().unwrap();
    let pair = self_signed::make(&[name], SystemTime::now()).unwrap();
    let (port, mut sites, mut compared) = (free_port(), Vec::new(), 0);
    for (number, case) in sample(CASES, &case()).into_iter().enumerate() {
        let Some(home) = furnish(dir.path(), number, &case.folder) else {
            continue;
        };
        fs::write(home.join("fullchain.pem"), &pair.certificate).unwrap();
        fs::write(home.join("privkey.pem"), pair.key.expose()).unwrap();
        let site = server_site(number, &case, &home);
        if let Some(text) = rendered(render(Template::NginxServerSite, &site)) {
            let text = on_own_addresses(&text, number, port, site.backend_port);
            fs::write(dir.path().join(format!("sites/{number}.conf")), text).unwrap();
            sites.push((number, site));
        }
    }
    let _server = Server::start(dir.path(), address(2, sites[0].0, port));
    for (number, site) in &sites {
        compared += compare_server_site(*number, site, port);
    }
    let refused = CASES - sites.len();
    println!(
        "nginx, server: {} sites, {compared} values, {refused} refused",
        sites.len()
    );
    assert!(sites.len() > CASES / 2 && refused > 0 && compared > 600);
}

fn compare_server_site(number: usize, site: &ServerSite, port: u16) -> usize {
    let [plain, tls, api] = [2, 3, 4].map(|kind| address(kind, number, port));
    let get = |address, host: &Domain, path: &str| {
        https::get(address, host.as_str(), path, WAIT).unwrap()
    };
    let moved = |response: &Response, to: &str| {
        assert_eq!(response.status, 301);
        assert_eq!(response.header("location"), Some(to));
    };
    let mut compared = 0;
    for name in &site.domains {
        let ask = |path: &str| get(tls, name, path);
        let state = ask("/.well-known/landfall");
        assert_eq!(state.text(), format!("{} {}", site.app, site.state));
        let header = (site.hsts_seconds > 0).then(|| format!("max-age={}", site.hsts_seconds));
        if site.needs.frontend.is_some() {
            let page = ask("/");
            assert_eq!(page.header("strict-transport-security"), header.as_deref());
        }
        let http = |path: &str| http::get(plain, name.as_str(), path, WAIT).unwrap();
        moved(&http("/zz?q=1"), &format!("https://{name}/zz?q=1"));
        let challenge = http("/.well-known/acme-challenge/token");
        assert_eq!(challenge.text(), format!("challenge {number}"));
        let whole = &site.needs;
        let is_split =
            site.layout == Layout::Split && whole.frontend.is_some() && whole.backend.is_some();
        compared += 4;
        if is_split {
            let [pages, django] = [
                Needs {
                    backend: None,
                    ..whole.clone()
                },
                Needs {
                    frontend: None,
                    ..whole.clone()
                },
            ];
            compared += compare(number, &pages, &ask);
            compared += compare(number, &django, &|path| get(api, name, path));
        } else {
            compared += compare(number, whole, &ask);
        }
    }
    for name in &site.redirect_domains {
        let to = format!("https://{}/zz?q=1", site.domains[0]);
        moved(
            &http::get(plain, name.as_str(), "/zz?q=1", WAIT).unwrap(),
            &to,
        );
        moved(&get(tls, name, "/zz?q=1"), &to);
        compared += 2;
    }
    compared
}
