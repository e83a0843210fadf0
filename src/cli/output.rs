//! Words out: data on stdout, talk on stderr. A reader that is gone (a closed pipe) ends nothing.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::exit_code;
use crate::base::hint::Hint;
use crate::base::words::{printable, shorten, shown};

/// A line of data.
pub(super) fn line(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.as_ref());
}

/// A line of data, for those who print until nobody reads any more: false then.
pub(super) fn try_line(text: impl AsRef<str>) -> bool {
    writeln!(std::io::stdout().lock(), "{}", text.as_ref()).is_ok()
}

/// [`try_line`] of a value as JSON.
pub(super) fn json_line(value: &impl Serialize) -> bool {
    try_line(serde_json::to_string(value).unwrap_or_else(|_| "null".into()))
}

/// Text as it is, data.
pub(super) fn text(text: impl AsRef<str>) {
    let _ = std::io::stdout().lock().write_all(text.as_ref().as_bytes());
}

/// A line of talk.
pub(super) fn say(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// Data as JSON.
pub(super) fn json(value: &impl Serialize) {
    line(serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".into()));
}

/// True if stderr is a terminal.
pub(super) fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// An error: what, its causes, the tool's own output, what to do next.
pub(super) fn error(error: &dyn Hint) {
    error_lines(error).into_iter().for_each(say);
}

/// What [`error`] says.
pub(super) fn error_lines(error: &dyn Hint) -> Vec<String> {
    let mut lines = vec![format!("error: {}", printable_lines(&error.to_string()))];
    let causes = super::causes(error);
    lines.extend(
        causes
            .iter()
            .map(|cause| format!("  caused by: {}", printable_lines(cause))),
    );
    let output = error.tool_output().iter();
    lines.extend(output.map(|line| format!("  | {}", printable(line))));
    let hints = error.hints();
    lines.extend(
        hints
            .iter()
            .map(|hint| format!("hint: {}", printable_lines(hint))),
    );
    lines
}

/// A word that was given, fit for a message.
pub(super) fn fit(given: &str) -> String {
    printable(&shorten(given, 60))
}

fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n  ")
}

/// clap's own message: help and version are data, everything else is an error of usage.
pub(super) fn clap_error(error: &clap::Error) -> ExitCode {
    let (plain, safe) = (error.to_string(), clap_text(error));
    if error.use_stderr() && safe != plain.trim_end_matches('\n') {
        say(safe);
    } else {
        let _ = error.print();
    }
    if error.use_stderr() {
        ExitCode::from(exit_code::USAGE)
    } else {
        ExitCode::SUCCESS
    }
}

/// What clap says. It repeats an argument as it is, and over ssh it is not the one who reads that has chosen it.
pub(super) fn clap_text(error: &clap::Error) -> String {
    let plain = error.to_string();
    let safe: Vec<String> = plain.lines().map(|line| shown(line, 400)).collect();
    safe.join("\n")
}

/// Rows under a heading, each column as wide as its widest cell; the last column is not padded.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) {
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            cells
                .chain([head[column].chars().count()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let print = |cells: &[String]| {
        let last = cells.len().saturating_sub(1);
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let padding = if column == last {
                0
            } else {
                widths[column].saturating_sub(cell.chars().count())
            };
            format!("{cell}{}", " ".repeat(padding))
        });
        line(padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    print(
        &head
            .iter()
            .map(|cell| (*cell).to_owned())
            .collect::<Vec<_>>(),
    );
    for row in rows {
        print(row);
    }
}
