//! `landfall env list`

use serde::Serialize;

use crate::base::host::Host;
use crate::base::names::EnvName;
use crate::base::secret::Secret;
use crate::cli::head::{self, Head};
use crate::cli::session::Session;
use crate::cli::{Ended, Globals, output};
use crate::config::env_file::EnvFile;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Values are never shown, here or in any log: they stand in the file `env` in the app's home, which only the app's user \
can read. A variable is required if the app's settings say so: `required` under [env] in landfall.toml, or the names in \
.env.example.

Examples:
  landfall env list
  landfall env list --json | jq -r '.[] | select(.state == \"missing\").name'")]
pub(in crate::cli) struct Args {}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    name: EnvName,
    /// Shows as `[REDACTED]`; `None` where there is none.
    #[serde(serialize_with = "redacted")]
    value: Option<Secret>,
    state: &'static str,
    required: bool,
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn redacted<S: serde::Serializer>(
    value: &Option<Secret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value
        .as_ref()
        .map(ToString::to_string)
        .serialize(serializer)
}

pub(super) fn run(host: &Host, globals: &Globals, _args: &Args) -> Result<(), Ended> {
    let session = Session::open(host, globals)?;
    let required = match head::settled(&session)? {
        Head::Settled(settings) => settings.required_env,
        Head::Nothing => Vec::new(),
        Head::Unsettled(error) => {
            output::say(format!(
                "warning: which are required cannot be told: {error}"
            ));
            Vec::new()
        }
    };
    let rows = rows(&session.env, &required);
    if globals.json {
        output::json(&rows);
    } else if rows.is_empty() {
        output::say("no variable is set yet: landfall env set NAME=VALUE");
    } else {
        let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        output::table(&["name", "value", "required"], &rows);
    }
    Ok(())
}

fn rows(env: &EnvFile, required: &[EnvName]) -> Vec<Row> {
    let mut rows: Vec<Row> = env
        .iter()
        .map(|(name, value)| Row {
            name: name.clone(),
            value: Some(value.clone()),
            state: if value.expose().is_empty() {
                "empty"
            } else {
                "set"
            },
            required: required.contains(name),
        })
        .collect();
    let missing = required.iter().filter(|name| env.get(name).is_none());
    rows.extend(missing.map(|name| Row {
        name: name.clone(),
        value: None,
        state: "missing",
        required: true,
    }));
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

fn cells(row: &Row) -> Vec<String> {
    let value = match (&row.value, row.state) {
        (Some(value), "set") => value.to_string(),
        (_, state) => format!("({state})"),
    };
    let required = if row.required { "yes" } else { "" };
    vec![row.name.to_string(), value, required.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_redacted_and_missing_ones_named() {
        let env = EnvFile::parse("A=hunter22\nB=\n").unwrap();
        let rows = rows(&env, &["C".parse().unwrap(), "A".parse().unwrap()]);
        let shown: Vec<Vec<String>> = rows.iter().map(cells).collect();
        assert_eq!(
            shown,
            [
                ["A", "[REDACTED]", "yes"],
                ["B", "(empty)", ""],
                ["C", "(missing)", "yes"]
            ]
        );
        assert_eq!(
            serde_json::to_string(&rows).unwrap(),
            r#"[{"name":"A","value":"[REDACTED]","state":"set","required":true},{"name":"B","value":"[REDACTED]","state":"empty","required":false},{"name":"C","value":null,"state":"missing","required":true}]"#
        );
    }
}
