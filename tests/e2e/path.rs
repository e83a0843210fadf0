//! The path of a push, whole: what a visitor sees of it, what outlives it, what is deployed when nothing changed.

use std::time::Duration;

use crate::common::{App, Push, Sandbox, until, until_some};

/// The address of a hashed file whose name begins so, in a page or a script: `"/assets/x-1.js"`, `"./x-1.js"`.
fn named(text: &str, stem: &str) -> String {
    const QUOTES: [char; 3] = ['"', '\'', '`'];
    let name = text
        .split(QUOTES)
        .filter_map(|word| word.rsplit('/').next())
        .find(|name| {
            name.starts_with(stem)
                && name.ends_with(".js")
                && name[stem.len()..].starts_with(['-', '.'])
        })
        .unwrap_or_else(|| panic!("no {stem} in {}", text.get(..300).unwrap_or(text)));
    format!("/assets/{name}")
}

#[test]
fn the_example_app_lands_whole_and_keeps_what_is_its_own() {
    let sandbox = Sandbox::new("notes").app(App::Notes).live();
    let commit = sandbox.head();

    // Page, API and Django's own files are of the pushed commit.
    assert_eq!(sandbox.release_shown(), "1");
    let about = sandbox.get("/api/about/").ok().json();
    assert_eq!(about["commit"], commit.as_str());
    assert_eq!(about["number"], "1");
    let style = sandbox.get("/static/admin/css/base.css").ok();
    assert!(style.text().contains("body"), "{}", style.text());
    assert!(sandbox.get("/admin/login/").ok().text().contains("csrf"));

    // A tab is opened: it knows its page's scripts, and has not asked for the lazy chunk yet.
    let page = sandbox.get("/").ok().text();
    let main = named(&page, "index");
    let chunk = named(&sandbox.get(&main).ok().text(), "AboutDeploy");

    // An upload, and a task that reads it in the worker.
    let note = upload(&sandbox, "five words in this note", "two more");
    let attachment = note["attachment"].as_str().expect("a path").to_owned();
    let id = note["id"].as_u64().expect("a number");
    count_words(&sandbox, id, 7);
    let first_beat = beat(&sandbox, "");

    // The second release changes everything a browser caches.
    sandbox.name_release("2");
    sandbox.edit(
        "notes-front-end/src/components/AboutDeploy.vue",
        "<dt>Notes counted</dt>",
        "<dt>Notes counted so far</dt>",
    );
    let commit = sandbox.commit("Second");
    let push = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "2");
    let about = sandbox.get("/api/about/").ok().json();
    assert_eq!(about["commit"], commit.as_str());
    assert!(push.stage("workers").is_some(), "{}", push.stderr);

    // The tab clicks now: its chunk is still there, though the page of today names another.
    let new_main = named(&sandbox.get("/").ok().text(), "index");
    let new_chunk = named(&sandbox.get(&new_main).ok().text(), "AboutDeploy");
    assert_ne!(chunk, new_chunk, "the test needs a chunk that changed");
    let kept = sandbox.get(&chunk).ok();
    assert!(
        kept.header("content-type")
            .unwrap_or_default()
            .contains("javascript"),
        "{:?}",
        kept.headers
    );
    assert!(kept.text().contains("import") || kept.text().contains("export"));
    let _ = sandbox.get(&new_chunk).ok();

    // What people gave is still there, and the new worker and beat are at work.
    assert_eq!(sandbox.get(&attachment).ok().text(), "two more");
    assert_eq!(sandbox.get("/api/notes/").ok().json()[0]["id"], id);
    count_words(&sandbox, id, 7);
    beat(&sandbox, &first_beat);

    // And of the first release nothing runs any more.
    sandbox.settle();
}

