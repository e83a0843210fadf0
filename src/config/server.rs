//! The server's settings of an app: `NAME.toml` in the folder of apps.
//!
//! takes: the file's text · gives: [`AppSettings`], and its text again · touches: nothing

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::Value;

use super::error::{ConfigError, Document};
use crate::base::host::SYSTEM_PATH;
use crate::base::names::{AppName, BranchName, Domain, RepoPath};
use crate::base::user;

/// An app as the server knows it. Written by `landfall app create`, edited by whoever administers the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    /// The app's name; the file is called after it.
    pub name: AppName,
    /// The app's home, absolute.
    pub home: PathBuf,
    /// The branch that deploys.
    pub branch: BranchName,
    /// The host names the site answers to; the first is the one its URL is made of.
    #[serde(default)]
    pub domains: Vec<Domain>,
    /// Where nginx listens in user mode. Without it the app is the server's: it has its own system user, its site lies in
    /// the server's nginx, and its home is `/srv/landfall/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// A push to another branch is accepted (and not deployed) or refused.
    #[serde(default = "yes")]
    pub accept_other_branches: bool,
    /// A push may rewrite the deployed branch.
    #[serde(default = "yes")]
    pub allow_force_push: bool,
    /// `-o skip-gate` is allowed.
    #[serde(default)]
    pub allow_skip_gate: bool,
    /// Good releases kept besides the live one.
    #[serde(default = "five")]
    pub keep_releases: usize,
    /// Whether new processes start beside the old ones, or after them.
    #[serde(default)]
    pub strategy: Strategy,
    /// The largest request body nginx takes, in MiB.
    #[serde(default = "twenty_five")]
    pub max_upload_mb: u32,
    /// Files shared besides those `landfall.toml` names (`landfall shared add`).
    #[serde(default)]
    pub shared_files: Vec<RepoPath>,
    /// Folders shared besides those `landfall.toml` names.
    #[serde(default)]
    pub shared_dirs: Vec<RepoPath>,
    /// The PATH of everything that is run for the app.
    #[serde(default = "system_path")]
    pub path: String,
    /// How frontend and backend share the site's origins. The server's mode only, as all that follow.
    #[serde(default)]
    pub layout: Layout,
    /// Where the backend listens in the split layout.
    #[serde(default = "alternative_https")]
    pub backend_port: u16,
    /// Host names that are answered with a redirect to the first of `domains`.
    #[serde(default)]
    pub redirect_domains: Vec<Domain>,
    /// How long browsers are told to use https only (Strict-Transport-Security), in seconds; 0 tells them nothing.
    #[serde(default)]
    pub hsts_seconds: u32,
    /// The most memory that all processes of the app take together, in MiB.
    #[serde(default = "one_gibibyte")]
    pub memory_max_mb: u32,
    /// The most processes and threads of the app.
    #[serde(default = "five_hundred")]
    pub tasks_max: u32,
}

/// How frontend and backend share the site's origins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Both on 443: the frontend at `/`, the backend under its own paths.
    #[default]
    OneOrigin,
    /// The frontend on 443, the backend on a port of its own.
    Split,
}

/// When the processes of the release before end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Once the new ones are proven: nobody waits. Both are in memory for a while.
    #[default]
    Beside,
    /// Before the new ones start: requests wait while the application loads. For small machines.
    Replace,
}

/// Whose nginx serves the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The app's own, under its supervisord, listening here.
    User(SocketAddr),
    /// The server's, on 80 and 443.
    Server,
}

fn alternative_https() -> u16 {
    8443
}

fn one_gibibyte() -> u32 {
    1024
}

fn five_hundred() -> u32 {
    512
}

fn system_path() -> String {
    SYSTEM_PATH.into()
}

fn yes() -> bool {
    true
}

fn five() -> usize {
    5
}

fn twenty_five() -> u32 {
    25
}

impl AppSettings {
    /// Settings of a new app, with every default.
    pub fn new(name: AppName, home: PathBuf, branch: BranchName) -> Self {
        Self {
            name,
            home,
            branch,
            domains: Vec::new(),
            listen: None,
            accept_other_branches: true,
            allow_force_push: true,
            allow_skip_gate: false,
            keep_releases: five(),
            strategy: Strategy::default(),
            max_upload_mb: twenty_five(),
            shared_files: Vec::new(),
            shared_dirs: Vec::new(),
            path: system_path(),
            layout: Layout::default(),
            backend_port: alternative_https(),
            redirect_domains: Vec::new(),
            hsts_seconds: 0,
            memory_max_mb: one_gibibyte(),
            tasks_max: five_hundred(),
        }
    }

