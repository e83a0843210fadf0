//! Python environments: venv, pip, uv, Poetry, Pipenv. Argument lists only; the build stage runs them.

use std::path::Path;

use super::program;
use crate::base::command::Cmd;

/// What is installed where the app brings no uWSGI of its own: uWSGI built as a wheel, no compiler needed.
pub const UWSGI_REQUIREMENT: &str = "pyuwsgi>=2.0.28,<2.1";

/// What installs packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installer {
    /// `pip` of the environment itself.
    Pip,
    /// `uv`, where the machine has it.
    Uv,
}

impl Installer {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Uv => "uv",
        }
    }
}

/// `uv` where it is in `path`, else `pip`.
pub fn installer(path: &str) -> Installer {
    if program::find("uv", path).is_some() {
        Installer::Uv
    } else {
        Installer::Pip
    }
}

/// Makes an empty environment at `venv`.
pub fn create(installer: Installer, venv: &Path) -> Cmd {
    match installer {
        Installer::Pip => Cmd::new("python3").args(["-m", "venv"]).path_arg(venv),
        // --seed: apps and hooks call pip too. --python: the system's, not one uv would download.
        Installer::Uv => Cmd::new("uv")
            .args([
                "venv",
                "--quiet",
                "--seed",
                "--no-project",
                "--allow-existing",
                "--python",
                "python3",
            ])
            .path_arg(venv),
    }
}

/// Makes an environment at `venv` with Python alone: pip comes by other ways.
pub fn create_bare(venv: &Path) -> Cmd {
    Cmd::new("python3")
        .args(["-m", "venv", "--without-pip"])
        .path_arg(venv)
}

/// Asks the environment's pip what it would install, and installs nothing; the answer is written to `report`.
pub fn resolve(venv: &Path, report: &Path, what: &[String]) -> Cmd {
    let command = install(
        Installer::Pip,
        venv,
        &["--dry-run".into(), "--report".into()],
    );
    command.path_arg(report).args(what.iter().cloned())
}

/// [`install`] by the environment's pip, which writes to `report` what it installed.
pub fn install_reporting(venv: &Path, report: &Path, what: &[String]) -> Cmd {
    let command = install(Installer::Pip, venv, &["--report".into()]);
    command.path_arg(report).args(what.iter().cloned())
}

/// Installs into `venv`; `what` are pip's own arguments: `-r FILE`, a requirement, a folder.
pub fn install(installer: Installer, venv: &Path, what: &[String]) -> Cmd {
    let command = match installer {
        Installer::Pip => Cmd::new(venv.join("bin/python")).args([
            "-m",
            "pip",
            "install",
            "--no-input",
            "--disable-pip-version-check",
            "--progress-bar",
            "off",
        ]),
        Installer::Uv => Cmd::new("uv")
            .args([
                "pip",
                "install",
                "--compile-bytecode",
                "--no-progress",
                "--python",
            ])
            .path_arg(&venv.join("bin/python")),
    };
    command.args(what.iter().cloned())
}

/// Installs what `uv.lock` says into the environment named by `UV_PROJECT_ENVIRONMENT`.
pub fn uv_sync(uv: &Path, venv: &Path) -> Cmd {
    Cmd::new(uv)
        .args([
            "sync",
            "--frozen",
            "--no-dev",
            "--no-install-project",
            "--compile-bytecode",
            "--no-progress",
            "--inexact",
            "--python",
            "python3",
        ])
        .env("UV_PROJECT_ENVIRONMENT", venv.to_string_lossy())
}

/// Installs what `poetry.lock` says into the environment named by `VIRTUAL_ENV`.
pub fn poetry_install(poetry: &Path, venv: &Path) -> Cmd {
    Cmd::new(poetry)
        .args([
            "install",
            "--no-root",
            "--only",
            "main",
            "--no-interaction",
            "--compile",
        ])
        .env("VIRTUAL_ENV", venv.to_string_lossy())
        .env("POETRY_VIRTUALENVS_CREATE", "false")
}

/// Installs what `Pipfile.lock` (or, without one, `Pipfile`) says into the environment named by `VIRTUAL_ENV`.
pub fn pipenv_install(pipenv: &Path, venv: &Path, locked: bool) -> Cmd {
    let words: &[&str] = if locked {
        &["sync"]
    } else {
        &["install", "--skip-lock"]
    };
    Cmd::new(pipenv)
        .args(words.iter().copied())
        .env("VIRTUAL_ENV", venv.to_string_lossy())
        .env("PIPENV_VERBOSITY", "-1")
        .env("PIPENV_NOSPIN", "1")
        .env("PIPENV_YES", "1")
}

/// What of the app's own files becomes part of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Local {
    /// Nothing: every package comes from elsewhere.
    Nothing,
    /// A package in the repository, copied.
    Copied,
    /// A package in the repository, linked ("editable").
    Linked,
}

