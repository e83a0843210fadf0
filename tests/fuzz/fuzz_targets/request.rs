//! What a client of ssh asks for (SSH_ORIGINAL_COMMAND), for each role. Nothing panics, what is said fits on a terminal, and what may
//! run is one of the commands written down here once more, on this app and none of the server's files. A role may do what the one
//! before it may.

#![no_main]

use landfall::cli::judged;
use landfall::keys::role::Role;
use libfuzzer_sys::fuzz_target;

mod message;

/// How each command that may run begins, with the role that it takes at least.
const MAY: [(Role, &[&str]); 3] = [
    (
        Role::Read,
        &[
            "Git(UploadPack, ",
            "Status(",
            "Releases(",
            "Ps(",
            "Log(",
            "Attach(",
            "Logs(",
            "Plan(",
            "Env(List(",
            "Shared(List(",
            "App(Show(",
            "Key(List(",
            "Cert(Status(",
        ],
    ),
    (
        Role::Deploy,
        &["Git(ReceivePack, ", "Deploy(", "Rollback(", "Cancel("],
    ),
    (
        Role::Operate,
        &["Env(Set(", "Env(Unset(", "Env(Import(", "Shared(Add("],
    ),
];

fuzz_target!(|data: &[u8]| {
    let app = "notes".parse().expect("a name");
    let mut before: Option<String> = None;
    for role in Role::ALL {
        match judged(&app, role, data) {
            Ok(asked) => {
                must_be_allowed(&asked, role);
                assert!(before.is_none_or(|before| before == asked));
                before = Some(asked);
            }
            Err(said) => {
                assert!(before.is_none(), "{role} may do less");
                said.iter().for_each(|line| message::must_be_a_line(line));
            }
        }
    }
});

fn must_be_allowed(asked: &str, role: Role) {
    const COMMAND: &str = "Command(Globals { app: Some(AppName(\"notes\")), json: ";
    let command = asked.strip_prefix(COMMAND).map_or(asked, |rest| {
        let (_json, command) = rest.split_once(" }, ").expect("then comes the command");
        command.strip_suffix(')').expect("and the end")
    });
    let mut may = MAY.iter().filter(|(needed, _)| *needed <= role);
    assert!(
        may.any(|(_, all)| all.iter().any(|start| command.starts_with(start))),
        "{role}: {asked}"
    );
    assert!(stays(command), "{asked}");
}

/// It names no other app, and no file but standard input.
fn stays(command: &str) -> bool {
    let ends = |all: &[&str]| all.iter().any(|end| command.ends_with(end));
    let any = |all: &[&str]| all.iter().any(|text| command.contains(text));
    match command
        .split_once("Args {")
        .map_or(command, |(kind, _)| kind)
    {
        "App(Show(" | "Key(List(" => {
            ends(&["{ name: None }))", "{ name: Some(AppName(\"notes\")) }))"])
        }
        "Env(Import(" => command.starts_with("Env(Import(Args { file: \"-\", "),
        // The path comes first; what follows it is quoted nowhere.
        "Shared(Add(" => command.rsplit_once(", from: ").is_some_and(|(_, from)| {
            from.starts_with("None, ") || from.starts_with("Some(\"-\"), ")
        }),
        "Cert(Status(" => {
            any(&["all: false, host: None, notify: false, "]) && ends(&["roots: None }))"])
        }
        _ => true,
    }
}
