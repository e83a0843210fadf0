//! The path that tells whether the app works.
//!
//! takes: a tree, the backend · gives: a path · touches: nothing

use super::backend::Found;
use super::scan::{Language, after_word, literal, value_of, without_comments};
use super::sources::module_file;
use crate::base::names::UrlPath;
use crate::config::tree::{Tree, in_folder, parent};

const NAMES: [&str; 12] = [
    "healthz",
    "health",
    "healthcheck",
    "health-check",
    "health_check",
    "livez",
    "readyz",
    "ready",
    "alive",
    "ping",
    "status",
    "up",
];

/// A route of the root urls.py with a name that says health.
pub fn detect(tree: &dyn Tree, backend: &Found, notes: &mut Vec<String>) -> Option<UrlPath> {
    let text = without_comments(&tree.text(&urls_file(tree, backend)?)?, Language::Python);
    let routes = ["path", "re_path", "url"]
        .iter()
        .flat_map(|function| after_word(&text, function))
        .filter_map(|rest| rest.trim_start().strip_prefix('('))
        .filter_map(|rest| literal(rest.trim_start()))
        .map(|(route, _)| route);
    let route = routes.filter_map(plain).find(|route| {
        let parts: Vec<&str> = route.split('/').filter(|part| !part.is_empty()).collect();
        parts.len() <= 3 && parts.last().is_some_and(|last| NAMES.contains(last))
    })?;
    if backend.sources.mention("health_check.contrib.celery") {
        notes.push(format!(
            "`/{route}` answers for Celery too, whose workers start only afterwards: not used for the health check (write `path` in [health])"
        ));
        return None;
    }
    format!("/{route}").parse().ok()
}

fn urls_file(tree: &dyn Tree, backend: &Found) -> Option<String> {
    let dir = backend.dir.as_str();
    let module = backend.sources.files.iter().find_map(|file| {
        let (module, _) = literal(value_of(&file.text, "ROOT_URLCONF")?)?;
        module_file(tree, dir, module)
    });
    module.or_else(|| {
        let settings = &backend.sources.files.first()?.path;
        let beside = in_folder(parent(settings), "urls.py");
        tree.has(&beside).then_some(beside)
    })
}

/// A route without parameters: `healthz/`, `^healthz/?$`.
fn plain(route: &str) -> Option<String> {
    let route = route.trim_start_matches('^').trim_end_matches('$');
    let route = route.replace("/?", "/");
    let simple = route
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/-_.".contains(c));
    (simple && !route.is_empty() && !route.starts_with('/')).then_some(route)
}
