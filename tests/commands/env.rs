//! `landfall env`: changed under the lock, never shown.

use std::os::unix::fs::PermissionsExt;

use super::server::{Server, gives, says};

#[test]
fn the_environment_is_changed_and_never_shown() {
    let server = Server::with_app();
    assert_eq!(
        server.run(&["env", "set", "DATABASE_URL=hunter22", "EMPTY="]),
        says(
            0,
            "DATABASE_URL and EMPTY are set\nnothing is deployed yet: the first push starts with it\n"
        )
    );
    assert_eq!(
        server.run_with(&["env", "set", "TOKEN=-"], "hunter23\n"),
        says(
            0,
            "TOKEN is set\nnothing is deployed yet: the first push starts with it\n"
        )
    );
    assert_eq!(
        server.run_with(&["env", "set", "--stdin", "TOKEN"], "hunter23"),
        says(0, "TOKEN is as it was\n")
    );
    assert_eq!(
        server.run(&["env", "list"]),
        gives(
            "name          value       required\nDATABASE_URL  [REDACTED]\nEMPTY         (empty)\nSECRET_KEY    [REDACTED]\nTOKEN         [REDACTED]\n"
        )
    );
    let import = "# theirs\nexport TOKEN='hunter 24'\nPATH=/theirs\n";
    assert_eq!(
        server.run_with(&["env", "import", "-"], import),
        says(
            0,
            "warning: left out: `PATH` is set by Landfall itself; a value given here would have no effect\nTOKEN is changed\nnothing is deployed yet: the first push starts with it\n"
        )
    );
    assert_eq!(
        server.run(&["env", "unset", "EMPTY", "NONE"]),
        says(
            3,
            "error: `NONE` is not set; nothing was removed\nhint: landfall env list\n"
        )
    );
    let unset = server.run(&["env", "unset", "EMPTY", "--json"]);
    assert_eq!(
        unset.out,
        "{\n  \"set\": [],\n  \"changed\": [],\n  \"unchanged\": [],\n  \"unset\": [\n    \"EMPTY\"\n  ]\n}\n"
    );
    let file = server.read("home/env");
    let kept: Vec<&str> = file
        .lines()
        .filter(|line| !line.starts_with("SECRET"))
        .collect();
    assert_eq!(kept, ["DATABASE_URL=hunter22", "TOKEN=\"hunter 24\""]);
    let mode = server
        .path("home/env")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_is_no_variable_is_refused_without_its_value() {
    let server = Server::with_app();
    for (args, input, message) in [
        (
            &["env", "set", "LANDFALL_APP=hunter22"][..],
            "",
            "error: `LANDFALL_APP` is set by Landfall itself; a value given here would have no effect\nhint: choose another name, and read that one in the app's settings\n",
        ),
        (
            &["env", "set", "hunter22"],
            "",
            "error: argument 1 is not NAME=VALUE: there is no `=`\nhint: landfall env set NAME=VALUE\n",
        ),
        (
            &["env", "set", "A=-"],
            "",
            "error: standard input has no value for `A`\nhint: to set it to nothing: landfall env set A=\n",
        ),
        (
            &["env", "set", "A=-", "B=-"],
            "x",
            "error: only one value can be read from standard input, not those of `A` and `B`\nhint: set one at a time, or several with `landfall env import -`\n",
        ),
        (
            &["env", "import", "-"],
            "A=1\nhunter22\n",
            "error: standard input is not a file of variables\n  caused by: line 2: there is no `=`\nhint: each line is NAME=value; quote a value that has several lines or ` #` in it\n",
        ),
    ] {
        assert_eq!(server.run_with(args, input), says(2, message));
    }
    let missing = server.run(&["env", "import", "gone"]);
    assert_eq!(
        missing,
        says(
            1,
            "error: cannot read gone\n  caused by: No such file or directory (os error 2)\n"
        )
    );
}