/// What a requirements file or a lock file (uv, Poetry, Pipenv) takes from the repository itself.
pub fn local_packages(text: &str) -> Local {
    let of_line = |line: &str| {
        let line = line.trim();
        let is_path = |text: &str| {
            let text = text.trim().trim_matches(['"', '\'']);
            text == "."
                || ["./", "../", ".[", "file:"]
                    .iter()
                    .any(|start| text.starts_with(start))
        };
        let named = line
            .split_once(" @ ")
            .is_some_and(|(_, target)| is_path(target));
        let value = |key: &str| {
            line.split(key)
                .nth(1)
                .map(|rest| rest.trim_start_matches([' ', '=', ':']))
        };
        let elsewhere = |value: &str| !value.starts_with("\".\"") && !value.starts_with("{ ");
        let editable = value("editable").is_some_and(|value| {
            value.starts_with("true") || (value.starts_with('"') && elsewhere(value))
        });
        let flagged = line.starts_with("-e ") || line.starts_with("--editable");
        if flagged || editable || line == "develop = true" {
            Local::Linked
        } else if is_path(line)
            || named
            || line == "type = \"directory\""
            || value("directory").is_some_and(|value| value.starts_with('"'))
        {
            Local::Copied
        } else {
            Local::Nothing
        }
    };
    text.lines().map(of_line).max().unwrap_or(Local::Nothing)
}

/// A requirements file says how packages are built: the same archive may become something else.
pub fn says_how_to_build(text: &str) -> bool {
    const OPTIONS: [&str; 4] = [
        "--config-setting",
        "--global-option",
        "--install-option",
        "--build-option",
    ];
    text.lines()
        .any(|line| OPTIONS.iter().any(|option| line.contains(option)))
}

/// What a failed install most likely needs, read from its last lines.
pub fn advice(output: &[String]) -> Option<String> {
    let has = |needle: &str| output.iter().any(|line| line.contains(needle));
    if has("No matching distribution found")
        || has("ResolutionImpossible")
        || has("No solution found")
    {
        Some("try the same here: python3 -m venv /tmp/v && /tmp/v/bin/pip install -r requirements.txt".into())
    } else if has("requires a different Python") || has("Requires-Python") {
        Some("a package asks for another Python than the server has: python3 --version".into())
    } else if has("Python.h") {
        Some(
            "a package is compiled here and needs Python's headers: sudo apt install python3-dev build-essential"
                .into(),
        )
    } else if has("pg_config") {
        Some("psycopg2 is compiled here: use psycopg2-binary, or sudo apt install libpq-dev".into())
    } else if has("gcc") && has("not found")
        || has("command 'gcc' failed")
        || has("unable to execute 'gcc'")
    {
        Some(
            "a package is compiled here and needs a compiler: sudo apt install build-essential"
                .into(),
        )
    } else if has("ensurepip is not available") {
        Some("sudo apt install python3-venv".into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_is_asked_and_told_with_the_same_words() {
        let what = ["-r".to_owned(), "/src/r.txt".to_owned()];
        let (venv, report) = (Path::new("/v"), Path::new("/v/report"));
        let asked = resolve(venv, report, &what).display();
        let told = install_reporting(venv, report, &what).display();
        assert_eq!(asked.replace(" --dry-run", ""), told);
        assert_eq!(
            told,
            "/v/bin/python -m pip install --no-input --disable-pip-version-check --progress-bar off --report /v/report \
             -r /src/r.txt"
        );
        assert_eq!(
            create_bare(venv).display(),
            "python3 -m venv --without-pip /v"
        );
    }

    #[test]
    fn options_of_a_build_are_seen() {
        assert!(says_how_to_build("a==1 --config-settings=\"x=y\"\n"));
        assert!(says_how_to_build("a==1 \\\n  --global-option=x\n"));
        assert!(!says_how_to_build(
            "--index-url https://example.org\na==1 --hash=sha256:00\n"
        ));
    }

    #[test]
    fn what_comes_from_the_repository_itself_is_found() {
        for nothing in [
            "Django==5.2\n# -e .\ngit+https://example.org/x.git\n-r base.txt\n",
            "source = { registry = \"x\" }\nsource = { virtual = \".\" }\nsource = { editable = \".\" }\n",
            "optional = false\ndevelop = false\n",
        ] {
            assert_eq!(local_packages(nothing), Local::Nothing, "{nothing}");
        }
        for copied in [
            "./libs/x\n",
            "x @ file:///srv/x\n",
            "[package.source]\ntype = \"directory\"\n",
            "source = { directory = \"libs/x\" }\n",
        ] {
            assert_eq!(local_packages(copied), Local::Copied, "{copied}");
        }
        for linked in [
            "-e .\n",
            "--editable ./libs/x\n",
            "source = { editable = \"libs/x\" }\n",
            "\"editable\": true,\n",
        ] {
            assert_eq!(local_packages(linked), Local::Linked, "{linked}");
        }
    }
}
