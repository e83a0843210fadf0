//! render: the configuration files of a release, as values first, then written into its folder.
//!
//! takes: the plan, what Django said · gives: the files of `releases/N` and its processes · touches: the release's folder,
//! `run/next.conf` · undone by: removing them

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::plan::Plan;
use super::site::{self, SiteError};
use super::{Context, ReleaseFacts};
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::names::{ProcessName, UrlPath};
use crate::base::words::shown;
use crate::config::settings::{Backend, Worker};
use crate::release::layout::{Home, ReleaseDir};
use crate::release::process::{Process, Processes, WEB};
use crate::release::store::StoreError;
use crate::supervisor::program::{Program, ReleasePrograms, StopSignal};
use crate::template::site::{Needs, Pages};
use crate::template::uwsgi::{Uwsgi, listen_queue};
use crate::template::{self, Template, TemplateError};
use crate::tool::django::Introspection;
use crate::tool::nginx::NginxError;

/// How long uWSGI may take to finish its requests once told to stop.
const WEB_DRAIN: Duration = Duration::from_secs(65);

/// A configuration that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A value does not fit its file.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// nginx does not take the site.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// nginx is missing.
    #[error(transparent)]
    Nginx(#[from] NginxError),
    /// A URL prefix of the app cannot stand in nginx's configuration.
    #[error("`{0}` cannot be a URL prefix of nginx")]
    Path(String),
    /// A file could not be written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A record could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hint for RenderError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Template(error) => error.hints(),
            Self::Site(error) => error.hints(),
            Self::Nginx(error) => error.hints(),
            Self::Path(_) => {
                vec!["in landfall.toml: [backend] paths = [\"/api\", \"/admin\"]".into()]
            }
            Self::Fs(error) => error.hints(),
            Self::Store(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Site(error) => error.tool_output(),
            Self::Nginx(error) => error.tool_output(),
            _ => &[],
        }
    }

    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

/// Writes what the processes are started from: `processes.json`, `uwsgi.ini`, `supervisor.conf` and, for the time until
/// the release is live, `run/next.conf`.
pub fn processes(
    ctx: &Context<'_>,
    plan: &Plan,
    release: &ReleaseDir,
    facts: &ReleaseFacts<'_>,
) -> Result<Processes, RenderError> {
    let processes = processes_of(ctx, plan, release, facts);
    processes.write(release)?;
    if let Some(backend) = &plan.settings.backend {
        let ini = template::render(Template::Uwsgi, &uwsgi_of(ctx, backend, release))?;
        fs::write(&release.uwsgi_ini(), ini.as_bytes(), fs::PUBLIC)?;
    }
    write_programs(ctx, &processes, release)?;
    Ok(processes)
}

/// Writes the program files of a release that is about to start: its own, which a boot reads once it is live, and
/// `run/next.conf`, which supervisord reads until then and from which nothing starts by itself.
pub fn write_programs(
    ctx: &Context<'_>,
    processes: &Processes,
    release: &ReleaseDir,
) -> Result<(), RenderError> {
    for (path, autostart) in [
        (release.programs(), true),
        (ctx.home.next_programs(), false),
    ] {
        let programs = programs_of(ctx, processes, release, autostart);
        fs::write(
            &path,
            template::render(Template::Programs, &programs)?.as_bytes(),
            fs::PUBLIC,
        )?;
    }
    Ok(())
}

fn processes_of(
    ctx: &Context<'_>,
    plan: &Plan,
    release: &ReleaseDir,
    facts: &ReleaseFacts<'_>,
) -> Processes {
    let mut processes = BTreeMap::new();
    let mut env = ctx.release_environment(release, facts);
    // Builds go through the proxy of whoever pushes, with its password; what serves goes by the app's environment.
    for name in ctx.host.machine_variables().keys() {
        env.remove(name);
    }
    let cwd = plan.settings.backend.as_ref().map_or_else(
        || release.src(),
        |backend| backend.dir.under(&release.src()),
    );
    if plan.settings.backend.is_some()
        && let Ok(name) = WEB.parse::<ProcessName>()
    {
        let argv = vec![
            text(&release.venv().join("bin/uwsgi")),
            "--ini".into(),
            text(&release.uwsgi_ini()),
        ];
        processes.insert(
            name,
            Process {
                argv,
                cwd: cwd.clone(),
                env: env.clone(),
                stop_seconds: WEB_DRAIN.as_secs(),
                ready_seconds: 1,
                singleton: false,
            },
        );
    }
    for worker in &plan.settings.workers {
        processes.insert(
            worker.name.clone(),
            worker_process(ctx.home, worker, cwd.clone(), env.clone()),
        );
    }
    Processes {
        start: 1,
        processes,
    }
}

fn worker_process(
    home: &Home,
    worker: &Worker,
    cwd: PathBuf,
    env: BTreeMap<String, String>,
) -> Process {
    let shared = text(&home.shared());
    Process {
        argv: worker
            .command
            .iter()
            .map(|word| word.replace("{shared}", &shared))
            .collect(),
        cwd,
        env,
        stop_seconds: worker.stop_timeout.as_secs(),
        ready_seconds: worker.ready_after.as_secs(),
        singleton: worker.singleton,
    }
}

