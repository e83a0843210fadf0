//! What the repository's `.gitignore` files name: files that live outside git on purpose.
//!
//! takes: a tree · gives: whether a path is ignored · touches: nothing

use super::tree::{Tree, file_name, is_installed, parent};

/// All patterns, those of deeper folders last: the last that matches decides.
#[derive(Debug, Default)]
pub struct Ignored {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// The folder its file lies in; only paths below it are meant.
    folder: String,
    glob: String,
    /// Has a `/` in it, so it is matched against the path from `folder`, not against a name.
    anchored: bool,
    negated: bool,
    folders_only: bool,
}

impl Ignored {
    /// Reads the tree's `.gitignore` files.
    pub fn of(tree: &(impl Tree + ?Sized)) -> Self {
        let mut files: Vec<String> = tree
            .files()
            .named("", [".gitignore"])
            .filter(|file| !is_installed(file))
            .collect();
        files.sort_by_key(|file| file.matches('/').count());
        let mut patterns = Vec::new();
        for file in files {
            for line in tree.text(&file).unwrap_or_default().lines() {
                patterns.extend(Pattern::parse(parent(&file), line));
            }
        }
        Self { patterns }
    }

    /// The path, or a folder it lies in, is ignored.
    pub fn names(&self, path: &str) -> bool {
        let ends = path
            .match_indices('/')
            .map(|(index, _)| index)
            .chain(std::iter::once(path.len()));
        ends.into_iter().any(|end| {
            self.patterns
                .iter()
                .rev()
                .find(|pattern| pattern.matches(&path[..end], end < path.len()))
                .is_some_and(|pattern| !pattern.negated)
        })
    }
}

impl Pattern {
    fn parse(folder: &str, line: &str) -> Option<Self> {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (negated, line) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (folders_only, line) = match line.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        Some(Self {
            folder: folder.to_owned(),
            anchored: line.contains('/'),
            glob: line.trim_start_matches('/').to_owned(),
            negated,
            folders_only,
        })
    }

    fn matches(&self, path: &str, is_folder: bool) -> bool {
        if self.folders_only && !is_folder {
            return false;
        }
        let Some(inner) = (if self.folder.is_empty() {
            Some(path)
        } else {
            path.strip_prefix(&self.folder)
                .and_then(|rest| rest.strip_prefix('/'))
        }) else {
            return false;
        };
        let subject = if self.anchored {
            inner
        } else {
            file_name(inner)
        };
        glob(self.glob.as_bytes(), subject.as_bytes())
    }
}

/// `*` and `?` stay within a folder, `**` does not. Linear in practice: one point to come back to per kind of star.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // The last `*` and the last `**`: where the pattern goes on, and how far the star has matched.
    let mut back: Option<(usize, usize)> = None;
    let mut deep: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern[p..].starts_with(b"**") {
            let after = p + 2 + usize::from(pattern.get(p + 2) == Some(&b'/'));
            (deep, back, p) = (Some((after, t)), None, after);
        } else if pattern.get(p) == Some(&b'*') {
            (back, p) = (Some((p + 1, t)), p + 1);
        } else if p < pattern.len()
            && (pattern[p] == text[t] || (pattern[p] == b'?' && text[t] != b'/'))
        {
            (p, t) = (p + 1, t + 1);
        } else {
            if back.is_some_and(|(_, at)| text[at] == b'/') {
                back = None;
            }
            let point = if back.is_some() { &mut back } else { &mut deep };
            let Some((after, at)) = point else {
                return false;
            };
            *at += 1;
            (p, t) = (*after, *at);
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::MemoryTree;

    #[test]
    fn names_anchors_folders_and_exceptions() {
        let tree = MemoryTree::new(&[
            (
                ".gitignore",
                "# comment\nlocalsettings.py\n/media\n*.log\nlogs/\n!keep.log\ndocs/**/x.txt\n",
            ),
            ("web/.gitignore", "src/variables/local*.js\n"),
        ]);
        let ignored = Ignored::of(&tree);
        for path in [
            "a/b/localsettings.py",
            "media/x.png",
            "a/b.log",
            "a/logs/x",
            "docs/a/b/x.txt",
            "docs/x.txt",
            "web/src/variables/localVariables.js",
        ] {
            assert!(ignored.names(path), "{path}");
        }
        for path in [
            "a/media/x.png",
            "keep.log",
            "logs",
            "src/variables/localVariables.js",
            "web/src/variables/a/local.ts",
            "localsettings.pyc",
        ] {
            assert!(!ignored.names(path), "{path}");
        }
    }
}
