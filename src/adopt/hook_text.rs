//! What a hand-written hook says of itself. Its text is data: read line by line, and never run.
//!
//! takes: the hook's text · gives: folders it checks out to, branches it names, what Landfall does not do for it · touches:
//! nothing

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::names::BranchName;
use crate::base::words::{printable, shorten};

/// A hook with more is not read to its end.
const MOST_LINES: usize = 2000;

/// What a hook says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookText {
    /// Folders it checks out to or works in, absolute, the likeliest first.
    pub folders: Vec<PathBuf>,
    /// Branches it names, the likeliest first.
    pub branches: Vec<BranchName>,
    /// Lines that do what somebody has to look at.
    pub remarks: Vec<Remark>,
}

/// A line of the hook that Landfall does not stand in for, as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// Its number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What is to be thought of.
    pub why: &'static str,
}

/// Words of the shell itself, what only says something, and what a deploy does anyway.
const NOTHING_TO_DO: [&str; 52] = [
    "if",
    "elif",
    "else",
    "fi",
    "then",
    "while",
    "until",
    "for",
    "do",
    "done",
    "case",
    "esac",
    "{",
    "}",
    "(",
    ")",
    "[",
    "[[",
    "test",
    "!",
    "read",
    "set",
    "shift",
    "exit",
    "return",
    "break",
    "continue",
    "export",
    "local",
    "unset",
    "echo",
    "printf",
    "cd",
    "pushd",
    "popd",
    "true",
    "false",
    ":",
    "source",
    ".",
    "activate",
    "deactivate",
    "git",
    "pip",
    "pip3",
    "npm",
    "npx",
    "yarn",
    "pnpm",
    "virtualenv",
    "mkdir",
    "umask",
];
const PROCESSES: [&str; 9] = [
    "supervisorctl",
    "systemctl",
    "service",
    "pm2",
    "uwsgi",
    "gunicorn",
    "celery",
    "kill",
    "pkill",
];
const CERTIFICATES: [&str; 4] = ["certbot", "letsencrypt", "openssl", "acme.sh"];
const FILES: [&str; 9] = [
    "cp", "mv", "ln", "rsync", "scp", "install", "rm", "chown", "chmod",
];

impl HookText {
    /// Reads it; `home` is the home of the account it runs in.
    pub fn read(text: &str, home: Option<&Path>) -> Self {
        let mut reader = Reader {
            said: Self::default(),
            variables: BTreeMap::new(),
            now: None,
            trees: Vec::new(),
            other_folders: Vec::new(),
        };
        if let Some(home) = home.and_then(Path::to_str) {
            reader.variables.insert("HOME".into(), home.to_owned());
        }
        for (index, line) in text.lines().take(MOST_LINES).enumerate() {
            reader.line(index + 1, line.trim());
        }
        let mut said = reader.said;
        for folder in reader.trees.into_iter().chain(reader.other_folders) {
            if !said.folders.contains(&folder) {
                said.folders.push(folder);
            }
        }
        said
    }
}

