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
    /// Where nginx listens in user mode.
    pub listen: SocketAddr,
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
    /// The URL people open: the first domain, or the address nginx listens on.
    pub fn url(&self) -> String {
        match (self.domains.first(), self.listen.port()) {
            (Some(domain), 80) => format!("http://{domain}"),
            (Some(domain), port) => format!("http://{domain}:{port}"),
            (None, 80) => format!("http://{}", self.listen.ip()),
            (None, _) => format!("http://{}", self.listen),
        }
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
    if settings.keep_releases == 0 {
        return wrong(
            "keep_releases",
            "at least 1, or there is nothing to roll back to",
        );
    }
    if !(1..=10_000).contains(&settings.max_upload_mb) {
        return wrong("max_upload_mb", "from 1 to 10000");
    }
    Ok(settings)
}

/// The file as `landfall app create` writes it; [`parse`] gives the same settings again.
pub fn render(settings: &AppSettings) -> String {
    let domains = settings.domains.iter();
    let domains = Value::Array(domains.map(|domain| string(domain.as_str())).collect());
    let paths =
        |paths: &[RepoPath]| Value::Array(paths.iter().map(|path| string(path.as_str())).collect());
    let keep = i64::try_from(settings.keep_releases).unwrap_or(i64::MAX);
    let values = [
        string(settings.name.as_str()),
        string(&settings.home.to_string_lossy()),
        string(settings.branch.as_str()),
        domains,
        string(&settings.listen.to_string()),
        settings.accept_other_branches.into(),
        settings.allow_force_push.into(),
        settings.allow_skip_gate.into(),
        keep.into(),
        i64::from(settings.max_upload_mb).into(),
        paths(&settings.shared_files),
        paths(&settings.shared_dirs),
        string(&settings.path),
    ];
    let mut text = format!(
        "# The server's settings of {}. landfall.toml in its repository has the rest.\n",
        settings.name
    );
    for ((name, comment), value) in KEYS.iter().zip(values) {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n# {comment}\n{name} = {value}\n");
    }
    text
}

/// The keys in the order they are written, with what they say.
const KEYS: [(&str, &str); 13] = [
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
        let text = render(&parse(FULL, "notes.toml").unwrap());
        let written = text.lines().filter(|line| line.contains(" = ")).count();
        assert_eq!(written, KEYS.len());
    }
}
