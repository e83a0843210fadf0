//! Telling nginx to read its configuration again.

use std::path::Path;
use std::time::Duration;

use crate::base::command::{Cmd, CommandError, output};
use crate::base::hint::Hint;
use crate::base::host::SYSTEM_PATH;
use crate::tool::systemd;

const TIMEOUT: Duration = Duration::from_secs(30);

/// nginx could not be told.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ControlError(Box<CommandError>);

impl Hint for ControlError {
    fn hints(&self) -> Vec<String> {
        vec!["see why: systemctl status nginx".into()]
    }

    fn tool_output(&self) -> &[String] {
        self.0.tool_output()
    }
}

/// nginx reads its configuration again; one that does not run is started. systemd does it where it runs, as it then knows
/// what came of it.
pub(super) fn reload(program: &Path) -> Result<(), ControlError> {
    let has_systemd = Path::new("/run/systemd/system").exists();
    let command = if has_systemd {
        systemd::systemctl(&["reload-or-restart", "nginx.service"])
    } else {
        Cmd::new(program)
            .args(["-s", "reload"])
            .env("PATH", SYSTEM_PATH)
            .env("LANG", "C.UTF-8")
    };
    output(&command.timeout(TIMEOUT))
        .map(|_| ())
        .map_err(|error| ControlError(Box::new(error)))
}
