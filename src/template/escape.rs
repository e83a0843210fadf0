//! What each format can carry as a value, and how it is written there.
//!
//! takes: a value · gives: the value as it stands in the file, or why it cannot · touches: nothing

/// The formats of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Templates put every value in double quotes, where `;`, `{`, `}` and spaces mean nothing.
    Nginx,
    /// uWSGI's ini.
    Uwsgi,
    /// supervisor's ini: Python's `RawConfigParser`, then `%` expansion.
    Supervisor,
}

impl Format {
    /// Why `value` cannot be written in this format, if so.
    pub(super) fn problem(self, value: &str) -> Option<&'static str> {
        if value.chars().any(char::is_control) {
            return Some("it has a line break or another control character");
        }
        match self {
            // Variables are expanded in quotes too, and nginx has no escape for `$`.
            Self::Nginx => value
                .contains('$')
                .then_some("nginx would read `$` as a variable"),
            Self::Uwsgi => uwsgi_problem(value),
            Self::Supervisor => supervisor_problem(value),
        }
    }

    /// The escape of this format, for values that have no [`Format::problem`].
    pub(super) fn escape(self) -> fn(&str) -> String {
        match self {
            Self::Nginx => |value| value.replace('\\', "\\\\").replace('"', "\\\""),
            Self::Uwsgi | Self::Supervisor => |value| value.replace('%', "%%"),
        }
    }
}

fn trimmed(value: &str) -> Option<&'static str> {
    (value != value.trim())
        .then_some("it starts or ends with a space, which is lost in an ini file")
}

/// uWSGI replaces `$(NAME)` and `@(FILE)` (core/config.c) and `%x` (core/utils.c, `magic_sub`) in every value.
fn uwsgi_problem(value: &str) -> Option<&'static str> {
    if value.contains("$(") || value.contains("@(") {
        return Some("uWSGI would expand `$(` or `@(`");
    }
    trimmed(value)
}

/// `;` and `#` start a comment after a space or at the start (supervisor/options.py, `UnhosedConfigParser`), and
/// `%(here)s` is replaced before `%%` is read (`expand_here`).
fn supervisor_problem(value: &str) -> Option<&'static str> {
    let starts_comment = |at: usize| {
        value[..at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    if value
        .match_indices([';', '#'])
        .any(|(at, _)| starts_comment(at))
    {
        return Some("supervisor would read `;` or `#` after a space as a comment");
    }
    if value.contains("%(here)s") {
        return Some("supervisor would expand `%(here)s`");
    }
    trimmed(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_format_cannot_carry_is_refused() {
        for (format, bad) in [
            (Format::Nginx, "a$b"),
            (Format::Nginx, "a\nb"),
            (Format::Uwsgi, "$(HOME)"),
            (Format::Uwsgi, "@(/etc/passwd)"),
            (Format::Uwsgi, "a\rb"),
            (Format::Uwsgi, " a"),
            (Format::Supervisor, "sh -c 'a ; b'"),
            (Format::Supervisor, "#a"),
            (Format::Supervisor, "%(here)s/x"),
            (Format::Supervisor, "a\u{0}"),
        ] {
            assert!(format.problem(bad).is_some(), "{format:?} {bad:?}");
        }
    }

    #[test]
    fn what_it_can_carry_is_escaped() {
        for (format, value, escaped) in [
            (Format::Nginx, r#"/srv/a b;{}"c\d"#, r#"/srv/a b;{}\"c\\d"#),
            (Format::Uwsgi, "100%", "100%%"),
            (Format::Supervisor, "a;b 5%", "a;b 5%%"),
        ] {
            assert_eq!(format.problem(value), None);
            assert_eq!(format.escape()(value), escaped);
        }
    }
}
