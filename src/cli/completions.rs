//! `landfall completions`: what a shell needs to complete command lines.

use clap_complete::Shell;

use super::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  landfall completions bash > ~/.local/share/bash-completion/completions/landfall
  landfall completions zsh > ~/.zfunc/_landfall       (fpath+=~/.zfunc, before compinit in .zshrc)
  landfall completions fish > ~/.config/fish/completions/landfall.fish")]
pub(super) struct Args {
    /// The shell.
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

pub(super) fn run(args: &Args) {
    let shell = match args.shell.as_str() {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        _ => Shell::Fish,
    };
    output::text(script(shell));
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(
        shell,
        &mut super::reference::visible(),
        "landfall",
        &mut script,
    );
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_learns_the_commands_but_not_the_hidden_ones() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(
                script.contains("rollback") && script.contains("shared"),
                "{shell}"
            );
            assert!(!script.contains("pre-receive"), "{shell}");
        }
    }
}