struct Reader {
    said: HookText,
    variables: BTreeMap<String, String>,
    /// Where the last `cd` went.
    now: Option<PathBuf>,
    trees: Vec<PathBuf>,
    other_folders: Vec<PathBuf>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        // A line whose quotes end on another one is read as words without quotes.
        let words = shell_words::split(line)
            .unwrap_or_else(|_| line.split_whitespace().map(str::to_owned).collect());
        let mut why = None;
        for statement in statements(&words) {
            why = self.statement(&statement).or(why);
        }
        if let Some(why) = why {
            self.said.remarks.push(Remark {
                line: number,
                text: printable(&shorten(line, 100)),
                why,
            });
        }
    }

    /// Reads one statement; gives what somebody has to think of.
    fn statement(&mut self, words: &[String]) -> Option<&'static str> {
        let mut words: Vec<String> = words.iter().map(|word| self.expand(word)).collect();
        while let Some((name, value)) = words.first().and_then(|word| assignment(word)) {
            self.assigned(name.to_owned(), value.to_owned());
            words.remove(0);
        }
        for word in &words {
            self.refs_in(word);
        }
        self.compared(&words);
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .skip_while(|word| {
                [
                    "sudo", "exec", "time", "nohup", "if", "while", "!", "then", "do", "else",
                ]
                .contains(word)
            })
            .collect();
        let command = words.first()?.rsplit('/').next()?;
        match command {
            "export" | "local" | "readonly" => {
                for (name, value) in words[1..].iter().filter_map(|word| assignment(word)) {
                    self.assigned(name.to_owned(), value.to_owned());
                }
            }
            "cd" | "pushd" => self.entered(words.get(1).copied()?),
            "git" => self.git(&words[1..]),
            "tar" | "cp" | "rsync" | "mv" => {
                let last = words.last().filter(|_| words.len() > 1);
                self.other_folders
                    .extend(last.and_then(|last| absolute(last)));
            }
            _ => {}
        }
        reason(command, &words)
    }

    fn assigned(&mut self, name: String, value: String) {
        if name == "GIT_WORK_TREE" {
            self.trees.extend(absolute(&value));
        }
        let upper = name.to_uppercase();
        if upper.contains("BRANCH") {
            self.branch(&value);
        } else if [
            "TREE", "TARGET", "DEPLOY", "DEST", "WWW", "APP", "PROJECT", "ROOT",
        ]
        .iter()
        .any(|word| upper.contains(word))
        {
            self.other_folders.extend(absolute(&value));
        }
        self.variables.insert(name, value);
    }

    fn entered(&mut self, folder: &str) {
        let folder = absolute(folder).or_else(|| Some(self.now.as_ref()?.join(folder)));
        self.other_folders.extend(folder.clone());
        self.now = folder;
    }

    fn git(&mut self, words: &[&str]) {
        let mut words = words.iter().copied().peekable();
        while let Some(word) = words.next() {
            match word {
                "--work-tree" => self.trees.extend(words.next().and_then(absolute)),
                "-C" => self.other_folders.extend(words.next().and_then(absolute)),
                "--git-dir" | "-c" => {
                    words.next();
                }
                "checkout" | "switch" | "archive" => {
                    let branch = words.clone().find(|word| !word.starts_with('-'));
                    return self.branch(branch.unwrap_or_default());
                }
                "pull" | "reset" => {
                    let last = words.clone().last().unwrap_or_default();
                    self.branch(last.strip_prefix("origin/").unwrap_or(last));
                    return;
                }
                _ if word.starts_with("--work-tree=") => {
                    self.trees.extend(absolute(&word["--work-tree=".len()..]));
                }
                _ if word.starts_with('-') => {}
                _ => return,
            }
        }
    }

    /// `refs/heads/master` in a word.
    fn refs_in(&mut self, word: &str) {
        if let Some((_, name)) = word.split_once("refs/heads/") {
            self.branch(name.trim_end_matches([';', ']', ')']));
        }
    }

    /// `"$branch" = "master"`: the side that is no variable.
    fn compared(&mut self, words: &[String]) {
        for three in words.windows(3) {
            let is_comparison = ["=", "=="].contains(&three[1].as_str());
            let is_branch = |word: &String| {
                let word = word.to_lowercase();
                word.starts_with('$') && (word.contains("branch") || word.contains("ref"))
            };
            if is_comparison && is_branch(&three[0]) {
                self.branch(&three[2]);
            } else if is_comparison && is_branch(&three[2]) {
                self.branch(&three[0]);
            }
        }
    }

    fn branch(&mut self, name: &str) {
        if name.contains(['$', '*', '`', '"', '\'']) || name.starts_with("refs/") || name == "HEAD"
        {
            return;
        }
        if let Ok(name) = name.parse::<BranchName>()
            && !self.said.branches.contains(&name)
        {
            self.said.branches.push(name);
        }
    }

    /// The word with the variables in it that are known; others stay as they are.
    fn expand(&self, word: &str) -> String {
        let mut text = String::new();
        let mut rest = word;
        if let (Some(after), Some(home)) = (word.strip_prefix("~/"), self.variables.get("HOME")) {
            text = format!("{home}/");
            rest = after;
        }
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let braced = after
                .strip_prefix('{')
                .and_then(|inner| inner.split_once('}'));
            let (name, left) = braced.unwrap_or_else(|| {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                after.split_at(end.unwrap_or(after.len()))
            });
            match self.variables.get(name) {
                // A hook that doubles a value at each line must not fill our memory.
                Some(value) if text.len() + value.len() < 4096 => text.push_str(value),
                _ => text.push_str(&rest[at..rest.len() - left.len()]),
            }
            rest = left;
        }
        text.push_str(rest);
        text
    }
}

