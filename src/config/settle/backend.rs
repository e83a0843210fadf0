//! `[backend]` over what is detected.
//!
//! takes: the keys, the tree · gives: [`Backend`] · touches: nothing

use super::Scene;
use crate::base::names::RepoPath;
use crate::config::defaults;
use crate::config::detect::backend::{Found, NoWsgi, Pins, detect};
use crate::config::detect::python;
use crate::config::error::ConfigError;
use crate::config::settings::{Backend, PythonPackages, Shared};
use crate::config::tree::in_folder;
use crate::config::written::{BackendKeys, Written};

/// What was settled, and what it was made from.
pub(super) struct SettledBackend {
    pub(super) settled: Backend,
    pub(super) found: Found,
}

pub(super) fn settle(
    scene: &Scene<'_>,
    written: &Written,
    notes: &mut Vec<String>,
) -> Result<Option<SettledBackend>, ConfigError> {
    let keys = &written.backend;
    if keys.enabled == Some(false) {
        return Ok(None);
    }
    check_dir(scene, keys)?;
    let pins = Pins {
        dir: keys.dir.as_ref(),
        settings: keys.settings.as_ref(),
        wsgi: keys.wsgi.as_ref(),
    };
    let Some(found) = detect(scene.tree, pins, notes) else {
        return if *keys == BackendKeys::default() {
            Ok(None)
        } else {
            Err(scene
                .document
                .at_key(&["backend"], "[backend]: no manage.py was found")
                .hint("write the folder of manage.py as `dir`, or remove the section"))
        };
    };
    let wsgi = match &found.wsgi {
        Ok(target) => target.clone(),
        Err(reason) => return Err(no_wsgi(&found, *reason)),
    };
    check_wsgi(scene, keys, &found)?;
    let settled = Backend {
        dir: found.dir.clone(),
        settings: found.settings.clone(),
        wsgi,
        python: packages(scene, keys, &found, notes)?,
        install_timeout: scene.timeout(
            &["backend", "install_timeout"],
            keys.install_timeout.as_ref(),
            defaults::INSTALL_TIMEOUT,
        )?,
        start_timeout: scene.timeout(
            &["backend", "start_timeout"],
            keys.start_timeout.as_ref(),
            defaults::START_TIMEOUT,
        )?,
        migrate_timeout: scene.timeout(
            &["backend", "migrate_timeout"],
            keys.migrate_timeout.as_ref(),
            defaults::MIGRATE_TIMEOUT,
        )?,
        processes: number(scene, "processes", keys.processes, defaults::PROCESSES)?,
        threads: number(scene, "threads", keys.threads, defaults::THREADS)?,
        paths: keys.paths.clone(),
        migrate: keys.migrate.unwrap_or(true),
        collectstatic: keys.collectstatic.unwrap_or(true),
    };
    Ok(Some(SettledBackend { settled, found }))
}

impl SettledBackend {
    /// A settings module that is written down is in the tree, or a shared file.
    pub(super) fn check_settings_exist(
        &self,
        scene: &Scene<'_>,
        written: &Written,
        shared: &Shared,
    ) -> Result<(), ConfigError> {
        let Some(module) = &written.backend.settings else {
            return Ok(());
        };
        let stem = in_folder(self.found.dir.as_str(), &module.as_str().replace('.', "/"));
        let file = format!("{stem}.py");
        let package = format!("{stem}/__init__.py");
        let is_shared = shared.files.iter().any(|path| path.as_str() == file)
            || shared
                .dirs
                .iter()
                .any(|dir| file.starts_with(&format!("{dir}/")));
        if is_shared || scene.tree.has(&file) || scene.tree.has(&package) {
            return Ok(());
        }
        Err(scene
            .wrong(
                &["backend", "settings"],
                &format!("there is no `{file}` in this commit"),
            )
            .hint("a file that is kept on the server is named in `files` of [shared]"))
    }
}

fn check_dir(scene: &Scene<'_>, keys: &BackendKeys) -> Result<(), ConfigError> {
    let Some(dir) = &keys.dir else {
        return Ok(());
    };
    let expected = in_folder(dir.as_str(), "manage.py");
    if scene.tree.has(&expected) {
        return Ok(());
    }
    let error = scene.document.at_key(
        &["backend", "dir"],
        format!("backend.dir = `{dir}`: there is no {expected} in this commit"),
    );
    Err(match detect(scene.tree, Pins::default(), &mut Vec::new()) {
        Some(found) => error.hint(format!("manage.py is in `{}`", found.dir)),
        None => error,
    })
}