    /// Whose nginx serves the site.
    pub fn mode(&self) -> Mode {
        self.listen.map_or(Mode::Server, Mode::User)
    }

    /// The URL people open: the first domain, or the address nginx listens on.
    pub fn url(&self) -> String {
        match (self.domains.first(), self.listen) {
            (Some(domain), None) => format!("https://{domain}"),
            (None, None) => format!("https://{}", user::hostname()),
            (Some(domain), Some(listen)) if listen.port() == 80 => format!("http://{domain}"),
            (Some(domain), Some(listen)) => format!("http://{domain}:{}", listen.port()),
            (None, Some(listen)) if listen.port() == 80 => format!("http://{}", listen.ip()),
            (None, Some(listen)) => format!("http://{listen}"),
        }
    }
}

/// What an app of the server shares besides what `landfall.toml` names: `shared.toml` in its home. Its settings are root's,
/// and these two lists are nobody's business but its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedLists {
    /// Files.
    #[serde(default)]
    pub shared_files: Vec<RepoPath>,
    /// Folders.
    #[serde(default)]
    pub shared_dirs: Vec<RepoPath>,
}

impl SharedLists {
    /// Reads the text; `file` is its name in messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        Document::new(file, text).parse()
    }
}

/// Reads `NAME.toml`; `file` is its name in messages.
pub fn parse(text: &str, file: &str) -> Result<AppSettings, ConfigError> {
    let document = Document::new(file, text);
    let settings: AppSettings = document.parse()?;
    let wrong = |key: &str, rule: &str| Err(document.at_key(&[key], format!("`{key}`: {rule}")));
    if !settings.home.is_absolute() {
        return wrong("home", "the path is not absolute");
    }
    // A PATH is split at `:`, and uWSGI takes a socket's name with one for an address.
    if !is_plain(&settings.home.to_string_lossy()) || settings.home.to_string_lossy().contains(':')
    {
        return wrong(
            "home",
            "no `..`, no `:` and no control characters in the path",
        );
    }
    let mut folders = settings.path.split(':');
    if !folders.all(|folder| folder.starts_with('/') && is_plain(folder)) {
        return wrong(
            "path",
            "absolute folders joined by `:`, without `..` and control characters",
        );
    }
    if settings.listen.is_some_and(|listen| listen.port() == 0) {
        return wrong("listen", "port 0 is no port to listen on");
    }
    if settings.keep_releases == 0 {
        return wrong(
            "keep_releases",
            "at least 1, or there is nothing to roll back to",
        );
    }
    if !(1..=10_000).contains(&settings.max_upload_mb) {
        return wrong("max_upload_mb", "from 1 to 10000");
    }
    if matches!(settings.backend_port, 0 | 80 | 443) {
        return wrong("backend_port", "a port besides 80 and 443");
    }
    if settings.memory_max_mb < 64 {
        return wrong("memory_max_mb", "at least 64");
    }
    if settings.tasks_max < 16 {
        return wrong("tasks_max", "at least 16");
    }
    let names = settings.domains.iter().chain(&settings.redirect_domains);
    let mut names: Vec<String> = names
        .map(|name| name.as_str().to_ascii_lowercase())
        .collect();
    names.sort();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return wrong(
            "domains",
            "each name once, in `domains` or in `redirect_domains`",
        );
    }
    if settings.listen.is_none() && settings.domains.is_empty() {
        return wrong(
            "domains",
            "at least one, or nginx cannot tell this site from others",
        );
    }
    Ok(settings)
}

fn is_plain(path: &str) -> bool {
    !path.chars().any(char::is_control) && !path.split('/').any(|part| part == "..")
}

/// The file as `landfall app create` writes it, with the keys of the app's mode; [`parse`] gives the same settings again.
pub fn render(settings: &AppSettings) -> String {
    let mut text = format!(
        "# The server's settings of {}. landfall.toml in its repository has the rest.\n",
        settings.name
    );
    for ((name, comment), value) in KEYS.iter().zip(values(settings)) {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n# {comment}\n{name} = {value}\n");
        }
    }
    text
}

