//! Paths in Django settings, worked out without running them: `BASE_DIR / 'media'`,
//! `os.path.join(os.path.dirname(__file__), '..', 'logs')`.
//!
//! takes: an expression, the settings files · gives: a path in the repository · touches: nothing

use std::cell::Cell;

use super::scan::{literal, values_of};
use super::sources::Sources;

/// How many operands are looked at before giving up: `A = B`, `B = A`, a thousand brackets, names made of names.
const MOST_STEPS: usize = 400;

const FUNCTIONS: [&str; 10] = [
    "dirname", "abspath", "realpath", "normpath", "str", "fspath", "join", "Path", "PurePath",
    "root",
];

/// How deep brackets and names may be nested.
const DEEPEST: usize = 24;

/// What an expression is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// A path from the repository's root, in parts.
    Path(Vec<String>),
    Text(String),
}

/// The path in the repository that `expression` (in the file `source` of `sources`) means, if it can be told and lies
/// inside. Relative paths are relative to the backend's folder, where everything runs.
pub(super) fn resolve(sources: &Sources, source: usize, expression: &str) -> Option<String> {
    let evaluator = Evaluator {
        sources,
        source,
        steps: &Cell::new(MOST_STEPS),
        depth: DEEPEST,
    };
    let value = evaluator.whole(expression)?;
    Some(evaluator.path(value)?.join("/"))
}

#[derive(Clone, Copy)]
struct Evaluator<'a> {
    sources: &'a Sources,
    source: usize,
    steps: &'a Cell<usize>,
    depth: usize,
}

impl Evaluator<'_> {
    fn whole(self, expression: &str) -> Option<Value> {
        let (value, rest) = self.sum(expression.trim())?;
        rest.trim().is_empty().then_some(value)
    }

    /// `operand (/ operand | + operand | - number)*`
    fn sum(self, text: &str) -> Option<(Value, &str)> {
        let (mut value, mut rest) = self.operand(text.trim_start())?;
        loop {
            rest = rest.trim_start();
            let (operator, after) = (rest.chars().next(), rest.get(1..).unwrap_or_default());
            match operator {
                Some('/') => {
                    let (Value::Text(part), next) = self.operand(after.trim_start())? else {
                        return None;
                    };
                    value = Value::Path(join(self.path(value)?, &part)?);
                    rest = next;
                }
                Some('+') => {
                    let (Value::Text(part), next) = self.operand(after.trim_start())? else {
                        return None;
                    };
                    value = match value {
                        Value::Text(text) => Value::Text(text + &part),
                        Value::Path(path) => Value::Path(join(path, part.strip_prefix('/')?)?),
                    };
                    rest = next;
                }
                Some('-') => {
                    let (number, next) = number(after.trim_start())?;
                    value = up(self.path(value)?, number)?;
                    rest = next;
                }
                _ => return Some((value, rest)),
            }
        }
    }

    fn operand(self, text: &str) -> Option<(Value, &str)> {
        self.steps.set(self.steps.get().checked_sub(1)?);
        let inner = Self {
            depth: self.depth.checked_sub(1)?,
            ..self
        };
        let (value, rest) = if let Some((content, rest)) = literal(text) {
            (Value::Text(content.to_owned()), rest)
        } else if let Some(bracketed) = text.strip_prefix('(') {
            let (value, rest) = inner.sum(bracketed)?;
            (value, rest.trim_start().strip_prefix(')')?)
        } else {
            let (mut name, mut rest) = identifier(text)?;
            while ["os", "path", "pathlib", "environ"].contains(&name) && rest.starts_with('.') {
                (name, rest) = identifier(&rest[1..])?;
            }
            match rest.trim_start().strip_prefix('(') {
                Some(_) if !FUNCTIONS.contains(&name) => (inner.lookup(name)?, rest),
                Some(arguments) => inner.function(name, arguments)?,
                None if name == "__file__" => {
                    (path_value(&self.sources.files[self.source].path), rest)
                }
                None => (inner.lookup(name)?, rest),
            }
        };
        inner.suffixes(value, rest)
    }

    fn function<'t>(self, name: &str, arguments: &'t str) -> Option<(Value, &'t str)> {
        let (values, rest) = self.arguments(arguments)?;
        let mut values = values.into_iter();
        let first = values.next()?;
        let value = match name {
            "dirname" => up(self.path(first)?, 1)?,
            "abspath" | "realpath" | "normpath" | "str" | "fspath" => first,
            "join" | "Path" | "PurePath" | "root" => {
                let mut path = self.path(first)?;
                for value in values {
                    let Value::Text(part) = value else {
                        return None;
                    };
                    path = join(path, &part)?;
                }
                Value::Path(path)
            }
            _ => return None,
        };
        Some((value, rest))
    }

    /// What follows a value: `.parent`, `.parents[1]`, `.resolve()`, `.joinpath('x')`, `('x')` (django-environ).
    fn suffixes(self, mut value: Value, mut rest: &str) -> Option<(Value, &str)> {
        loop {
            if let Some(arguments) = rest.strip_prefix('(') {
                (value, rest) = self.call(value, arguments)?;
                continue;
            }
            let Some(attribute) = rest.trim_start().strip_prefix('.') else {
                return Some((value, rest));
            };
            let (name, after) = identifier(attribute)?;
            rest = after;
            value = match name {
                "parent" => up(self.path(value)?, 1)?,
                "parents" => {
                    let (index, after) = number(rest.strip_prefix('[')?)?;
                    rest = after.strip_prefix(']')?;
                    up(self.path(value)?, index + 1)?
                }
                // The call that follows takes arguments, or none.
                "resolve" | "absolute" | "as_posix" | "joinpath" | "path" | "child" => value,
                _ => return None,
            };
        }
    }

    fn call(self, value: Value, arguments: &str) -> Option<(Value, &str)> {
        let (values, rest) = self.arguments(arguments)?;
        if values.is_empty() {
            return Some((value, rest));
        }
        let mut path = self.path(value)?;
        for value in values {
            let Value::Text(part) = value else {
                return None;
            };
            path = join(path, &part)?;
        }
        Some((Value::Path(path), rest))
    }

    fn arguments(self, text: &str) -> Option<(Vec<Value>, &str)> {
        let mut values = Vec::new();
        let mut rest = text.trim_start();
        loop {
            if let Some(after) = rest.strip_prefix(')') {
                return Some((values, after));
            }
            let (value, after) = self.sum(rest)?;
            values.push(value);
            let after = after.trim_start();
            rest = after.strip_prefix(',').unwrap_or(after).trim_start();
            if !after.starts_with([',', ')']) {
                return None;
            }
        }
    }

    /// The last value given to a name, in this file first, then in those it imports.
    fn lookup(self, name: &str) -> Option<Value> {
        let order = std::iter::once(self.source).chain(0..self.sources.files.len());
        for source in order {
            let text = &self.sources.files[source].text;
            if let Some(expression) = values_of(text, name).last() {
                return Self { source, ..self }.whole(expression);
            }
        }
        None
    }

    fn path(self, value: Value) -> Option<Vec<String>> {
        match value {
            Value::Path(path) => Some(path),
            Value::Text(text) => join(parts(&self.sources.folder), &text),
        }
    }
}

