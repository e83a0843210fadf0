//! The app's environment: lines of `NAME=value`.
//!
//! takes: the file's text · gives: [`EnvFile`], and its text again · touches: nothing. No message shows a value.
//!
//! Read as `.env` files are written: `export `, comments, single and double quotes, values of several lines in quotes.
//! Written so that a POSIX shell reads the same values.

use std::collections::BTreeMap;

use crate::base::hint::{Hint, Kind};
use crate::base::names::EnvName;
use crate::base::secret::Secret;

/// The largest file that is read, in bytes.
pub const LARGEST_FILE: usize = 1024 * 1024;

/// Variables by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvFile {
    variables: BTreeMap<EnvName, Secret>,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct EnvFileError {
    line: usize,
    what: &'static str,
}

impl Hint for EnvFileError {
    fn hints(&self) -> Vec<String> {
        vec!["each line is NAME=value; quote a value that has several lines or ` #` in it".into()]
    }

    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl EnvFile {
    /// Reads the text. Of a name that stands twice, the last counts.
    pub fn parse(text: &str) -> Result<Self, EnvFileError> {
        if text.len() > LARGEST_FILE {
            let what = "here it is larger than 1 MiB, more than any process can be given";
            let most = (0..4).find_map(|back| text.get(..LARGEST_FILE - back));
            let line = most.unwrap_or_default().matches('\n').count() + 1;
            return Err(EnvFileError { line, what });
        }
        let text = text.trim_start_matches('\u{feff}');
        let mut file = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            // Counted only for the message: at each line it would make a long file take minutes.
            let (entry, after) = parse_line(rest).map_err(|what| EnvFileError {
                line: text[..text.len() - rest.len()].matches('\n').count() + 1,
                what,
            })?;
            if let Some((name, value)) = entry {
                file.variables.insert(name, Secret::new(value));
            }
            rest = after;
        }
        Ok(file)
    }

    /// The text, names in order; [`EnvFile::parse`] gives the same variables again.
    pub fn serialise(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.variables {
            text.push_str(name.as_str());
            text.push('=');
            quote(value.expose(), &mut text);
            text.push('\n');
        }
        text
    }

    /// A variable's value.
    pub fn get(&self, name: &EnvName) -> Option<&Secret> {
        self.variables.get(name)
    }

    /// The value of a variable given as text, where it is set and not empty.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        let name: EnvName = name.parse().ok()?;
        self.get(&name)
            .map(Secret::expose)
            .filter(|value| !value.is_empty())
    }

    /// Sets a variable. A value with a NUL byte cannot be one.
    pub fn set(&mut self, name: EnvName, value: Secret) -> Result<(), NulInValue> {
        if value.expose().contains('\0') {
            return Err(NulInValue(name));
        }
        self.variables.insert(name, value);
        Ok(())
    }

    /// Removes a variable. True if there was one.
    pub fn unset(&mut self, name: &EnvName) -> bool {
        self.variables.remove(name).is_some()
    }

    /// The variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&EnvName, &Secret)> {
        self.variables.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.variables.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }
}

/// A value that no process could be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value of `{0}` has a NUL byte")]
pub struct NulInValue(EnvName);

impl Hint for NulInValue {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

type Entry = Option<(EnvName, String)>;

/// One entry (of one or more lines), and the text after it.
fn parse_line(text: &str) -> Result<(Entry, &str), &'static str> {
    let line = text.lines().next().unwrap_or_default();
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok((None, after_line(text)));
    }
    let start = text.trim_start();
    let start = start
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .map_or(start, str::trim_start);
    let Some(equals) = start
        .find(['=', '\n'])
        .filter(|at| start[*at..].starts_with('='))
    else {
        return Err("there is no `=`");
    };
    let name: EnvName = start[..equals]
        .trim()
        .parse()
        .map_err(|_| "what stands before `=` is not a variable name")?;
    let value = start[equals + 1..].trim_start_matches([' ', '\t']);
    let (value, rest) = match value.chars().next() {
        Some(quote @ ('\'' | '"')) => quoted(&value[1..], quote)?,
        _ => (unquoted(value), after_line(value)),
    };
    if value.contains('\0') {
        return Err("the value has a NUL byte");
    }
    Ok((Some((name, value)), rest))
}

fn after_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, rest)| rest)
}