/// The values in the order of [`KEYS`]; none for a key of the other mode.
fn values(settings: &AppSettings) -> [Option<Value>; 20] {
    let domains =
        |list: &[Domain]| Value::Array(list.iter().map(|each| string(each.as_str())).collect());
    let paths =
        |paths: &[RepoPath]| Value::Array(paths.iter().map(|path| string(path.as_str())).collect());
    let number = |n: u32| Some(Value::from(i64::from(n)));
    let keep = i64::try_from(settings.keep_releases).unwrap_or(i64::MAX);
    let layout = match settings.layout {
        Layout::OneOrigin => "one-origin",
        Layout::Split => "split",
    };
    let everywhere = [
        Some(string(settings.name.as_str())),
        Some(string(&settings.home.to_string_lossy())),
        Some(string(settings.branch.as_str())),
        Some(domains(&settings.domains)),
        settings.listen.map(|listen| string(&listen.to_string())),
        Some(settings.accept_other_branches.into()),
        Some(settings.allow_force_push.into()),
        Some(settings.allow_skip_gate.into()),
        Some(keep.into()),
        Some(string(match settings.strategy {
            Strategy::Beside => "beside",
            Strategy::Replace => "replace",
        })),
        number(settings.max_upload_mb),
        Some(paths(&settings.shared_files)),
        Some(paths(&settings.shared_dirs)),
        Some(string(&settings.path)),
    ];
    let of_server = [
        Some(string(layout)),
        number(u32::from(settings.backend_port)),
        Some(domains(&settings.redirect_domains)),
        number(settings.hsts_seconds),
        number(settings.memory_max_mb),
        number(settings.tasks_max),
    ]
    .map(|value| value.filter(|_| settings.mode() == Mode::Server));
    let mut all = everywhere.into_iter().chain(of_server);
    std::array::from_fn(|_| all.next().flatten())
}

