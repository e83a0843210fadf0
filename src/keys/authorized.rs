//! The file of keys that sshd reads for an app, in the form of `authorized_keys`.
//!
//! takes: the file's text · gives: its entries, and the text again · touches: nothing
//!
//! Each key has a line of its own:
//!
//! ```text
//! restrict,command="/usr/bin/landfall ssh --app notes --key SHA256:… --role deploy" ssh-ed25519 AAAA… 2026-11-20T09:55:00Z Ana
//! ```
//!
//! `restrict` takes everything away (forwarding, terminals, `~/.ssh/rc`), also what later versions of OpenSSH add; the
//! command stands in for whatever the client asks for. Lines that are not of this form were written by somebody else: they
//! are kept as they are, and told apart.

use std::path::{Path, PathBuf};

use super::public_key::PublicKey;
use super::role::Role;
use crate::base::names::{AppName, Fingerprint, Who};

const HEAD: &str = "# Written by `landfall key add` and `landfall key remove`.";

/// What sshd runs for a key. sshd hands it to the user's shell, so nothing in it may need quoting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forced {
    /// The program.
    landfall: PathBuf,
    app: AppName,
    /// The app's settings file, where it is not the server's own.
    settings: Option<PathBuf>,
}

impl Forced {
    /// `None` if a path has a character that a shell or the file's form gives a meaning to.
    pub fn new(landfall: &Path, app: &AppName, settings: Option<&Path>) -> Option<Self> {
        let plain = |path: &Path| {
            path.is_absolute()
                && path.to_str().is_some_and(|text| {
                    text.bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"/._-+@".contains(&b))
                })
        };
        (plain(landfall) && settings.is_none_or(plain)).then(|| Self {
            landfall: landfall.to_owned(),
            app: app.clone(),
            settings: settings.map(Path::to_owned),
        })
    }

    fn command(&self, key: &Fingerprint, role: Role) -> String {
        let settings = self
            .settings
            .as_ref()
            .map(|file| format!(" --settings {}", file.display()))
            .unwrap_or_default();
        format!(
            "{} ssh --app {}{settings} --key {key} --role {role}",
            self.landfall.display(),
            self.app
        )
    }

    /// What the words of a command mean; `None` if they are not of this form.
    fn parse(command: &str) -> Option<(Self, Fingerprint, Role)> {
        let words: Vec<&str> = command.split(' ').collect();
        let (landfall, app, settings, key, role) = match words[..] {
            [landfall, "ssh", "--app", app, "--key", key, "--role", role] => {
                (landfall, app, None, key, role)
            }
            [
                landfall,
                "ssh",
                "--app",
                app,
                "--settings",
                file,
                "--key",
                key,
                "--role",
                role,
            ] => (landfall, app, Some(Path::new(file)), key, role),
            _ => return None,
        };
        let forced = Self::new(Path::new(landfall), &app.parse().ok()?, settings)?;
        Some((forced, key.parse().ok()?, role.parse().ok()?))
    }
}

/// A key that Landfall let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: PublicKey,
    /// What it may do.
    pub role: Role,
    /// Whose it is.
    pub who: Who,
    /// When it was added, RFC 3339 in UTC.
    pub added: String,
    /// What runs for it.
    pub forced: Forced,
}

impl Entry {
    fn line(&self) -> String {
        format!(
            "restrict,command=\"{}\" {} {} {}",
            self.forced.command(self.key.fingerprint(), self.role),
            self.key.line(),
            self.added,
            self.who
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let (command, key) = line
            .strip_prefix("restrict,command=\"")?
            .split_once("\" ")?;
        let (forced, fingerprint, role) = Forced::parse(command)?;
        let key: ssh_key::PublicKey = key.parse().ok()?;
        let (added, who) = key.comment().split_once(' ')?;
        let (added, who) = (added.to_owned(), who.parse().ok()?);
        humantime::parse_rfc3339(&added).ok()?;
        let entry = Self {
            key: PublicKey::of(&key)?,
            role,
            who,
            added,
            forced,
        };
        // A line that says another key than it has, or is written in another way, is not ours.
        (*entry.key.fingerprint() == fingerprint && entry.line() == line).then_some(entry)
    }
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Ours(Box<Entry>),
    Other(String),
}

/// The file, or the part of it that is Landfall's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeysFile {
    lines: Vec<Line>,
}

