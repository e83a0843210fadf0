//! The one line of sudoers that an app has: one command, its whole command line, no wildcard.

use std::path::Path;

use super::ProvisionError;
use super::system;
use crate::base::fs;
use crate::base::names::AppName;
use crate::base::server_paths::ServerPaths;

/// sudo refuses files that others could write.
const MODE: u32 = 0o440;

fn line(app: &AppName, landfall: &str) -> String {
    format!(
        "# Landfall: deploys of {app} may ask root for this one thing.\n{app} ALL=(root) NOPASSWD: {landfall} site apply {app}\n"
    )
}

/// Writes it, after visudo has tested it in a file of its own.
pub(super) fn create(
    paths: &ServerPaths,
    app: &AppName,
    landfall: &Path,
) -> Result<(), ProvisionError> {
    let text = line(app, &landfall.to_string_lossy());
    fs::create_folder_with_mode(&paths.run(), 0o755)?;
    let trial = paths.run().join(format!("sudoers-{app}"));
    fs::write(&trial, text.as_bytes(), MODE)?;
    let tested = system::run(
        "visudo's test of the line for sudo",
        &[
            "visudo",
            "--check",
            "--quiet",
            "--file",
            &trial.to_string_lossy(),
        ],
    );
    fs::remove_file(&trial)?;
    tested?;
    Ok(fs::write(&paths.sudoers(app), text.as_bytes(), MODE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_allows_one_command_of_one_app() {
        let text = line(&"fussat".parse().unwrap(), "/usr/bin/landfall");
        assert_eq!(
            text.lines().last().unwrap(),
            "fussat ALL=(root) NOPASSWD: /usr/bin/landfall site apply fussat"
        );
        assert!(!text.contains(['*', '?', '[', '!']));
    }
}
