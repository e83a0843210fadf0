//! Assets are compressed once, ahead of who asks for them, and what did not change is not fetched again.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::common::client::{Connection, Response};
use crate::common::{App, Sandbox};

/// A chunk that no push changes, and one that names the release; both worth compressing.
const CHUNKS: &str =
    "const words = (text) => JSON.stringify(Array.from({ length: 400 }, (_, n) => text + n));
asset(\"vendor\", `export const vendor = ${words(tiny)};\\n`);
asset(\"page\", `export const page = ${words(RELEASE)};\\n`);
const main";

fn project(name: &str) -> Sandbox {
    let sandbox = Sandbox::new(name).create();
    sandbox.edit("frontend/build.js", "const main", CHUNKS);
    sandbox.write("backend/board/static/board/long.css", css("red"));
    sandbox.write("backend/board/static/board/other.css", css("green"));
    sandbox.commit("Assets worth compressing");
    sandbox
}

fn css(colour: &str) -> String {
    (0..200)
        .map(|n| format!(".c{n} {{ color: {colour}; }}\n"))
        .collect()
}

/// The file in the live release whose name begins so, and is no compressed one.
fn chunk(sandbox: &Sandbox, start: &str) -> PathBuf {
    let folder = sandbox.home.join("current/public/assets");
    let mut names = fs::read_dir(&folder)
        .unwrap()
        .map(|each| each.unwrap().file_name());
    let name = names.find(|name| {
        let name = name.to_string_lossy();
        name.starts_with(start) && name.ends_with(".js")
    });
    folder.join(name.unwrap_or_else(|| panic!("no chunk {start}")))
}

fn packed(plain: &Path) -> PathBuf {
    PathBuf::from(format!("{}.gz", plain.display()))
}

fn ask(sandbox: &Sandbox, path: &str, encoding: &str) -> Response {
    let headers = [("Accept-Encoding", encoding)];
    Connection::open(sandbox.address)
        .and_then(|mut connection| connection.send("GET", path, &headers, b"", false))
        .unwrap()
        .ok()
}

/// Who takes gzip gets the file that lies there, byte for byte, and who does not the plain one.
#[track_caller]
fn serves(sandbox: &Sandbox, path: &str, plain: &[u8], gzip: &[u8]) {
    let small = ask(sandbox, path, "br, gzip");
    assert_eq!(small.header("content-encoding"), Some("gzip"), "{path}");
    assert_eq!(small.header("vary"), Some("Accept-Encoding"), "{path}");
    assert!(small.body == gzip, "{path}: not the file that lies there");
    let whole = ask(sandbox, path, "identity");
    assert_eq!(whole.header("content-encoding"), None, "{path}");
    assert_eq!(whole.header("vary"), Some("Accept-Encoding"), "{path}");
    assert!(whole.body == plain, "{path}: not the plain file");
    let kind = small.header("content-type");
    assert_eq!(kind, whole.header("content-type"), "{path}");
    let mut back = Vec::new();
    flate2::read::GzDecoder::new(gzip)
        .read_to_end(&mut back)
        .unwrap();
    assert!(back == plain, "{path}: another content is compressed");
}

fn url(chunk: &Path) -> String {
    format!("/assets/{}", chunk.file_name().unwrap().to_string_lossy())
}

#[test]
fn an_asset_is_compressed_once_for_its_content_and_served_as_it_lies_there() {
    let sandbox = project("assets");
    let push = sandbox.push().accepted();
    assert!(
        push.stage("frontend")
            .is_some_and(|line| line.starts_with("built, 5 files, 2 compressed")),
        "{}",
        push.stderr
    );
    let (vendor, page) = (chunk(&sandbox, "vendor"), chunk(&sandbox, "page"));
    for file in [&vendor, &page] {
        let (plain, gzip) = (fs::read(file).unwrap(), fs::read(packed(file)).unwrap());
        serves(&sandbox, &url(file), &plain, &gzip);
        let of = |path: &Path| fs::metadata(path).unwrap();
        assert_eq!(of(file).mtime(), of(&packed(file)).mtime());
        assert_eq!(of(&packed(file)).mode() & 0o777, 0o444);
    }
    let collected = sandbox.home.join("current/static/board/long.css");
    let gzip = fs::read(packed(&collected)).unwrap();
    serves(
        &sandbox,
        "/static/board/long.css",
        css("red").as_bytes(),
        &gzip,
    );

    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let before = (
        inode(&packed(&vendor)),
        inode(&packed(&page.canonicalize().unwrap())),
    );
    let old = (
        url(&page),
        fs::read(&page).unwrap(),
        fs::read(packed(&page)).unwrap(),
    );
    sandbox.name_frontend("2");
    sandbox.commit("Frontend");
    let _ = sandbox.push().accepted();
    assert_eq!(
        inode(&packed(&chunk(&sandbox, "vendor"))),
        before.0,
        "it is compressed again"
    );
    let page = chunk(&sandbox, "page");
    assert_ne!(inode(&packed(&page)), before.1);
    serves(
        &sandbox,
        &url(&page),
        &fs::read(&page).unwrap(),
        &fs::read(packed(&page)).unwrap(),
    );
    // A tab that was opened before asks for the old chunk, and takes gzip too.
    assert!(
        !page
            .with_file_name(Path::new(&old.0).file_name().unwrap())
            .exists()
    );
    serves(&sandbox, &old.0, &old.1, &old.2);
}

#[test]
fn a_static_file_that_did_not_change_is_known_again() {
    let sandbox = project("assets-known");
    let _ = sandbox.push().accepted();
    let tags = || {
        ["/static/board/long.css", "/static/board/other.css"].map(|path| {
            let tag = |encoding| {
                ask(&sandbox, path, encoding)
                    .header("etag")
                    .unwrap()
                    .to_owned()
            };
            (tag("identity"), tag("gzip"))
        })
    };
    let [long, other] = tags();
    // nginx's tags have whole seconds.
    let made = fs::metadata(sandbox.home.join("current/static/board/long.css"))
        .unwrap()
        .mtime();
    crate::common::until(
        "the next second begins",
        std::time::Duration::from_secs(3),
        || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.unwrap().as_secs() > made.cast_unsigned()
        },
    );
    // Of the same size.
    sandbox.write("backend/board/static/board/other.css", css("brown"));
    sandbox.commit("Another colour");
    let _ = sandbox.push().accepted();
    let after = tags();
    assert_eq!(after[0], long, "it is the same, and would be fetched again");
    assert_ne!(after[1].0, other.0);
    assert_ne!(after[1].1, other.1);
}

/// What is served from the commit's own folder gets nothing beside it.
#[test]
fn files_as_committed_stay_alone() {
    let sandbox = Sandbox::new("assets-committed").app(App::Static).create();
    sandbox.write("long.css", css("red"));
    sandbox.commit("A long file");
    let _ = sandbox.push().accepted();
    assert!(sandbox.home.join("current/public/long.css").exists());
    assert!(!sandbox.home.join("current/public/long.css.gz").exists());
    let small = ask(&sandbox, "/long.css", "gzip");
    assert_eq!(small.header("content-encoding"), Some("gzip"));
}