impl KeysFile {
    /// Reads it. Every text is one: what is not ours is somebody else's.
    pub fn parse(text: &str) -> Self {
        // Not `lines`, which would take the line ends of somebody else's lines away.
        let lines = text
            .split_terminator('\n')
            .map(|line| (line, line.trim_end_matches('\r')))
            .filter(|(_, bare)| *bare != HEAD)
            .map(|(line, bare)| match Entry::parse(bare) {
                Some(entry) => Line::Ours(Box::new(entry)),
                None => Line::Other(line.to_owned()),
            });
        Self {
            lines: lines.collect(),
        }
    }

    /// Its text.
    pub fn render(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for line in &self.lines {
            match line {
                Line::Ours(entry) => text.push_str(&entry.line()),
                Line::Other(line) => text.push_str(line),
            }
            text.push('\n');
        }
        text
    }

    /// The keys that Landfall let in, in the order they were added.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.lines.iter().filter_map(|line| match line {
            Line::Ours(entry) => Some(&**entry),
            Line::Other(_) => None,
        })
    }

    /// Lines that let somebody in, and that Landfall did not write: no comments, nothing empty.
    pub fn foreign(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| match line {
            Line::Other(line) if says_something(line) => Some(line.as_str()),
            _ => None,
        })
    }

    /// Adds a key at the end.
    pub fn add(&mut self, entry: Entry) {
        self.lines.push(Line::Ours(Box::new(entry)));
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &Fingerprint) {
        self.lines
            .retain(|line| !matches!(line, Line::Ours(entry) if entry.key.fingerprint() == key));
    }

    /// Nothing of it lets anybody in.
    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none() && self.foreign().next().is_none()
    }
}

fn says_something(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

/// A file of several owners: what is Landfall's stands between marks, and the rest is nobody's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    before: String,
    /// What stands between the marks.
    pub inside: KeysFile,
    after: String,
    begin: String,
    end: String,
}

impl Block {
    /// Finds the app's part in the text of an account's `~/.ssh/authorized_keys`; it is at the end where there is none yet.
    pub fn parse(text: &str, app: &AppName) -> Self {
        let begin = format!("# >>> landfall {app} >>>\n");
        let end = format!("# <<< landfall {app} <<<\n");
        let found = find_line(text, &begin).and_then(|from| {
            let inside = from + begin.len();
            find_line(&text[inside..], &end).map(|length| (from, inside, inside + length))
        });
        let (before, inside, after) = match found {
            Some((from, inside, to)) => (&text[..from], &text[inside..to], &text[to + end.len()..]),
            None => (text, "", ""),
        };
        let mut before = before.to_owned();
        if !before.is_empty() && !before.ends_with('\n') {
            before.push('\n');
        }
        Self {
            before,
            inside: KeysFile::parse(inside),
            after: after.to_owned(),
            begin,
            end,
        }
    }

    /// The whole file again; without marks where there is nothing between them.
    pub fn render(&self) -> String {
        let Self {
            before,
            after,
            begin,
            end,
            ..
        } = self;
        if self.inside.is_empty() {
            return format!("{before}{after}");
        }
        format!("{before}{begin}{}{end}{after}", self.inside.render())
    }

    /// The lines outside the marks that let somebody in.
    pub fn outside(&self) -> impl Iterator<Item = &str> {
        self.before
            .lines()
            .chain(self.after.lines())
            .filter(|line| says_something(line))
    }
}

