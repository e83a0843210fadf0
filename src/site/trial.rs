//! nginx's whole configuration, with one file changed, tested in a copy: what nginx reads at its next start is never a file
//! that was not tested.
//!
//! takes: nginx's folder, the changed file · gives: nothing, or what nginx says · touches: a copy in `/run/landfall`, which is
//! removed

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::fs::{self, FsError};
use crate::base::hint::Hint;
use crate::base::server_paths::ServerPaths;
use crate::tool::nginx::{self, NginxError};

/// A configuration that did not pass.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// nginx does not take it.
    #[error("nginx does not take the site; nothing was changed")]
    Refused(#[source] NginxError),
    /// It does not take what is there either.
    #[error("nginx's configuration was broken before; nothing was changed")]
    BrokenBefore(#[source] NginxError),
    /// The copy could not be made.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for TrialError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Refused(_) => Vec::new(),
            Self::BrokenBefore(_) => vec!["see what is wrong with it: nginx -t".into()],
            Self::Fs(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Refused(error) | Self::BrokenBefore(error) => error.tool_output(),
            Self::Fs(_) => &[],
        }
    }
}

/// Tests the configuration as it would be with `text` as the file `changed`, or without that file.
pub(super) fn run(
    server: &ServerPaths,
    program: &Path,
    changed: &Path,
    text: Option<&str>,
) -> Result<(), TrialError> {
    let real = server.at("/etc/nginx");
    let copy = server.run().join("nginx-trial");
    fs::remove_tree(&copy)?;
    let tested = make_copy(&real, &copy, changed, text)
        .map_err(TrialError::from)
        .and_then(|()| {
            nginx::check(program, &copy.join("nginx.conf")).map_err(TrialError::Refused)
        });
    fs::remove_tree(&copy)?;
    let Err(TrialError::Refused(error)) = tested else {
        return tested;
    };
    Err(match nginx::check(program, &server.nginx_main()) {
        Ok(()) => TrialError::Refused(error),
        Err(before) => TrialError::BrokenBefore(before),
    })
}

fn make_copy(real: &Path, copy: &Path, changed: &Path, text: Option<&str>) -> Result<(), FsError> {
    fs::create_folder_with_mode(copy, 0o700)?;
    copy_folder(real, copy, &Substitution { real, copy })?;
    let Ok(below) = changed.strip_prefix(real) else {
        return Ok(());
    };
    let target = copy.join(below);
    match text {
        Some(text) => {
            if let Some(folder) = target.parent() {
                fs::create_folder(folder)?;
            }
            fs::write(&target, text.as_bytes(), fs::PRIVATE)
        }
        None => fs::remove_file(&target),
    }
}

/// Paths into nginx's folder become paths into the copy, wherever they stand.
struct Substitution<'a> {
    real: &'a Path,
    copy: &'a Path,
}

impl Substitution<'_> {
    fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        let (from, to) = (self.real.as_os_str(), self.copy.as_os_str());
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            match rest.strip_prefix(from.as_bytes()) {
                Some(after) if after.first() == Some(&b'/') => {
                    out.extend_from_slice(to.as_bytes());
                    rest = after;
                }
                _ => {
                    out.push(rest[0]);
                    rest = &rest[1..];
                }
            }
        }
        out
    }
}

fn copy_folder(from: &Path, to: &Path, paths: &Substitution<'_>) -> Result<(), FsError> {
    for source in fs::list(from)? {
        let Some(name) = source.file_name() else {
            continue;
        };
        let target = to.join(name);
        // Links to files (sites-enabled) are read through; those to folders (modules) and those that lead nowhere stay links.
        if source.is_file() {
            let text = paths.apply(&fs::read_bytes(&source)?);
            fs::write(&target, &text, fs::PRIVATE)?;
        } else if source.is_symlink() {
            let link: PathBuf = fs::link_target(&source)?.unwrap_or_default();
            fs::symlink(&from.join(link), &target)?;
        } else if source.is_dir() {
            fs::create_folder(&target)?;
            copy_folder(&source, &target, paths)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system whose nginx includes conf.d, with one site there.
    fn system() -> (tempfile::TempDir, ServerPaths) {
        let dir = tempfile::tempdir().unwrap();
        let server = ServerPaths::under(dir.path());
        let put = |path: &Path, text: &str| {
            fs::create_folder(path.parent().unwrap()).unwrap();
            fs::write(path, text.as_bytes(), fs::PUBLIC).unwrap();
        };
        let root = dir.path().display();
        put(
            &server.nginx_main(),
            &format!(
                "pid {root}/pid; error_log {root}/log;\nevents {{}}\nhttp {{ access_log off; include {root}/etc/nginx/conf.d/*.conf; include sites-enabled/*; }}\n"
            ),
        );
        put(
            &server.nginx_sites().join("one.conf"),
            "upstream one { server 127.0.0.1:1; }\n",
        );
        let available = server.at("/etc/nginx/sites-available/two");
        put(&available, "upstream two { server 127.0.0.1:1; }\n");
        fs::create_folder(&server.at("/etc/nginx/sites-enabled")).unwrap();
        fs::symlink(&available, &server.at("/etc/nginx/sites-enabled/two")).unwrap();
        (dir, server)
    }

    #[test]
    fn a_file_is_tested_with_its_neighbours_and_nothing_is_changed() {
        let nginx = nginx::find().expect("nginx is missing: apt install nginx-light");
        let (_dir, server) = system();
        let site = server.nginx_sites().join("new.conf");
        let test = |text: &str| run(&server, &nginx, &site, Some(text));
        test("upstream new { server 127.0.0.1:1; }\n").unwrap();
        // It is the neighbours that make this one wrong: an upstream's name is taken.
        for taken in ["one", "two"] {
            let twice = format!("upstream {taken} {{ server 127.0.0.1:1; }}\n");
            assert!(test(&twice).is_err(), "{taken}");
        }
        let error = test("nonsense;\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "nginx does not take the site; nothing was changed"
        );
        assert!(!site.exists() && !server.run().join("nginx-trial").exists());
        run(&server, &nginx, &site, None).unwrap();
    }

    #[test]
    fn what_was_broken_before_is_said() {
        let nginx = nginx::find().expect("nginx is missing: apt install nginx-light");
        let (_dir, server) = system();
        let two = server.at("/etc/nginx/sites-available/two");
        fs::write(&two, b"broken", fs::PUBLIC).unwrap();
        let site = server.nginx_sites().join("new.conf");
        let error = run(&server, &nginx, &site, Some("")).unwrap_err();
        assert!(matches!(error, TrialError::BrokenBefore(_)), "{error}");
        // Taking the broken file away is what helps.
        let changed = server.at("/etc/nginx/sites-enabled/two");
        run(&server, &nginx, &changed, None).unwrap();
    }
}