/// The words between `;`, `&&`, `||` and `|`.
fn statements(words: &[String]) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    for word in words {
        let bare = word.trim_end_matches(';');
        if ["&&", "||", "|", ";", ";;", "&"].contains(&word.as_str()) {
            all.push(Vec::new());
            continue;
        }
        if let (false, Some(last)) = (bare.is_empty(), all.last_mut()) {
            last.push(bare.to_owned());
        }
        if bare.len() < word.len() {
            all.push(Vec::new());
        }
    }
    all.retain(|statement| !statement.is_empty());
    all
}

/// `NAME=value`.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let valid = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    valid.then_some((name, value))
}

/// The path, if the word is one that is known: absolute, without variables and patterns.
fn absolute(word: &str) -> Option<PathBuf> {
    let known = word.starts_with('/') && word.len() > 1 && !word.contains(['$', '*', '`', '?']);
    let has_parents = word.split('/').any(|part| part == "..");
    (known && !has_parents).then(|| PathBuf::from(word.trim_end_matches('/')))
}

fn reason(command: &str, words: &[&str]) -> Option<&'static str> {
    let has = |programs: &[&str]| {
        words
            .iter()
            .any(|word| programs.contains(&word.rsplit('/').next().unwrap_or(word)))
    };
    if NOTHING_TO_DO.contains(&command) {
        return None;
    }
    if has(&["nginx"]) {
        return Some(
            "nginx: the site is Landfall's; take the old server block away once the new one answers",
        );
    }
    if has(&CERTIFICATES)
        || words
            .iter()
            .any(|word| word.contains("letsencrypt") || word.contains(".pem"))
    {
        return Some("certificates: bring the pair along before the name leads here");
    }
    if has(&["crontab"]) || words.iter().any(|word| word.starts_with("/etc/cron")) {
        return Some("cron: stays as it is; change the paths in it");
    }
    if PROCESSES.contains(&command) {
        return Some("processes: Landfall starts its own; stop these before the first push");
    }
    if FILES.contains(&command) {
        return Some("files: see whether the app still needs this");
    }
    let is_python = command.starts_with("python") || command == "manage.py";
    let done = ["migrate", "collectstatic", "venv", "pip", "check"];
    if is_python && words.iter().any(|word| done.contains(word)) {
        return None;
    }
    if command.contains('$') || command.ends_with("()") || command.ends_with(')') {
        return None;
    }
    Some("not done by a deploy: put it into [gate] of landfall.toml, or keep it elsewhere")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOOK: &str = "\
#!/bin/bash
# deploys the site
TARGET=/srv/www/project
GIT_DIR=$HOME/project.git
BRANCH=main
while read oldrev newrev ref; do
    if [[ $ref == refs/heads/$BRANCH ]]; then
        git --work-tree=$TARGET --git-dir=$GIT_DIR checkout -f $BRANCH
        cd ${TARGET}/frontend && npm ci && npm run build; cd ..
        source ~/venv/bin/activate
        pip install -r requirements.txt
        python manage.py migrate --noinput
        python manage.py send_digest
        cp /etc/project/localsettings.py $TARGET/api/
        sudo supervisorctl restart project
        sudo /usr/sbin/nginx -s reload
        curl -s https://example.org/hook
    fi
