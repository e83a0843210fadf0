//! What is wrong with a settings file, where, and what to write instead.
//!
//! takes: a file's name and text · gives: its value, or [`ConfigError`] with line, column and suggestion · touches: nothing

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use crate::base::hint::{Hint, Kind};
use crate::base::words::{list, shown};

/// The largest settings file that is read.
pub const LARGEST_FILE: usize = 256 * 1024;

/// The longest message or hint, in characters: a value that is shown may be as long as the file.
const LONGEST_MESSAGE: usize = 600;
/// The longest piece of the file that is shown.
const LONGEST_PIECE: usize = 60;

/// Settings that are not valid, or do not fit the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    place: Option<Place>,
    what: String,
    hints: Vec<String>,
}

/// Where in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as the reader knows it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl ConfigError {
    /// An error that belongs to no line: something is missing altogether.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            place: None,
            what: shown(&what.into(), LONGEST_MESSAGE),
            hints: Vec::new(),
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(shown(&hint.into(), LONGEST_MESSAGE));
        self
    }

    /// Where, if it belongs to a line.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:{}: ", place.file, place.line)?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for ConfigError {}

impl Hint for ConfigError {
    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

/// A settings file: its name in messages and its text.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> Document<'a> {
    /// Nothing is read or checked yet.
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text }
    }

    /// The file's value.
    ///
    /// # Errors
    /// It is too large, not TOML, has an unknown key, or a value of another type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        if self.text.len() > LARGEST_FILE {
            let what = format!("larger than {} KiB", LARGEST_FILE / 1024);
            return Err(self.at(0, what));
        }
        toml::from_str(self.text).map_err(|error| self.explain(&error))
    }

    /// An error at the value of a key: `at_key(&["frontend", "dir"], …)`. Where the key is not written, it belongs to the
    /// nearest table that is.
    pub fn at_key(&self, path: &[&str], what: impl Into<String>) -> ConfigError {
        match self.find(path) {
            Some(offset) => self.at(offset, what),
            None => ConfigError::new(format!("{}: {}", self.file, what.into())),
        }
    }

    fn at(&self, offset: usize, what: impl Into<String>) -> ConfigError {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ConfigError {
            place: Some(Place {
                file: self.file.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
            }),
            what: shown(&what.into(), LONGEST_MESSAGE),
            hints: Vec::new(),
        }
    }

    fn find(&self, path: &[&str]) -> Option<usize> {
        let root = DeTable::parse(self.text).ok()?;
        let (mut table, mut found) = (root.get_ref(), None);
        for part in path {
            let Some((key, value)) = table
                .iter()
                .find(|(key, _)| key.get_ref().as_ref() == *part)
            else {
                break;
            };
            found = Some(key.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        found
    }

    fn explain(&self, error: &toml::de::Error) -> ConfigError {
        let span = error.span().unwrap_or(0..0);
        let message = error.message();
        let root = DeTable::parse(self.text).ok();
        let keys = root
            .as_ref()
            .and_then(|root| keys_at(root.get_ref(), &span))
            .unwrap_or_default();
        if message.starts_with("unknown field ")
            && let Some((_, expected)) = message.rsplit_once(", expected ")
            && !keys.is_empty()
        {
            let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
            let is_section = root.is_some_and(|root| has_section(root.get_ref(), &keys));
            return self.unknown_key(&span, &keys, is_section, &known);
        }
        let message = self.in_plain_words(message, &span);
        let what = match keys.split_last() {
            None => message,
            Some((key, [])) => format!("`{}`: {message}", shown(key, LONGEST_PIECE)),
            Some((key, section)) => format!(
                "`{}` in [{}]: {message}",
                shown(key, LONGEST_PIECE),
                shown(&section.join("."), LONGEST_PIECE)
            ),
        };
        self.at(span.start, what)
    }

    /// What the parser says, for somebody who does not know its types.
    fn in_plain_words(&self, message: &str, span: &Range<usize>) -> String {
        let there = self.text.get(span.clone()).unwrap_or_default();
        let before = self.text.get(..span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let bare_word = line
            .split_once('=')
            .is_some_and(|(_, value)| value.trim_start().starts_with(|c: char| c.is_alphabetic()));
        if let Some(field) = message.strip_prefix("missing field ") {
            return format!("{field} is missing");
        }
        if message == "duplicate key" {
            return format!(
                "`{}` stands here a second time",
                shown(there, LONGEST_PIECE)
            );
        }
        if message.starts_with("invalid float") && bare_word {
            return "text must stand in quotes".into();
        }
        let message = without_long_values(message).replace("unknown variant", "unknown value");
        let message = match message.split_once(", expected ") {
            Some((what, "u16")) => format!("{what}, expected a number from 0 to 65535"),
            Some((what, "u32" | "usize")) => format!("{what}, expected a number from 0"),
            Some((what, kind)) if kind.starts_with("struct ") => {
                format!("{what}, expected a section")
            }
            _ => message,
        };
        message.trim().replace('\n', ", ")
    }

    fn unknown_key(
        &self,
        span: &Range<usize>,
        keys: &[String],
        is_section: bool,
        known: &[&str],
    ) -> ConfigError {
        let (key, section) = keys
            .split_last()
            .map_or(("", keys), |(key, section)| (key.as_str(), section));
        let name = shown(key, LONGEST_PIECE);
        let what = match section {
            [] if is_section => format!("unknown section [{name}]"),
            [] => format!("unknown key `{name}`"),
            section => format!(
                "unknown key `{name}` in [{}]",
                shown(&section.join("."), LONGEST_PIECE)
            ),
        };
        let error = self.at(span.start, what);
        let named = |key: &str| match section {
            [] if is_section => format!("[{key}]"),
            _ => format!("`{key}`"),
        };
        if let Some(near) = nearest(key, known) {
            return error.hint(format!("did you mean {}?", named(near)));
        }
        let known: Vec<String> = known.iter().map(|key| named(key)).collect();
        let noun = if is_section { "sections" } else { "keys here" };
        error.hint(format!("the {noun} are {}", list(&known)))
    }
}

/// serde quotes values whole: `invalid type: string "…", expected u16`, ``unknown variant `…`, expected one of``.
fn without_long_values(message: &str) -> String {
    let Some((what, rest)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    format!("{}, expected {rest}", shown(what, 2 * LONGEST_PIECE))
}

/// The key at the file's top is a table.
fn has_section(root: &DeTable<'_>, keys: &[String]) -> bool {
    let [key] = keys else {
        return false;
    };
    root.iter()
        .any(|(name, value)| name.get_ref() == key && matches!(value.get_ref(), DeValue::Table(_)))
}

/// The keys that lead to what lies at `span`: `["frontend", "dir"]`.
fn keys_at(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    for (key, value) in table {
        let name = key.get_ref().to_string();
        let inner = match value.get_ref() {
            DeValue::Table(inner) => keys_at(inner, span),
            _ => None,
        };
        if let Some(inner) = inner {
            return Some(std::iter::once(name).chain(inner).collect());
        }
        let plain = !matches!(value.get_ref(), DeValue::Table(_));
        if key.span() == *span
            || (plain && value.span().start <= span.start && span.end <= value.span().end)
        {
            return Some(vec![name]);
        }
    }
    None
}

/// The known word that `given` is most likely a slip of.
pub fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&given, known), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_key_and_nonsense_none() {
        assert_eq!(nearest("buidl", &["build", "dir"]), Some("build"));
        assert_eq!(
            nearest("stop-timeout", &["stop_timeout"]),
            Some("stop_timeout")
        );
        assert_eq!(nearest("colour", &["build", "dir"]), None);
    }

    #[test]
    fn a_place_counts_from_one() {
        let document = Document::new("f.toml", "a = 1\n[b]\n  c = 2\n");
        let error = document.at_key(&["b", "c"], "no");
        assert_eq!(error.to_string(), "f.toml:3: no");
        assert_eq!(error.place().unwrap().column, 3);
        assert_eq!(document.at_key(&["x"], "no").to_string(), "f.toml: no");
    }
}
