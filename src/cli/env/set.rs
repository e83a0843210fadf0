//! `landfall env set`

use std::io::Read;

use super::change::{self, Changes, Restart};
use super::check_name;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::EnvName;
use crate::base::secret::Secret;
use crate::base::terminal;
use crate::cli::{Ended, Globals, output};

/// The longest value, in bytes: Linux gives a process no longer string than 128 KiB (`MAX_ARG_STRLEN`).
const LONGEST: usize = 127 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A value given on the command line stays in the shell's history and can be seen in `ps` while the command runs. With \
NAME=- or --stdin NAME it is read from standard input (one newline at its end is taken off); on a terminal it is asked \
for and not shown.

The processes see a change when they start next: with the next push, or with `landfall deploy` or --restart, which make \
a new release of what is live, building nothing.

Examples:
  landfall env set DEBUG=0 EMAIL_HOST=mail.example.org
  landfall env set SECRET_KEY=-                          asks for it
  pass show notes/db | landfall env set --stdin DATABASE_URL --restart")]
pub(in crate::cli) struct Args {
    /// Variables with their values.
    #[arg(value_name = "NAME=VALUE", required_unless_present = "stdin")]
    variables: Vec<String>,
    /// A variable whose value is read from standard input.
    #[arg(long, value_name = "NAME")]
    stdin: Option<EnvName>,
    #[command(flatten)]
    restart: Restart,
}

/// An argument that sets nothing. Never shows what could be a value.
#[derive(Debug, thiserror::Error)]
enum SetError {
    #[error("`{0}` has no value")]
    NoValue(EnvName),
    #[error("argument {0} is not NAME=VALUE: {1}")]
    NotAVariable(usize, &'static str),
    #[error("only one value can be read from standard input, not those of `{0}` and `{1}`")]
    TwoFromStdin(EnvName, EnvName),
    #[error("the value of `{0}` cannot be read from standard input")]
    Input(EnvName, #[source] std::io::Error),
    #[error("standard input has no value for `{0}`")]
    Empty(EnvName),
    #[error("the value of `{0}` is longer than a process can be given ({LONGEST} bytes)")]
    TooLong(EnvName),
}

impl Hint for SetError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoValue(name) => vec![format!(
                "landfall env set {name}=VALUE, or {name}=- to be asked for it"
            )],
            Self::NotAVariable(..) => vec!["landfall env set NAME=VALUE".into()],
            Self::Empty(name) => vec![format!("to set it to nothing: landfall env set {name}=")],
            Self::TwoFromStdin(..) => {
                vec!["set one at a time, or several with `landfall env import -`".into()]
            }
            Self::Input(..) => Vec::new(),
            Self::TooLong(_) => {
                vec!["keep it in a file: landfall shared add PATH --from FILE".into()]
            }
        }
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    let (mut variables, mut asked) = (Vec::new(), args.stdin.clone());
    for (number, argument) in args.variables.iter().enumerate() {
        let (name, value) = parse(number + 1, argument)?;
        if value != "-" {
            variables.push((name, Secret::new(value)));
        } else if let Some(other) = asked.replace(name.clone()) {
            return Err(SetError::TwoFromStdin(other, name).into());
        }
    }
    for name in variables.iter().map(|(name, _)| name).chain(&asked) {
        check_name(name)?;
    }
    if let Some(name) = asked {
        let value = read_value(&name)?;
        variables.push((name, value));
    }
    if let Some((name, _)) = variables
        .iter()
        .find(|(_, value)| value.expose().len() > LONGEST)
    {
        return Err(SetError::TooLong(name.clone()).into());
    }
    change::apply(host, globals, &args.restart, |env| {
        let mut changes = Changes::default();
        for (name, value) in variables {
            changes.set(env, name, value)?;
        }
        Ok(changes)
    })
}

fn parse(number: usize, argument: &str) -> Result<(EnvName, &str), SetError> {
    let Some((name, value)) = argument.split_once('=') else {
        // A name is repeated in the message, anything else may be a value.
        return Err(match argument.parse::<EnvName>() {
            Ok(name) if name.as_str().chars().all(|c| !c.is_lowercase()) => SetError::NoValue(name),
            _ => SetError::NotAVariable(number, "there is no `=`"),
        });
    };
    let name = name.parse().map_err(|_| {
        SetError::NotAVariable(number, "what stands before `=` is not a variable name")
    })?;
    Ok((name, value))
}

fn read_value(name: &EnvName) -> Result<Secret, SetError> {
    let failed = |source| SetError::Input(name.clone(), source);
    let text = if terminal::types_stdin() {
        output::say(format!("value of {name} (it is not shown):"));
        terminal::read_hidden_line().map_err(failed)?
    } else {
        let mut text = String::new();
        let limit = LONGEST as u64 + 2;
        let mut input = std::io::stdin().take(limit);
        input.read_to_string(&mut text).map_err(failed)?;
        text
    };
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err(SetError::Empty(name.clone()));
    }
    Ok(Secret::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_taken_apart_and_errors_show_no_value() {
        assert_eq!(parse(1, "A=b=c").unwrap(), ("A".parse().unwrap(), "b=c"));
        assert_eq!(parse(1, "A=").unwrap().1, "");
        for (argument, message) in [
            ("SECRET_KEY", "`SECRET_KEY` has no value"),
            ("hunter22", "argument 3 is not NAME=VALUE: there is no `=`"),
            (
                "hunter/2==",
                "argument 3 is not NAME=VALUE: what stands before `=` is not a variable name",
            ),
        ] {
            assert_eq!(parse(3, argument).unwrap_err().to_string(), message);
        }
    }
}
