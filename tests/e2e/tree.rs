//! What a commit's tree may hold: modes, odd names, links, submodules, LFS pointers, and very many files.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::sandbox::make_executable;
use crate::common::{App, Sandbox, with_peak};

#[test]
fn modes_and_odd_names_arrive_as_they_were() {
    let sandbox = Sandbox::new("names").app(App::Static).create();
    let odd = [
        b"with space.txt".as_slice(),
        "grün/straße.txt".as_bytes(),
        b"not-utf8-\xff\xfe.txt",
        b"quote'\"\\.txt",
        b"new\nline.txt",
        b"-rf",
        b"%2e%2e.txt",
    ];
    for name in odd {
        let path = sandbox.work.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    sandbox.write("bin/run", "#!/bin/sh\n");
    make_executable(&sandbox.work.join("bin/run"));
    sandbox.commit("Odd names");
    let _ = sandbox.push().accepted();

    let src = sandbox.home.join("current/src");
    for name in odd {
        let path = src.join(OsStr::from_bytes(name));
        assert_eq!(fs::read(&path).unwrap(), name, "{}", path.display());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
    }
    assert_eq!(
        fs::metadata(src.join("bin/run")).unwrap().mode() & 0o777,
        0o755
    );
    assert_eq!(
        sandbox.get("/with%20space.txt").ok().text(),
        "with space.txt"
    );
    assert_eq!(
        sandbox.get("/gr%C3%BCn/stra%C3%9Fe.txt").ok().text(),
        "grün/straße.txt"
    );
    assert_eq!(
        sandbox.get("/not-utf8-%FF%FE.txt").ok().body,
        b"not-utf8-\xff\xfe.txt"
    );
}

#[test]
fn links_stay_links_and_nothing_is_written_through_them() {
    let sandbox = Sandbox::new("links").app(App::Static).create();
    let outside = sandbox.root.join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("secret.txt"), "do not touch").unwrap();
    symlink(&outside, sandbox.work.join("way-out")).unwrap();
    symlink("/etc/passwd", sandbox.work.join("passwd.txt")).unwrap();
    symlink("index.html", sandbox.work.join("inside.html")).unwrap();
    sandbox.commit("Links");
    let _ = sandbox.push().accepted();
    let src = sandbox.home.join("current/src");
    assert_eq!(fs::read_link(src.join("way-out")).unwrap(), outside);
    assert_eq!(
        fs::read_link(src.join("inside.html")).unwrap().as_os_str(),
        "index.html"
    );

    // A shared folder behind the link would be made outside.
    let before = sandbox.live();
    sandbox.write("landfall.toml", "[shared]\ndirs = [\"way-out/uploads\"]\n");
    sandbox.commit("Share behind a link");
    let _ = sandbox
        .push()
        .rejected()
        .said("error: plan: landfall.toml:2: ")
        .said("`way-out` is a file in git");
    assert_eq!(sandbox.live(), before);
    let left: Vec<_> = fs::read_dir(&outside).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");

    // And a release that goes away does not take along what its links lead to.
    sandbox.delete("landfall.toml");
    sandbox.setting("keep_releases = 1");
    for number in 0..3 {
        sandbox.commit(&format!("Empty {number}"));
        let _ = sandbox.push().accepted();
    }
    assert!(!sandbox.releases().contains(&1), "{:?}", sandbox.releases());
    assert_eq!(
        fs::read_to_string(outside.join("secret.txt")).unwrap(),
        "do not touch"
    );
}

/// nginx serves nothing through a link of the commit, whoever owns what it leads to: the app's own environment file has the
/// right owner.
#[test]
fn a_link_in_a_push_is_not_served() {
    let sandbox = Sandbox::new("served-links").app(App::Static).create();
    symlink(sandbox.home.join("env"), sandbox.work.join("secret.txt")).unwrap();
    symlink("index.html", sandbox.work.join("same.html")).unwrap();
    sandbox.commit("Links");
    let _ = sandbox.push().accepted();
    let _ = sandbox.get("/").ok();
    for link in ["/secret.txt", "/same.html"] {
        let status = sandbox.get(link).status;
        assert!((400..500).contains(&status), "{link}: {status}");
    }
}

#[test]
fn lfs_pointers_are_no_content() {
    let sandbox = Sandbox::new("lfs").app(App::Static).live();
    sandbox.write(
        "film.mp4",
        "version https://git-lfs.github.com/spec/v1\n\
         oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n",
    );
    sandbox.commit("A film");
    let _ = sandbox
        .push()
        .rejected()
        .said("error: checkout: ")
        .said("film.mp4")
        .said("git lfs migrate export");
    assert_eq!(sandbox.releases(), [1]);
}

#[test]
fn submodules_are_refused_with_the_way_out() {
    let sandbox = Sandbox::new("submodule").app(App::Static).live();
    let module = sandbox.root.join("module");
    let path = module.to_string_lossy().into_owned();
    sandbox.git(&["clone", "--quiet", ".", &path]);
    sandbox.git(&["submodule", "--quiet", "add", &path, "parts/theme"]);
    sandbox.commit("Add a submodule");
    let _ = sandbox
        .push()
        .rejected()
        .said("error: checkout: ")
        .said("parts/theme")
        .said("git rm --cached");
    assert_eq!(sandbox.releases(), [1]);
}

#[test]
fn twenty_thousand_files_are_checked_out_in_little_memory() {
    const FILES: usize = 20_000;
    let sandbox = Sandbox::new("many").app(App::Static).create();
    import(&sandbox, FILES);
    let begun = Instant::now();
    let (push, peak) = with_peak(&sandbox, || sandbox.push().accepted());
    let took = begun.elapsed();
    println!("{FILES} files: push {took:.1?}, hooks' peak {peak} KiB");
    let checkout = push.stage("checkout").unwrap_or_default().to_owned();
    assert!(checkout.contains("20002 files"), "{checkout}");
    assert_eq!(sandbox.get("/d7/f7.txt").ok().text(), "file 7\n");
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert!(peak > 0, "the hooks were not seen");
    assert!(peak < 30 * 1024, "the hooks took {peak} KiB");

    // One changed file does not make it slower to say so.
    sandbox.write("d7/f7.txt", "changed\n");
    sandbox.commit("One file");
    let _ = sandbox.push().accepted().said("1 changed");
    assert_eq!(sandbox.get("/d7/f7.txt").ok().text(), "changed\n");
}

/// Commits that many files, a hundred to a folder, through `git fast-import`.
fn import(sandbox: &Sandbox, files: usize) {
    let mut stream = String::from(
        "commit refs/heads/master\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 4\nMany\n",
    );
    stream.push_str("from refs/heads/master^0\n");
    for number in 0..files {
        let content = format!("file {number}\n");
        let _ = write!(
            stream,
            "M 100644 inline d{}/f{number}.txt\ndata {}\n{content}\n",
            number % (files / 100),
            content.len()
        );
    }
    let mut git = sandbox
        .git_command()
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin
        .take()
        .unwrap()
        .write_all(stream.as_bytes())
        .unwrap();
    assert!(git.wait().unwrap().success());
    sandbox.git(&["reset", "--quiet", "--hard", "master"]);
    sandbox.write("last.txt", "last\n");
    sandbox.commit("Last");
}
