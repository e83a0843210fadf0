//! `landfall key`: the file sshd reads, and who is told what.

use landfall::base::fs;

use super::server::{Ran, Server, says};

const ANA: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ana@laptop";
const BEN: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6Wv3Ge9AmGRcmCbMCfdOEzvnPKsoIh2ARMsXoVjoHl";
const ANAS: &str = "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ";
const BENS: &str = "SHA256:VfUtmSThxfzjNThGZaDwytzdgkTDu01u0fn1JXjL674";

/// A server with an app of the server's own mode: its settings, and nothing else of it.
fn server() -> Server {
    let server = Server::new();
    server.write(
        "config/apps/shop.toml",
        "name = \"shop\"\nhome = \"/srv/landfall/shop\"\nbranch = \"master\"\ndomains = [\"shop.example.org\"]\n",
    );
    server
}

/// With the time replaced, and without the lines that name this machine.
fn timeless(ran: Ran) -> Ran {
    let clean = |text: &str| {
        text.split_inclusive('\n')
            .filter(|line| !line.starts_with("in their clone: "))
            .map(|line| match line.find("T").and_then(|_| line.find("20")) {
                Some(at) if line[at..].as_bytes().get(19) == Some(&b'Z') => {
                    format!("{}TIME{}", &line[..at], &line[at + 20..])
                }
                _ => line.to_owned(),
            })
            .collect()
    };
    Ran {
        out: clean(&ran.out),
        err: clean(&ran.err),
        ..ran
    }
}

#[test]
fn keys_are_let_in_listed_and_let_in_no_more() {
    let server = server();
    server.write("ana.pub", ANA);
    assert_eq!(
        server.run(&["key", "list", "shop"]),
        says(0, "no key is let in: landfall key add shop FILE\n")
    );
    assert_eq!(
        timeless(server.run(&["key", "add", "shop", "ana.pub"])),
        says(
            0,
            &format!("ana@laptop may deploy shop with {ANAS} (ed25519)\n")
        )
    );
    let ben = &[
        "key",
        "add",
        "shop",
        "-",
        "--role",
        "read",
        "--who",
        "Ben \"B\" Okri",
    ];
    assert_eq!(
        timeless(server.run_with(ben, BEN)),
        says(
            0,
            &format!("Ben \"B\" Okri may read shop with {BENS} (ed25519)\n")
        )
    );
    let file = server.read("config/keys/shop");
    let lines: Vec<&str> = file.lines().collect();
    let exe = env!("CARGO_BIN_EXE_landfall");
    let settings = server.path("config/apps/shop.toml");
    assert!(
        lines[1].starts_with(&format!(
            "restrict,command=\"{exe} ssh --app shop --settings {} --key {ANAS} --role deploy\" {} 20",
            settings.display(),
            ANA.rsplit_once(' ').unwrap().0
        )),
        "{file}"
    );
    assert!(lines[2].ends_with("Z Ben \"B\" Okri"), "{file}");
    assert_eq!(lines.len(), 3, "{file}");
    assert_eq!(fs::mode(&server.path("config/keys/shop")).unwrap(), 0o640);
    assert_eq!(
        timeless(server.run(&["key", "list", "--app", "shop"])).out,
        format!(
            "key                                                 kind     role    added                 who\n\
             {ANAS}  ed25519  deploy  TIME  ana@laptop\n\
             {BENS}  ed25519  read    TIME  Ben \"B\" Okri\n"
        )
    );
    let list: serde_json::Value =
        serde_json::from_str(&server.run(&["key", "list", "shop", "--json"]).out).unwrap();
    assert_eq!(list[1]["who"], "Ben \"B\" Okri");
    assert_eq!(list[1]["managed"], true);
    assert_eq!(
        server.run(&["key", "remove", "shop", "Ben \"B\" Okri"]),
        says(
            0,
            &format!(
                "{BENS} of Ben \"B\" Okri is let in no more; what runs for it now goes on to its end\n"
            )
        )
    );
    assert_eq!(
        server.run(&["key", "remove", "shop", &ANAS[..12]]),
        says(
            0,
            &format!(
                "{ANAS} of ana@laptop is let in no more; what runs for it now goes on to its end\nit was the last one: nobody can push to shop with a key of Landfall's now\n"
            )
        )
    );
    assert_eq!(server.read("config/keys/shop").lines().count(), 1);
}

