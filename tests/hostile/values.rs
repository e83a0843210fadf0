//! The values.

/// Larger than any file or value that is read.
pub(crate) const HUGE: usize = 10_000_000;

/// What is tried everywhere, in the order of the trades it comes from.
const VALUES: [&str; 68] = [
    // Lines and control characters.
    "a\nb",
    "a\r\nb",
    "a\rb",
    "a\0b",
    "\0",
    "a\tb",
    "a\u{b}b",
    "a\u{85}b",
    "x\nroot = /\ninclude /etc/passwd;",
    "a\n[program:evil]\ncommand = /bin/sh",
    "a\n[uwsgi]\nexec-asap = id",
    // nginx.
    "a;b",
    "a}b",
    "a{b",
    "a\";}",
    "x; } server { listen 80; return 200 owned; }",
    "a\"b",
    "a'b",
    "a\\",
    "a\\\"b",
    "$host",
    "${document_root}",
    "~^(.*)$",
    "*.example.org",
    ".example.org",
    "_",
    // A shell.
    "$(id)",
    "`id`",
    "a|b",
    "a&&b",
    "a>b",
    "a b",
    "~",
    "~root",
    "*",
    "a?b",
    "{a,b}",
    "-rf",
    "--help",
    "-",
    "!!",
    // supervisor and uWSGI.
    "%(here)s",
    "%(ENV_HOME)s",
    "%%",
    "%d",
    "%",
    "@(/etc/passwd)",
    "$(HOME)",
    "a ; b",
    "a # b",
    "#a",
    "[a]",
    "=a",
    // Paths.
    "../../etc/passwd",
    "a/../../b",
    "/etc/passwd",
    "a//b",
    ".git/hooks/pre-receive",
    "..",
    // What looks like something else.
    "ex\u{430}mple.org",
    "example\u{ff0e}org",
    "a\u{202e}gpj.exe",
    "a\u{200b}b",
    "\u{feff}a",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "\u{2028}a",
    // Addresses.
    "[::1]:80",
    "xn--e1afmkfd.example",
];

/// All values: those above and those that are long.
pub(crate) fn all() -> Vec<String> {
    let long = [
        "a".repeat(64),
        format!("{}.org", "a".repeat(64)),
        format!("{}org", "a.".repeat(130)),
        format!("/{}", "a/".repeat(400)),
        "\u{1b}[31m".repeat(20_000),
        "a".repeat(HUGE),
        "%(here)s;\"}".repeat(HUGE / 11),
    ];
    VALUES.iter().map(ToString::to_string).chain(long).collect()
}

/// A value as a test's message shows it.
pub(crate) fn brief(value: &str) -> String {
    let start: String = value.chars().take(40).collect();
    format!("{start:?} ({} bytes)", value.len())
}
