//! What nginx's configuration is rendered from.
//!
//! takes: settings and what Django says of itself · gives: the values of `templates/nginx/` · touches: nothing

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

use crate::base::names::{AppName, Domain, ReleaseId, UrlPath};

/// nginx's main configuration in user mode, where it runs under the app's own supervisord.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Main {
    /// The app.
    pub app: AppName,
    /// The app's home. One with `*`, `?` or `[` is an error: nginx reads `include` as a pattern.
    #[serde(serialize_with = "no_pattern")]
    pub home: PathBuf,
    /// The site's configuration, as a pattern (`HOME/current/nginx.conf*`), so that none is fine too. To test a release's
    /// before it is live, its own path.
    pub include: PathBuf,
    /// The user to become; only where root starts it.
    pub user: Option<String>,
    /// Worker processes.
    pub workers: usize,
}

/// One release's server block in user mode.
///
/// Every file is looked up through `current` at each request, so renaming that link is all that a switch takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The app.
    pub app: AppName,
    /// The release, for the header.
    pub release: ReleaseId,
    /// The app's home: `current/public` holds the frontend, `current/static` and `current/media` are Django's, and
    /// `assets` the hashed files of former releases *by URL path* (a file of Django's under `STATIC_URL` too). A release's
    /// own hashed files must be in there before it goes live.
    pub home: PathBuf,
    /// Where nginx listens.
    pub listen: SocketAddr,
    /// The host names it answers to; with none, it answers to all.
    pub server_names: Vec<Domain>,
    /// What it serves.
    pub needs: Needs,
    /// The largest request body, in MiB.
    pub max_upload_mb: u32,
    /// The site is reached over https, at a proxy in front. Decides what Django is told; a client's own
    /// `X-Forwarded-Proto` never does.
    pub https: bool,
    /// `ngx_http_gzip_static_module` is in this nginx.
    pub gzip_static: bool,
}

/// What a release needs of the site: all that nginx's configuration takes from an app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// The built frontend, if there is one.
    pub frontend: Option<Pages>,
    /// Django, if there is one.
    pub backend: Option<Backend>,
}

/// How a path without a file of its own is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pages {
    /// A single-page app: with `index.html`, whose router knows the path.
    Spa,
    /// Plain files: 404.
    Files,
}

/// Django behind the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// URL prefixes that go to Django. `/api/` and `/api` both mean `/api` and all below it. Without a frontend everything
    /// goes to Django, whatever is here.
    pub paths: Vec<UrlPath>,
    /// `STATIC_URL`'s path, where nginx serves `current/static`. `/` counts as none.
    pub static_url: Option<UrlPath>,
    /// `MEDIA_URL`'s path, where nginx serves `current/media`. `/` counts as none.
    pub media_url: Option<UrlPath>,
}

/// The values as the template names them.
#[derive(Serialize)]
struct Fields<'a> {
    release: ReleaseId,
    listen: SocketAddr,
    server_names: &'a [Domain],
    #[serde(flatten)]
    origin: Origin<'a>,
}

/// What one server block serves, as the parts of the templates name it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one question that a template asks"
)]
#[derive(Serialize)]
pub(super) struct Origin<'a> {
    app: &'a AppName,
    /// The app's name as part of a variable's name; two apps of one nginx must not share one.
    slug: String,
    public: Option<PathBuf>,
    spa: bool,
    kept: PathBuf,
    backend: Option<PathBuf>,
    everything: bool,
    paths: BTreeSet<&'a str>,
    static_files: Option<Folder<'a>>,
    media: Option<Folder<'a>>,
    max_upload_mb: u32,
    scheme: &'static str,
    https: bool,
    /// Below this folder links are followed to what the same user owns; where it is empty, nowhere but among uploads.
    pub(super) linked_from: PathBuf,
    pub(super) hsts: u32,
    pub(super) gzip_static: bool,
    /// What was compressed by brotli is served too.
    pub(super) brotli: bool,
}

#[derive(Serialize)]
pub(super) struct Folder<'a> {
    /// The URL path, without its last `/`.
    url: &'a str,
    /// The folder, without a last `/`.
    path: PathBuf,
}

impl Serialize for Site {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.fields().serialize(serializer)
    }
}

impl Site {
    fn fields(&self) -> Fields<'_> {
        Fields {
            release: self.release,
            listen: self.listen,
            server_names: &self.server_names,
            origin: Origin {
                gzip_static: self.gzip_static,
                ..Origin::new(
                    &self.app,
                    &self.home,
                    self.needs.frontend,
                    self.needs.backend.as_ref(),
                    self.max_upload_mb,
                    self.https,
                )
            },
        }
    }
}

impl<'a> Origin<'a> {
    pub(super) fn new(
        app: &'a AppName,
        home: &Path,
        frontend: Option<Pages>,
        backend: Option<&'a Backend>,
        max_upload_mb: u32,
        https: bool,
    ) -> Self {
        let current = home.join("current");
        let static_files =
            backend.and_then(|backend| folder(backend.static_url.as_ref(), &current, "static"));
        let media = backend
            .and_then(|backend| folder(backend.media_url.as_ref(), &current, "media"))
            .filter(|media| {
                static_files
                    .as_ref()
                    .is_none_or(|files| files.url != media.url)
            });
        let files = [&static_files, &media].map(|each| each.as_ref().map(|folder| folder.url));
        let everything = backend.is_some() && frontend.is_none();
        let paths = match backend {
            Some(backend) if !everything => backend
                .paths
                .iter()
                .map(base)
                .filter(|path| {
                    !path.is_empty()
                        && !OWN.contains(path)
                        && !path.starts_with(BROTLI)
                        && !files.contains(&Some(*path))
                })
                .collect(),
            _ => BTreeSet::new(),
        };
        Self {
            app,
            slug: app.as_str().replace('-', "_"),
            public: frontend.map(|_| current.join("public")),
            spa: frontend == Some(Pages::Spa),
            kept: home.join("assets"),
            backend: backend.map(|_| current.join("web.sock")),
            everything,
            paths,
            static_files,
            media,
            max_upload_mb,
            scheme: if https { "https" } else { "http" },
            https,
            linked_from: PathBuf::new(),
            hsts: 0,
            gzip_static: false,
            brotli: false,
        }
    }
}

/// Paths that have a `location` of their own beside a frontend; nginx takes each once.
const OWN: [&str; 2] = ["/index.html", "/.well-known/landfall"];
/// Where nginx looks for what brotli compressed, for itself alone.
pub const BROTLI: &str = "/.well-known/landfall/brotli";

fn no_pattern<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    if path.to_string_lossy().contains(['*', '?', '[']) {
        let problem = format!("nginx would read {} as a pattern", path.display());
        return Err(serde::ser::Error::custom(problem));
    }
    path.serialize(serializer)
}

fn folder<'a>(url: Option<&'a UrlPath>, current: &Path, name: &str) -> Option<Folder<'a>> {
    let url = url.map(base).filter(|url| !url.is_empty())?;
    Some(Folder {
        url,
        path: current.join(name),
    })
}

/// `/api/` → `/api`; `/` → nothing.
fn base(path: &UrlPath) -> &str {
    path.as_str().trim_end_matches('/')
}
