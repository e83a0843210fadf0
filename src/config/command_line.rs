//! Command lines of settings files: split into words, never given to a shell.
//!
//! takes: a line · gives: its words, or why it is none · touches: nothing

use crate::base::names::EnvName;
use crate::base::words::shown;

/// A line that is not one plain command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotPlain {
    /// What is wrong with it.
    pub what: String,
    /// What to write instead.
    pub hint: &'static str,
}

const SCRIPT: &str = "put it in a script in the repository and name that";
/// Words that only a shell knows.
const SHELL_WORDS: [&str; 5] = ["cd", "source", ".", "export", "set"];

/// Splits a command line as a shell would, without doing anything else a shell does.
///
/// # Errors
/// It is empty, a quote is open, or it needs a shell: `|`, `;`, `&`, `<`, `>`, `$`, backticks, `cd`, `NAME=value` in front.
pub fn split(line: &str) -> Result<Vec<String>, NotPlain> {
    if let Some(syntax) = shell_syntax(line) {
        return Err(needs_shell(&syntax));
    }
    let words = shell_words::split(line).map_err(|_| NotPlain {
        what: "a quote is not closed".into(),
        hint: "quotes inside a TOML string: write the string in '…' and quote with \"…\"",
    })?;
    let Some(program) = words.first().filter(|program| !program.is_empty()) else {
        return Err(NotPlain {
            what: "the command is empty".into(),
            hint: "write the program and its arguments, or leave the key out",
        });
    };
    if SHELL_WORDS.contains(&program.as_str()) {
        return Err(needs_shell(program));
    }
    if let Some((name, _)) = program.split_once('=')
        && name.parse::<EnvName>().is_ok()
    {
        return Err(NotPlain {
            what: format!("`{name}=…` in front of a command is shell syntax, and no shell is used"),
            hint: "write `env NAME=value program`, or put it in [frontend.env]",
        });
    }
    Ok(words)
}

/// One line that [`split`] gives back as these words.
pub fn join(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./{}-".contains(c);
    let word = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            shell_words::quote(word).into_owned()
        }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn needs_shell(syntax: &str) -> NotPlain {
    NotPlain {
        what: format!(
            "`{}` is shell syntax, and no shell is used",
            shown(syntax, 40)
        ),
        hint: SCRIPT,
    }
}

/// The first piece of shell syntax that quotes do not protect.
fn shell_syntax(line: &str) -> Option<String> {
    let (mut single, mut double) = (false, false);
    let mut chars = line.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '\0' => return Some("NUL".into()),
            '\\' if !single && chars.next() == Some('\0') => return Some("NUL".into()),
            '\\' if !single => {}
            _ if single => {}
            '`' => return Some("`…`".replace('`', "'")),
            '$' => match chars.peek() {
                Some('(') => return Some("$(".into()),
                Some(next) if next.is_alphanumeric() || "_{@*#?".contains(*next) => {
                    let name: String = chars
                        .take_while(|c| c.is_alphanumeric() || "_{}".contains(*c))
                        .collect();
                    return Some(if name.is_empty() {
                        "$".into()
                    } else {
                        format!("${name}")
                    });
                }
                _ => {}
            },
            '\n' if !double => return Some("a second line".into()),
            '&' | '|' if !double => {
                let twice = chars.peek() == Some(&c);
                return Some(if twice { format!("{c}{c}") } else { c.into() });
            }
            ';' | '<' | '>' if !double => return Some(c.into()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_command_is_split_and_its_quotes_kept_together() {
        assert_eq!(
            split("celery -A a worker --hostname 'w1 & w2@%h' \"a;b\" {shared}/x").unwrap(),
            [
                "celery",
                "-A",
                "a",
                "worker",
                "--hostname",
                "w1 & w2@%h",
                "a;b",
                "{shared}/x"
            ]
        );
        assert_eq!(split("env A=1 npm run build").unwrap()[..2], ["env", "A=1"]);
    }

    #[test]
    fn words_survive_being_joined() {
        let words = [
            "a",
            "{shared}/x",
            "it's",
            "a b",
            "",
            "$HOME; x",
            "\"q\"",
            "é",
        ]
        .map(str::to_owned);
        assert_eq!(split(&join(&words)).unwrap(), words);
    }

    #[test]
    fn what_needs_a_shell_is_named() {
        for (line, syntax) in [
            ("a | b", "`|`"),
            ("a && b", "`&&`"),
            ("a; b", "`;`"),
            ("a > b", "`>`"),
            ("a < b", "`<`"),
            ("a $(b)", "`$(`"),
            ("a \"$HOME\"", "`$HOME`"),
            ("a &", "`&`"),
            ("cd web", "`cd`"),
            ("a\nb", "`a second line`"),
            ("A=1 b", "`A=…`"),
            ("a\0", "`NUL`"),
            ("a '\0'", "`NUL`"),
            ("a \\\0", "`NUL`"),
        ] {
            let error = split(line).unwrap_err();
            assert!(error.what.contains(syntax), "{line}: {}", error.what);
        }
        split("a `b`").unwrap_err();
        assert_eq!(split("a 'b").unwrap_err().what, "a quote is not closed");
        assert_eq!(split("  ").unwrap_err().what, "the command is empty");
        assert_eq!(split("''").unwrap_err().what, "the command is empty");
    }
}