fn programs_of(
    ctx: &Context<'_>,
    processes: &Processes,
    release: &ReleaseDir,
    autostart: bool,
) -> ReleasePrograms {
    let programs = processes
        .processes
        .iter()
        .map(|(name, process)| {
            let is_web = name.as_str() == WEB;
            Program {
                name: processes.program(name.as_str(), release.id()),
                command: exec_command(ctx, release, name),
                autostart,
                restart: true,
                ready_after: Duration::from_secs(1),
                stop_signal: if is_web {
                    StopSignal::Hup
                } else {
                    StopSignal::Term
                },
                stop_wait: Duration::from_secs(process.stop_seconds),
                log: ctx.home.process_log(name.as_str()),
            }
        })
        .collect();
    ReleasePrograms {
        app: ctx.home.app().clone(),
        release: release.id(),
        programs,
    }
}

/// `landfall --app NAME exec --home HOME --release N PROCESS`: no value of the environment stands in a file.
fn exec_command(ctx: &Context<'_>, release: &ReleaseDir, process: &ProcessName) -> Vec<String> {
    vec![
        text(ctx.host.exe()),
        "exec".into(),
        "--home".into(),
        text(ctx.home.root()),
        "--name".into(),
        ctx.home.app().to_string(),
        "--release".into(),
        release.id().to_string(),
        process.to_string(),
    ]
}

fn uwsgi_of(ctx: &Context<'_>, backend: &Backend, release: &ReleaseDir) -> Uwsgi {
    Uwsgi {
        app: ctx.home.app().clone(),
        release: release.id(),
        socket: release.web_socket(),
        module: backend.wsgi.clone(),
        processes: backend.processes,
        threads: backend.threads,
        listen: listen_queue(
            &fs::read(Path::new("/proc/sys/net/core/somaxconn")).unwrap_or_default(),
        ),
        drain: WEB_DRAIN,
    }
}

/// Writes what the release needs of the site. True if it differs from the live release's; then nginx has tested it.
pub fn site(
    ctx: &Context<'_>,
    plan: &Plan,
    release: &ReleaseDir,
    django: Option<&Introspection>,
) -> Result<bool, RenderError> {
    site::write(ctx, release, needs_of(plan, django)?)?;
    let changed = site::changed(ctx, release)?;
    if changed {
        site::test(ctx, release)?;
    }
    Ok(changed)
}

fn needs_of(plan: &Plan, django: Option<&Introspection>) -> Result<Needs, RenderError> {
    let frontend = plan.settings.frontend.as_ref().map(|frontend| {
        if frontend.build.is_some() {
            Pages::Spa
        } else {
            Pages::Files
        }
    });
    let url = |url: Option<&String>| url.and_then(|url| local_url(url));
    let backend = match &plan.settings.backend {
        None => None,
        Some(backend) => Some(template::site::Backend {
            paths: backend_paths(plan, backend, django)?,
            static_url: url(django.and_then(|django| django.static_url.as_ref())),
            // Where Django has a view of its own for uploads, it decides who sees them.
            media_url: url(django.and_then(|django| django.media_url.as_ref())).filter(|url| {
                !django
                    .is_some_and(|django| django.routes.iter().any(|route| route == url.as_str()))
            }),
        }),
    };
    Ok(Needs { frontend, backend })
}

/// The URL prefixes that go to Django: those written down, else those Django says it answers; the health path always.
fn backend_paths(
    plan: &Plan,
    backend: &Backend,
    django: Option<&Introspection>,
) -> Result<Vec<UrlPath>, RenderError> {
    let mut paths: Vec<UrlPath> = match (&backend.paths, django) {
        (Some(paths), _) => paths.clone(),
        (None, Some(django)) => {
            let literal = django.routes.iter().filter(|route| route.as_str() != "/");
            literal
                .map(|route| {
                    route
                        .parse()
                        .map_err(|_| RenderError::Path(shown(route, 80)))
                })
                .collect::<Result<_, _>>()?
        }
        (None, None) => Vec::new(),
    };
    if plan.settings.health.named {
        paths.push(plan.settings.health.path.clone());
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// A URL of this site (`/static/`, `static/`), not of a CDN.
pub fn local_url(url: &str) -> Option<UrlPath> {
    if url.contains("://") || url.starts_with("//") || url.is_empty() {
        return None;
    }
    let path = format!("/{}/", url.trim_matches('/'));
    path.parse()
        .ok()
        .filter(|path: &UrlPath| path.as_str() != "/" && path.as_str() != "//")
}

/// The Host header to ask the app with: its domain, else one its settings allow.
pub fn host_header(ctx: &Context<'_>, django: Option<&Introspection>) -> String {
    if let Some(domain) = ctx.app.domains.first() {
        return domain.to_string();
    }
    let listen = ctx
        .app
        .listen
        .map_or_else(|| "127.0.0.1".to_owned(), |listen| listen.ip().to_string());
    let allowed = django
        .map(|django| django.allowed_hosts.as_slice())
        .unwrap_or_default();
    if allowed.iter().any(|host| host == "*" || *host == listen) || allowed.is_empty() {
        return listen;
    }
    allowed
        .iter()
        .find(|host| !host.contains('*') && !host.contains('['))
        .map_or(listen, |host| host.trim_start_matches('.').to_owned())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