#[test]
fn what_is_refused_changes_nothing_and_is_not_shown() {
    let server = server();
    let add = |text: &str, more: &[&str]| {
        let args = [&["key", "add", "shop", "-"], more].concat();
        server.run_with(&args, text)
    };
    assert_eq!(add(ANA, &[]).code, 0);
    let before = server.read("config/keys/shop");
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n";
    for (text, more, ran) in [
        (
            private,
            &[][..],
            says(
                2,
                "error: standard input cannot be taken\n  caused by: this is a private key: it belongs on your own machine and nowhere else\nhint: give the file that ends in .pub\nhint: if the private one has left its machine, make another: ssh-keygen -t ed25519\n",
            ),
        ),
        (
            &*format!("{BEN}\nhunter22\n"),
            &["--who", "Ben"],
            says(
                2,
                "error: standard input cannot be taken\n  caused by: line 2 is no public key\nhint: make a key: ssh-keygen -t ed25519; its public half is ~/.ssh/id_ed25519.pub\n",
            ),
        ),
        (
            BEN,
            &[],
            says(
                2,
                &format!(
                    "error: nothing says whose the key {BENS} is: it has no comment that can be shown\nhint: say so: --who NAME\n"
                ),
            ),
        ),
        (
            ANA,
            &["--role", "read"],
            says(
                5,
                &format!(
                    "error: ana@laptop has the key {ANAS} already, as `deploy`\nhint: to give it another role or name, take it away first: landfall key remove shop SHA256:UCUiLr7P\n"
                ),
            ),
        ),
        (
            &*format!("{BEN} x\n{BEN} y\n"),
            &[],
            says(
                5,
                &format!(
                    "error: x has the key {BENS} already, as `deploy`\nhint: to give it another role or name, take it away first: landfall key remove shop SHA256:VfUtmSTh\n"
                ),
            ),
        ),
    ] {
        assert_eq!(add(text, more), ran);
    }
    for who in ["a\nb", "a\u{202e}b", "", " a", "a\u{1b}[2J"] {
        assert_eq!(add(BEN, &["--who", who]).code, 2, "{who:?}");
    }
    assert_eq!(add(BEN, &["--who", "x", "--role", "root"]).code, 2);
    assert_eq!(
        server.run(&["key", "remove", "shop", "SHA"]),
        says(
            3,
            "error: `shop` lets in no key that is `SHA`\nhint: see them: landfall key list shop; a line that is not managed goes by hand\n"
        )
    );
    assert_eq!(server.run(&["key", "add", "nothing", "-"]).code, 3);
    assert_eq!(server.read("config/keys/shop"), before);
}

#[test]
fn lines_written_by_hand_stay_and_are_shown() {
    let server = server();
    let by_hand = format!("# mine\nno-pty {BEN} ben\njunk\n");
    server.write("config/keys/shop", &by_hand);
    assert_eq!(
        server.run_with(&["key", "add", "shop", "-", "--who", "Ben"], BEN),
        says(
            5,
            &format!(
                "error: the key {BENS} is let in already by a line of DIR/config/keys/shop that Landfall did not write\nhint: sshd takes the first line that has the key, with all that line allows: take it out by hand first\n"
            )
        )
    );
    assert_eq!(server.run_with(&["key", "add", "shop", "-"], ANA).code, 0);
    assert!(server.read("config/keys/shop").contains(&by_hand));
    let shown = server.run(&["key", "list", "shop"]).out;
    assert!(
        shown.contains(&format!(
            "{BENS}  ed25519  -       -                     (not managed)\n"
        )),
        "{shown}"
    );
    assert_eq!(shown.matches("(not managed)").count(), 2, "{shown}");
    assert_eq!(server.run(&["key", "remove", "shop", "ana@laptop"]).code, 0);
    assert!(server.read("config/keys/shop").contains(&by_hand));
}

/// In user mode the keys are the account's, among others.
#[test]
fn an_accounts_own_keys_are_left_alone() {
    let server = Server::with_app();
    let mine = format!("{BEN} mine\n");
    server.write(".ssh/authorized_keys", &mine);
    assert_eq!(
        server.run_with(&["key", "add", "notes", "-"], &mine).code,
        5
    );
    assert_eq!(server.run_with(&["key", "add", "notes", "-"], ANA).code, 0);
    let file = server.read(".ssh/authorized_keys");
    assert!(
        file.starts_with(&format!("{mine}# >>> landfall notes >>>\n")),
        "{file}"
    );
    assert!(file.contains(" ssh --app notes --settings "), "{file}");
    assert_eq!(
        fs::mode(&server.path(".ssh/authorized_keys")).unwrap(),
        0o600
    );
    assert_eq!(
        server.run(&["key", "remove", "notes", "ana@laptop"]).code,
        0
    );
    assert_eq!(server.read(".ssh/authorized_keys"), mine);
}
