//! A checkout begins with the files of a release that is gone. It must not show.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::common::sandbox::make_executable;
use crate::common::{App, Sandbox};

/// Every file, link and folder below `folder`: its mode, and its content or target.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let content = if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                target.into_os_string().into_encoded_bytes()
            } else if metadata.is_dir() {
                waiting.push(path.clone());
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            let relative = path.strip_prefix(folder).unwrap().to_owned();
            found.insert(relative, (metadata.mode(), content));
        }
    }
    found
}

/// The commit's files as git itself writes them.
fn of_git(sandbox: &Sandbox, number: u32) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let folder = sandbox.root.join(format!("by-git-{number}"));
    fs::create_dir_all(&folder).unwrap();
    let folder_text = folder.to_string_lossy().into_owned();
    sandbox.git(&[
        "--work-tree",
        &folder_text,
        "checkout",
        "-f",
        "HEAD",
        "--",
        ".",
    ]);
    tree(&folder)
}

fn inode(path: impl AsRef<Path>) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

/// What programs do to the files they run from.
fn vandalise(src: &Path) {
    // In place, of the same size, with its time put back; once where nothing else is touched.
    for name in ["same/one.txt", "alone/below/one.txt"] {
        let written = fs::metadata(src.join(name)).unwrap();
        let file = fs::File::options()
            .write(true)
            .open(src.join(name))
            .unwrap();
        std::io::Write::write_all(&mut &file, b"two").unwrap();
        file.set_modified(written.modified().unwrap()).unwrap();
    }
    let mode = fs::Permissions::from_mode(0o777);
    fs::set_permissions(src.join("mode/below/one.txt"), mode).unwrap();
    fs::set_permissions(src.join("same/two.txt"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::remove_file(src.join("same/three.txt")).unwrap();
    fs::write(src.join("same/upload.jpg"), "somebody's").unwrap();
    fs::create_dir_all(src.join("cache/deep")).unwrap();
    fs::write(src.join("cache/deep/file"), "x").unwrap();
    // A folder that is a link now, to something that must not be touched.
    fs::remove_dir_all(src.join("linked")).unwrap();
    symlink(src.join("../../../shared"), src.join("linked")).unwrap();
    fs::set_permissions(src.join("locked"), fs::Permissions::from_mode(0o500)).unwrap();
}

fn change(sandbox: &Sandbox, number: u32) {
    match number {
        4 => {
            sandbox.delete("turns/into/a-file.txt");
            fs::remove_dir(sandbox.work.join("turns/into")).unwrap();
            sandbox.write("turns/into", "a file now");
            sandbox.delete("text");
            sandbox.write("text/inside", "a folder now");
            sandbox.delete("link");
            sandbox.write("link", "no link now");
        }
        5 => {
            sandbox.delete("goes/away.txt");
            make_executable(&sandbox.work.join("run"));
            sandbox.write("new/deep/er.txt", "new");
        }
        6 | 8 => sandbox.git(&["revert", "--no-edit", "HEAD"]).clear(),
        _ => {}
    }
}

#[test]
fn a_checkout_that_begins_with_an_old_one_is_the_same_as_a_new_one() {
    let sandbox = Sandbox::new("spare")
        .app(App::Static)
        .setting("keep_releases = 1")
        .create();
    for (path, content) in [
        ("same/one.txt", "one"),
        ("same/two.txt", "two"),
        ("same/three.txt", "three"),
        ("alone/below/one.txt", "one"),
        ("mode/below/one.txt", "one"),
        ("linked/file.txt", "linked"),
        ("locked/file.txt", "locked"),
        ("turns/into/a-file.txt", "a folder"),
        ("goes/away.txt", "away"),
        ("text", "a file"),
        ("run", "#!/bin/sh\n"),
    ] {
        sandbox.write(path, content);
    }
    // It takes longer than a tick of the file system's clock, so that what was written before it can be told from what is
    // written after it.
    let noise: Vec<u8> = (0..7_000_000_u64).map(|n| (n * n % 251) as u8).collect();
    sandbox.write("zz.bin", noise);
    symlink("same/one.txt", sandbox.work.join("link")).unwrap();
    fs::create_dir_all(sandbox.home.join("shared")).unwrap();
    fs::write(sandbox.home.join("shared/precious"), "of the app's").unwrap();
    sandbox.commit("First");
    let _ = sandbox.push().accepted();
    let mut inodes: BTreeMap<u32, u64> = BTreeMap::new();
    let mut taken_over = 0;
    for number in 2..=9 {
        change(&sandbox, number);
        sandbox.write("number.txt", number.to_string());
        sandbox.commit("Next");
        let _ = sandbox.push().accepted();
        let src = sandbox.home.join("current/src");
        assert_eq!(tree(&src), of_git(&sandbox, number), "{number}");
        assert_eq!(sandbox.get("/number.txt").ok().text(), number.to_string());
        // What is the same is the same file as in a release that is gone, and in none that is there.
        let live = sandbox.live().unwrap();
        let inode = inode(src.join("same/three.txt"));
        for (release, _) in inodes.iter().filter(|(_, known)| **known == inode) {
            assert!(
                !sandbox.releases().contains(release),
                "{live} shares a file with {release}"
            );
            taken_over += 1;
        }
        inodes.insert(live, inode);
        std::thread::sleep(std::time::Duration::from_millis(20));
        if number == 3 || number == 6 {
            vandalise(&src);
        }
    }
    assert!(
        taken_over >= 2,
        "no checkout began with an old one: {inodes:?}"
    );
    assert_eq!(
        fs::read_to_string(sandbox.home.join("shared/precious")).unwrap(),
        "of the app's"
    );
    let logs: String = (1..=9).map(|number| sandbox.deploy_log(number)).collect();
    assert!(logs.contains("same/one.txt"), "{logs}");
    assert!(logs.contains("alone/below/one.txt"), "{logs}");
    assert!(logs.contains("same/upload.jpg"), "{logs}");
}

#[test]
fn a_failed_push_costs_no_release_to_go_back_to() {
    let sandbox = Sandbox::new("spare-failed")
        .app(App::Static)
        .setting("keep_releases = 2")
        .create();
    let _ = sandbox.push().accepted();
    for number in 2..=5 {
        sandbox.write("number.txt", number.to_string());
        sandbox.commit("Next");
        let _ = sandbox.push().accepted();
    }
    let before = sandbox.releases();
    for _ in 0..3 {
        sandbox.write("landfall.toml", "[gate]\nrun = [\"false\"]\n");
        sandbox.write("note.txt", "refused");
        sandbox.commit("Refused");
        let _ = sandbox.push().rejected();
        assert_eq!(sandbox.releases(), before);
    }
    let src = sandbox.home.join("current/src");
    assert!(!src.join("note.txt").exists());
    sandbox.delete("landfall.toml");
    sandbox.commit("Good again");
    let _ = sandbox.push().accepted();
    assert_eq!(tree(&src), of_git(&sandbox, 6));
    assert_eq!(sandbox.releases().len(), before.len());
}
