//! Commands in a project, and before the first push.

use super::server::{PROJECT, Server, says};

#[test]
fn nothing_pushed_yet_is_said_with_what_to_do() {
    let server = Server::with_app();
    let expected = says(
        3,
        "error: nothing was pushed to `master` yet, the branch that deploys\nhint: git push DIR/home/notes.git master\n",
    );
    assert_eq!(server.run(&["plan"]), expected);
    assert_eq!(server.run(&["deploy"]), expected);
    assert_eq!(
        server.run(&["releases"]),
        says(0, "nothing is deployed yet\n")
    );
    assert_eq!(
        server.run(&["rollback"]),
        says(
            3,
            "error: there is no earlier release to go back to\nhint: landfall releases\n"
        )
    );
    assert_eq!(
        server.run(&["--app", "other", "status"]),
        says(
            3,
            "error: there is no app `other`\nhint: landfall app list\n"
        )
    );
}

#[test]
fn init_writes_once() {
    let server = Server::new();
    for (path, text) in PROJECT {
        server.write(&format!("project/{path}"), text);
    }
    let shown = server.run(&["init", "--stdout", "project"]);
    assert!(
        shown.code == 0 && shown.err.is_empty() && !server.path("project/landfall.toml").exists()
    );
    assert_eq!(
        server.run(&["init", "project"]),
        says(
            0,
            "DIR/project/landfall.toml is written; found:\n  frontend  none\n  backend   the root: app.wsgi:application\n  shared    app/localsettings.py\n  shared    media\n  note      `app/localsettings.py` is used and not in git: it is a shared file\n  note      the app writes to `media`: it is a shared folder\nlook it over, then: git add landfall.toml\n"
        )
    );
    assert_eq!(server.read("project/landfall.toml"), shown.out);
    assert_eq!(
        server.run(&["init", "project"]),
        says(
            5,
            "error: DIR/project/landfall.toml exists\nhint: landfall init --stdout   shows what would be written\nhint: landfall init --force    replaces it\n"
        )
    );
    server.write("project/landfall.toml", "nonsense");
    assert_eq!(server.run(&["init", "--force", "project"]).code, 0);
    assert_eq!(server.read("project/landfall.toml"), shown.out);
    assert_eq!(
        server.run(&["init", "gone"]),
        says(
            2,
            "error: DIR/gone is not a folder\nhint: landfall init DIR, where DIR is the root of the project's repository\n"
        )
    );
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let server = Server::new();
    let written = server.run(&["man", "--dir", "man"]);
    assert!(
        written.code == 0 && written.err.ends_with(" pages written into DIR/man\n"),
        "{written:?}"
    );
    assert!(server.read("man/landfall-shared-add.1").contains("SQLite"));
    assert!(server.run(&["man"]).out.contains(".TH landfall"));
    assert!(
        server
            .run(&["completions", "fish"])
            .out
            .contains("rollback")
    );
}
