//! The Django backend: manage.py, the settings module, what uWSGI calls.
//!
//! takes: a tree, and what landfall.toml pins · gives: [`Found`] · touches: nothing

use super::scan::{Language, literal, value_of, without_comments};
use super::sources::{Sources, module_file, module_of};
use super::{has_example, is_own, shown};
use crate::base::names::{PythonName, RepoPath, WsgiTarget};
use crate::config::ignored::Ignored;
use crate::config::tree::{Tree, depth, in_folder, parent};

/// What landfall.toml says that changes what is looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pins<'a> {
    /// The folder.
    pub dir: Option<&'a RepoPath>,
    /// The settings module.
    pub settings: Option<&'a PythonName>,
    /// What uWSGI calls.
    pub wsgi: Option<&'a WsgiTarget>,
}

/// A backend, as far as it could be told.
#[derive(Debug)]
pub struct Found {
    /// Where manage.py lies.
    pub dir: RepoPath,
    /// The settings module.
    pub settings: Option<PythonName>,
    /// What uWSGI calls, or why there is nothing to call.
    pub wsgi: Result<WsgiTarget, NoWsgi>,
    /// The settings files' text.
    pub sources: Sources,
}

/// There is no WSGI application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWsgi {
    /// Nor an ASGI one.
    Neither,
    /// There is an asgi.py.
    AsgiOnly,
}

/// Looks for manage.py and what belongs to it.
pub fn detect(tree: &dyn Tree, pins: Pins<'_>, notes: &mut Vec<String>) -> Option<Found> {
    let dir = match pins.dir {
        Some(dir) => dir.clone(),
        None => choose(tree, notes)?.parse().ok()?,
    };
    let named = Named::by_manage(tree, dir.as_str());
    let wsgi = match pins.wsgi {
        Some(target) => Ok(target.clone()),
        None => find_wsgi(tree, dir.as_str(), &named, pins.settings, notes),
    };
    let by_wsgi = wsgi
        .as_ref()
        .ok()
        .and_then(|target| module_file(tree, dir.as_str(), target.module()))
        .and_then(|file| settings_named_in(&tree.text(&file)?));
    let settings = match pins.settings {
        Some(module) => Some(module.to_string()),
        None => settle_settings(tree, dir.as_str(), by_wsgi, named.settings, notes),
    };
    let sources = settings
        .as_ref()
        .map(|module| Sources::of(tree, dir.as_str(), module))
        .unwrap_or_default();
    Some(Found {
        sources: Sources {
            folder: dir.to_string(),
            ..sources
        },
        settings: settings.and_then(|module| module.parse().ok()),
        dir,
        wsgi,
    })
}

/// What manage.py names.
struct Named {
    settings: Option<String>,
}

impl Named {
    fn by_manage(tree: &dyn Tree, dir: &str) -> Self {
        Self {
            settings: tree
                .text(&in_folder(dir, "manage.py"))
                .and_then(|text| settings_named_in(&text)),
        }
    }
}

/// The folder of the app's manage.py.
fn choose(tree: &dyn Tree, notes: &mut Vec<String>) -> Option<String> {
    let found: Vec<String> = tree
        .files()
        .named("", ["manage.py"])
        .filter(|file| is_own(file))
        .filter(|file| {
            tree.text(file).is_some_and(|text| {
                text.contains("DJANGO_SETTINGS_MODULE") || text.contains("django")
            })
        })
        .collect();
    let mut candidates: Vec<&str> = found.iter().map(String::as_str).collect();
    // A wsgi.py belongs to the nearest manage.py above it.
    let serving: Vec<&str> = tree
        .files()
        .named("", ["wsgi.py"])
        .filter(|file| is_own(file))
        .filter_map(|wsgi| {
            let above = candidates.iter().map(|file| parent(file));
            above
                .filter(|folder| folder.is_empty() || wsgi.starts_with(&format!("{folder}/")))
                .max_by_key(|folder| folder.len())
        })
        .collect();
    candidates.sort_by_key(|file| (!serving.contains(&parent(file)), depth(file), *file));
    let chosen = parent(candidates.first()?);
    if candidates.len() > 1 {
        let others: Vec<String> = candidates[1..]
            .iter()
            .map(|file| format!("`{file}`"))
            .collect();
        notes.push(format!(
            "the backend is {}; there is also {} (choose with `dir` in [backend])",
            shown(chosen),
            others.join(", ")
        ));
    }
    Some(chosen.to_owned())
}

/// `setdefault("DJANGO_SETTINGS_MODULE", "x.y")`, `environ["DJANGO_SETTINGS_MODULE"] = "x.y"`.
fn settings_named_in(text: &str) -> Option<String> {
    let text = without_comments(text, Language::Python);
    text.match_indices("DJANGO_SETTINGS_MODULE")
        .filter_map(|(at, name)| {
            let rest = text[at + name.len()..]
                .trim_start_matches(['"', '\'', ']'])
                .trim_start();
            let rest = rest.strip_prefix([',', '='])?.trim_start();
            let (module, _) = literal(rest)?;
            module.parse::<PythonName>().ok().map(|_| module.to_owned())
        })
        .last()
}

