//! `landfall man`: manual pages, made from the same words as `--help`.

use std::path::PathBuf;

use clap::Command;
use clap_mangen::Man;

use crate::base::fs;
use crate::base::host::Host;
use crate::base::words::count;

use super::{Ended, output, reference};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  landfall man | man -l -
  landfall man --dir ~/.local/share/man/man1      a page for each command: man landfall-env-set")]
pub(super) struct Args {
    /// Write all pages into this folder, `landfall-COMMAND.1` each, instead of the main one to standard output.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(host: &Host, args: &Args) -> Result<(), Ended> {
    let command = reference::visible();
    let Some(dir) = &args.dir else {
        output::text(page(&command));
        return Ok(());
    };
    let dir = host.absolute(dir);
    fs::create_folder(&dir)?;
    let pages = pages(&command, "landfall");
    for (name, text) in &pages {
        fs::write(&dir.join(format!("{name}.1")), text.as_bytes(), fs::PUBLIC)?;
    }
    output::say(format!(
        "{} written into {}",
        count(pages.len(), "page"),
        dir.display()
    ));
    Ok(())
}

/// The pages of a command and of those below it, by name: `landfall-env-set`.
fn pages(command: &Command, name: &str) -> Vec<(String, String)> {
    let mut all = vec![(name.to_owned(), page(command))];
    for inner in command.get_subcommands() {
        all.extend(pages(inner, &format!("{name}-{}", inner.get_name())));
    }
    all
}

fn page(command: &Command) -> String {
    let mut page = Vec::new();
    // Writing into memory cannot fail.
    let _ = Man::new(command.clone())
        .manual("Landfall")
        .render(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_words() {
        let pages = pages(&reference::visible(), "landfall");
        let page = |name: &str| {
            let found = pages.iter().find(|(page, _)| page == name);
            found.map(|(_, text)| text.clone()).unwrap_or_default()
        };
        assert!(page("landfall-env-set").contains("standard input"));
        assert!(page("landfall").contains("Exit codes"));
        assert!(
            !pages
                .iter()
                .any(|(name, _)| name.contains("hook") || name.contains("exec"))
        );
    }
}