done
";

    fn lines(said: &HookText) -> Vec<usize> {
        said.remarks.iter().map(|remark| remark.line).collect()
    }

    #[test]
    fn a_hook_says_where_what_and_what_else() {
        let said = HookText::read(HOOK, Some(Path::new("/home/me")));
        assert_eq!(said.folders[0], Path::new("/srv/www/project"));
        assert!(
            said.folders.contains(&"/srv/www/project/frontend".into()),
            "{:?}",
            said.folders
        );
        let branches: Vec<&str> = said.branches.iter().map(BranchName::as_str).collect();
        assert_eq!(branches, ["main"]);
        assert_eq!(lines(&said), [13, 14, 15, 16, 17]);
        assert_eq!(said.remarks[2].text, "sudo supervisorctl restart project");
        assert!(
            said.remarks[3].why.starts_with("nginx: "),
            "{:?}",
            said.remarks[3]
        );
    }

    #[test]
    fn the_ways_hooks_are_written() {
        for (hook, folder, branch) in [
            ("GIT_WORK_TREE=/srv/a git checkout -f", Some("/srv/a"), None),
            (
                "GIT_WORK_TREE=/srv/a git checkout -f master",
                Some("/srv/a"),
                Some("master"),
            ),
            (
                "export GIT_WORK_TREE='/srv/a b'\ngit checkout -f",
                Some("/srv/a b"),
                None,
            ),
            (
                "git --work-tree /srv/a/ --git-dir /srv/a.git checkout -f production",
                Some("/srv/a"),
                Some("production"),
            ),
            (
                "cd ~/site || exit\nunset GIT_DIR\ngit pull origin master",
                Some("/home/me/site"),
                Some("master"),
            ),
            (
                "git archive main | tar -x -C /srv/a",
                Some("/srv/a"),
                Some("main"),
            ),
            (
                "cd /srv/a; git reset --hard origin/main",
                Some("/srv/a"),
                Some("main"),
            ),
            (
                "if [ \"$branch\" = \"staging\" ]; then\nfi",
                None,
                Some("staging"),
            ),
            (
                "if [ \"refs/heads/live\" == \"$refname\" ]; then\nfi",
                None,
                Some("live"),
            ),
            ("git checkout -f \"$(cat branch)\"", None, None),
            ("cd $UNKNOWN/x", None, None),
            ("git --work-tree=/srv/../etc checkout -f", None, None),
        ] {
            let said = HookText::read(hook, Some(Path::new("/home/me")));
            assert_eq!(
                said.folders.first().map(PathBuf::as_path),
                folder.map(Path::new),
                "{hook}"
            );
            assert_eq!(
                said.branches.first().map(BranchName::as_str),
                branch,
                "{hook}"
            );
        }
    }

    #[test]
    fn text_of_any_kind_is_read() {
        let doubling = format!("A=aaaaaaaa\n{}", "A=$A$A\n".repeat(200));
        for hook in [
            "",
            "'",
            "\"\n'",
            "$",
            "${",
            "${}",
            "$(",
            "cd",
            "git",
            "git --work-tree",
            "a=$a$a",
            "\u{0}\u{1b}[2J x",
            &doubling,
        ] {
            let said = HookText::read(hook, None);
            assert!(
                said.remarks
                    .iter()
                    .all(|remark| !remark.text.contains('\u{1b}')),
                "{hook:?}"
            );
        }
        let mut state = 5_u64;
        for _ in 0..3000 {
            let mut text = HOOK.as_bytes().to_vec();
            for _ in 0..8 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let place = (state >> 33) as usize % text.len();
                text[place] = state.to_be_bytes()[2];
            }
            let _ = HookText::read(&String::from_utf8_lossy(&text), None);
        }
    }
}