/// wsgi.py's module wins over manage.py's, unless it exists nowhere and manage.py's does.
fn settle_settings(
    tree: &dyn Tree,
    dir: &str,
    by_wsgi: Option<String>,
    by_manage: Option<String>,
    notes: &mut Vec<String>,
) -> Option<String> {
    let exists = |module: &String| module_file(tree, dir, module).is_some();
    let kept_outside = |module: &String| {
        let path = in_folder(dir, &format!("{}.py", module.replace('.', "/")));
        has_example(tree, &path) || Ignored::of(tree).names(&path)
    };
    let chosen = match (by_wsgi, by_manage) {
        (Some(wsgi), Some(manage)) if wsgi != manage => {
            let stale = !exists(&wsgi) && !kept_outside(&wsgi) && exists(&manage);
            let (chosen, other, file) = if stale {
                (manage, wsgi, "manage.py")
            } else {
                (wsgi, manage, "wsgi.py")
            };
            notes.push(format!(
                "wsgi.py and manage.py name different settings: `{chosen}` of {file} is used, not `{other}`"
            ));
            Some(chosen)
        }
        (wsgi, manage) => wsgi.or(manage),
    }?;
    if !exists(&chosen) {
        notes.push(format!(
            "the settings module `{chosen}` is not in the repository: it must be a shared file, or `settings` in [backend] another"
        ));
    }
    note_development(tree, dir, &chosen, notes);
    Some(chosen)
}

/// The default is the development one, and there is one for production.
fn note_development(tree: &dyn Tree, dir: &str, module: &str, notes: &mut Vec<String>) {
    let Some((package, last)) = module.rsplit_once('.') else {
        return;
    };
    if !["dev", "development", "local", "debug", "test"].contains(&last) {
        return;
    }
    let better = ["production", "prod", "live", "deploy"]
        .iter()
        .map(|name| format!("{package}.{name}"))
        .find(|module| module_file(tree, dir, module).is_some());
    if let Some(better) = better {
        notes.push(format!(
            "the settings are `{module}` by default, and there is `{better}`: write it as `settings` in [backend], or set DJANGO_SETTINGS_MODULE"
        ));
    }
}

fn find_wsgi(
    tree: &dyn Tree,
    dir: &str,
    named: &Named,
    pinned: Option<&PythonName>,
    notes: &mut Vec<String>,
) -> Result<WsgiTarget, NoWsgi> {
    let module = pinned.map(ToString::to_string).or(named.settings.clone());
    if let Some(target) = module
        .as_ref()
        .and_then(|module| by_settings(tree, dir, module))
    {
        return Ok(target);
    }
    let files = |name: &'static str| {
        tree.files()
            .named(dir, [name])
            .filter(|file| is_own(file))
            .filter_map(|file| Some((module_of(dir, &file)?, file)))
    };
    let package = module.as_ref().and_then(|module| module.split('.').next());
    let mut found: Vec<(String, String)> = files("wsgi.py").collect();
    found.sort_by_key(|(module, file)| {
        (
            module.split('.').next() != package,
            depth(file),
            file.len(),
            module.clone(),
        )
    });
    let Some((chosen, file)) = found.first() else {
        return Err(if files("asgi.py").next().is_some() {
            NoWsgi::AsgiOnly
        } else {
            NoWsgi::Neither
        });
    };
    if found.len() > 1 {
        let others: Vec<String> = found[1..]
            .iter()
            .map(|(_, file)| format!("`{file}`"))
            .collect();
        notes.push(format!(
            "uWSGI calls `{chosen}`; there is also {} (choose with `wsgi` in [backend])",
            others.join(", ")
        ));
    }
    target_in(tree, chosen, file).ok_or(NoWsgi::Neither)
}

/// The module with the callable its file assigns.
fn target_in(tree: &dyn Tree, module: &str, file: &str) -> Option<WsgiTarget> {
    let text = tree.text(file).unwrap_or_default();
    let callable = ["application", "app"]
        .into_iter()
        .find(|name| value_of(&text, name).is_some())
        .unwrap_or("application");
    format!("{module}:{callable}").parse().ok()
}

/// `WSGI_APPLICATION = "package.wsgi.application"`, where that module is in the tree.
fn by_settings(tree: &dyn Tree, dir: &str, settings: &str) -> Option<WsgiTarget> {
    let sources = Sources::of(tree, dir, settings);
    let target = sources.files.iter().find_map(|file| {
        let (target, _) = literal(value_of(&file.text, "WSGI_APPLICATION")?)?;
        let (module, callable) = target.rsplit_once('.')?;
        module_file(tree, dir, module)?;
        Some(format!("{module}:{callable}"))
    })?;
    target.parse().ok()
}
