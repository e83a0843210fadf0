//! Changing the list of shared paths in an app's settings file, leaving everything else in it as it is.
//!
//! takes: the file's text · gives: the text with one list replaced · touches: nothing

use toml::Value;
use toml::de::DeTable;

use super::error::ConfigError;
use super::server::{self, SharedLists};
use crate::base::names::RepoPath;

/// The lists that `landfall shared add` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `shared_files`
    Files,
    /// `shared_dirs`
    Dirs,
}

impl List {
    fn key(self) -> &'static str {
        match self {
            Self::Files => "shared_files",
            Self::Dirs => "shared_dirs",
        }
    }

    fn of(self, lists: SharedLists) -> Vec<RepoPath> {
        match self {
            Self::Files => lists.shared_files,
            Self::Dirs => lists.shared_dirs,
        }
    }
}

/// The text of an app's settings with `path` in the list; `file` is its name in messages.
pub fn add(text: &str, file: &str, list: List, path: &RepoPath) -> Result<String, ConfigError> {
    add_to(text, file, list, path, |text, file| {
        let settings = server::parse(text, file)?;
        Ok(SharedLists {
            shared_files: settings.shared_files,
            shared_dirs: settings.shared_dirs,
        })
    })
}

/// As [`add`], for the list of a server's app in its own home, where its settings are root's.
pub fn add_own(text: &str, file: &str, list: List, path: &RepoPath) -> Result<String, ConfigError> {
    add_to(text, file, list, path, SharedLists::parse)
}

fn add_to(
    text: &str,
    file: &str,
    list: List,
    path: &RepoPath,
    read: impl Fn(&str, &str) -> Result<SharedLists, ConfigError>,
) -> Result<String, ConfigError> {
    let mut paths = list.of(read(text, file)?);
    if paths.contains(path) {
        return Ok(text.to_owned());
    }
    paths.push(path.clone());
    paths.sort();
    let items = paths.iter().map(|path| Value::String(path.to_string()));
    let value = Value::Array(items.collect()).to_string();
    let place = DeTable::parse(text).ok().and_then(|table| {
        let found = table
            .get_ref()
            .iter()
            .find(|(key, _)| key.get_ref().as_ref() == list.key());
        found.map(|(_, value)| value.span())
    });
    let changed = match place {
        Some(span) => format!("{}{value}{}", &text[..span.start], &text[span.end..]),
        None => format!("{}\n{} = {value}\n", text.trim_end(), list.key())
            .trim_start()
            .to_owned(),
    };
    // The file is the app's life: what cannot be read again is not written.
    if list.of(read(&changed, file)?) == paths {
        Ok(changed)
    } else {
        Err(
            ConfigError::new(format!("`{}` in {file} cannot be changed", list.key()))
                .hint(format!("write it by hand: {} = {value}", list.key())),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# mine\nname = \"notes\"\nhome = \"/srv/notes\" # there\nbranch = \"master\"\nlisten = \"127.0.0.1:80\"\n";

    #[test]
    fn a_list_is_replaced_in_place_or_added_and_comments_stay() {
        let path = "api/db.sqlite3".parse().unwrap();
        let added = add(HEAD, "notes.toml", List::Files, &path).unwrap();
        assert_eq!(
            added,
            format!("{HEAD}shared_files = [\"api/db.sqlite3\"]\n")
        );
        assert_eq!(
            add(&added, "notes.toml", List::Files, &path).unwrap(),
            added
        );
        let text = format!("shared_dirs = [\n  \"media\", # uploads\n] # dirs\n{HEAD}");
        assert_eq!(
            add(
                &text,
                "notes.toml",
                List::Dirs,
                &"a b/\"c\"".parse().unwrap()
            )
            .unwrap(),
            format!("shared_dirs = ['a b/\"c\"', \"media\"] # dirs\n{HEAD}")
        );
        assert!(add("name = 1", "notes.toml", List::Dirs, &path).is_err());
    }
}
