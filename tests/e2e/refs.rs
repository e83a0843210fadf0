//! What a push may name: other branches, tags, deletions, rewritten history, several refs at once, push options.

use crate::common::Sandbox;

#[test]
fn another_branch_is_kept_and_explained() {
    let sandbox = Sandbox::new("refs-other").live();
    sandbox.name_release("2");
    sandbox.commit("A feature");
    let _ = sandbox
        .push_with(&["production", "HEAD:refs/heads/feature"])
        .accepted()
        .said("`feature` is kept and not deployed: `master` deploys")
        .said("git push REMOTE feature:master")
        .never_said("checkout");
    assert_eq!(
        sandbox.remote_ref("refs/heads/feature"),
        Some(sandbox.head())
    );
    assert_eq!(sandbox.releases(), [1]);
    assert_eq!(sandbox.release_shown(), "1");
    // It may go again.
    let _ = sandbox
        .push_with(&["production", ":feature"])
        .accepted()
        .said("`feature` is deleted; nothing is deployed for it");
    assert_eq!(sandbox.remote_ref("refs/heads/feature"), None);
}

#[test]
fn another_branch_is_refused_where_the_server_says_so() {
    let sandbox = Sandbox::new("refs-refused")
        .setting("accept_other_branches = false")
        .live();
    sandbox.commit("A feature");
    let _ = sandbox
        .push_with(&["production", "HEAD:refs/heads/feature"])
        .rejected()
        .said("error: `feature` does not deploy here; `master` does")
        .said("hint: git push REMOTE feature:master");
    assert_eq!(sandbox.remote_ref("refs/heads/feature"), None);
    // With it the whole push is refused: the deploying branch has not moved either.
    let before = sandbox.remote_ref("refs/heads/master");
    let _ = sandbox
        .push_with(&[
            "production",
            "HEAD:refs/heads/feature",
            "HEAD:refs/heads/master",
        ])
        .rejected();
    assert_eq!(sandbox.remote_ref("refs/heads/master"), before);
    assert_eq!(sandbox.releases(), [1]);
}

#[test]
fn a_tag_deploys_nothing() {
    let sandbox = Sandbox::new("refs-tag").live();
    sandbox.git(&["tag", "-a", "-m", "One", "v1"]);
    let _ = sandbox
        .push_with(&["production", "v1"])
        .accepted()
        .said("refs/tags/v1 is not a branch; nothing is deployed for it");
    assert_eq!(sandbox.releases(), [1]);
    // But can be deployed by name.
    sandbox.landfall_ok(&["deploy", "v1"]);
    assert_eq!(sandbox.live(), Some(2));
}

#[test]
fn the_deploying_branch_cannot_be_deleted() {
    let sandbox = Sandbox::new("refs-delete").live();
    let before = sandbox.remote_ref("refs/heads/master");
    let push = sandbox.push_with(&["production", ":master"]);
    assert_eq!(push.code, Some(1), "{}", push.stderr);
    let _ = push
        .said("`master` is the branch that deploys; it cannot be deleted by a push")
        .said("hint: ");
    assert_eq!(sandbox.remote_ref("refs/heads/master"), before);
    assert_eq!(sandbox.release_shown(), "1");
    assert_eq!(sandbox.releases(), [1]);
}

#[test]
fn history_may_be_rewritten_unless_the_server_forbids_it() {
    let sandbox = Sandbox::new("refs-force").live();
    sandbox.name_release("2");
    sandbox.commit("Second");
    let _ = sandbox.push().accepted();
    sandbox.git(&["reset", "--quiet", "--hard", "HEAD^"]);
    sandbox.name_release("3");
    sandbox.commit("Third, instead of the second");
    // git itself asks for --force.
    let push = sandbox.push();
    assert_eq!(push.code, Some(1), "{}", push.stderr);
    assert_eq!(sandbox.release_shown(), "2");
    let force = ["--force", "production", "HEAD:refs/heads/master"];
    let _ = sandbox.push_with(&force).accepted();
    assert_eq!(sandbox.release_shown(), "3");

    sandbox.setting("allow_force_push = false");
    sandbox.git(&["reset", "--quiet", "--hard", "HEAD^"]);
    sandbox.name_release("4");
    sandbox.commit("Fourth");
    let _ = sandbox
        .push_with(&force)
        .rejected()
        .said("`master` would be rewritten")
        .said("hint: git pull --rebase");
    assert_eq!(sandbox.release_shown(), "3");
    // What goes forward is taken as ever.
    sandbox.git(&["fetch", "--quiet", "production", "master"]);
    sandbox.git(&["reset", "--quiet", "--hard", "FETCH_HEAD"]);
    sandbox.name_release("5");
    sandbox.commit("Fifth");
    let _ = sandbox.push().accepted();
    assert_eq!(sandbox.release_shown(), "5");
}

