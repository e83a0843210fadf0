//! Back to an earlier release: whole, at once, and refused where the database has moved on.

use crate::common::sandbox::said;
use crate::common::state::State;
use crate::common::{Probe, Sandbox};

const PATHS: &[&str] = &["/", "/api/about/"];

/// An app with three releases, `1` to `3`.
fn three(name: &str) -> Sandbox {
    let sandbox = Sandbox::new(name).live();
    for number in ["2", "3"] {
        sandbox.name_release(number);
        sandbox.commit(&format!("Release {number}"));
        let _ = sandbox.push().accepted();
    }
    sandbox
}

#[test]
fn back_to_the_one_before_and_to_any_by_number() {
    let sandbox = three("rollback");
    sandbox.calls();
    let probe = Probe::start(sandbox.address, PATHS);
    sandbox.landfall_ok(&["rollback"]);
    assert_eq!(sandbox.release_shown(), "2");
    assert_eq!(sandbox.live(), Some(2));
    sandbox.landfall_ok(&["rollback", "1"]);
    assert_eq!(sandbox.release_shown(), "1");
    // Forward is the same thing.
    sandbox.landfall_ok(&["rollback", "3"]);
    assert_eq!(sandbox.release_shown(), "3");
    let _ = probe.stop().lost_nothing();
    assert_eq!(
        sandbox.calls(),
        Vec::<String>::new(),
        "a rollback builds nothing"
    );
    sandbox.settle();
}

/// Going back twice goes back two releases, and never to one that was found bad.
#[test]
fn a_release_that_was_left_is_not_gone_back_to() {
    let sandbox = three("rollback-left");
    sandbox.landfall_ok(&["rollback"]);
    assert_eq!(sandbox.live(), Some(2));
    // The mended push is no better; back is not to release 3.
    sandbox.name_release("4");
    sandbox.commit("Release 4");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "4");
    sandbox.landfall_ok(&["rollback"]);
    assert_eq!(sandbox.live(), Some(2));
    sandbox.landfall_ok(&["rollback"]);
    assert_eq!(sandbox.live(), Some(1));
    let output = sandbox.landfall(&["rollback"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    // By its number it is.
    sandbox.landfall_ok(&["rollback", "3"]);
    assert_eq!(sandbox.release_shown(), "3");
}

#[test]
fn nowhere_to_go_is_said() {
    let sandbox = Sandbox::new("rollback-nowhere").live();
    let cases: [(&[&str], i32, &str); 3] = [
        (
            &["rollback"],
            3,
            "error: there is no earlier release to go back to",
        ),
        (&["rollback", "1"], 3, "error: release 1 is live already"),
        (&["rollback", "7"], 3, "error: there is no release 7"),
    ];
    for (args, code, message) in cases {
        let output = sandbox.landfall(args);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.contains(message), "{stderr}");
        assert!(stderr.contains("hint: landfall releases"), "{stderr}");
    }
    assert_eq!(sandbox.release_shown(), "1");
}

#[test]
fn migrations_since_stand_in_the_way_unless_told_otherwise() {
    let sandbox = Sandbox::new("rollback-migrations").live();
    sandbox.name_release("2");
    sandbox.edit(
        "backend/board/models.py",
        "    text = models.CharField(max_length=200)\n",
        "    text = models.CharField(max_length=200)\n    stars = models.IntegerField(null=True)\n",
    );
    sandbox.write(
        "backend/board/migrations/0002_stars.py",
        "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n    \
         dependencies = [(\"board\", \"0001_initial\")]\n    operations = [\n        \
         migrations.AddField(\"note\", \"stars\", models.IntegerField(null=True)),\n    ]\n",
    );
    sandbox.commit("Stars");
    let _ = sandbox.push().accepted().said("1 applied: board.0002");
    let refused = sandbox.landfall(&["rollback"]);
    let words = said(&refused);
    assert_eq!(refused.status.code(), Some(5), "{words}");
    assert!(
        words.contains("1 migration applied after release 1: board.0002_stars"),
        "{words}"
    );
    assert!(
        words.contains("landfall rollback 1 --keep-database"),
        "{words}"
    );
    assert_eq!(sandbox.release_shown(), "2");

    sandbox.landfall_ok(&["rollback", "1", "--keep-database"]);
    assert_eq!(sandbox.release_shown(), "1");
    // Forward again nothing stands in the way.
    sandbox.landfall_ok(&["rollback", "2"]);
    assert_eq!(sandbox.release_shown(), "2");
}

#[test]
fn a_rollback_that_fails_leaves_the_live_release() {
    let sandbox = three("rollback-fails");
    // Somebody has touched what nobody should touch.
    let wsgi = sandbox.home.join("releases/2/src/backend/small/wsgi.py");
    let whole = std::fs::read(&wsgi).unwrap();
    std::fs::write(&wsgi, "import nowhere\n").unwrap();
    let before = State::of(&sandbox);
    let probe = Probe::start(sandbox.address, PATHS);
    let failed = sandbox.landfall(&["rollback"]);
    let words = said(&failed);
    assert_eq!(failed.status.code(), Some(1), "{words}");
    assert!(words.contains("error: boot: "), "{words}");
    assert!(words.contains("No module named 'nowhere'"), "{words}");
    let _ = probe.stop().lost_nothing().only("3");
    before.comes_back(&sandbox, &[]);
    // Once it is put right, the same works.
    std::fs::write(&wsgi, whole).unwrap();
    sandbox.landfall_ok(&["rollback"]);
    assert_eq!(sandbox.release_shown(), "2");
}

/// A rollback that passes its checks and fails only after the switch.
#[test]
fn a_rollback_that_fails_after_the_switch_is_switched_back() {
    let sandbox = three("rollback-verify");
    let assets = sandbox.home.join("releases/2/public/assets");
    let hidden = sandbox.home.join("hidden");
    std::fs::rename(&assets, &hidden).unwrap();
    // Open tabs would still find them in the kept assets.
    for entry in std::fs::read_dir(&hidden).unwrap() {
        let kept = sandbox
            .home
            .join("assets/assets")
            .join(entry.unwrap().file_name());
        std::fs::remove_file(kept).unwrap();
    }
    let failed = sandbox.landfall(&["rollback"]);
    let words = said(&failed);
    assert_eq!(failed.status.code(), Some(1), "{words}");
    assert!(words.contains("error: verify: "), "{words}");
    assert!(words.contains("release 3 is live again"), "{words}");
    assert_eq!(sandbox.release_shown(), "3");
    assert_eq!(sandbox.releases(), [1, 2, 3]);
    sandbox.settle();
    std::fs::rename(&hidden, &assets).unwrap();
    sandbox.landfall_ok(&["rollback", "2"]);
    assert_eq!(sandbox.release_shown(), "2");
}

#[test]
fn only_so_many_releases_are_kept_and_never_the_live_one_goes() {
    let sandbox = Sandbox::new("rollback-kept")
        .setting("keep_releases = 2")
        .live();
    for number in 2..=5 {
        sandbox.name_backend(&number.to_string());
        sandbox.commit(&format!("Release {number}"));
        let _ = sandbox.push().accepted();
        sandbox.settle();
    }
    assert_eq!(sandbox.releases(), [3, 4, 5]);
    sandbox.landfall_ok(&["rollback", "3"]);
    sandbox.name_backend("6");
    sandbox.commit("Release 6");
    let _ = sandbox.push().accepted();
    assert!(sandbox.releases().contains(&3), "{:?}", sandbox.releases());
    sandbox.landfall_ok(&["rollback", "3"]);
    assert_eq!(sandbox.live(), Some(3));
}
