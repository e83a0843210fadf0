//! The commands as a document: what `docs/using/cli.md` and the manual pages are made of.

use clap::{Command, CommandFactory};

use super::Args;

/// All commands but those that people do not type, with the whole names in their usage lines.
pub(super) fn visible() -> Command {
    let mut command = without_hidden(&Args::command()).term_width(100);
    command.build();
    command
}

/// clap cannot take a subcommand away again, so the command is put together anew.
fn without_hidden(command: &Command) -> Command {
    let shown: Vec<Command> = command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
        .cloned()
        .collect();
    let about = command.get_about().cloned().unwrap_or_default();
    let after = command.get_after_help().cloned().unwrap_or_default();
    let arguments: Vec<clap::Arg> = command.get_arguments().cloned().collect();
    Command::new("landfall")
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .after_help(after)
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .args(arguments)
        .subcommands(shown)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;
    use crate::base::fs;

    const HEAD: &str = "\
# Commands

What `landfall --help` and the `--help` of each command print. This page is made from them: `UPDATE_GOLDEN=1 cargo test
--lib cli::reference` writes it anew.
";

    fn page() -> String {
        let mut text = HEAD.to_owned();
        section(&mut text, &mut visible(), "landfall");
        text
    }

    fn section(text: &mut String, command: &mut Command, name: &str) {
        let help = command.render_help().to_string();
        write!(text, "\n## {name}\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
        for inner in command.get_subcommands_mut() {
            let name = format!("{name} {}", inner.get_name());
            section(text, inner, &name);
        }
    }

    #[test]
    fn the_page_has_every_commands_help() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/using/cli.md");
        let made = page();
        #[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, made.as_bytes(), fs::PUBLIC).unwrap();
        }
        assert_eq!(
            fs::read(&path).unwrap_or_default(),
            made,
            "docs/using/cli.md differs; UPDATE_GOLDEN=1 writes it anew"
        );
    }

    #[test]
    fn every_command_shows_examples_and_explains_its_arguments() {
        fn check(command: &Command, name: &str) {
            let is_group = command.has_subcommands();
            let after = command.get_after_help().map(ToString::to_string);
            assert!(
                is_group || after.is_some_and(|after| after.contains("Examples:")),
                "{name} has no examples"
            );
            assert!(command.get_about().is_some(), "{name} says nothing");
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{name}: {}",
                    argument.get_id()
                );
            }
            for inner in command.get_subcommands() {
                check(inner, &format!("{name} {}", inner.get_name()));
            }
        }
        check(&visible(), "landfall");
    }

    #[test]
    fn the_arguments_fit_together() {
        Args::command().debug_assert();
    }
}
