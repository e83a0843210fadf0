//! `landfall app adopt`: what is brought of an old repository, what is told, and that nothing of the old one changes.

use landfall::base::fs;

use super::server::{PROJECT, Ran, Server, free_port, says};

const HOOK: &str = "#!/bin/bash
TARGET=DIR/www
while read oldrev newrev ref; do
    if [[ $ref == refs/heads/live ]]; then
        git --work-tree=$TARGET --git-dir=DIR/Old_Project.git checkout -f live
        cd $TARGET
        pip install -r requirements.txt
        python manage.py migrate
        sudo supervisorctl restart project
        sudo nginx -s reload
        touch DIR/the-hook-was-run
    fi
done
";

/// An old repository with two branches and a tag, its hook, and the work tree it deploys to.
fn old() -> Server {
    let server = Server::new();
    let ignored = [(
        ".gitignore",
        "localsettings.py\n.env\n*.sqlite3\nmedia/\n*.log\n",
    )];
    server.commit_to("project", &[&PROJECT[..], &ignored].concat());
    let project = server.path("project");
    for args in [
        &["branch", "live"][..],
        &["tag", "v1"],
        &["clone", "--quiet", "--bare", ".", "../Old_Project.git"],
    ] {
        server.git(&project, args);
    }
    let hook = HOOK
        .replace("DIR", &server.path("").to_string_lossy())
        .replace("//", "/");
    server.write("Old_Project.git/hooks/post-receive", &hook);
    for (path, text) in PROJECT {
        server.write(&format!("www/{path}"), text);
    }
    for (path, text) in [
        (
            "app/localsettings.py",
            "DEBUG = False\nPASSWORD = 'hunter22'\n",
        ),
        (".env", "TOKEN=hunter22\n"),
        ("db.sqlite3", "data"),
        ("media/a.png", "picture"),
        ("app.log", "line"),
        ("notes-local.txt", "mine"),
    ] {
        server.write(&format!("www/{path}"), text);
    }
    server
}

/// All files below, with what is in them and their modes.
fn all(server: &Server, folder: &str) -> Vec<(String, Vec<u8>, u32)> {
    let folder = server.path(folder);
    let files = fs::files_below(&folder).unwrap();
    let each = files.iter().map(|file| {
        let path = folder.join(file);
        let content = fs::read_bytes(&path).unwrap();
        (
            file.display().to_string(),
            content,
            fs::mode(&path).unwrap(),
        )
    });
    each.collect()
}

fn tell(first: &str) -> String {
    format!(
        "{first}
  history   live and master of DIR/Old_Project.git
  branch    live deploys
  shared    app/localsettings.py from DIR/www/app/localsettings.py
  shared    .env from DIR/www/.env
  hook      post-receive is kept as post-receive.before-landfall
what stays to be done by hand:
  while nothing writes to it: landfall shared add media --from DIR/www/media
  while nothing writes to it: landfall shared add db.sqlite3 --from DIR/www/db.sqlite3
  line 9 of the hook, `sudo supervisorctl restart project`: processes: Landfall starts its own; stop these before the first push
  line 10 of the hook, `sudo nginx -s reload`: nginx: the site is Landfall's; take the old server block away once the new one answers
  line 11 of the hook, `touch DIR/the-hook-was-run`: not done by a deploy: put it into [gate] of landfall.toml, or keep it elsewhere
"
    )
}

#[test]
fn an_old_repository_becomes_an_app_and_stays_as_it_is() {
    let server = old();
    let before = (all(&server, "Old_Project.git"), all(&server, "www"));
    let dry = server.run(&["app", "adopt", "Old_Project.git", "--dry-run"]);
    assert_eq!(
        dry,
        says(
            0,
            &tell("old-project would be made of this; nothing is changed yet")
        )
    );
    assert!(!server.path("config").exists());
    let json = server
        .run(&["app", "adopt", "Old_Project.git", "--dry-run", "--json"])
        .out;
    assert!(!json.contains("hunter22"), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["branch"], "live");
    assert_eq!(json["files"][1]["to_settings"], true);

    let listen = format!("127.0.0.1:{}", free_port());
    let made = server.run(&[
        "app",
        "adopt",
        "Old_Project.git",
        "--name",
        "shop",
        "--home",
        "home",
        "--listen",
        &listen,
        "--domain",
        "shop.test",
    ]);
    assert_eq!(
        made,
        Ran {
            code: 0,
            out: "  landfall --app shop plan\n  git remote set-url production DIR/home/shop.git\n  landfall --app shop deploy\n".into(),
            err: tell("shop is made in DIR/home")
                + "next: look at the plan, then push to the new repository, or deploy what is there\n",
        }
    );
    assert_eq!(
        (all(&server, "Old_Project.git"), all(&server, "www")),
        before
    );
    assert!(!server.path("the-hook-was-run").exists());
    let new = server.path("home/shop.git");
    for name in ["refs/heads/live", "refs/heads/master", "refs/tags/v1"] {
        server.git(&new, &["rev-parse", "--verify", "--quiet", name]);
    }
    let hooks = server.path("home/shop.git/hooks");
    assert_eq!(
        fs::read(&hooks.join("post-receive.before-landfall")).unwrap(),
        server.read("Old_Project.git/hooks/post-receive")
    );
    assert_eq!(
        fs::mode(&hooks.join("post-receive.before-landfall")).unwrap(),
        0o644
    );
    assert!(
        fs::read(&hooks.join("post-receive"))
            .unwrap()
            .contains("landfall")
    );
    assert_eq!(
        server.read("home/shared/app/localsettings.py"),
        "DEBUG = False\nPASSWORD = 'hunter22'\n"
    );
    assert_eq!(fs::mode(&server.path("home/shared/.env")).unwrap(), 0o600);
    let settings = server.read("config/apps/shop.toml");
    assert!(settings.contains("shared_files = [\".env\"]"), "{settings}");
    assert!(settings.contains("branch = \"live\""), "{settings}");
    let shared = server.run(&["shared", "list"]).out;
    assert_eq!(shared.matches("present").count(), 2, "{shared}");
    // What is to be deployed can be planned from here.
    let plan = server.run(&["plan"]);
    assert_eq!(plan.code, 0, "{plan:?}");
}