/// Where a whole line begins; `line` ends with its newline.
fn find_line(text: &str, line: &str) -> Option<usize> {
    text.match_indices(line)
        .map(|(at, _)| at)
        .find(|at| *at == 0 || text[..*at].ends_with('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    const BEN: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6Wv3Ge9AmGRcmCbMCfdOEzvnPKsoIh2ARMsXoVjoHl";

    fn entry(key: &str, who: &str, settings: Option<&str>) -> Entry {
        Entry {
            key: PublicKey::in_line(key).unwrap(),
            role: Role::Deploy,
            who: who.parse().unwrap(),
            added: "2026-11-20T09:55:00Z".into(),
            forced: Forced::new(
                Path::new("/usr/bin/landfall"),
                &"notes".parse().unwrap(),
                settings.map(Path::new),
            )
            .unwrap(),
        }
    }

    fn ours() -> String {
        format!(
            "restrict,command=\"/usr/bin/landfall ssh --app notes --key SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ --role deploy\" {ANA} 2026-11-20T09:55:00Z Ana \"the #1\" Müller"
        )
    }

    #[test]
    fn a_key_has_one_line_that_is_read_again() {
        let mut file = KeysFile::default();
        file.add(entry(ANA, "Ana \"the #1\" Müller", None));
        file.add(entry(
            BEN,
            "ben",
            Some("/home/me/.config/landfall/apps/notes.toml"),
        ));
        let text = file.render();
        assert_eq!(text.lines().nth(1).unwrap(), ours());
        assert!(
            text.contains(
                " --app notes --settings /home/me/.config/landfall/apps/notes.toml --key "
            )
        );
        let again = KeysFile::parse(&text);
        assert_eq!(again, file);
        assert_eq!(again.render(), text);
        let key = again.entries().next().unwrap().key.fingerprint().clone();
        let mut left = again;
        left.remove(&key);
        assert_eq!(left.entries().count(), 1);
        assert!(!left.is_empty());
    }

    #[test]
    fn lines_of_others_stay_and_are_told_apart() {
        let ours = ours();
        for (theirs, says) in [
            ("# comment", false),
            ("", false),
            (ANA, true),
            (&*format!("{ANA}\r"), true),
            (&*format!("command=\"sh\" {BEN}"), true),
            // Ours, but for something that was changed by hand.
            (&*ours.replace("restrict,", ""), true),
            (&*ours.replace("--role deploy", "--role root"), true),
            (&*ours.replace("restrict,", "restrict,pty,"), true),
            (&*ours.replace("landfall ssh", "landfall  ssh"), true),
            (&*ours.replace("--app notes", "--app notes;id"), true),
            (&*ours.replace(ANA, BEN), true),
            (&*ours.replace("2026-11-20T09:55:00Z", "then"), true),
        ] {
            let text = format!("{HEAD}\n{theirs}\n{ours}\n");
            let file = KeysFile::parse(&text);
            assert_eq!(file.render(), text, "{theirs}");
            assert_eq!(file.entries().count(), 1, "{theirs}");
            let foreign: Vec<&str> = file.foreign().collect();
            assert_eq!(foreign, if says { vec![theirs] } else { vec![] });
        }
        assert_eq!(PublicKey::in_line(&ours).unwrap().line(), ANA);
    }

    #[test]
    fn a_path_that_a_shell_would_read_otherwise_is_refused() {
        let app = "notes".parse().unwrap();
        for bad in [
            "/a b", "/a\"b", "/a;b", "/$a", "/a\nb", "a", "/ä", "/a`b", "/a\\b", "/a#b",
        ] {
            let (good, bad) = (Path::new("/usr/bin/landfall"), Path::new(bad));
            assert_eq!(Forced::new(bad, &app, None), None, "{}", bad.display());
            assert_eq!(
                Forced::new(good, &app, Some(bad)),
                None,
                "{}",
                bad.display()
            );
        }
    }

    #[test]
    fn a_block_between_marks_leaves_the_rest_alone() {
        let (notes, shop) = ("notes".parse().unwrap(), "shop".parse().unwrap());
        for theirs in [
            "",
            "ssh-rsa AAAA mine\n",
            "ssh-rsa AAAA mine",
            "# >>> landfall notes >>> not the mark\n",
        ] {
            let mut block = Block::parse(theirs, &notes);
            assert_eq!(block.render().trim_end(), theirs.trim_end());
            block.inside.add(entry(ANA, "ana", None));
            let text = block.render();
            let mut other = Block::parse(&text, &shop);
            other.inside.add(entry(BEN, "ben", None));
            let both = other.render();
            assert!(both.starts_with(&text), "{both}");
            let mut again = Block::parse(&both, &notes);
            assert_eq!(again.inside, block.inside);
            assert_eq!(again.render(), both);
            let ana = again.inside.entries().next().unwrap().key.clone();
            again.inside.remove(ana.fingerprint());
            assert_eq!(Block::parse(&again.render(), &shop).inside, other.inside);
            assert!(!again.render().contains("landfall notes >>>\n"));
        }
    }
}
