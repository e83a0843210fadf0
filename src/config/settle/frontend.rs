//! `[frontend]` over what is detected.
//!
//! takes: the keys, the tree · gives: [`Frontend`] · touches: nothing

use super::Scene;
use super::backend::SettledBackend;
use crate::base::names::RepoPath;
use crate::config::defaults;
use crate::config::detect::frontend::{Pins, around_command, detect};
use crate::config::detect::shown;
use crate::config::error::ConfigError;
use crate::config::settings::Frontend;
use crate::config::tree::in_folder;
use crate::config::written::FrontendKeys;

pub(super) fn settle(
    scene: &Scene<'_>,
    keys: &FrontendKeys,
    backend: Option<&SettledBackend>,
    notes: &mut Vec<String>,
) -> Result<Option<Frontend>, ConfigError> {
    if keys.enabled == Some(false) {
        return Ok(None);
    }
    check_dir(scene, keys)?;
    let pins = Pins {
        dir: keys.dir.as_ref(),
        manager: keys.manager,
    };
    let Some(mut frontend) = detect(scene.tree, pins, backend.is_some(), notes) else {
        return if *keys == FrontendKeys::default() {
            Ok(None)
        } else {
            Err(scene
                .document
                .at_key(
                    &["frontend"],
                    "[frontend]: no package.json with a build script was found",
                )
                .hint("write the frontend's folder as `dir`, or remove the section"))
        };
    };
    overlay(scene, keys, &mut frontend, notes)?;
    check(scene, &frontend, backend)?;
    Ok(Some(frontend))
}

fn check_dir(scene: &Scene<'_>, keys: &FrontendKeys) -> Result<(), ConfigError> {
    let Some(dir) = &keys.dir else {
        return Ok(());
    };
    if scene.tree.has_folder(dir.as_str()) {
        return Ok(());
    }
    let error = scene.document.at_key(
        &["frontend", "dir"],
        format!("frontend.dir = `{dir}`: there is no folder `{dir}` in this commit"),
    );
    let found = detect(scene.tree, Pins::default(), true, &mut Vec::new());
    Err(match found {
        Some(found) => error.hint(format!("the frontend found is `{}`", found.dir)),
        None => error,
    })
}

fn overlay(
    scene: &Scene<'_>,
    keys: &FrontendKeys,
    frontend: &mut Frontend,
    notes: &mut Vec<String>,
) -> Result<(), ConfigError> {
    if let Some(line) = &keys.build {
        let command = scene.command(&["frontend", "build"], line)?;
        if frontend.build.is_none() {
            let build = around_command(scene.tree, &frontend.dir, keys.manager, notes);
            frontend.build = Some(build);
            frontend.output = frontend.dir.join("dist").unwrap_or(RepoPath::root());
        }
        if let Some(build) = &mut frontend.build {
            build.command = command;
        }
    }
    if let Some(output) = &keys.output {
        frontend.output = frontend
            .dir
            .join(output.trim_end_matches('/'))
            .map_err(|error| scene.wrong(&["frontend", "output"], &error.to_string()))?;
        if frontend.build.is_none() {
            frontend.dir = frontend.output.clone();
        }
    }
    let Some(build) = &mut frontend.build else {
        return needs_build(scene, keys);
    };
    if let Some(line) = &keys.install {
        build.install = scene.command(&["frontend", "install"], line)?;
    }
    for (name, value) in &keys.env {
        if value.contains('\0') {
            let path = ["frontend", "env", name.as_str()];
            return Err(scene.wrong(&path, "the value has a NUL byte"));
        }
        build.env.insert(name.clone(), value.clone());
    }
    build.timeout = scene.timeout(
        &["frontend", "timeout"],
        keys.timeout.as_ref(),
        defaults::FRONTEND_TIMEOUT,
    )?;
    Ok(())
}

/// Keys that mean nothing where nothing is built.
fn needs_build(scene: &Scene<'_>, keys: &FrontendKeys) -> Result<(), ConfigError> {
    let written = [
        ("install", keys.install.is_some()),
        ("manager", keys.manager.is_some()),
        ("env", !keys.env.is_empty()),
        ("timeout", keys.timeout.is_some()),
    ];
    match written.iter().find(|(_, written)| *written) {
        None => Ok(()),
        Some((key, _)) => Err(scene
            .wrong(
                &["frontend", key],
                "nothing is built: package.json has no build script",
            )
            .hint("write the build command as `build`")),
    }
}

fn check(
    scene: &Scene<'_>,
    frontend: &Frontend,
    backend: Option<&SettledBackend>,
) -> Result<(), ConfigError> {
    let Frontend { dir, output, build } = frontend;
    if build.is_none() && !scene.tree.has(&in_folder(output.as_str(), "index.html")) {
        let what = format!(
            "{} has neither a package.json with a build script nor an index.html in this commit",
            shown(output.as_str())
        );
        return Err(scene
            .wrong(&["frontend", "dir"], &what)
            .hint("write the build command as `build`, or another `dir`"));
    }
    if build.is_some() && dir.is_within(output) {
        let what = format!(
            "{} holds the frontend's sources, which would be public",
            shown(output.as_str())
        );
        return Err(scene.wrong(&["frontend", "output"], &what));
    }
    if let Some(backend) = backend
        && backend.settled.dir.is_within(output)
    {
        let what = format!(
            "{} holds the backend's sources, which would be public",
            shown(output.as_str())
        );
        return Err(scene.wrong(&["frontend", "output"], &what));
    }
    Ok(())
}
