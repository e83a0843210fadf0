//! The one list of what differs from run to run and may: times, hashes, ports, folders.

/// A line with everything that may differ replaced by its name.
pub(crate) fn line(text: &str, folders: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (folder, name) in folders {
        text = text.replace(folder, name);
    }
    text = stage_time(&text);
    even(words(&text))
}

/// A time within a stage's line moves the one at its end; that one stands where it always does.
fn even(text: String) -> String {
    const WIDTH: usize = 60;
    let Some(head) = text
        .strip_suffix(" [time]")
        .filter(|_| text.starts_with("  "))
    else {
        return text;
    };
    if !head.contains("[time]") {
        return text;
    }
    format!("{:<WIDTH$} [time]", head.trim_end())
}

/// Many lines. Frontend and Python environment are built side by side; whichever ends first, here the frontend's comes
/// first.
pub(crate) fn lines(lines: &[String], folders: &[(&str, &str)]) -> String {
    let mut lines = lines.to_vec();
    for at in 1..lines.len() {
        if lines[at].starts_with("  frontend ") && lines[at - 1].starts_with("  python ") {
            lines.swap(at - 1, at);
        }
    }
    lines
        .iter()
        .map(|each| line(each, folders) + "\n")
        .collect()
}

/// The time at the end of a stage's line stands in a field of seven.
fn stage_time(text: &str) -> String {
    let Some(field) = text
        .len()
        .checked_sub(7)
        .filter(|at| text.is_char_boundary(*at))
    else {
        return text.to_owned();
    };
    let (head, time) = text.split_at(field);
    if text.starts_with("  ") && is_seconds(time.trim_start()) {
        format!("{head} [time]")
    } else {
        text.to_owned()
    }
}

fn is_seconds(word: &str) -> bool {
    word.strip_suffix('s').is_some_and(|number| {
        number.contains('.') && number.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    })
}

/// Words: object ids (40 digits, or 7 of them), seconds, `127.0.0.1:PORT`.
fn words(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(std::iter::once('\n')) {
        if c.is_ascii_alphanumeric() || ".:".contains(c) {
            word.push(c);
            continue;
        }
        out.push_str(&redacted(&word));
        word.clear();
        if c != '\n' {
            out.push(c);
        }
    }
    out
}

fn redacted(word: &str) -> String {
    let is_hex = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let bare = word.trim_end_matches([':', '.']);
    let tail = &word[bare.len()..];
    if [7, 40].contains(&bare.len()) && is_hex(bare) {
        return format!("[id]{tail}");
    }
    if is_seconds(bare) {
        return format!("[time]{tail}");
    }
    if let Some(port) = bare.strip_prefix("127.0.0.1:")
        && port.parse::<u16>().is_ok()
    {
        return format!("127.0.0.1:[port]{tail}");
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_what_does_not_stays() {
        let cases = [
            (
                "landfall · notes · master a1b2c3d \"Add 1234567 deeds\"",
                "landfall · notes · master [id] \"Add [id] deeds\"",
            ),
            (
                "  checkout  214 files, 3 changed                              0.04s",
                "  checkout  214 files, 3 changed                             [time]",
            ),
            (
                "http://127.0.0.1:20001 is on a1b2c3d · 2.6s",
                "http://127.0.0.1:[port] is on [id] · [time]",
            ),
            (
                "  python    venv built with pip in 10.12s                     10.12s",
                "  python    venv built with pip in [time]                    [time]",
            ),
            ("release 42 of 1234", "release 42 of 1234"),
            ("Django 5.2.19", "Django 5.2.19"),
        ];
        for (given, wanted) in cases {
            assert_eq!(line(given, &[]), wanted);
        }
    }
}
