//! nginx: where it is, and whether a configuration is valid.
//!
//! takes: a configuration's path · gives: nothing, or what nginx says is wrong, with file and line · touches: runs
//! `nginx -t`, which opens (and makes) the log files and temporary folders that the configuration names

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::command::{Cmd, CommandError, output};
use crate::base::hint::Hint;
use crate::base::host::SYSTEM_PATH;

/// `nginx -t` reads files; it has no reason to take longer.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// nginx in the system's folders.
pub fn find() -> Result<PathBuf, NginxError> {
    super::find_program("nginx").ok_or(NginxError::Missing)
}

/// Tests the configuration `conf` with everything it includes.
pub fn test(nginx: &Path, conf: &Path) -> Cmd {
    Cmd::new(nginx)
        .arg("-t")
        .arg("-q")
        .arg("-c")
        .path_arg(conf)
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .timeout(TEST_TIMEOUT)
}

/// Runs nginx with the configuration `conf`, in the foreground where that says `daemon off`.
pub fn run(nginx: &Path, conf: &Path) -> Cmd {
    Cmd::new(nginx)
        .arg("-c")
        .path_arg(conf)
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
}

/// Runs [`test`].
///
/// # Errors
/// [`NginxError::Invalid`] with what nginx found; its file and line are nginx's own.
pub fn check(nginx: &Path, conf: &Path) -> Result<(), NginxError> {
    match output(&test(nginx, conf)) {
        Ok(_) => Ok(()),
        Err(error) => match complaints(error.tool_output()).into_iter().next() {
            Some(complaint) => Err(NginxError::Invalid {
                complaint,
                error: Box::new(error),
            }),
            None => Err(NginxError::Failed(Box::new(error))),
        },
    }
}

/// What nginx says is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// In nginx's words.
    pub message: String,
    /// The file and the line in it, where nginx says so (a port in use has none).
    pub place: Option<(PathBuf, u32)>,
}

/// The complaints of severity emerg, alert and crit in nginx's output (`nginx: [emerg] WHAT in FILE:LINE`), the emergency
/// first: it is what made the test fail.
fn complaints(lines: &[String]) -> Vec<Complaint> {
    ["emerg", "alert", "crit"]
        .iter()
        .flat_map(|level| lines.iter().filter_map(move |line| complaint(line, level)))
        .collect()
}

fn complaint(line: &str, level: &str) -> Option<Complaint> {
    let (_, text) = line.split_once(&format!("[{level}] "))?;
    // While nginx has no log yet it writes `nginx: [emerg] text`, later `date time [emerg] pid#tid: text`.
    let text = match text.split_once(": ") {
        Some((process, rest)) if process.bytes().all(|b| b.is_ascii_digit() || b == b'#') => rest,
        _ => text,
    };
    let place = text.rsplit_once(" in ").and_then(|(message, place)| {
        let (file, number) = place.rsplit_once(':')?;
        Some((message, (PathBuf::from(file), number.parse().ok()?)))
    });
    Some(match place {
        Some((message, place)) => Complaint {
            message: message.to_owned(),
            place: Some(place),
        },
        None => Complaint {
            message: text.to_owned(),
            place: None,
        },
    })
}

/// nginx is missing, or refuses a configuration.
#[derive(Debug, thiserror::Error)]
pub enum NginxError {
    /// It is not installed.
    #[error("nginx is not installed")]
    Missing,
    /// It refuses the configuration.
    #[error("nginx refuses its configuration: {}", complaint.message)]
    Invalid {
        /// The first and worst complaint.
        complaint: Complaint,
        /// How it ended; has nginx's own lines.
        error: Box<CommandError>,
    },
    /// It failed without saying what is wrong.
    #[error("nginx cannot test its configuration")]
    Failed(#[source] Box<CommandError>),
}

impl Hint for NginxError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing => vec!["sudo apt install nginx-light".into()],
            Self::Invalid { complaint, .. } => match &complaint.place {
                Some((file, line)) => vec![format!("see line {line} of {}", file.display())],
                None => Vec::new(),
            },
            Self::Failed(error) => error.hints(),
        }
    }

    fn tool_output(&self) -> &[String] {
        match self {
            Self::Missing => &[],
            Self::Invalid { error, .. } | Self::Failed(error) => error.tool_output(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fs;

    #[test]
    fn the_worst_complaint_comes_first_with_its_place() {
        let lines = [
            "nginx: [alert] could not open error log file: open() \"/var/log/nginx/error.log\" failed (13: Permission denied)",
            "2026/08/01 10:00:00 [warn] 7#7: the \"user\" directive makes sense only with super-user, ignored in /a.conf:1",
            "2026/08/01 10:00:00 [emerg] 7#7: invalid port in \"x:y\" of the \"listen\" directive in /srv/a b/x.conf:12",
            "nginx: configuration file /a.conf test failed",
        ]
        .map(String::from);
        let found = complaints(&lines);
        assert_eq!(
            found[0],
            Complaint {
                message: "invalid port in \"x:y\" of the \"listen\" directive".into(),
                place: Some((PathBuf::from("/srv/a b/x.conf"), 12)),
            }
        );
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_broken_file_is_refused_by_the_real_nginx_with_its_line() {
        let nginx = find().expect("nginx is missing: apt install nginx-light");
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("nginx.conf");
        let text = format!(
            "pid {0}/p; error_log {0}/e;\nevents {{}}\nnonsense on;\n",
            dir.path().display()
        );
        fs::write(&conf, text.as_bytes(), fs::PUBLIC).unwrap();
        let error = check(&nginx, &conf).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nginx refuses its configuration: unknown directive \"nonsense\""
        );
        assert_eq!(error.hints(), [format!("see line 3 of {}", conf.display())]);
        fs::write(
            &conf,
            text.replace("nonsense on;", "").as_bytes(),
            fs::PUBLIC,
        )
        .unwrap();
        check(&nginx, &conf).unwrap();
    }
}
