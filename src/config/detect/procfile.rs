//! A Procfile: the processes the app has elsewhere.
//!
//! takes: a tree, the backend's folder · gives: workers · touches: nothing

use super::workers;
use crate::config::command_line;
use crate::config::settings::Worker;
use crate::config::tree::{Tree, in_folder};

/// Programs that serve HTTP; uWSGI does that here.
const SERVERS: [&str; 7] = [
    "gunicorn",
    "uwsgi",
    "uvicorn",
    "daphne",
    "waitress-serve",
    "hypercorn",
    "runserver",
];

/// The Procfile's workers; `None` where there is no Procfile.
pub(super) fn detect(tree: &dyn Tree, dir: &str, notes: &mut Vec<String>) -> Option<Vec<Worker>> {
    let path = ["Procfile".to_owned(), in_folder(dir, "Procfile")]
        .into_iter()
        .find(|path| tree.has(path))?;
    let text = tree.text(&path)?;
    let mut found = Vec::new();
    for (name, command) in text.lines().filter_map(|line| line.split_once(':')) {
        let (name, command) = (name.trim(), command.trim());
        if !name.starts_with('#') && !command.is_empty() {
            found.extend(entry(dir, name, command, notes));
        }
    }
    Some(found)
}

fn entry(dir: &str, name: &str, command: &str, notes: &mut Vec<String>) -> Option<Worker> {
    if name == "release" {
        notes.push("Procfile's `release` is not run: migrations and static files are Landfall's own steps; other steps go into `run` of [gate]".into());
        return None;
    }
    let serves = SERVERS
        .iter()
        .any(|server| command.split([' ', '/']).any(|word| word == *server));
    if name == "web" || serves {
        notes.push(format!(
            "Procfile's `{name}` is not started: uWSGI serves the app"
        ));
        return None;
    }
    if ["npm ", "yarn ", "pnpm ", "npx ", "node "]
        .iter()
        .any(|program| command.starts_with(program))
    {
        notes.push(format!(
            "Procfile's `{name}` is not started: Node.js serves nothing here"
        ));
        return None;
    }
    let worker = plain_command(dir, command)
        .and_then(|command| workers::plain(&name.to_lowercase(), &command));
    if worker.is_none() {
        notes.push(format!(
            "Procfile's `{name}` is not started: its name or its command is not plain; write it as [workers.NAME]"
        ));
    }
    worker
}

/// The command from the backend's folder, where a Procfile's runs at the root.
fn plain_command(dir: &str, command: &str) -> Option<String> {
    let inner = command
        .strip_prefix("cd ")
        .and_then(|rest| rest.split_once("&&"))
        .filter(|(folder, _)| folder.trim().trim_start_matches("./").trim_end_matches('/') == dir)
        .map_or(command, |(_, rest)| rest.trim());
    let mut words = command_line::split(inner).ok()?;
    for word in &mut words {
        if let Some(rest) = word
            .strip_prefix(&format!("{dir}/"))
            .filter(|_| !dir.is_empty())
        {
            *word = rest.to_owned();
        }
    }
    let is = |word: &str| words.iter().any(|given| given == word);
    let keeps_schedule = ["-s", "-S"].iter().any(|option| is(option))
        || words.iter().any(|word| word.starts_with("--schedule"));
    if is("celery") && is("beat") && !keeps_schedule {
        words.extend(["--schedule".into(), "{shared}/celerybeat-schedule".into()]);
    }
    Some(command_line::join(&words))
}
