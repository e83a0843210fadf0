//! Random settings: typed values that are valid, and random text offered where text is taken. The seed is fixed, so that a
//! test that fails fails again.

use std::path::PathBuf;

use landfall::base::names::{Domain, UrlPath, WsgiTarget};
use landfall::template::site::{Backend, Needs, Pages};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// What text is put together from: every format's own signs, quotes, spaces, and letters that are none of ASCII.
const PIECES: [&str; 40] = [
    "a", "b", "Z", "0", "-", "_", ".", " ", "%", "%%", "%(x)s", "%d", ";", "#", "=", ":", "\"",
    "'", "\\", "\\\\", "\\n", "\\'", "{", "}", "[", "]", "(", ")", "$", "$(x)", "${x}", "@(x)",
    "@", "`", "~", "*", "?", "é", "а", "\u{202e}",
];
/// Those that a format cannot carry: seldom, or nothing else would be seen.
const REFUSED: [&str; 8] = ["\n", "\r", "\t", "\0", "\u{85}", "%(here)s", " ;", " #"];

/// Text without `/`.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        100 => prop::sample::select(PIECES.to_vec()),
        1 => prop::sample::select(REFUSED.to_vec()),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

/// Text that names a folder: not empty, not `.` or `..`, short enough for a socket below it.
pub(crate) fn folder() -> impl Strategy<Value = String> {
    text().prop_filter("a name", |text| text.len() < 30 && !text.starts_with('.'))
}

pub(crate) fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop_oneof![text(), Just(String::new())], 0..3).prop_map(|mut words| {
        words.insert(0, "/usr/bin/landfall".into());
        words
    })
}

pub(crate) fn domain() -> impl Strategy<Value = Domain> {
    "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?){1,6}\\.[a-z]{2,9}"
        .prop_filter_map("a domain", |text| text.parse().ok())
}

pub(crate) fn url_path() -> impl Strategy<Value = UrlPath> {
    let usual = [
        "/api/",
        "/index.html",
        "/.well-known/landfall",
        "/static",
        "/media/",
        "/",
    ];
    prop_oneof![
        6 => "(/[A-Za-z0-9_.~-]{1,20}){1,5}/?".prop_filter_map("a path", |text| text.parse().ok()),
        1 => prop::sample::select(usual.to_vec()).prop_map(|text| text.parse().unwrap()),
        1 => text().prop_filter_map("a path", |text| format!("/{text}").parse().ok()),
    ]
}

pub(crate) fn wsgi() -> impl Strategy<Value = WsgiTarget> {
    "[a-zA-Zéа_][a-zA-Z0-9éа_]{0,15}(\\.[a-z_][a-z0-9_]{0,9}){0,4}:[a-z_][a-z0-9_]{0,9}"
        .prop_filter_map("a target", |text| text.parse().ok())
}

pub(crate) fn needs() -> impl Strategy<Value = Needs> {
    let pages = prop_oneof![Just(None), Just(Some(Pages::Spa)), Just(Some(Pages::Files))];
    let backend = (
        prop::collection::vec(url_path(), 0..5),
        prop::option::of(url_path()),
        prop::option::of(url_path()),
    )
        .prop_map(|(paths, static_url, media_url)| Backend {
            paths,
            static_url,
            media_url,
        });
    (pages, prop::option::of(backend))
        .prop_map(|(frontend, backend)| Needs { frontend, backend })
        .prop_filter("something to serve", |needs| {
            needs.frontend.is_some() || needs.backend.is_some()
        })
}

/// `number` values, always the same.
pub(crate) fn sample<T>(number: usize, strategy: &impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..number)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// A folder of this name in `dir`, if the file system takes it.
pub(crate) fn make(dir: &std::path::Path, number: usize, name: &str) -> Option<PathBuf> {
    let path = dir.join(number.to_string()).join(name);
    std::fs::create_dir_all(&path).ok().map(|()| path)
}
