//! Trees that no git would write: entries that leave the release, or that are `.git` to somebody.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::common::{App, Push, Sandbox, State};

const FILE: &str = "100644";
const LINK: &str = "120000";
const TREE: &str = "40000";
const MODULE: &str = "160000";

/// Writes an object as it is, whatever git thinks of it.
fn object(sandbox: &Sandbox, kind: &str, content: &[u8]) -> String {
    let mut git = sandbox
        .git_command()
        .args(["hash-object", "-w", "--literally", "--stdin", "-t", kind])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin.take().unwrap().write_all(content).unwrap();
    let output = git.wait_with_output().unwrap();
    assert!(output.status.success(), "{kind}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn blob(sandbox: &Sandbox, content: &str) -> String {
    object(sandbox, "blob", content.as_bytes())
}

/// A tree with the entries in the order they are given.
fn tree(sandbox: &Sandbox, entries: &[(&str, &[u8], &str)]) -> String {
    let mut content = Vec::new();
    for (mode, name, id) in entries {
        content.extend_from_slice(mode.as_bytes());
        content.push(b' ');
        content.extend_from_slice(name);
        content.push(0);
        for pair in id.as_bytes().chunks(2) {
            let pair = std::str::from_utf8(pair).unwrap();
            content.push(u8::from_str_radix(pair, 16).unwrap());
        }
    }
    object(sandbox, "tree", &content)
}

/// Pushes a commit of that tree, on top of what is there.
fn push(sandbox: &Sandbox, tree: &str) -> Push {
    let parent = sandbox.head();
    let commit = sandbox.git(&["commit-tree", tree, "-p", &parent, "-m", "Forged"]);
    sandbox.push_with(&[
        "production",
        &format!("{}:refs/heads/master", commit.trim()),
    ])
}

fn names_below(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_forged_tree_writes_nothing_outside_and_changes_nothing() {
    let sandbox = Sandbox::new("forged").app(App::Static).live();
    let outside = sandbox.root.join("outside");
    fs::create_dir_all(&outside).unwrap();
    let before = State::of(&sandbox);
    let around = names_below(&sandbox.root);
    let page = blob(&sandbox, "<!doctype html><title>forged</title>");
    let evil = blob(&sandbox, "[core]\n\tfsmonitor = touch owned\n");
    let way_out = blob(&sandbox, &outside.to_string_lossy());
    let up = blob(&sandbox, "../../..");
    let folder = tree(&sandbox, &[(FILE, b"owned.txt", &evil)]);
    let deep = tree(&sandbox, &[(TREE, b"..", &folder)]);
    let config = tree(&sandbox, &[(FILE, b"config", &evil)]);
    let hooks = tree(&sandbox, &[(TREE, b"hooks", &config)]);
    let long = vec![b'n'; 300];
    let commit = sandbox.head();
    let index = (FILE, b"index.html".as_slice(), page.as_str());
    let module = (MODULE, b"..".as_slice(), commit.as_str());
    let git_module = (MODULE, b".git".as_slice(), commit.as_str());
    let cases: Vec<(&str, Vec<(&str, &[u8], &str)>)> = vec![
        ("a folder ..", vec![(TREE, b"..", &folder), index]),
        ("a file ..", vec![(FILE, b"..", &evil), index]),
        ("a folder .. further down", vec![(TREE, b"a", &deep), index]),
        ("a folder .", vec![(TREE, b".", &folder), index]),
        (".git", vec![(TREE, b".git", &config), index]),
        (".GIT", vec![(TREE, b".GIT", &hooks), index]),
        (".giT as a file", vec![(FILE, b".giT", &evil), index]),
        ("git~1", vec![(TREE, b"git~1", &config), index]),
        ("GIT~1", vec![(FILE, b"GIT~1", &evil), index]),
        (
            "a name with a slash",
            vec![(FILE, b"../../owned.txt", &evil), index],
        ),
        (
            "an absolute name",
            vec![(FILE, b"/tmp/owned", &evil), index],
        ),
        ("a name of 300 bytes", vec![index, (FILE, &long, &evil)]),
        (
            "a link, then a folder of its name",
            vec![index, (LINK, b"x", &way_out), (TREE, b"x", &folder)],
        ),
        (
            "a link up, then a folder of its name",
            vec![index, (LINK, b"x", &up), (TREE, b"x", &folder)],
        ),
        (
            "a link, then a file of its name",
            vec![index, (LINK, b"x", &way_out), (FILE, b"x", &evil)],
        ),
        (
            "a file, twice",
            vec![index, (FILE, b"x", &page), (FILE, b"x", &evil)],
        ),
        ("a submodule ..", vec![module, index]),
        ("a submodule .git", vec![git_module, index]),
    ];
    for (what, entries) in &cases {
        let forged = tree(&sandbox, entries);
        let push = push(&sandbox, &forged);
        assert_eq!(push.code, Some(1), "{what}: {}", push.stderr);
        assert!(
            push.stderr.contains("error: checkout: "),
            "{what}: {}",
            push.stderr
        );
        assert_eq!(names_below(&outside), [""; 0], "{what}");
        assert_eq!(names_below(&sandbox.root), around, "{what}");
        before.comes_back(&sandbox, &[]);
    }
    assert!(!Path::new("/tmp/owned").exists());
    println!("{} forged trees", cases.len());
}

/// Folders in folders until the path is longer than the kernel takes.
#[test]
fn a_tree_of_two_thousand_folders_in_folders_is_refused() {
    let sandbox = Sandbox::new("deep").app(App::Static).live();
    let before = State::of(&sandbox);
    let page = blob(&sandbox, "<!doctype html><title>deep</title>");
    let mut inner = tree(&sandbox, &[(FILE, b"index.html", &page)]);
    for _ in 0..2_000 {
        inner = tree(&sandbox, &[(TREE, b"dd", &inner)]);
    }
    let outer = tree(
        &sandbox,
        &[(TREE, b"a", &inner), (FILE, b"index.html", &page)],
    );
    let push = push(&sandbox, &outer);
    assert_eq!(push.code, Some(1), "{}", push.stderr);
    let longest = push.remote.iter().map(String::len).max();
    assert!(
        longest.is_some_and(|longest| longest < 400),
        "{}",
        push.stderr
    );
    before.comes_back(&sandbox, &[]);
}

/// What a file is called, a commit says, a tool prints reaches a terminal as text.
#[test]
fn escapes_for_a_terminal_are_shown_and_not_obeyed() {
    let sandbox = Sandbox::new("escapes").live();
    let name = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}gpj.txt";
    sandbox.write(
        name,
        "version https://git-lfs.github.com/spec/v1\n\
         oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
    );
    sandbox.commit("\u{1b}[31mred\u{1b}[2J \u{9b}2J");
    let push = sandbox.push().rejected().said("owned");
    sandbox.delete(name);
    sandbox.edit(
        "frontend/build.js",
        "rmSync(\"dist\"",
        "console.log(\"\\u001b]0;owned\\u0007\\u001b[2J\\u009b2J\"); process.exit(3);\nrmSync(\"dist\"",
    );
    sandbox.commit("Print escapes");
    let other = sandbox.push().rejected().said("exit code 3");
    for push in [&push, &other] {
        // git's own: the end of each line, and what it says of the ref.
        let text = push.stderr.replace("\u{1b}[K", "");
        for bad in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}'] {
            assert!(!text.contains(bad), "{bad:?} in {text:?}");
        }
    }
    let logs = [sandbox.deploy_log(2), sandbox.deploy_log(3)].concat();
    for bad in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}'] {
        assert!(!logs.contains(bad), "{bad:?} in the logs");
    }
}