/// The keys in the order they are written, with what they say.
const KEYS: [(&str, &str); 20] = [
    ("name", "The app's name; this file is called after it."),
    (
        "home",
        "Its home: repository, releases, shared files, logs.",
    ),
    ("branch", "The branch that deploys."),
    (
        "domains",
        "The host names the site answers to; its URL is made of the first.",
    ),
    ("listen", "Where nginx listens in user mode."),
    (
        "accept_other_branches",
        "A push to another branch is accepted (and not deployed), or refused.",
    ),
    (
        "allow_force_push",
        "A push may rewrite the deployed branch.",
    ),
    ("allow_skip_gate", "`git push -o skip-gate` is allowed."),
    ("keep_releases", "Good releases kept besides the live one."),
    (
        "strategy",
        "beside: new processes start beside the old ones; replace: after them, for small machines.",
    ),
    (
        "max_upload_mb",
        "The largest request body nginx takes, in MiB.",
    ),
    (
        "shared_files",
        "Files shared besides those landfall.toml names (landfall shared add).",
    ),
    (
        "shared_dirs",
        "Folders shared besides those landfall.toml names.",
    ),
    (
        "path",
        "Where the programs that are run for the app are looked for.",
    ),
    (
        "layout",
        "one-origin: frontend and backend on 443; split: the backend on a port of its own.",
    ),
    (
        "backend_port",
        "Where the backend listens in the split layout.",
    ),
    (
        "redirect_domains",
        "Host names that are answered with a redirect to the first of `domains`.",
    ),
    (
        "hsts_seconds",
        "How long browsers are told to use https only (HSTS), in seconds; 0 tells them nothing.",
    ),
    (
        "memory_max_mb",
        "The most memory that the app's processes take together, in MiB.",
    ),
    ("tasks_max", "The most processes and threads of the app."),
];

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hint::Hint;

    const FULL: &str = "name = \"notes\"\nhome = \"/srv/landfall/notes\"\nbranch = \"master\"\nlisten = \"127.0.0.1:8080\"\n";

    #[test]
    fn what_is_written_is_read_again() {
        let mut settings = parse(FULL, "notes.toml").unwrap();
        assert_eq!((settings.keep_releases, settings.max_upload_mb), (5, 25));
        assert_eq!(parse(&render(&settings), "notes.toml").unwrap(), settings);
        settings.domains = vec![
            "example.org".parse().unwrap(),
            "www.example.org".parse().unwrap(),
        ];
        settings.home = "/srv/a \"b\"".into();
        settings.allow_force_push = false;
        assert_eq!(parse(&render(&settings), "notes.toml").unwrap(), settings);
        settings.listen = None;
        settings.layout = Layout::Split;
        settings.backend_port = 9443;
        settings.redirect_domains = vec!["example.com".parse().unwrap()];
        settings.hsts_seconds = 63_072_000;
        (settings.memory_max_mb, settings.tasks_max) = (2048, 100);
        assert_eq!(parse(&render(&settings), "notes.toml").unwrap(), settings);
    }

    #[test]
    fn the_url_is_of_the_first_domain_or_of_where_nginx_listens() {
        let mut settings = parse(FULL, "notes.toml").unwrap();
        assert_eq!(settings.url(), "http://127.0.0.1:8080");
        settings.domains = vec!["example.org".parse().unwrap()];
        assert_eq!(settings.url(), "http://example.org:8080");
        settings.listen = None;
        assert_eq!(settings.url(), "https://example.org");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, message, hint) in [
            (
                "domain = []\n",
                "notes.toml:5: unknown key `domain`",
                "did you mean `domains`?",
            ),
            (
                "domains = [\"a b\"]\n",
                "notes.toml:5: `domains`: `a b` is not a valid domain: letters, digits, `-` and `.`, at most 253, each label at most 63",
                "",
            ),
            (
                "keep_releases = 0\n",
                "notes.toml:5: `keep_releases`: at least 1, or there is nothing to roll back to",
                "",
            ),
            (
                "domains = [\"a.org\"]\nredirect_domains = [\"a.org\"]\n",
                "notes.toml:5: `domains`: each name once, in `domains` or in `redirect_domains`",
                "",
            ),
            (
                "domains = [\"a.org\", \"A.ORG\"]\n",
                "notes.toml:5: `domains`: each name once, in `domains` or in `redirect_domains`",
                "",
            ),
            (
                "path = \"/usr/bin:\"\n",
                "notes.toml:5: `path`: absolute folders joined by `:`, without `..` and control characters",
                "",
            ),
            (
                "backend_port = 443\n",
                "notes.toml:5: `backend_port`: a port besides 80 and 443",
                "",
            ),
            (
                "keep_releases = -1\n",
                "notes.toml:5: `keep_releases`: invalid value: integer `-1`, expected a number from 0",
                "",
            ),
        ] {
            let error = parse(&format!("{FULL}{text}"), "notes.toml").unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.hints().join("")),
                (message, hint.to_owned())
            );
        }
        let error = parse(&FULL.replace("/srv", "srv"), "notes.toml").unwrap_err();
        assert_eq!(
            error.to_string(),
            "notes.toml:2: `home`: the path is not absolute"
        );
        let error = parse(&FULL.replace("/srv", "/srv/../etc"), "notes.toml").unwrap_err();
        assert_eq!(
            error.to_string(),
            "notes.toml:2: `home`: no `..`, no `:` and no control characters in the path"
        );
        let error = parse(&FULL.replace(":8080", ":0"), "notes.toml").unwrap_err();
        assert_eq!(
            error.to_string(),
            "notes.toml:4: `listen`: port 0 is no port to listen on"
        );
        let error = parse("name = \"a\"\n", "notes.toml").unwrap_err();
        assert_eq!(error.to_string(), "notes.toml:1: `home` is missing");
        let error = parse("name = \n", "notes.toml").unwrap_err();
        assert_eq!(
            error.to_string(),
            "notes.toml:1: string values must be quoted, expected literal string"
        );
    }

    #[test]
    fn every_key_stands_in_the_documentation() {
        let page = include_str!("../../docs/using/configuration.md");
        for (key, _) in KEYS {
            assert!(page.contains(&format!("| `{key}` |")), "{key}");
        }
        let mut settings = parse(FULL, "notes.toml").unwrap();
        let written = |settings: &AppSettings| {
            let text = render(settings);
            text.lines().filter(|line| line.contains(" = ")).count()
        };
        assert_eq!(written(&settings), KEYS.len() - 6);
        settings.listen = None;
        assert_eq!(written(&settings), KEYS.len() - 1);
    }
}
