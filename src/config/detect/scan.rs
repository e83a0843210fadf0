//! Reading source text without running it: comments, string literals, values of names.
//!
//! takes: text of JavaScript or Python · gives: literals · touches: nothing. What cannot be told is `None`, never a guess.

/// Longer literals and expressions are no paths; reading on would make minified files slow.
const LONGEST: usize = 4000;

/// Whose comments and strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    JavaScript,
    Python,
}

/// The text with its comments blanked out; positions stay the same.
pub(super) fn without_comments(text: &str, language: Language) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let comment = match language {
            Language::Python if c == '#' => rest.find('\n').unwrap_or(rest.len()),
            Language::JavaScript if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            Language::JavaScript if rest.starts_with("/*") => {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            }
            _ => 0,
        };
        if comment > 0 {
            clean.extend(rest[..comment].bytes().map(|b| match b {
                b'\n' => '\n',
                _ => ' ',
            }));
            rest = &rest[comment..];
        } else {
            let length = match language {
                // A quote that is escaped outside of a string, as in a pattern, starts none.
                _ if c == '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                _ if !is_quote(c, language) => c.len_utf8(),
                // Nothing closes it, so nothing after it is code; to look again from each of its characters takes minutes.
                _ if c == '`' => string_length(rest).unwrap_or(rest.len()),
                _ => string_length(rest).unwrap_or(1),
            };
            clean.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    clean
}

fn is_quote(c: char, language: Language) -> bool {
    matches!(c, '"' | '\'') || (c == '`' && language == Language::JavaScript)
}

/// The length of the string literal `text` starts with, its quotes included.
fn string_length(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let triple: String = [quote; 3].iter().collect();
    if text.starts_with(&triple) {
        return text[3..].find(&triple).map(|end| end + 6);
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' if quote != '`' => return None,
            _ if at > LONGEST && quote != '`' => return None,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The string literal `text` starts with, and what follows it. `None` for one with parts that are computed.
pub(super) fn literal(text: &str) -> Option<(&str, &str)> {
    let body = text.trim_start_matches(['r', 'b', 'u', 'R', 'B', 'U']);
    let quote = body.chars().next().filter(|c| "'\"`".contains(*c))?;
    let length = string_length(body)?;
    let edge = if body.starts_with(&[quote; 3].iter().collect::<String>()) && length >= 6 {
        3
    } else {
        1
    };
    let content = &body[edge..length - edge];
    (!content.contains("${")).then_some((content, &body[length..]))
}

/// The string literals in `text`, in order.
pub(super) fn literals(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '"', '`', '\\']) {
        if rest[at..].starts_with('\\') {
            let after = &rest[at + 1..];
            rest = after
                .get(after.chars().next().map_or(0, char::len_utf8)..)
                .unwrap_or_default();
            continue;
        }
        match literal(&rest[at..]) {
            Some((content, after)) => {
                found.push(content);
                rest = after;
            }
            None => match string_length(&rest[at..]) {
                None if rest[at..].starts_with('`') => break,
                length => rest = &rest[at + length.unwrap_or(1)..],
            },
        }
    }
    found
}

/// Where `word` stands as a word of its own: the text after it, for each place.
pub(super) fn after_word<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(word)
        .filter(|(at, _)| !text[..*at].ends_with(part))
        .map(|(at, _)| &text[at + word.len()..])
        .filter(|rest| !rest.starts_with(part))
        .collect()
}

/// What is written after `name =` (or `name:`, or `"name":`), up to the comma or line end that closes it.
pub(super) fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    values_of(text, name).into_iter().next()
}

/// All of [`value_of`], in order.
pub(super) fn values_of<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    after_word(text, name)
        .into_iter()
        .filter_map(|rest| {
            let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest).trim_start();
            let rest = rest.strip_prefix([':', '='])?;
            (!rest.starts_with('=')).then(|| expression(rest).trim())
        })
        .collect()
}

/// The expression `text` starts with: to the first comma, semicolon, closing bracket or line end outside of brackets.
pub(super) fn expression(text: &str) -> &str {
    let start = text.len() - text.trim_start_matches([' ', '\t']).len();
    let (mut depth, mut at) = (0_usize, start);
    while let Some(c) = text[at..].chars().next().filter(|_| at < LONGEST) {
        match c {
            '\'' | '"' | '`' => {
                at += string_length(&text[at..]).unwrap_or(1);
                continue;
            }
            '\\' => {
                at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8);
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' | ',' | ';' | '\n' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        at += c.len_utf8();
    }
    &text[..at]
}

/// A JavaScript path expression as text relative to the file's folder: a literal, `path.resolve(__dirname, '../x')`,
/// `fileURLToPath(new URL('./x', import.meta.url))`.
pub(super) fn javascript_path(expression: &str) -> Option<String> {
    let expression = expression.trim();
    if let Some((content, rest)) = literal(expression) {
        return rest.trim().is_empty().then(|| content.to_owned());
    }
    let (function, arguments) = expression.split_once('(')?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    match function.rsplit('.').next()?.trim() {
        "resolve" | "join" => {
            let rest = arguments.replace("process.cwd()", "__dirname");
            let parts: Vec<&str> = rest.split(',').map(str::trim).collect();
            let parts: Option<Vec<&str>> = parts
                .iter()
                .filter(|part| !part.is_empty() && **part != "__dirname")
                .map(|part| literal(part).map(|(content, _)| content))
                .collect();
            Some(parts?.join("/"))
        }
        "fileURLToPath" => literals(arguments).first().map(|path| (*path).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_strings_stay() {
        let js = "a: 'http://x', // outDir: 'no'\n/* b */ c: `d`";
        let clean = without_comments(js, Language::JavaScript);
        assert!(clean.contains("http://x") && clean.contains("`d`"));
        assert!(!clean.contains("no") && !clean.contains('b'));
        let python = "A = '#1' # B = 2\nC = \"\"\"x # y\"\"\"";
        let clean = without_comments(python, Language::Python);
        assert!(clean.contains("'#1'") && clean.contains("x # y") && !clean.contains('B'));
    }

    #[test]
    fn values_end_where_their_brackets_do() {
        let text =
            "x = {outDir: path.resolve(__dirname, '../a', 'b'), 'assetsDir': 'c'}\ny == 1\ny = 2";
        assert_eq!(
            value_of(text, "outDir").and_then(javascript_path).unwrap(),
            "../a/b"
        );
        assert_eq!(value_of(text, "assetsDir"), Some("'c'"));
        assert_eq!(value_of(text, "y"), Some("2"));
        assert_eq!(value_of(text, "utDir"), None);
    }

    #[test]
    fn computed_paths_are_not_guessed() {
        assert_eq!(javascript_path("prod ? 'a' : 'b'"), None);
        assert_eq!(javascript_path("'a' + b"), None);
        assert_eq!(javascript_path("path.join(root, 'b')"), None);
        assert_eq!(javascript_path("`${x}/b`"), None);
        assert_eq!(
            javascript_path("fileURLToPath(new URL('./x', import.meta.url))").unwrap(),
            "./x"
        );
        assert_eq!(literals("f('a', \"b\", `c${d}`, 'e')"), ["a", "b", "e"]);
    }
}
