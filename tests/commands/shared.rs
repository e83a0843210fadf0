//! `landfall shared`: kept, and never lost.

use std::os::unix::fs::PermissionsExt;

use super::server::{PROJECT, Server, gives, says};

#[test]
fn shared_files_are_added_listed_and_never_lost() {
    let server = Server::with_app();
    assert_eq!(
        server.run(&["shared", "list"]),
        says(
            0,
            "nothing is shared: landfall shared add PATH --from FILE\n"
        )
    );
    server.commit(&PROJECT);
    let local = "app/localsettings.py";
    assert_eq!(
        server.run(&["shared", "add", local]),
        says(
            2,
            "error: nothing says what belongs into `app/localsettings.py`: it is not in git, and no live release has it\nhint: git has `app/localsettings.py.example`: copy it, fill it in\nhint: landfall shared add app/localsettings.py --from FILE\n"
        )
    );
    server.write("local.py", "DEBUG = 1\n");
    let added = "`app/localsettings.py` is kept in DIR/home/shared/app/localsettings.py (copied from DIR/local.py)\n";
    assert_eq!(
        server.run(&["shared", "add", local, "--from", "local.py"]),
        says(0, added)
    );
    let kept = server.path("home/shared").join(local);
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let add_other = |more: &[&str]| {
        let args = [&["shared", "add", local, "--from", "-"], more].concat();
        server.run_with(&args, "DEBUG = 0\n")
    };
    assert_eq!(
        add_other(&[]),
        says(
            5,
            "error: DIR/home/shared/app/localsettings.py exists, and is something else\nhint: with --force the old one is kept beside it, as NAME.before-TIME\n"
        )
    );
    assert_eq!(add_other(&["--force"]).code, 0);
    let names = landfall::base::fs::list(&server.path("home/shared/app")).unwrap();
    let texts: Vec<String> = names
        .iter()
        .map(|path| landfall::base::fs::read(path).unwrap())
        .collect();
    assert_eq!(texts, ["DEBUG = 0\n", "DEBUG = 1\n"], "{names:?}");

    assert_eq!(
        server.run(&["shared", "add", "./db.sqlite3"]),
        says(
            0,
            "`db.sqlite3` is kept in DIR/home/shared/db.sqlite3 (empty)\nit is named in DIR/config/apps/notes.toml from now on\n"
        )
    );
    assert_eq!(
        server.run(&["shared", "list"]),
        gives(
            "path                  kind    state    size  named by\napp/localsettings.py  file    present  10 B  repository\ndb.sqlite3            file    present  0 B   server\nmedia                 folder  missing  -     repository\n"
        )
    );
    let settings = server.read("config/apps/notes.toml");
    assert!(
        settings.contains("\nshared_files = [\"db.sqlite3\"]\n"),
        "{settings}"
    );
}

#[test]
fn what_cannot_be_shared_is_refused() {
    let server = Server::with_app();
    server.commit(&PROJECT);
    server.write("x", "");
    for (path, message) in [
        (
            "/etc/passwd",
            "error: `/etc/passwd` is an absolute path; shared paths are those in the repository\nhint: landfall shared add PATH --from FILE\n",
        ),
        (
            "../x",
            "error: `../x` is not a valid path in the repository: it leaves the repository\n",
        ),
        (
            "app/wsgi.py/x",
            "error: `app/wsgi.py/x` cannot exist: `app/wsgi.py` is a file in git\n",
        ),
        ("media", "error: `media` is a folder, not a file\n"),
    ] {
        assert_eq!(
            server.run(&["shared", "add", path, "--from", "x"]),
            says(2, message)
        );
    }
    assert_eq!(
        server.run(&["shared", "add", "app/"]),
        says(
            2,
            "error: `app` holds the code itself (`app/settings.py`); every release has its own\nhint: share the files or folders in it that the app writes to\n"
        )
    );
}
