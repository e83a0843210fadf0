//! The program that sets and removes records of DNS: `HOOK add|remove NAME VALUE`.
//!
//! takes: its path, a record · gives: nothing, or what it printed · touches: what the program touches · undone by: `remove`

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failure::Failure;
use crate::base::command::{Cmd, output};
use crate::base::fs;
use crate::base::host::SYSTEM_PATH;
use crate::base::words::shown;
use crate::tls::finding::Code;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How many lines of its output an error shows, and how long each.
const LINES: usize = 15;
const WIDTH: usize = 300;

/// A program that root may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook(PathBuf);

impl Hook {
    /// It is a program of root's that nobody else can change.
    pub fn at(path: &Path) -> Result<Self, Failure> {
        let name = shown(&path.to_string_lossy(), 200);
        let refuse = |why: &str, hint: String| {
            Err(Failure::new(Code::AcmeHook, format!("the hook {name} {why}")).hint(hint))
        };
        if !path.is_absolute() {
            return refuse(
                "is not named by its whole path",
                "--dns-hook /etc/landfall/hooks/dns".into(),
            );
        }
        // Links are followed first: what is run is what is looked at.
        let Ok(real) = path.canonicalize() else {
            return refuse("is not there", format!("ls -l {name}"));
        };
        let Ok(metadata) = real.metadata() else {
            return refuse("cannot be looked at", format!("ls -l {name}"));
        };
        if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
            return refuse("is no program", format!("chmod 755 {name}"));
        }
        for part in real.ancestors() {
            let is_roots = part
                .metadata()
                .is_ok_and(|metadata| fs::is_roots_alone(&metadata));
            if !is_roots {
                let part = part.display();
                return refuse(
                    &format!("runs as root, and others can write {part}"),
                    format!("chown root:root {part} && chmod go-w {part}"),
                );
            }
        }
        Ok(Self(real))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Sets a record.
    pub(super) fn add(&self, name: &str, value: &str) -> Result<(), Failure> {
        self.call("add", name, value)
    }

    /// Takes it away.
    pub(super) fn remove(&self, name: &str, value: &str) -> Result<(), Failure> {
        self.call("remove", name, value)
    }

    /// No shell, and an environment of our choosing: what it needs to know lies in a file of its own.
    fn call(&self, action: &str, name: &str, value: &str) -> Result<(), Failure> {
        let command = Cmd::new(&self.0)
            .args([action, name, value])
            .cwd(Path::new("/"))
            .env("PATH", SYSTEM_PATH)
            .env("LANG", "C.UTF-8")
            .env("HOME", "/root")
            .timeout(TIMEOUT);
        let Err(error) = output(&command) else {
            return Ok(());
        };
        let lines = crate::base::hint::Hint::tool_output(&error);
        let from = lines.len().saturating_sub(LINES);
        let lines: Vec<String> = lines[from..]
            .iter()
            .map(|line| shown(line, WIDTH))
            .collect();
        Err(Failure::new(
            Code::AcmeHook,
            format!("the hook does not {action} the record {name}"),
        )
        .because(&error.to_string())
        .with_output(&lines)
        .hint(format!("try it: {}", command.display())))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::base::hint::Hint as _;

    /// Root's folders only: temporary folders lie in one that everybody may write.
    fn put(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("hook");
        fs::write(&path, text.as_bytes(), 0o755).unwrap();
        path
    }

    #[test]
    fn only_roots_own_program_is_run() {
        let dir = tempfile::tempdir().unwrap();
        let hook = put(dir.path(), "#!/bin/sh\n");
        // Somewhere above it others may write: /tmp itself.
        let refused = Hook::at(&hook).unwrap_err();
        assert_eq!(refused.code(), Code::AcmeHook, "{refused}");
        for (path, why) in [
            ("hook", "whole path"),
            ("/usr/bin/no-such-hook", "not there"),
            ("/usr/bin", "no program"),
            ("/etc/passwd", "no program"),
        ] {
            let refused = Hook::at(Path::new(path)).unwrap_err();
            assert!(refused.to_string().contains(why), "{path}: {refused}");
        }
        Hook::at(Path::new("/usr/bin/env")).unwrap();
    }

    #[test]
    fn it_is_called_without_a_shell_and_its_failure_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let log = dir.path().join("log");
        let text = format!(
            "#!/bin/sh\nprintf '%s|' \"$@\" \"$SECRET\" >>{}\n",
            log.display()
        );
        let hook = Hook(put(dir.path(), &text));
        hook.add("_acme-challenge.example.org", "-v $(id); x")
            .unwrap();
        hook.remove("_acme-challenge.example.org", "v").unwrap();
        assert_eq!(
            fs::read(&log).unwrap(),
            "add|_acme-challenge.example.org|-v $(id); x||remove|_acme-challenge.example.org|v||"
        );
        let hook = Hook(put(
            dir.path(),
            "#!/bin/sh\nprintf 'no zone\\033[31m\\n' >&2; exit 3\n",
        ));
        let failed = hook.add("_acme-challenge.example.org", "v").unwrap_err();
        assert_eq!(failed.tool_output(), ["no zone\\u{1b}[31m"]);
        let said = crate::base::hint::chain(&failed).join("\n");
        assert!(
            said.contains("E_ACME_HOOK") && said.contains("exit code 3"),
            "{said}"
        );
    }
}
