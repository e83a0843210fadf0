//! `landfall --remote`: what is run, and what is refused before anything is.

use super::server::{Server, gives, says};

/// A clone with remotes of all kinds; what would be ssh prints its words.
fn clone() -> Server {
    let server = Server::new();
    server.commit_to("clone", &[("a", "1")]);
    for (name, url) in [
        ("production", "ssh://notes@example.org:2222/~/notes.git"),
        ("odd", "-oProxyCommand=id:notes.git"),
        ("here", "/srv/notes.git"),
        ("web", "https://example.org/notes.git"),
    ] {
        server.git(
            &server.path("clone"),
            &["config", &format!("remote.{name}.url"), url],
        );
    }
    server
}

#[test]
fn the_words_go_to_the_remotes_host_as_they_are() {
    let server = clone();
    let run = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = server.command(words);
        command
            .current_dir(server.path("clone"))
            .env("GIT_SSH_COMMAND", "/bin/echo -F 'my config'");
        server.finish(command.envs(variables.iter().copied()))
    };
    let address = "-F my config -p 2222 -- notes@example.org landfall --app notes";
    for (words, sent) in [
        (&["--remote", "production", "status"][..], "status"),
        (
            &["status", "--remote=production", "--json"],
            "status --json",
        ),
        (
            &["--remote", "production", "env", "set", "A=b c", "D='$(id)'"],
            "env set 'A=b c' 'D='\\''$(id)'\\'''",
        ),
        (
            &["env", "unset", "--remote", "production", "--", "A"],
            "env unset -- A",
        ),
    ] {
        assert_eq!(
            run(words, &[]),
            gives(&format!("{address} {sent}\n")),
            "{words:?}"
        );
    }
    // One's own word on the app goes first.
    assert_eq!(
        run(&["--remote", "production", "--app", "shop", "ps"], &[]),
        gives("-F my config -p 2222 -- notes@example.org landfall --app shop ps\n")
    );
    let variable = [("LANDFALL_REMOTE", "production")];
    assert_eq!(
        run(&["rollback", "4"], &variable),
        gives(&format!("{address} rollback 4\n"))
    );
    // What runs here anyway is not sent anywhere.
    assert_eq!(run(&["app", "list"], &variable).code, 0);
    assert_eq!(
        run(
            &["--remote", "production", "status"],
            &[("GIT_SSH_COMMAND", "/bin/false")]
        )
        .code,
        1
    );
    server.git(
        &server.path("clone"),
        &["config", "core.sshCommand", "/bin/echo config"],
    );
    assert_eq!(
        run(
            &["--remote", "production", "status"],
            &[("GIT_SSH_COMMAND", "")]
        ),
        gives("config -p 2222 -- notes@example.org landfall --app notes status\n")
    );
}

#[test]
fn what_cannot_be_sent_is_said_before_anything_is_run() {
    let server = clone();
    let run = |folder: &str, words: &[&str]| {
        let mut command = server.command(words);
        command
            .current_dir(server.path(folder))
            .env("GIT_SSH_COMMAND", "/bin/echo sent");
        server.finish(&mut command)
    };
    for (words, ran) in [
        (
            &["--remote", "staging", "status"][..],
            says(
                3,
                "error: this clone has no remote `staging`\nhint: there are: here, odd, production and web\n",
            ),
        ),
        (
            &["--remote", "-x", "status"],
            says(
                2,
                "error: unexpected argument '-x' found\n\nUsage: landfall [OPTIONS] <COMMAND>\n\nFor more information, try '--help'.\n",
            ),
        ),
        (
            &["--remote", "odd", "status"],
            says(
                2,
                "error: `-oProxyCommand=id:notes.git` is no address: a user and a host have letters, digits and - . _ only\nhint: git remote set-url REMOTE USER@HOST:NAME.git\n",
            ),
        ),
        (
            &["--remote", "here", "status"],
            says(
                2,
                "error: `/srv/notes.git` lies on this machine\nhint: run the command here, without --remote; --app NAME says which app\n",
            ),
        ),
        (
            &["--remote", "web", "status"],
            says(
                2,
                "error: `https://example.org/notes.git` is not reached over ssh\nhint: git remote set-url REMOTE USER@HOST:NAME.git\n",
            ),
        ),
        (
            &["--remote", "production", "demo"],
            says(
                2,
                "error: `demo` runs on this machine only\nhint: leave --remote out, and unset LANDFALL_REMOTE\n",
            ),
        ),
        (
            &["--remote", "production", "env", "import", ".env"],
            says(
                2,
                "error: `env import` would read a file of the server\nhint: send it: landfall --remote REMOTE env import - < FILE\n",
            ),
        ),
    ] {
        assert_eq!(run("clone", words), ran, "{words:?}");
    }
    server.write("plain/a", "");
    let ran = run("plain", &["--remote", "production", "status"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.err
            .starts_with("error: this is no clone, so it has no remotes\n"),
        "{ran:?}"
    );
    assert!(
        ran.err
            .ends_with("hint: run it in the project whose remote it is\n"),
        "{ran:?}"
    );
}
