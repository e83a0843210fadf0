//! `landfall log`, `logs` and `ps`: what there is to see.

use std::thread;
use std::time::Duration;

use landfall::base::flock::{Attempt, try_lock};

use super::server::{Server, gives, says};

#[test]
fn logs_are_shown_and_followed() {
    let server = Server::with_app();
    assert_eq!(
        server.run(&["log"]),
        says(3, "error: nothing was deployed yet, so there is no log\n")
    );
    assert_eq!(
        server.run(&["logs"]),
        says(
            3,
            "error: the app has no processes yet\nhint: landfall logs nginx   shows the server's\n"
        )
    );
    server.write("home/log/web.log.1", "one\ntwo\n");
    server.write("home/log/web.log", "three\n");
    server.write("home/log/celery.log", "ready\n");
    assert_eq!(
        server.run(&["logs", "-n", "2"]),
        gives("celery | ready\nweb    | two\nweb    | three\n")
    );
    assert_eq!(
        server.run(&["logs", "web", "-n", "1", "--json"]),
        gives("{\"process\":\"web\",\"line\":\"three\"}\n")
    );
    let unknown = server.run(&["logs", "wbe"]);
    assert_eq!(
        unknown,
        says(
            3,
            "error: there is no log called `wbe`\nhint: there are: celery, nginx, nginx-access, nginx-error, supervisord and web\n"
        )
    );
}

#[test]
fn a_deploys_log_is_followed_until_its_lock_is_free() {
    let server = Server::with_app();
    let log = server.write(
        "home/log/deploys/7.log",
        "2026-11-20T09:55:00Z [plan] begins\n",
    );
    assert_eq!(
        server.run(&["log", "7", "--json"]),
        gives("{\"time\":\"2026-11-20T09:55:00Z\",\"text\":\"[plan] begins\"}\n")
    );
    assert_eq!(
        server.run(&["log", "8"]),
        says(
            3,
            "error: there is no log of a deploy 8\nhint: there is one: landfall log 7\n"
        )
    );
    let Attempt::Taken(lock) = try_lock(&server.path("home/run/lock")).unwrap() else {
        panic!("nobody else holds the lock");
    };
    let follower = server.command(&["log", "-f"]).spawn().unwrap();
    thread::sleep(Duration::from_millis(300));
    let mut file = std::fs::OpenOptions::new().append(true).open(log).unwrap();
    std::io::Write::write_all(&mut file, b"2026-11-20T09:55:01Z last\n").unwrap();
    drop(lock);
    let output = follower.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "2026-11-20T09:55:00Z [plan] begins\n2026-11-20T09:55:01Z last\n"
    );
}

#[test]
fn ps_fails_where_a_process_of_the_live_release_does_not_run() {
    let server = Server::with_app();
    let empty = server.run(&["ps"]);
    assert!(
        empty.code == 0 && empty.out.lines().count() == 2,
        "{empty:?}"
    );
    let process = r#"{"argv": [], "cwd": "/", "env": {}, "stop_seconds": 1, "ready_seconds": 1, "singleton": false}"#;
    server.write(
        "home/releases/3/processes.json",
        &format!(r#"{{"start": 1, "processes": {{"web": {process}}}}}"#),
    );
    landfall::base::fs::swap_link("releases/3".as_ref(), &server.path("home/current")).unwrap();
    let down = server.run(&["ps"]);
    assert_eq!(
        (down.code, down.err.as_str()),
        (
            1,
            "error: 1 process is not running: web (missing)\nhint: landfall logs web\nhint: landfall deploy   starts them again\n"
        )
    );
    let last: Vec<&str> = down
        .out
        .lines()
        .last()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(last, ["web", "3", "live", "missing", "-", "-", "-"]);
}
