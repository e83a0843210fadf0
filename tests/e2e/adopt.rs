//! An old repository with a hand-written hook, adopted and deployed: the page it served is served again.

use std::fs;
use std::net::SocketAddr;

use crate::common::machine::free_port;
use crate::common::sandbox::make_executable;
use crate::common::{App, Sandbox, client};

#[test]
fn what_the_old_hook_served_is_served_again() {
    let sandbox = Sandbox::new("adopt").app(App::Static).create();
    let (old, www) = (sandbox.root.join("old.git"), sandbox.root.join("www"));
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    sandbox.git(&["init", "--quiet", "--bare", &old.to_string_lossy()]);
    let hook = old.join("hooks/post-receive");
    let line = format!(
        "#!/bin/sh\nGIT_WORK_TREE={} git checkout -f master\n",
        www.display()
    );
    fs::create_dir_all(&www).unwrap();
    fs::write(&hook, line).unwrap();
    make_executable(&hook);
    // As it was deployed before Landfall.
    sandbox.git(&[
        "push",
        "--quiet",
        &old.to_string_lossy(),
        "HEAD:refs/heads/master",
    ]);
    let page = fs::read_to_string(www.join("index.html")).unwrap();

    let (home, listen) = (sandbox.root.join("adopted"), address.to_string());
    sandbox.landfall_ok(&[
        "app",
        "adopt",
        &old.to_string_lossy(),
        "--name",
        "adopted",
        "--home",
        &home.to_string_lossy(),
        "--listen",
        &listen,
    ]);
    sandbox.landfall_ok(&["--app", "adopted", "deploy"]);
    let served = client::get(address, "/").unwrap();
    assert_eq!((served.status, served.text()), (200, page));
    // The old one has not noticed.
    sandbox.name_release("2");
    sandbox.commit("Release 2");
    sandbox.git(&[
        "push",
        "--quiet",
        &old.to_string_lossy(),
        "HEAD:refs/heads/master",
    ]);
    assert_ne!(
        fs::read_to_string(www.join("index.html")).unwrap(),
        served.text()
    );
    // And the next push goes to the new one.
    let _ = sandbox
        .push_with(&[
            &home.join("adopted.git").to_string_lossy(),
            "HEAD:refs/heads/master",
        ])
        .accepted();
    assert_ne!(client::get(address, "/").unwrap().text(), served.text());
    sandbox.landfall_ok(&["app", "remove", "adopted", "--yes"]);
}
