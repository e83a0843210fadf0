//! Many at once: the end is as if they had come one after the other, and each is told what became of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;

use crate::common::{App, Probe, Push, Sandbox, machine};

/// A clone with a commit of its own, on top of what the server has.
fn clone(sandbox: &Sandbox, number: usize) -> PathBuf {
    let folder = sandbox.root.join(format!("clone-{number}"));
    let run = |args: &[&str]| {
        let done = sandbox
            .git_command()
            .args(args)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    let repository = sandbox.repository().to_string_lossy().into_owned();
    fs::create_dir_all(&folder).unwrap();
    run(&[
        "clone",
        "--quiet",
        "--origin",
        "production",
        &repository,
        ".",
    ]);
    fs::write(
        folder.join(format!("mine-{number}.txt")),
        number.to_string(),
    )
    .unwrap();
    run(&["add", "."]);
    run(&[
        "commit",
        "--quiet",
        "--message",
        &format!("Commit {number}"),
    ]);
    folder
}

fn push(sandbox: &Sandbox, folder: &PathBuf, options: &[&str]) -> Child {
    sandbox
        .git_command()
        .current_dir(folder)
        .arg("push")
        .args(options)
        .args(["production", "HEAD:refs/heads/master"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git runs")
}

fn head(sandbox: &Sandbox, folder: &PathBuf) -> String {
    let mut command = sandbox.git_command();
    command.args(["rev-parse", "HEAD"]).current_dir(folder);
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The numbers of all deploys there were, by their logs; none stands for two.
fn deploys(sandbox: &Sandbox) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(sandbox.home.join("log/deploys"))
        .unwrap()
        .flatten()
    {
        let path = entry.path();
        // Beside each log lies its trace.
        if path.extension().is_none_or(|ending| ending != "log") {
            continue;
        }
        let number = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let begun = text
            .lines()
            .filter(|line| line.contains(" landfall 0.") && !line.contains("rollback to release"))
            .count();
        assert!(begun <= 1, "{begun} deploys in {}:\n{text}", path.display());
        assert!(numbers.insert(number));
    }
    numbers
}

/// A run as its log has it: the number, and the seconds of its first and its last line.
#[derive(Debug)]
struct Run {
    number: u32,
    begun: String,
    ended: String,
}

/// All runs there were, rollbacks too.
fn runs(sandbox: &Sandbox) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for number in deploys(sandbox) {
        for line in sandbox.deploy_log(number).lines() {
            let Some((time, rest)) = line.split_once(' ') else {
                continue;
            };
            // Said when the lock is free again.
            if rest.starts_with("git says the push succeeded") || rest.starts_with("hint: ") {
                continue;
            }
            let time = time.to_owned();
            if rest.starts_with("landfall 0.") {
                runs.push(Run {
                    number,
                    begun: time.clone(),
                    ended: time,
                });
            } else if let Some(run) = runs.last_mut().filter(|run| run.number == number) {
                run.ended = time;
            }
        }
    }
    runs.sort_by(|a, b| (&a.begun, &a.ended).cmp(&(&b.begun, &b.ended)));
    runs
}

/// No run began while another was under way.
#[track_caller]
fn came_one_after_the_other(sandbox: &Sandbox) {
    let runs = runs(sandbox);
    for pair in runs.windows(2) {
        assert!(
            pair[0].ended <= pair[1].begun,
            "at once: {pair:#?}\n{runs:#?}"
        );
    }
}

fn record(sandbox: &Sandbox, release: u32) -> serde_json::Value {
    let path = sandbox
        .home
        .join(format!("releases/{release}/release.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn twenty_pushes_at_once_from_twenty_clones() {
    const PUSHERS: usize = 20;
    let sandbox = Sandbox::new("volley").app(App::Static).live();
    let clones: Vec<PathBuf> = (0..PUSHERS).map(|number| clone(&sandbox, number)).collect();
    let probe = Probe::start(sandbox.address, &["/"]);
    let pushes: Vec<Child> = clones
        .iter()
        .map(|clone| push(&sandbox, clone, &[]))
        .collect();
    let pushes: Vec<Push> = pushes
        .into_iter()
        .map(|push| Push::new(&push.wait_with_output().unwrap()))
        .collect();
    let landed: Vec<usize> = (0..PUSHERS)
        .filter(|number| pushes[*number].code == Some(0))
        .collect();
    let [winner] = landed[..] else {
        panic!("{landed:?} landed: {pushes:#?}");
    };
    let is_there = sandbox.get(&format!("/mine-{winner}.txt")).ok().text();
    assert_eq!(is_there, winner.to_string());
    let id = sandbox.remote_ref("refs/heads/master").unwrap();
    for (number, push) in pushes
        .iter()
        .enumerate()
        .filter(|(number, _)| *number != winner)
    {
        // Overtaken while it waited; or git saw it at the door.
        let told = push
            .stderr
            .contains(&format!("was moved to {} by another push", &id[..7]))
            || push.stderr.contains("fetch first")
            || push.stderr.contains("cannot lock ref");
        assert!(told, "{number}: {}", push.stderr);
        assert_eq!(sandbox.get(&format!("/mine-{number}.txt")).status, 404);
    }
    let waited = pushes.iter().filter(|push| {
        let told =
            |line: &&String| line.contains("waiting for the deploy of ") && line.contains(" by ");
        push.remote.iter().find(told).is_some()
    });
    println!("{} of {PUSHERS} waited for a named holder", waited.count());
    let _ = probe.stop().lost_nothing();
    assert_eq!(sandbox.releases(), [1, 2]);
    deploys(&sandbox);
    // Each takes in what the others did and comes again, until all are there.
    thread::scope(|scope| {
        for (number, folder) in clones
            .iter()
            .enumerate()
            .filter(|(number, _)| number % 4 == 0)
        {
            let sandbox = &sandbox;
            scope.spawn(move || {
                for _ in 0..40 {
                    let pulled = sandbox
                        .git_command()
                        .current_dir(folder)
                        .args(["pull", "--quiet", "--rebase", "production", "master"])
                        .output()
                        .unwrap();
                    assert!(pulled.status.success());
                    let pushed = push(sandbox, folder, &[]).wait_with_output().unwrap();
                    if pushed.status.success() {
                        return;
                    }
                }
                panic!("{number} never got through");
            });
        }
    });
    for number in (0..PUSHERS).filter(|number| number % 4 == 0) {
        let text = sandbox.get(&format!("/mine-{number}.txt")).ok().text();
        assert_eq!(text, number.to_string());
    }
    println!("deploys: {:?}", deploys(&sandbox));
}

/// Pushes, deploys, rollbacks and pruning, all at once.
#[test]
fn pushes_deploys_and_rollbacks_at_once() {
    let sandbox = Sandbox::new("melee").setting("keep_releases = 2").live();
    // A check that takes its time, and writes down when it is there.
    let turns = sandbox.root.join("turns");
    let check = format!(
        "sh -c 'echo in >> {0}; sleep 0.3; echo out >> {0}'",
        turns.display()
    );
    sandbox.write("landfall.toml", format!("[gate]\nrun = [\"{check}\"]\n"));
    for release in ["2", "3"] {
        sandbox.name_release(release);
        sandbox.commit(release);
        let _ = sandbox.push().accepted();
    }
    sandbox.settle();
    let clones: Vec<PathBuf> = (0..4).map(|number| clone(&sandbox, number)).collect();
    let branch_before = sandbox.remote_ref("refs/heads/master");
    let probe = Probe::start(sandbox.address, &["/", "/api/about/"]);
    let mut all = Vec::new();
    for (number, folder) in clones.iter().enumerate() {
        all.push(push(&sandbox, folder, &["--force"]));
        let words: &[&str] = [
            &["rollback"][..],
            &["deploy"],
            &["rollback"],
            &["deploy", "HEAD~1"],
        ][number];
        let command = sandbox
            .landfall_command()
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        all.push(command.unwrap());
    }
    let mut landed = Vec::new();
    for (number, each) in all.into_iter().enumerate() {
        let ended = each.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!said.contains("panicked"), "{said}");
        // Whatever came of it, it says so.
        let is_told = ended.status.success() || said.contains("error: ");
        assert!(ended.status.code().is_some() && is_told, "{said}");
        if number % 2 == 0 && ended.status.success() {
            landed.push(head(&sandbox, &clones[number / 2]));
        }
    }
    let _ = probe.stop().lost_nothing();
    sandbox.settle();
    // One after the other: the checks, each run's first and last word, and the turns in which releases went live.
    let text = fs::read_to_string(&turns).unwrap();
    let words: Vec<&str> = text.lines().collect();
    assert!(words.len() >= 10, "{words:?}");
    assert!(
        words.chunks(2).all(|turn| turn == ["in", "out"]),
        "checks at once: {words:?}"
    );
    came_one_after_the_other(&sandbox);
    let numbers = sandbox.releases();
    let turn = |release: &u32| record(&sandbox, *release)["turn"].as_u64().unwrap();
    let turns: BTreeSet<u64> = numbers.iter().map(turn).collect();
    assert_eq!(
        turns.len(),
        numbers.len(),
        "a turn was taken twice: {turns:?}"
    );
    // The end is that of the last of them; the branch is where the last push that landed put it.
    assert_eq!(sandbox.live(), numbers.iter().copied().max_by_key(turn));
    let branch = sandbox.remote_ref("refs/heads/master");
    if landed.is_empty() {
        assert_eq!(branch, branch_before);
    } else {
        assert!(
            branch.as_ref().is_some_and(|id| landed.contains(id)),
            "{branch:?}: {landed:?}"
        );
    }
    // Page and API are of one release; the live one is good; nothing is half-made, nobody is left over.
    let shown = sandbox.release_shown();
    let live = sandbox.live().unwrap();
    let record = record(&sandbox, live);
    assert_eq!(record["state"], "live");
    assert_eq!(
        sandbox.get("/api/about/").ok().json()["commit"],
        record["commit"]
    );
    let states: Vec<serde_json::Value> = numbers
        .iter()
        .map(|release| self::record(&sandbox, *release)["state"].clone())
        .collect();
    assert_eq!(
        states.iter().filter(|state| *state == "live").count(),
        1,
        "{states:?}"
    );
    assert!(
        states
            .iter()
            .all(|state| state == "live" || state == "retired"),
        "{states:?}"
    );
    assert!(sandbox.releases().len() <= 4, "{:?}", sandbox.releases());
    assert!(machine::strays(&sandbox.processes(), "supervisord").is_empty());
    println!(
        "release {shown} is live as {live}; deploys {:?}",
        deploys(&sandbox)
    );
    // The branch is where a push or nobody put it, and the next push is as any other.
    sandbox.name_release("after");
    sandbox.commit("After");
    let _ = sandbox
        .push_with(&["--force", "production", "HEAD:refs/heads/master"])
        .accepted();
    assert_eq!(sandbox.release_shown(), "after");
}
