//! Each rendered file, compared whole with `tests/golden/`. `UPDATE_GOLDEN=1 cargo test --lib golden` writes them anew.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::server_site::{Abilities, ServerSite};
use super::site::{Backend, Main, Needs, Pages, Site};
use super::uwsgi::Uwsgi;
use super::{Template, TemplateError, render, without_header};
use crate::base::fs;
use crate::base::hint::chain;
use crate::base::names::ReleaseId;
use crate::config::server::Layout;
use crate::supervisor::program::{Program, ReleasePrograms, StopSignal, Supervisord};

const HOME: &str = "/srv/landfall/notes";

fn check(name: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    #[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, rendered.as_bytes(), fs::PUBLIC).unwrap();
    }
    let expected = fs::read(&path).unwrap_or_default();
    assert_eq!(
        expected, rendered,
        "tests/golden/{name} differs; UPDATE_GOLDEN=1 writes it anew"
    );
}

/// A single-page app and Django, with everything there is.
pub(super) fn full_site(home: &Path) -> Site {
    Site {
        app: "notes".parse().unwrap(),
        release: ReleaseId(42),
        home: home.to_owned(),
        listen: "127.0.0.1:8080".parse().unwrap(),
        server_names: vec![
            "notes.example.org".parse().unwrap(),
            "www.notes.example.org".parse().unwrap(),
        ],
        needs: Needs {
            frontend: Some(Pages::Spa),
            backend: Some(Backend {
                paths: ["/api/", "/admin/", "/api", "/healthz", "/static/"]
                    .map(|path| path.parse().unwrap())
                    .to_vec(),
                static_url: Some("/static/".parse().unwrap()),
                media_url: Some("/media/".parse().unwrap()),
            }),
        },
        max_upload_mb: 25,
        https: false,
        gzip_static: true,
    }
}

pub(super) fn main_conf(home: &Path) -> Main {
    Main {
        app: "notes".parse().unwrap(),
        home: home.to_owned(),
        include: home.join("current/nginx.conf*"),
        user: None,
        workers: 2,
    }
}

pub(super) fn uwsgi(socket: PathBuf) -> Uwsgi {
    Uwsgi {
        app: "notes".parse().unwrap(),
        release: ReleaseId(42),
        socket,
        module: "notes.wsgi:application".parse().unwrap(),
        processes: 2,
        threads: 2,
        listen: 128,
        drain: Duration::from_secs(30),
    }
}

fn program(name: &str, stop_signal: StopSignal) -> Program {
    let command = [
        "/usr/bin/landfall",
        "exec",
        "--home",
        HOME,
        "--release",
        "42",
        name,
    ];
    Program {
        name: format!("{name}-42"),
        command: command.map(str::to_owned).to_vec(),
        autostart: true,
        restart: true,
        ready_after: Duration::from_millis(1500),
        stop_signal,
        stop_wait: Duration::from_secs(60),
        log: Path::new(HOME).join("log").join(format!("{name}.log")),
    }
}

#[test]
fn golden_nginx() {
    let main = main_conf(Path::new(HOME));
    check("nginx.conf", &render(Template::NginxMain, &main).unwrap());
    let site = full_site(Path::new(HOME));
    check(
        "site-spa-and-django.conf",
        &render(Template::NginxSite, &site).unwrap(),
    );
    let django = Site {
        needs: Needs {
            frontend: None,
            ..site.needs.clone()
        },
        server_names: Vec::new(),
        https: true,
        ..site.clone()
    };
    check(
        "site-django.conf",
        &render(Template::NginxSite, &django).unwrap(),
    );
    let files = Site {
        needs: Needs {
            frontend: Some(Pages::Files),
            backend: None,
        },
        ..site
    };
    check(
        "site-files.conf",
        &render(Template::NginxSite, &files).unwrap(),
    );
}

/// The same app in the server's nginx.
pub(super) fn server_site(layout: Layout) -> ServerSite {
    ServerSite {
        app: "notes".parse().unwrap(),
        home: HOME.into(),
        domains: vec!["notes.example.org".parse().unwrap()],
        redirect_domains: vec!["www.notes.example.org".parse().unwrap()],
        layout,
        backend_port: 8443,
        needs: full_site(Path::new(HOME)).needs,
        max_upload_mb: 25,
        hsts_seconds: 63_072_000,
        certificate: "/etc/ssl/landfall/notes/current/fullchain.pem".into(),
        certificate_key: "/etc/ssl/landfall/notes/current/privkey.pem".into(),
        logs: "/var/log/landfall/notes".into(),
        challenges: "/var/lib/landfall-challenges".into(),
        nginx: Abilities {
            ipv6: true,
            http2_directive: layout == Layout::Split,
            gzip_static: true,
            no_tickets: layout == Layout::OneOrigin,
            curves: "X25519:prime256v1:secp384r1".into(),
        },
        state: "0123456789abcdef".into(),
    }
}

