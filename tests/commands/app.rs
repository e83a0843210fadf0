//! `landfall app`: what is made, shown and removed.

use landfall::base::flock::{Attempt, try_lock};

use super::server::{Server, free_port, gives, says};

#[test]
fn an_app_is_made_once_shown_and_removed() {
    let server = Server::with_app();
    assert_eq!(
        server.run(&["app", "create", "notes", "--user-mode"]),
        says(
            5,
            "error: there is an app `notes` already\nhint: see it: landfall app show notes\nhint: take it away: landfall app remove notes\n"
        )
    );
    let shown = server.run(&["app", "show"]);
    assert_eq!(
        shown,
        gives(
            "app         notes\nurl         http://127.0.0.1:PORT\nbranch      master\nrepository  DIR/home/notes.git\nhome        DIR/home\nsettings    DIR/config/apps/notes.toml\nlistens on  127.0.0.1:PORT\nkeeps       5 releases besides the live one\n"
        )
    );
    let list = server.run(&["app", "list", "--json"]);
    assert_eq!(
        list,
        gives(
            "[\n  {\n    \"name\": \"notes\",\n    \"release\": null,\n    \"commit\": null,\n    \"branch\": \"master\",\n    \"url\": \"http://127.0.0.1:PORT\",\n    \"home\": \"DIR/home\"\n  }\n]\n"
        )
    );
    assert_eq!(
        server.run(&["app", "remove", "notes"]),
        says(
            5,
            "error: this removes DIR/home with everything in it: the repository, uploads, SQLite databases, the environment\nhint: keep what matters first: cp -a DIR/home/shared DIR/home/env SOMEWHERE\nhint: then: landfall app remove notes --yes\n"
        )
    );
    let Attempt::Taken(mut lock) = try_lock(&server.path("home/run/lock")).unwrap() else {
        panic!("nobody else holds the lock");
    };
    let holder = r#"{"pid": 1, "what": "deploy of a1b2c3d", "who": "ana", "since": 18000000000, "version": "0"}"#;
    lock.describe(holder).unwrap();
    assert_eq!(
        server.run(&["app", "remove", "notes", "--yes"]),
        says(
            4,
            "error: another run holds the lock of this app: the deploy of a1b2c3d by ana, running for 0s\nhint: landfall log -f   shows what it does; the lock ends with its process\n"
        )
    );
    drop(lock);
    // An environment that cannot be read keeps nobody from removing the app.
    server.write("home/env", "hunter22\n");
    assert_eq!(
        server.run(&["app", "remove", "notes", "--yes"]),
        says(0, "notes is removed\n")
    );
    assert!(!server.path("home").exists());
    assert_eq!(
        server.run(&["status"]),
        says(
            3,
            "error: there is no app on this machine yet\nhint: landfall app create NAME\n"
        )
    );
}

#[test]
fn an_app_that_cannot_be_made_leaves_nothing() {
    let server = Server::with_app();
    let create = |more: &[&str]| {
        let made = server.run(&[&["app", "create", "two", "--user-mode"], more].concat());
        assert!(!server.path("config/apps/two.toml").exists());
        (made.code, made.err)
    };
    let port = server.port().unwrap_or_default();
    let taken = create(&["--home", "two", "--listen", &format!("127.0.0.1:{port}")]);
    let (first, hint) = taken.1.split_once('\n').unwrap();
    assert_eq!(
        (taken.0, first),
        (2, "error: `notes` listens on 127.0.0.1:PORT already")
    );
    assert!(
        hint.starts_with("hint: this one is free: --listen 127.0.0.1:8"),
        "{hint}"
    );
    let foreign = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = foreign.local_addr().unwrap().to_string();
    let taken = create(&["--home", "two", "--listen", &address]);
    let expected = format!(
        "error: nginx cannot listen on {address}\n  caused by: Address already in use (os error 98)\nhint: this one is free: --listen 127.0.0.1:8"
    );
    assert!(taken.0 == 2 && taken.1.starts_with(&expected), "{taken:?}");
    let listen = format!("127.0.0.1:{}", free_port());
    assert_eq!(
        create(&["--home", "home", "--listen", &listen]),
        (
            2,
            "error: DIR/home exists and is not empty\nhint: choose another: --home DIR\n".into()
        )
    );
    let long = "x".repeat(100);
    let (code, error) = create(&["--home", &long, "--listen", &listen]);
    assert!(
        code == 2 && error.contains("is too long for a home"),
        "{error}"
    );
    assert!(!server.path("two").exists() && !server.path(&long).exists());
}
