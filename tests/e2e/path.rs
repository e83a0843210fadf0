//! The path of a push: page, API, static files, uploads, tasks; a second push; tabs that stay open.

use crate::common::{App, Sandbox};

#[test]
fn small() {
    let sandbox = Sandbox::new("path-small").live();
    assert_eq!(sandbox.release_shown(), "1");
    sandbox.name_release("2");
    sandbox.commit("Second");
    let push = sandbox.push().accepted();
    println!("{}", push.stderr);
    assert_eq!(sandbox.release_shown(), "2");
}

#[test]
fn notes() {
    let sandbox = Sandbox::new("path-notes").app(App::Notes).live();
    assert_eq!(sandbox.release_shown(), "1");
}
