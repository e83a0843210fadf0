//! Very much of everything: files, bytes in one file, lines of a tool. The hooks' memory does not follow it.

use std::fs::{self, File};
use std::io::{BufWriter, Read as _, Write as _};
use std::process::Stdio;

use crate::common::{App, Sandbox, State, with_peak};

/// The most that a hook may take, in KiB.
const MOST: u64 = 40 * 1024;

/// Two gigabytes that pack into two megabytes.
#[test]
fn a_file_of_two_gigabytes_passes_through_little_memory() {
    const SIZE: u64 = 2 * 1024 * 1024 * 1024;
    let sandbox = Sandbox::new("huge").app(App::Static).live();
    let film = sandbox.work.join("film.mp4");
    File::create(&film).unwrap().set_len(SIZE).unwrap();
    sandbox.git(&["config", "core.bigFileThreshold", "16m"]);
    sandbox.commit("A film");
    fs::remove_file(&film).unwrap();
    let (_, peak) = with_peak(&sandbox, || sandbox.push().accepted());
    let there = sandbox.home.join("current/src/film.mp4");
    assert_eq!(fs::metadata(&there).unwrap().len(), SIZE);
    let mut start = [1; 4096];
    File::open(&there).unwrap().read_exact(&mut start).unwrap();
    assert_eq!(start, [0; 4096]);
    println!("a file of 2 GiB: hooks' peak {peak} KiB");
    assert!(peak > 0 && peak < MOST, "the hooks took {peak} KiB");
}

/// A commit of very many files with few contents, on top of what is there; gives the ref it lies at.
fn many_files(sandbox: &Sandbox, folders: u32, in_each: u32) -> &'static str {
    const CONTENTS: u32 = 300;
    let mut git = sandbox
        .git_command()
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = BufWriter::new(git.stdin.take().unwrap());
    for mark in 1..=CONTENTS {
        let text = format!("content {mark}\n");
        write!(to, "blob\nmark :{mark}\ndata {}\n{text}\n", text.len()).unwrap();
    }
    to.write_all(
        b"commit refs/heads/many\ncommitter Ada <ada@example.org> 1700009999 +0000\ndata 4\nMany\nfrom refs/heads/master^0\n",
    )
    .unwrap();
    for (folder, file) in
        (0..folders).flat_map(|folder| (0..in_each).map(move |file| (folder, file)))
    {
        let mark = (folder * in_each + file) % CONTENTS + 1;
        writeln!(to, "M 100644 :{mark} files/{folder}/{file}.txt").unwrap();
    }
    drop(to);
    assert!(git.wait().unwrap().success());
    "refs/heads/many"
}

#[test]
fn a_hundred_thousand_files_in_one_push_are_served() {
    const FOLDERS: u32 = 500;
    const IN_EACH: u32 = 200;
    /// The names of all files are known at once: so many bytes for each, besides the usual.
    const FOR_NAMES: u64 = FOLDERS as u64 * IN_EACH as u64 * 150 / 1024;
    let sandbox = Sandbox::new("many").app(App::Static).live();
    let many = many_files(&sandbox, FOLDERS, IN_EACH);
    let (_, peak) = with_peak(&sandbox, || {
        let refspec = format!("{many}:refs/heads/master");
        sandbox.push_with(&["production", &refspec]).accepted()
    });
    let below = sandbox.home.join("current/src/files");
    let folders = fs::read_dir(&below).unwrap().flatten();
    let there: usize = folders
        .map(|folder| fs::read_dir(folder.path()).unwrap().count())
        .sum();
    assert_eq!(there, (FOLDERS * IN_EACH) as usize);
    // 499 * 200 + 199 is the last file; contents come round every 300.
    for (path, content) in [
        ("/files/0/0.txt", "content 1\n"),
        ("/files/1/100.txt", "content 1\n"),
        ("/files/499/199.txt", "content 100\n"),
    ] {
        assert_eq!(sandbox.get(path).ok().text(), content, "{path}");
    }
    println!("100,000 files: hooks' peak {peak} KiB");
    assert!(
        peak > 0 && peak < MOST + FOR_NAMES,
        "the hooks took {peak} KiB"
    );
}

/// On one line, which no parser should be given.
#[test]
fn a_landfall_toml_of_50_mb_is_refused_unread() {
    let sandbox = Sandbox::new("toml").app(App::Static).live();
    let before = State::of(&sandbox);
    sandbox.write(
        "landfall.toml",
        format!("path = \"{}\"\n", "x".repeat(50_000_000)),
    );
    sandbox.commit("Settings of 50 MB");
    let (push, peak) = with_peak(&sandbox, || sandbox.push().rejected());
    let push = push.said("landfall.toml is larger than 1 MiB");
    assert!(push.stderr.len() < 2_000, "{}", push.stderr.len());
    println!("landfall.toml of 50 MB: hooks' peak {peak} KiB");
    assert!(peak > 0 && peak < MOST, "the hooks took {peak} KiB");
    before.comes_back(&sandbox, &[]);
    sandbox.write("landfall.toml", "");
    sandbox.commit("No settings");
    let _ = sandbox.push().accepted();
}