fn path_value(path: &str) -> Value {
    Value::Path(parts(path))
}

fn parts(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn join(mut path: Vec<String>, relative: &str) -> Option<Vec<String>> {
    if relative.starts_with('/') {
        return None;
    }
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                path.pop()?;
            }
            part => path.push(part.to_owned()),
        }
    }
    Some(path)
}

fn up(mut path: Vec<String>, levels: usize) -> Option<Value> {
    let left = path.len().checked_sub(levels)?;
    path.truncate(left);
    Some(Value::Path(path))
}

fn identifier(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn number(text: &str) -> Option<(usize, &str)> {
    let (digits, rest) = identifier(text)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::super::sources::Source;
    use super::*;

    fn value(settings: &str, expression: &str) -> Option<String> {
        let sources = Sources {
            folder: "api".into(),
            files: vec![Source {
                path: "api/app/settings.py".into(),
                text: settings.into(),
            }],
        };
        resolve(&sources, 0, expression)
    }

    #[test]
    fn the_ways_settings_write_paths() {
        for (settings, expression, path) in [
            (
                "BASE_DIR = Path(__file__).resolve().parent.parent",
                "BASE_DIR / 'media'",
                "api/media",
            ),
            (
                "BASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))",
                "os.path.join(BASE_DIR, 'media', 'x')",
                "api/media/x",
            ),
            ("R = environ.Path(__file__) - 3", "str(R('media'))", "media"),
            (
                "R = Path(__file__).parents[2]",
                "str(R / \"m\" / 'n')",
                "m/n",
            ),
            ("", "'media/'", "api/media"),
            (
                "",
                "os.path.join(os.path.dirname(__file__), '..', '..', 'up')",
                "up",
            ),
            ("B = Path(__file__).parent", "B.joinpath('m')", "api/app/m"),
            ("A = B\nB = Path('x')", "A / 'y'", "api/x/y"),
            (
                "BASE_DIR = os.path.dirname(__file__)",
                "BASE_DIR + '/media'",
                "api/app/media",
            ),
            (
                "BASE_DIR = (\n    Path(__file__)\n)",
                "Path(BASE_DIR).parent / f.x",
                "",
            ),
        ] {
            let found = value(settings, expression);
            assert_eq!(found.unwrap_or_default(), path, "{expression}");
        }
    }

    #[test]
    fn what_only_running_would_tell_is_none() {
        for expression in [
            "env('MEDIA_ROOT')",
            "os.environ.get('X', 'y')",
            "'/var/media'",
            "A",
            "f'{BASE_DIR}/media'",
            "'../../../x'",
            "x if y else z",
            "Path('a').with_name('b')",
            "(((((",
            "",
        ] {
            assert_eq!(
                value("A = B\nB = A\nx = 'x'", expression),
                None,
                "{expression}"
            );
        }
    }

    #[test]
    fn what_would_take_for_ever_is_none() {
        assert_eq!(value("", &"(".repeat(500_000)), None);
        assert_eq!(value("", &"str(".repeat(200_000)), None);
        let line = |n| format!("A{n} = os.path.join(A{0}, A{0}, A{0}, A{0})", n + 1);
        let names = (0..40).map(line).collect::<Vec<_>>().join("\n");
        assert_eq!(value(&names, "A0 / 'x'"), None);
    }
}