/// Sends a note with a file; gives what the API says of it.
fn upload(sandbox: &Sandbox, text: &str, content: &str) -> serde_json::Value {
    let body = format!(
        "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n{text}\r\n--x\r\n\
         Content-Disposition: form-data; name=\"attachment\"; filename=\"a.txt\"\r\n\
         Content-Type: text/plain\r\n\r\n{content}\r\n--x--\r\n"
    );
    let answer = sandbox.post(
        "/api/notes/",
        "multipart/form-data; boundary=x",
        body.as_bytes(),
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// Has the worker count a note's words anew, and waits until it has.
fn count_words(sandbox: &Sandbox, id: u64, words: u64) {
    let asked = sandbox.post(
        &format!("/api/notes/{id}/count/"),
        "application/json",
        b"{}",
    );
    assert_eq!(asked.status, 202, "{}", asked.text());
    until("the worker counts", Duration::from_secs(60), || {
        sandbox.get(&format!("/api/notes/{id}/")).ok().json()["word_count"] == words
    });
}

/// Waits until beat has come by since `before`; gives when.
fn beat(sandbox: &Sandbox, before: &str) -> String {
    until_some("beat comes by", Duration::from_secs(60), || {
        let about = sandbox.get("/api/about/").ok().json();
        let beat = about["last_beat"].as_str()?.to_owned();
        (beat != before).then_some(beat)
    })
}

#[test]
fn addresses_lead_to_a_page_a_file_or_nowhere() {
    let sandbox = Sandbox::new("addresses").live();
    let page = sandbox.get("/").ok();
    // A route of the single page.
    assert_eq!(sandbox.get("/notes/3").ok().text(), page.text());
    // A chunk that never existed is no page.
    let missing = sandbox.get("/assets/lazy.0123456789abcdef.js");
    assert_eq!(missing.status, 404);
    assert!(!missing.text().contains("name=\"release\""));
    // Django answers for its own.
    let missing = sandbox.get("/api/about/no-such-thing/");
    assert_eq!(missing.status, 404);
    assert!(!missing.text().contains("name=\"release\""));
    assert_eq!(
        sandbox.get("/static/board/mark.txt").ok().text(),
        "a static file of Django's\n"
    );
    // A page is asked for again each time, a hashed file never.
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let main = named(&page.text(), "main");
    let script = sandbox.get(&main).ok();
    let cached = script.header("cache-control").unwrap_or_default();
    assert!(cached.contains("immutable"), "{:?}", script.headers);
    // What lies beside the site is no part of it.
    for path in [
        "/../env",
        "/.git/config",
        "/%2e%2e/env",
        "/releases/1/release.json",
    ] {
        let answer = sandbox.get(path);
        assert!(
            !answer.text().contains("SECRET_KEY") && !answer.text().contains("\"commit\""),
            "{path}: {}",
            answer.text()
        );
    }
}

#[test]
fn a_tab_of_three_releases_ago_finds_its_chunk() {
    let sandbox = Sandbox::new("tab").live();
    let chunk_of = |sandbox: &Sandbox| {
        let main = named(&sandbox.get("/").ok().text(), "main");
        named(&sandbox.get(&main).ok().text(), "lazy")
    };
    let first = chunk_of(&sandbox);
    let content = sandbox.get(&first).ok().text();
    for number in 2..=4 {
        sandbox.name_frontend(&number.to_string());
        sandbox.commit(&format!("Frontend {number}"));
        let _ = sandbox.push().accepted();
        assert_ne!(chunk_of(&sandbox), first);
    }
    assert_eq!(sandbox.get(&first).ok().text(), content);
}

#[test]
fn a_push_that_changes_no_file_is_deployed_and_builds_nothing() {
    let sandbox = Sandbox::new("empty-commit").live();
    sandbox.calls();
    let commit = sandbox.commit("Nothing");
    let push = sandbox.push().accepted().said("nothing changed");
    assert_eq!(sandbox.live(), Some(2));
    assert_eq!(
        sandbox.get("/api/about/").ok().json()["commit"],
        commit.as_str()
    );
    assert_eq!(sandbox.calls(), Vec::<String>::new(), "{}", push.stderr);
}

#[test]
fn the_same_commit_again_is_no_push_but_a_deploy() {
    let sandbox = Sandbox::new("same-commit").live();
    // git itself has nothing to send, and calls no hook.
    let push = sandbox.push().accepted();
    assert!(
        push.stderr.contains("Everything up-to-date"),
        "{}",
        push.stderr
    );
    assert_eq!(sandbox.live(), Some(1));
    sandbox.calls();
    let said = sandbox.landfall_ok(&["deploy"]);
    assert!(said.contains("nothing changed"), "{said}");
    assert_eq!(sandbox.live(), Some(2));
    assert_eq!(sandbox.release_shown(), "1");
    assert_eq!(sandbox.calls(), Vec::<String>::new());
}

#[test]
fn a_push_over_a_file_url_and_a_first_push_of_a_long_history() {
    let sandbox = Sandbox::new("history").create();
    for number in 2..=30 {
        sandbox.name_backend(&number.to_string());
        sandbox.commit(&format!("Change {number}"));
    }
    let url = format!("file://{}", sandbox.repository().display());
    let _ = sandbox
        .push_with(&[&url, "HEAD:refs/heads/master"])
        .accepted()
        .said("\"Change 30\"");
    assert_eq!(sandbox.live(), Some(1));
    assert_eq!(
        sandbox.get("/api/about/").ok().release().as_deref(),
        Some("30")
    );
}

#[test]
fn with_post_receive_alone_both_halves_run_there() {
    let sandbox = Sandbox::new("post-only").create();
    std::fs::remove_file(sandbox.repository().join("hooks/pre-receive")).unwrap();
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "1");
    let before = sandbox.head();

    // git has moved the ref by then and says that all is well; we say that it is not, and put it back.
    sandbox.name_release("2");
    sandbox.write("landfall.toml", "[env]\nrequired = [\"GREETING\"]\n");
    sandbox.commit("Needs a greeting");
    let push = told_apart(sandbox.push(), "GREETING");
    assert!(push.stderr.contains("HEAD -> master"), "{}", push.stderr);
    assert_eq!(sandbox.remote_ref("refs/heads/master"), Some(before));
    assert_eq!(sandbox.release_shown(), "1");
    assert_eq!(sandbox.live(), Some(1));

    // Nothing else is needed for the same push to work.
    sandbox.env_set("GREETING", "hello");
    let push = sandbox.push().accepted();
    assert!(!push.stderr.contains("up-to-date"), "{}", push.stderr);
    assert_eq!(sandbox.release_shown(), "2");
    assert_eq!(
        sandbox.remote_ref("refs/heads/master"),
        Some(sandbox.head())
    );
}

/// A push that git took and Landfall did not: said in so many words.
fn told_apart(push: Push, cause: &str) -> Push {
    push.said("error: plan: ")
        .said(cause)
        .said("git says the push succeeded, the deploy did not")
        .said("the same push can be repeated")
}

#[test]
fn an_app_that_is_removed_leaves_nothing_running() {
    let sandbox = Sandbox::new("removed").live();
    let refused = sandbox.landfall(&["app", "remove", "small"]);
    assert_eq!(refused.status.code(), Some(5));
    assert_eq!(sandbox.release_shown(), "1");
    sandbox.landfall_ok(&["app", "remove", "small", "--yes"]);
    assert!(sandbox.processes().is_empty(), "{:#?}", sandbox.processes());
    assert!(!sandbox.home.exists() && !sandbox.settings_file().exists());
    // So that there is something to take away once more.
    let (home, listen) = (sandbox.home.to_string_lossy(), sandbox.address.to_string());
    sandbox.landfall_ok(&[
        "app", "create", "small", "--home", &home, "--listen", &listen,
    ]);
}

/// What new repositories have from the start, after a power cut too (`tests/killed`).
#[test]
fn a_repository_of_an_older_version_learns_to_sync_and_one_that_was_told_keeps_it() {
    let sandbox = Sandbox::new("sync").app(App::Static).create();
    let config = |args: &[&str]| {
        let repository = sandbox.repository().to_string_lossy().into_owned();
        let args = [&["--git-dir", &repository, "config", "--local"], args].concat();
        let output = sandbox.git_command().args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let both = || [config(&["core.fsync"]), config(&["core.fsyncMethod"])];
    let new = both();
    assert_eq!(new, ["objects,reference", "batch"]);
    config(&["--unset", "core.fsync"]);
    config(&["--unset", "core.fsyncMethod"]);
    let _ = sandbox.push().accepted();
    assert_eq!(both(), new);
    config(&["core.fsync", "all"]);
    sandbox.landfall_ok(&["deploy"]);
    assert_eq!(both(), ["all", "batch"]);
}