fn check_wsgi(scene: &Scene<'_>, keys: &BackendKeys, found: &Found) -> Result<(), ConfigError> {
    let Some(target) = &keys.wsgi else {
        return Ok(());
    };
    let stem = in_folder(found.dir.as_str(), &target.module().replace('.', "/"));
    let file = format!("{stem}.py");
    if scene.tree.has(&file) || scene.tree.has(&format!("{stem}/__init__.py")) {
        return Ok(());
    }
    let what = format!("there is no `{file}` in this commit");
    Err(scene
        .wrong(&["backend", "wsgi"], &what)
        .hint("the module is named from the backend's folder: `package.wsgi:application`"))
}

fn no_wsgi(found: &Found, reason: NoWsgi) -> ConfigError {
    let dir = if found.dir.is_root() {
        "the backend".to_owned()
    } else {
        format!("`{}`", found.dir)
    };
    match reason {
        NoWsgi::AsgiOnly => ConfigError::new(format!(
            "{dir} has an asgi.py and no wsgi.py: Landfall serves WSGI applications only"
        ))
        .hint("add a wsgi.py beside asgi.py: `from django.core.wsgi import get_wsgi_application; application = get_wsgi_application()`"),
        NoWsgi::Neither => ConfigError::new(format!("{dir} has no wsgi.py, so there is nothing for uWSGI to call"))
            .hint("write `wsgi = \"package.module:callable\"` in [backend] of landfall.toml"),
    }
    .hint("if there is no backend to deploy, write `enabled = false` in [backend]")
}

fn packages(
    scene: &Scene<'_>,
    keys: &BackendKeys,
    found: &Found,
    notes: &mut Vec<String>,
) -> Result<PythonPackages, ConfigError> {
    let Some(files) = &keys.requirements else {
        return python::detect(scene.tree, &found.dir, notes).ok_or_else(|| {
            ConfigError::new("no list of Python packages was found: no requirements.txt, uv.lock, poetry.lock, Pipfile or pyproject.toml")
                .hint("write `requirements = [\"path/to/requirements.txt\"]` in [backend] of landfall.toml")
        });
    };
    let path = ["backend", "requirements"];
    if let Some(file) = files.iter().find(|file| !scene.tree.has(file.as_str())) {
        let what = format!("there is no `{file}` in this commit");
        return Err(scene
            .wrong(&path, &what)
            .hint("paths are from the repository's root"));
    }
    match files.as_slice() {
        [] => Err(scene.wrong(&path, "the list is empty")),
        [file] => tool_of(scene, file, notes),
        files => Ok(python::requirements(scene.tree, files.to_vec(), notes)),
    }
}

/// A lock or project file names its tool; anything else is a list for pip.
fn tool_of(
    scene: &Scene<'_>,
    file: &RepoPath,
    notes: &mut Vec<String>,
) -> Result<PythonPackages, ConfigError> {
    let (dir, name) = file.split();
    let needs = |other: &str| {
        let other = in_folder(dir.as_str(), other);
        if scene.tree.has(&other) {
            return Ok(());
        }
        let what = format!("`{file}` needs `{other}` beside it, which is not in this commit");
        Err(scene.wrong(&["backend", "requirements"], &what))
    };
    Ok(match name {
        "uv.lock" => {
            needs("pyproject.toml")?;
            PythonPackages::Uv { dir }
        }
        "poetry.lock" => {
            needs("pyproject.toml")?;
            PythonPackages::Poetry { dir }
        }
        "Pipfile.lock" => {
            needs("Pipfile")?;
            PythonPackages::Pipenv { dir, locked: true }
        }
        "Pipfile" => PythonPackages::Pipenv { dir, locked: false },
        "pyproject.toml" => PythonPackages::Project { dir },
        _ => python::requirements(scene.tree, vec![file.clone()], notes),
    })
}

fn number(
    scene: &Scene<'_>,
    key: &str,
    written: Option<u16>,
    default: u16,
) -> Result<u16, ConfigError> {
    let number = written.unwrap_or(default);
    if (1..=256).contains(&number) {
        return Ok(number);
    }
    Err(scene.wrong(&["backend", key], "from 1 to 256"))
}
