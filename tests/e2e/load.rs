//! No request is lost: an open-loop load over page and API through deploys and rollbacks.

use std::time::Duration;

use crate::common::load::{Load, Report};
use crate::common::{App, Sandbox, until};

const PATHS: &[&str] = &["/", "/api/about/"];
const SLOW: &[&str] = &["/api/about/?wait=0.4"];
/// Requests a second, in all.
const RATE: u32 = 60;

/// Waits until the load has asked this often, so that every release is asked for a while.
fn ask(load: &Load, more: usize) {
    let wanted = load.count() + more;
    until("requests are answered", Duration::from_secs(120), || {
        load.count() >= wanted
    });
}

fn check(report: &Report, lives: &[&str]) {
    println!("{}", report.summary());
    let failures = report.failures();
    assert!(
        failures.is_empty(),
        "{} of {} requests failed: {:#?}",
        failures.len(),
        report.answers.len(),
        &failures[..failures.len().min(5)]
    );
    let faults = report.out_of_order(lives);
    assert!(faults.is_empty(), "{faults:#?}");
    // The load was what it says it was: both kinds of connection, both paths, every release.
    for (name, wanted) in [
        (
            "kept alive",
            report.answers.iter().filter(|a| a.kept_alive).count(),
        ),
        (
            "not kept",
            report.answers.iter().filter(|a| !a.kept_alive).count(),
        ),
        (
            "the page",
            report.answers.iter().filter(|a| a.path == "/").count(),
        ),
        (
            "the API",
            report.answers.iter().filter(|a| a.path != "/").count(),
        ),
    ] {
        assert!(wanted > report.answers.len() / 3, "{name}: {wanted}");
    }
    for release in lives {
        let by = |path: &str| {
            report
                .answers
                .iter()
                .filter(|a| a.path == path && a.result.as_deref() == Ok(release))
                .count()
        };
        assert!(
            by("/") > 0 && by("/api/about/") > 0,
            "{release} was never seen"
        );
    }
    assert!(
        report.rate() >= 50.0,
        "only {:.0} requests a second",
        report.rate()
    );
}

/// Five deploys that change page and API together, and two rollbacks.
fn five_deploys_and_two_rollbacks(app: App, name: &str) {
    let sandbox = Sandbox::new(name).app(app).live();
    sandbox.settle();
    let load = Load::start(sandbox.address, PATHS, RATE);
    // At every switch some request is in the middle of its answer.
    let slow = (app == App::Small).then(|| Load::start(sandbox.address, SLOW, 5));
    let mut lives = vec!["1".to_owned()];
    let mut meanwhile = 0;
    ask(&load, 60);
    for number in 2..=6 {
        sandbox.name_release(&number.to_string());
        sandbox.commit(&format!("Release {number}"));
        let before = load.count();
        let _ = sandbox.push().accepted();
        meanwhile += load.count() - before;
        assert_eq!(sandbox.release_shown(), number.to_string());
        lives.push(number.to_string());
        ask(&load, 60);
    }
    for back_to in ["5", "4"] {
        sandbox.landfall_ok(&["rollback", back_to]);
        assert_eq!(sandbox.release_shown(), back_to);
        lives.push(back_to.to_owned());
        ask(&load, 60);
    }
    // The releases before it finish what they are at while the load goes on.
    sandbox.settle();
    ask(&load, 60);
    let report = load.stop();
    let lives: Vec<&str> = lives.iter().map(String::as_str).collect();
    check(&report, &lives);
    println!("{meanwhile} of them while something was pushed");
    assert!(meanwhile >= 100, "only {meanwhile} during the pushes");
    if let Some(slow) = slow.map(Load::stop) {
        println!("slow ones: {}", slow.summary());
        let failures = slow.failures();
        assert!(failures.is_empty(), "{failures:#?}");
        let faults = slow.out_of_order(&lives);
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

#[test]
fn the_example_app_loses_no_request() {
    five_deploys_and_two_rollbacks(App::Notes, "load-notes");
}

#[test]
fn a_small_app_loses_no_request_in_quick_deploys() {
    five_deploys_and_two_rollbacks(App::Small, "load-small");
}