#[test]
fn several_refs_in_one_push_deploy_the_one() {
    let sandbox = Sandbox::new("refs-several").live();
    sandbox.git(&["tag", "v1"]);
    sandbox.git(&["branch", "old"]);
    sandbox.name_release("2");
    sandbox.commit("Second");
    let _ = sandbox
        .push_with(&[
            "production",
            "v1",
            "old",
            "HEAD:refs/heads/next",
            "HEAD:refs/heads/master",
        ])
        .accepted()
        .said("`old` is kept and not deployed")
        .said("`next` is kept and not deployed")
        .said("refs/tags/v1 is not a branch");
    assert_eq!(sandbox.releases(), [1, 2]);
    assert_eq!(sandbox.release_shown(), "2");
}

#[test]
fn a_branch_of_another_name_deploys_where_the_server_says_so() {
    let sandbox = Sandbox::new("refs-branch")
        .setting("branch = \"main\"")
        .create();
    let _ = sandbox
        .push_with(&["production", "HEAD:refs/heads/master"])
        .accepted()
        .said("`main` deploys");
    assert_eq!(sandbox.releases(), [] as [u32; 0]);
    let _ = sandbox
        .push_with(&["production", "HEAD:refs/heads/main"])
        .accepted();
    assert_eq!(sandbox.release_shown(), "1");
}

#[test]
fn plan_prints_and_builds_nothing() {
    let sandbox = Sandbox::new("refs-plan").live();
    sandbox.calls();
    sandbox.name_release("2");
    sandbox.commit("Second");
    let plan = ["-o", "plan", "production", "HEAD:refs/heads/master"];
    let _ = sandbox
        .push_with(&plan)
        .rejected()
        .said("frontend and backend changed")
        .said("frontend      to build (frontend: npm run build")
        .said("venv          reused")
        .said("nothing was built and the push is rejected, as -o plan asks");
    assert_eq!(sandbox.calls(), Vec::<String>::new());
    assert_eq!(sandbox.releases(), [1]);
    assert!(!sandbox.home.join("log/deploys/2.log").exists());
    assert_eq!(sandbox.release_shown(), "1");
    // A plan that cannot be made says why.
    sandbox.write("landfall.toml", "[fronted]\n");
    sandbox.commit("A slip");
    let _ = sandbox
        .push_with(&plan)
        .rejected()
        .said("unknown")
        .said("hint: ");
}

#[test]
fn the_gate_is_left_out_only_where_the_server_allows_it() {
    let sandbox = Sandbox::new("refs-gate").live();
    sandbox.name_release("2");
    sandbox.write("landfall.toml", "[gate]\nrun = [\"false\"]\n");
    sandbox.commit("A gate that is shut");
    let skip = ["-o", "skip-gate", "production", "HEAD:refs/heads/master"];
    let _ = sandbox
        .push_with(&skip)
        .rejected()
        .said("skip-gate is not allowed for this app")
        .said("allow_skip_gate = true");
    assert_eq!(sandbox.release_shown(), "1");
    sandbox.setting("allow_skip_gate = true");
    let _ = sandbox.push().rejected().said("error: gate: ");
    let _ = sandbox
        .push_with(&skip)
        .accepted()
        .said("1 check left out (skip-gate)");
    assert_eq!(sandbox.release_shown(), "2");
}

#[test]
fn an_unknown_push_option_is_named() {
    let sandbox = Sandbox::new("refs-option").live();
    sandbox.commit("Empty");
    let _ = sandbox
        .push_with(&["-o", "fast", "production", "HEAD:refs/heads/master"])
        .rejected()
        .said("error: unknown push option `fast`")
        .said("hint: the options are: -o plan, -o rebuild, -o skip-gate");
    assert_eq!(sandbox.releases(), [1]);
}