#[test]
fn a_tool_that_prints_all_the_time_fills_neither_memory_nor_disk() {
    let sandbox = Sandbox::new("noise").live();
    // 60 MB in lines, then 40 MB in one, on each way out.
    sandbox.edit(
        "frontend/build.js",
        "rmSync(\"dist\"",
        "import { writeSync } from \"node:fs\";\nconst block = (\"x\".repeat(99) + \"\\n\").repeat(10000);\n\
         const all = (fd, text) => { for (let at = 0; at < text.length; ) try { at += writeSync(fd, text.slice(at)); } \
         catch (error) { if (error.code !== \"EAGAIN\") throw error; } };\n\
         for (let n = 0; n < 30; n++) { all(1, block); all(2, block); }\n\
         const long = \"y\".repeat(1000000);\nfor (let n = 0; n < 20; n++) { all(1, long); all(2, long); }\nrmSync(\"dist\"",
    );
    sandbox.edit(
        "backend/small/settings.py",
        "import os\n",
        "import os, sys\nif os.environ.get(\"LANDFALL_RUN\"):\n    for n in range(5000):\n        print(\"z\" * 999)\n        \
         print(\"z\" * 999, file=sys.stderr)\n    sys.stderr.write(\"w\" * 20000000)\n",
    );
    sandbox.name_release("2");
    sandbox.commit("Print");
    let (_, peak) = with_peak(&sandbox, || sandbox.push().accepted());
    assert_eq!(sandbox.release_shown(), "2");
    let log = sandbox.home.join("log/deploys/2.log");
    let size = fs::metadata(&log).unwrap().len();
    println!("130 MB printed: hooks' peak {peak} KiB, log {size} bytes");
    assert!(peak > 0 && peak < MOST, "the hooks took {peak} KiB");
    assert!(size < 20_000_000, "{size}");
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("is left out, after 1"));
    assert!(
        text.trim_end()
            .lines()
            .last()
            .unwrap()
            .contains("release 2"),
        "the log's end is missing"
    );
}

/// What git hands to the hook is at most some refs; whatever else comes is refused at once.
#[test]
fn a_hook_that_is_fed_with_garbage_refuses_it() {
    let sandbox = Sandbox::new("garbage").app(App::Static).live();
    let live = sandbox.live();
    let settings = sandbox.settings_file();
    let zero = "0".repeat(40);
    let inputs: Vec<(&str, Vec<u8>)> = vec![
        ("a megabyte of zeros", vec![0; 1 << 20]),
        ("a megabyte of one letter", vec![b'a'; 1 << 20]),
        (
            "a megabyte of bytes",
            (0..1 << 20)
                .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect(),
        ),
        ("a megabyte of lines", b"x\n".repeat(1 << 19)),
        (
            "a ref of a megabyte",
            format!("{zero} {zero} refs/heads/{}\n", "m".repeat(1 << 20)).into_bytes(),
        ),
        (
            "a line without its end",
            format!("{zero} {zero} refs/heads/master").into_bytes(),
        ),
        ("ids that are none", b"zz yy refs/heads/master\n".to_vec()),
        (
            "an id that is not there",
            format!("{zero} {} refs/heads/master\n", "ab".repeat(20)).into_bytes(),
        ),
        (
            "a ref that leaves",
            format!("{zero} {} refs/heads/../../../etc/x\n", "ab".repeat(20)).into_bytes(),
        ),
    ];
    for hook in ["pre-receive", "post-receive"] {
        for (what, input) in &inputs {
            let mut child = sandbox
                .landfall_command()
                .args(["hook", hook, "--settings"])
                .arg(&settings)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // It may end before it has read all of it.
            let _ = child.stdin.take().unwrap().write_all(input);
            let ended = child.wait_with_output().unwrap();
            let said = [ended.stdout, ended.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains("panicked"), "{hook}, {what}: {said}");
            assert!(
                ended.status.code().is_some_and(|code| code != 101),
                "{hook}, {what}: {said}"
            );
            assert!(
                said.len() < 4096,
                "{hook}, {what}: {} bytes were said",
                said.len()
            );
            assert_eq!(sandbox.live(), live, "{hook}, {what}");
        }
    }
    assert_eq!(sandbox.releases(), [1]);
}