fn unquoted(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let comment = line
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|at| line[..*at].is_empty() || line[..*at].ends_with([' ', '\t']));
    line[..comment.unwrap_or(line.len())].trim().to_owned()
}

/// A quoted value, `text` starting after the opening quote.
fn quoted(text: &str, quote: char) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            let rest = &text[at + 1..];
            let tail = rest.lines().next().unwrap_or_default().trim();
            if !tail.is_empty() && !tail.starts_with('#') {
                return Err("there is text after the closing quote");
            }
            return Ok((value, after_line(rest)));
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        let Some((_, escaped)) = chars.next() else {
            break;
        };
        match (quote, escaped) {
            ('"', 'n') => value.push('\n'),
            ('"', 'r') => value.push('\r'),
            ('"', 't') => value.push('\t'),
            ('"', '"' | '\\' | '$' | '`') | ('\'', '\'' | '\\') => value.push(escaped),
            _ => value.extend(['\\', escaped]),
        }
    }
    Err("a quote is not closed")
}

fn quote(value: &str, text: &mut String) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if value.chars().all(plain) {
        text.push_str(value);
        return;
    }
    text.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        let file = EnvFile::parse(text).unwrap();
        file.get(&"A".parse().unwrap()).unwrap().expose().to_owned()
    }

    #[test]
    fn values_are_read_as_env_files_are_written() {
        for (text, expected) in [
            ("A=b", "b"),
            ("export A=b\r\n", "b"),
            ("  A = b c  # comment\n", "b c"),
            ("A=b#c", "b#c"),
            ("A=", ""),
            ("A=\nB=1", ""),
            ("A= # only a comment", ""),
            ("A='a # b' # c", "a # b"),
            (r#"A="a\nb\"c\$""#, "a\nb\"c$"),
            (r"A='a\nb'", r"a\nb"),
            ("A=\"one\ntwo\"\nB=2", "one\ntwo"),
            ("\u{feff}A=1", "1"),
            ("A=1\nA=2", "2"),
            ("A=it's", "it's"),
            ("A=postgres://u:p@h/d?x=1", "postgres://u:p@h/d?x=1"),
            (r"A=C:\new", r"C:\new"),
            ("\n\n# x\n\nA=1\n\n", "1"),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn errors_name_the_line_and_never_the_value() {
        for (text, message) in [
            ("A=1\nhunter2", "line 2: there is no `=`"),
            (
                "hunter2/x==\n",
                "line 1: what stands before `=` is not a variable name",
            ),
            ("\n\nA='hunter2", "line 3: a quote is not closed"),
            (
                "A='x\ny'\nB='x'hunter2",
                "line 3: there is text after the closing quote",
            ),
            ("A=hun\0ter2", "line 1: the value has a NUL byte"),
        ] {
            assert_eq!(EnvFile::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn any_value_survives_being_written_and_read() {
        let pieces = [
            "a", " ", "\"", "'", "\\", "\n", "\r", "\t", "$", "`", "#", "=", "é", "\u{feff}",
            "export ", "\\n", "${X}", "\r\n", "\u{1b}",
        ];
        let mut seed = 7_usize;
        for _ in 0..3000 {
            let mut text = String::new();
            for _ in 0..seed % 7 {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(seed >> 33) % pieces.len()]);
            }
            seed = seed.wrapping_add(1).wrapping_mul(3_935_559_000_370_003_845) >> 3;
            let mut file = EnvFile::default();
            file.set("A".parse().unwrap(), Secret::new(text.clone()))
                .unwrap();
            file.set("B_1".parse().unwrap(), Secret::new("x")).unwrap();
            let written = file.serialise();
            assert_eq!(
                EnvFile::parse(&written).unwrap(),
                file,
                "{text:?} → {written:?}"
            );
        }
    }

    #[test]
    fn variables_are_set_and_unset() {
        let mut file = EnvFile::default();
        let name: EnvName = "A".parse().unwrap();
        file.set(name.clone(), Secret::new("x")).unwrap();
        assert_eq!(
            file.set(name.clone(), Secret::new("a\0b"))
                .unwrap_err()
                .to_string(),
            "the value of `A` has a NUL byte"
        );
        assert_eq!(file.serialise(), "A=x\n");
        assert!(file.unset(&name) && !file.unset(&name) && file.is_empty());
        assert_eq!(format!("{file:?}"), "EnvFile { variables: {} }");
    }
}