#[test]
fn golden_server_site() {
    for (layout, name) in [
        (Layout::OneOrigin, "server-site-one-origin.conf"),
        (Layout::Split, "server-site-split.conf"),
    ] {
        check(
            name,
            &render(Template::NginxServerSite, &server_site(layout)).unwrap(),
        );
    }
}

/// nginx takes each location once.
#[test]
fn a_path_that_nginx_keeps_for_itself_is_not_the_backends() {
    let mut site = server_site(Layout::OneOrigin);
    let paths = &mut site.needs.backend.as_mut().unwrap().paths;
    for path in ["/.well-known/landfall", "/.well-known/landfall/brotli/"] {
        paths.push(path.parse().unwrap());
    }
    let text = render(Template::NginxServerSite, &site).unwrap();
    for location in [
        "location = /.well-known/landfall {",
        "location ^~ \"/.well-known/landfall/brotli/\" {",
    ] {
        assert_eq!(text.matches(location).count(), 1, "{location}");
    }
    assert!(!text.contains("location = \"/.well-known/landfall"));
}

#[test]
fn a_text_of_roots_own_takes_the_place_of_a_built_in_one() {
    let site = server_site(Layout::OneOrigin);
    let with = |path: &str, text: &str| {
        let texts = [(path.to_owned(), text.to_owned())].into();
        super::render_with(
            &super::Overrides::new(texts),
            Template::NginxServerSite,
            &site,
        )
    };
    let text = with("nginx/tls.hbs", "# {{app}} alone\n").unwrap();
    assert!(text.contains("# notes alone") && !text.contains("ssl_protocols"));
    let text = with("nginx/server_site.conf.hbs", "{{> state}}").unwrap();
    assert!(text.starts_with("# Tells this machine alone"), "{text}");
    let error = with("nginx/tls.hbs", "{{#if").unwrap_err();
    assert_eq!(
        error.to_string(),
        "/etc/landfall/templates/nginx/tls.hbs is no template"
    );
    for path in super::Overrides::known() {
        with(&path, "").unwrap();
    }
}

#[test]
fn golden_uwsgi() {
    let uwsgi = uwsgi(Path::new(HOME).join("releases/42/web.sock"));
    check("uwsgi.conf", &render(Template::Uwsgi, &uwsgi).unwrap());
}

#[test]
fn golden_supervisor() {
    let programs = ReleasePrograms {
        app: "notes".parse().unwrap(),
        release: ReleaseId(42),
        programs: vec![
            program("web", StopSignal::Hup),
            program("celery", StopSignal::Term),
        ],
    };
    check(
        "programs.conf",
        &render(Template::Programs, &programs).unwrap(),
    );
    let supervisord = Supervisord {
        app: "notes".parse().unwrap(),
        home: PathBuf::from(HOME),
        user: Some("notes".into()),
        programs: vec![Program {
            command: vec!["/usr/sbin/nginx".into()],
            name: "nginx".into(),
            ..program("nginx", StopSignal::Quit)
        }],
    };
    check(
        "supervisord.conf",
        &render(Template::Supervisord, &supervisord).unwrap(),
    );
}

#[test]
fn a_value_the_format_cannot_carry_is_named() {
    let mut programs = ReleasePrograms {
        app: "notes".parse().unwrap(),
        release: ReleaseId(1),
        programs: vec![program("web", StopSignal::Hup)],
    };
    programs.programs[0].command.push("a ; b".into());
    let error = render(Template::Programs, &programs).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/usr/bin/landfall exec --home /srv/landfall/notes --release 42 web 'a ; b'` cannot stand in \
         supervisor/programs.conf as `programs[0].command`: supervisor would read `;` or `#` after a space as a comment"
    );
    let error = render(Template::NginxSite, &full_site(Path::new("/srv/$x"))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("nginx would read `$` as a variable"),
        "{error}"
    );
}

#[test]
fn a_home_that_reads_as_a_pattern_is_refused() {
    let error = render(Template::NginxMain, &main_conf(Path::new("/srv/a[1]"))).unwrap_err();
    assert_eq!(
        chain(&error),
        [
            "the values for nginx/nginx.conf cannot be read",
            "nginx would read /srv/a[1] as a pattern"
        ]
    );
}

#[test]
fn what_a_template_names_must_be_there() {
    let error = render(
        Template::Uwsgi,
        &serde_json::json!({"app": "a", "release": 1, "socket": null}),
    )
    .unwrap_err();
    assert!(matches!(error, TemplateError::Render { .. }), "{error}");
}

#[test]
fn two_releases_of_one_site_differ_in_the_header_only() {
    let site = full_site(Path::new(HOME));
    let next = Site {
        release: ReleaseId(43),
        ..site.clone()
    };
    let [a, b] = [site, next].map(|site| render(Template::NginxSite, &site).unwrap());
    assert_ne!(a, b);
    assert_eq!(without_header(&a), without_header(&b));
}