#[test]
fn what_cannot_be_adopted_is_told_and_leaves_nothing() {
    let server = old();
    let adopt = |more: &[&str]| server.run(&[&["app", "adopt"], more].concat());
    assert_eq!(
        adopt(&["project"]),
        says(
            2,
            "error: DIR/project is no bare repository\nhint: give the folder that has `HEAD`, `objects` and `hooks` in it\n"
        )
    );
    assert_eq!(
        adopt(&["Old_Project.git", "--branch", "main"]),
        says(
            2,
            "error: there is no branch `main`: there are live and master\nhint: name one: --branch BRANCH\n"
        )
    );
    server.git(
        &server.path(""),
        &["init", "--quiet", "--bare", "empty.git"],
    );
    assert_eq!(
        adopt(&["empty.git"]),
        says(
            2,
            "error: DIR/empty.git has no branches yet\nhint: make a new app: landfall app create NAME\n"
        )
    );
    assert_eq!(adopt(&["nothing.git"]).code, 1);
    server.git(
        &server.path(""),
        &["clone", "--quiet", "--bare", "project", "9.git"],
    );
    assert_eq!(adopt(&["9.git"]).code, 2);
    // The address is somebody else's.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    assert_eq!(
        adopt(&["Old_Project.git", "--home", "home", "--listen", &listen]).code,
        2
    );
    assert!(!server.path("home").exists() && !server.path("config/apps").exists());
    let left: Vec<_> = fs::list(&server.path(""))
        .unwrap()
        .into_iter()
        .filter(|path| path.to_string_lossy().contains("adopt"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What the repository's owner could not read is not brought, whatever links lead there: neither by its owner, nor by root on
/// the owner's behalf.
#[test]
fn links_out_of_the_old_repository_lead_nowhere() {
    let server = old();
    let is_root = landfall::base::user::is_root();
    if is_root {
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
        server.chown("", nobody.uid.as_raw());
    }
    // The work tree's settings are a link to a secret of root's; or, where the owner itself asks, to one it cannot read.
    let secret = server.write("secret", "hunter33\n");
    fs::write(&secret, b"hunter33\n", if is_root { 0o600 } else { 0 }).unwrap();
    fs::remove_file(&server.path("www/app/localsettings.py")).unwrap();
    fs::symlink(&secret, &server.path("www/app/localsettings.py")).unwrap();
    let ran = server.run(&["app", "adopt", "Old_Project.git", "--dry-run"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err
            .contains("note      DIR/www/app/localsettings.py is left where it is"),
        "{ran:?}"
    );
    assert!(
        ran.err.contains(
            "needed and nowhere to be found: landfall shared add app/localsettings.py --from FILE"
        ),
        "{ran:?}"
    );
    assert!(ran.err.contains("shared    .env from"), "{ran:?}");
    // So are the objects.
    let objects = server.path("Old_Project.git/objects");
    let private = server.path("private");
    fs::create_folder(&private).unwrap();
    fs::rename(&objects, &private.join("objects")).unwrap();
    fs::symlink(&private.join("objects"), &objects).unwrap();
    fs::create_folder_with_mode(&private, if is_root { 0o700 } else { 0 }).unwrap();
    let ran = server.run(&["app", "adopt", "Old_Project.git", "--dry-run"]);
    fs::create_folder_with_mode(&private, 0o700).unwrap();
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.err.starts_with("error: "), "{ran:?}");
}
