//! L5: the deploy. `prepare` makes a release that works beside the live one; `go_live` switches to it.
//!
//! In a push, `prepare` runs in pre-receive (a failure rejects the push) and `go_live` in post-receive (git has moved the
//! ref). Everywhere else both run in one go. The screen a newcomer reads first.

use std::path::Path;
use std::thread;
use std::time::SystemTime;

use crate::base::disk::Room;
use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Report};
use crate::base::names::ReleaseId;
use crate::base::server_paths::ServerPaths;
use crate::base::stretch;
use crate::base::user::Caller;
use crate::base::words::count;
use crate::config::server::Mode;
use crate::event::{CertificateLeft, Event, Outcome, Stage};
use crate::git::{Commit, Repo};
use crate::release::cache;
use crate::release::layout::ReleaseDir;
use crate::release::process::Processes;
use crate::release::record::{Checks, DjangoFacts, FORMAT, Record, State};
use crate::release::seen::Seen;
use crate::release::{spare, store};
use crate::stage::discard::Served;
use crate::stage::django::Django;
use crate::stage::plan::{Plan, Wishes};
use crate::stage::render::RenderError;
use crate::stage::replace::{Held, ReplaceError};
use crate::stage::{
    Context, ReleaseFacts, boot, build, checkout, commit, compress, discard, gate, health, migrate,
    plan, render, replace, retire, room, site, verify, workers,
};
use crate::tls::health::{Grade, Life, Limits};
use crate::tls::store::Store;
use crate::tool::django::Introspection;
use crate::{prune, recover, undo};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The commit.
    pub commit: Commit,
    /// The branch or revision it was asked for by.
    pub source: String,
    /// Who asks.
    pub caller: Caller,
    /// How the plan is made.
    pub wishes: Wishes,
}

/// A stage that failed. It has been said and undone.
#[derive(Debug)]
pub struct Failure {
    /// Which.
    pub stage: Stage,
    /// Why.
    pub error: Report,
}

/// Says at which stage an error happened.
trait At<T> {
    fn at(self, stage: Stage) -> Result<T, Failure>;
}

impl<T, E: Hint> At<T> for Result<T, E> {
    fn at(self, stage: Stage) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            stage,
            error: Box::new(error),
        })
    }
}

/// The first half: makes release `id` for the request and proves that it works. What fails is undone.
pub fn prepare(
    ctx: &Context<'_>,
    repo: &Repo,
    request: &Request,
    id: ReleaseId,
) -> Result<(), Failure> {
    let release = ctx.home.release(id);
    ctx.events.emit(&Event::Began {
        app: ctx.home.app().to_string(),
        source: request.source.clone(),
        commit: request.commit.id.clone(),
        subject: request.commit.subject.clone(),
    });
    if let Err(error) = repo.set_up_for_pushes() {
        ctx.events
            .note(format!("git is not made to sync what it writes: {error}"));
    }
    recover::run(ctx)
        .at(Stage::Plan)
        .and_then(|()| make(ctx, repo, request, &release))
        .inspect_err(|failure| {
            ctx.events.failed(failure.stage, failure.error.as_ref());
            undo(ctx, id, Served::No);
        })
}

fn make(
    ctx: &Context<'_>,
    repo: &Repo,
    request: &Request,
    release: &ReleaseDir,
) -> Result<(), Failure> {
    // What the checkout will begin with is looked at meanwhile.
    let (plan, seen) = beside(|| planned(ctx, repo, request), || spare::look(ctx.home));
    let plan = plan?;
    prune::make_spare(ctx);
    room::check(ctx, &plan).at(Stage::Plan)?;
    begin_record(ctx, request, &plan, release).at(Stage::Checkout)?;
    let checked_out = check_out(ctx, repo, &plan, release, seen)?;
    let built = build::run(ctx, &plan, release).map_err(|(stage, error)| Failure {
        stage,
        error: error.into(),
    })?;
    let gated = gate::commands(ctx, &plan, release, &facts_of(&plan)).at(Stage::Gate);
    build::give_back(ctx, built);
    gated?;
    if plan.settings.backend.is_some() {
        start_backend(ctx, &plan, release)?;
    } else {
        start_static(ctx, &plan, release)?;
    }
    cache::set_generation(ctx.home, plan.generation).at(Stage::Health)?;
    // What is prepared outlasts a power cut, also one right after the switch: the release, its cache entries, and the commit's
    // objects, which git itself would leave to the kernel when it moves the ref.
    let syncing = stretch::of_us("sync the disk");
    fs::sync_all(ctx.home.root()).at(Stage::Health)?;
    drop(syncing);
    store::update(release, |record| {
        record.checked_out = checked_out;
        record.state = State::Prepared;
    })
    .at(Stage::Health)?;
    Ok(())
}

/// A site with no backend: nothing to boot, nothing to ask but through nginx.
fn start_static(ctx: &Context<'_>, plan: &Plan, release: &ReleaseDir) -> Result<(), Failure> {
    render::processes(ctx, plan, release, &facts_of(plan)).at(Stage::Render)?;
    render::site(ctx, plan, release, None).at(Stage::Render)?;
    Ok(())
}

/// Django and uWSGI: set up once, checked, booted beside the old, migrated, asked.
fn start_backend(ctx: &Context<'_>, plan: &Plan, release: &ReleaseDir) -> Result<(), Failure> {
    let Some(backend) = &plan.settings.backend else {
        return Ok(());
    };
    let facts = facts_of(plan);
    let mut django = Django::start(ctx, backend, release, &facts).at(Stage::Gate)?;
    let processes = render::processes(ctx, plan, release, &facts).at(Stage::Render)?;
    // The web process loads the application while Django's own process does, unless it would read static files then.
    let mut booting = if may_boot_early(ctx) {
        Some(boot::start(ctx, &processes, release).at(Stage::Boot)?)
    } else {
        None
    };
    let version = gate::django(ctx, &mut django).at(Stage::Gate)?;
    let said = django.introspect(ctx).at(Stage::Render)?;
    if said.debug {
        ctx.events
            .note("warning: DEBUG is on: error pages show code and settings to everybody");
    }
    migrate::guard_data(&said, release).at(Stage::Migrate)?;
    let mut collect = || migrate::collect_static(ctx, plan, &mut django, &said, release);
    let note = || {
        render::site(ctx, plan, release, Some(&said))?;
        note_django(ctx, plan, release, &said, &version).map_err(RenderError::from)
    };
    let (record, has_collected) = if collects_into(&said, release) {
        let (has_collected, record) = beside(&mut collect, note);
        (record.at(Stage::Render)?, has_collected)
    } else {
        // What others see already is not written for a site that nginx does not take.
        (note().at(Stage::Render)?, collect())
    };
    let has_collected = has_collected.at(Stage::Migrate)?;
    let settle = || settle(ctx, release, has_collected.is_some());
    if said.static_at_start {
        settle().at(Stage::Migrate)?;
        if booting.take().is_some() {
            // It loaded the application without the static files that are there only now.
            boot::end(ctx, &processes, release).at(Stage::Boot)?;
        }
    }
    let prove = || {
        let booting = match booting {
            None if !is_replaced_later(ctx) => {
                Some(boot::start(ctx, &processes, release).at(Stage::Boot)?)
            }
            early => early,
        };
        prove(
            ctx,
            plan,
            release,
            &mut django,
            booting.as_ref(),
            &record.checks,
        )
    };
    if said.static_at_start {
        return prove();
    }
    // One waits for the disk, one for Python.
    let (proven, settled) = beside(prove, settle);
    proven.and(settled.at(Stage::Health))
}

/// Django collects static files into the release, if any.
fn collects_into(said: &Introspection, release: &ReleaseDir) -> bool {
    let root = said.static_root.as_deref().map(Path::new);
    root.is_none_or(|root| root.starts_with(release.root()))
}

/// Does `work`, and `aside` in a thread meanwhile. Where there is no thread to be had, one comes after the other.
fn beside<W, A: Send>(work: impl FnOnce() -> W, aside: impl Fn() -> A + Sync) -> (W, A) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, &aside);
        let done = work();
        let aside = thread.map_or_else(|_| Ok(aside()), thread::ScopedJoinHandle::join);
        let aside = aside.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (done, aside)
    })
}

/// Waits for the web process, migrates, and asks it. One that is replaced later is not there yet.
fn prove(
    ctx: &Context<'_>,
    plan: &Plan,
    release: &ReleaseDir,
    django: &mut Django,
    booting: Option<&boot::Booting>,
    checks: &Checks,
) -> Result<(), Failure> {
    if let Some(booting) = booting {
        let running = ctx.events.start(Stage::Boot);
        boot::wait(ctx, booting, release, checks).at(Stage::Boot)?;
        let workers = plan
            .settings
            .backend
            .as_ref()
            .map_or(0, |backend| backend.processes);
        running.end(Outcome::done(format!(
            "{}, application loaded",
            count(workers.into(), "worker")
        )));
    }
    migrate::run(ctx, plan, django, release).at(Stage::Migrate)?;
    // Python ends while the first request is made.
    django.dismiss();
    match booting {
        Some(_) => health::run(ctx, checks, release).at(Stage::Health),
        None => Ok(()),
    }
}

/// What nobody waits for, while the release is proven: what is the same stays the same to browsers, and the disk has most of
/// the release already when all of it must be there.
fn settle(ctx: &Context<'_>, release: &ReleaseDir, has_collected: bool) -> Result<(), FsError> {
    if has_collected {
        migrate::keep_what_is_the_same(ctx, release);
    }
    fs::sync_all(ctx.home.root())
}

/// The web process starts when the release goes live, in place of the one that serves.
fn is_replaced_later(ctx: &Context<'_>) -> bool {
    let live = store::live_record(ctx.home).ok().flatten();
    replace::is_wanted(ctx) && live.is_some_and(|live| live.checks.backend)
}

/// The live release's Django said that its web process does not read static files when it starts.
fn may_boot_early(ctx: &Context<'_>) -> bool {
    if is_replaced_later(ctx) {
        return false;
    }
    let live = store::live_record(ctx.home).ok().flatten();
    live.and_then(|live| live.django)
        .is_some_and(|django| !django.static_at_start)
}

/// What goes live: decides what is left of it when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goer {
    /// A release made just now; a failure takes it away.
    New,
    /// A release that was live before (a rollback); a failure only stops it.
    Again,
}

/// The second half: makes a prepared release live and proves it through the real site. What fails is undone.
pub fn go_live(
    ctx: &Context<'_>,
    id: ReleaseId,
    goer: Goer,
    begun: SystemTime,
) -> Result<(), Failure> {
    let release = ctx.home.release(id);
    let ready = ready(ctx, &release).inspect_err(|failure| {
        ctx.events.failed(failure.stage, failure.error.as_ref());
        match goer {
            Goer::New => undo(ctx, id, Served::No),
            Goer::Again => discard::stop(ctx, id),
        }
    })?;
    switch(ctx, &release, &ready).inspect_err(|failure| {
        ctx.events.failed(failure.stage, failure.error.as_ref());
        switch_back(ctx, &ready, goer);
    })?;
    // The release is live; what is left is tidying, and its failure no failure of the deploy. First what takes moments: old
    // processes are busy while they end.
    prune::run(ctx);
    let compress = || compress::static_files(ctx, &release, &ready.record);
    let (told, ()) = beside(|| retire::run(ctx, id), compress);
    if let Err(error) = told {
        ctx.events
            .note(format!("old processes could not be told to stop: {error}"));
    }
    let elapsed = ctx.host.now().duration_since(begun).unwrap_or_default();
    ctx.events.emit(&Event::Finished {
        url: ctx.app.url(),
        commit: ready.record.commit,
        release: id,
        elapsed,
        certificate: certificate_left(ctx),
    });
    Ok(())
}

/// For the last line of a push: the app's user may read the certificate, though not its key.
fn certificate_left(ctx: &Context<'_>) -> Option<CertificateLeft> {
    if ctx.app.mode() != Mode::Server {
        return None;
    }
    let store = Store::new(ServerPaths::default().tls(&ctx.app.name));
    let chain = store.chain().ok().flatten()?;
    let leaf = chain.first()?;
    let now = ctx.host.now_unix();
    let life = Life::of(leaf, now);
    let grade = life.grade(leaf.not_before, leaf.not_after, now, Limits::default());
    Some(CertificateLeft {
        days: life.days_left,
        is_issued: !leaf.is_self_signed(),
        is_pressing: grade != Grade::Ok,
    })
}

/// What is known before the switch.
struct Ready {
    record: Record,
    processes: Processes,
    /// nginx must read its configuration again.
    site_changed: bool,
    /// What is live until then.
    previous: Option<ReleaseId>,
}

fn ready(ctx: &Context<'_>, release: &ReleaseDir) -> Result<Ready, Failure> {
    Ok(Ready {
        record: store::read(release).at(Stage::Live)?,
        processes: Processes::read(release).at(Stage::Live)?,
        site_changed: site::changed(ctx, release).at(Stage::Live)?,
        previous: store::live(ctx.home).at(Stage::Live)?,
    })
}

fn switch(ctx: &Context<'_>, release: &ReleaseDir, ready: &Ready) -> Result<(), Failure> {
    let held = replace_web(ctx, release, ready)?;
    commit::run(ctx, release, ready.site_changed).at(Stage::Live)?;
    if let Some(held) = held {
        held.hand_over(&release.web_socket());
    }
    workers::run(ctx, &ready.processes, release.id()).at(Stage::Workers)?;
    verify::run(ctx, &ready.record.checks, release).at(Stage::Verify)?;
    retire::hand_over(ctx, &ready.processes, release.id()).at(Stage::Retire)
}

/// Starts the web process now, in place of the one that serves, where it does not run beside it.
fn replace_web(
    ctx: &Context<'_>,
    release: &ReleaseDir,
    ready: &Ready,
) -> Result<Option<Held>, Failure> {
    let Some(previous) = ready.previous.filter(|_| ready.record.checks.backend) else {
        return Ok(None);
    };
    if replace::runs(ctx, release) {
        return Ok(None);
    }
    let from = ctx.home.release(previous);
    match replace::run(ctx, &from, release, &ready.record.checks) {
        Ok(held) => Ok(Some(held)),
        Err(error @ ReplaceError::Health(_)) => Err(error).at(Stage::Health),
        Err(error) => Err(error).at(Stage::Boot),
    }
}

/// [`replace_web`] the other way round, where the old web process has ended.
fn replace_back(ctx: &Context<'_>, ready: &Ready, previous: Option<ReleaseId>) -> Option<Held> {
    let previous = ctx.home.release(previous?);
    let serves = store::read(&previous).is_ok_and(|record| record.checks.backend);
    if !serves || replace::runs(ctx, &previous) {
        return None;
    }
    let failed = ctx.home.release(ready.record.release);
    let held = replace::back(ctx, &failed, &previous);
    held.inspect_err(|error| ctx.events.undone("start the old web process", Err(error)))
        .ok()
}

/// Undoes a switch: the old release is live again, its singletons run again, and what went live is taken away or stopped.
fn switch_back(ctx: &Context<'_>, ready: &Ready, goer: Goer) {
    let Ready {
        record: failed,
        previous,
        site_changed,
        ..
    } = ready;
    let (previous, site_changed) = (*previous, *site_changed);
    let what = previous.map_or_else(
        || "no release is live".to_owned(),
        |previous| format!("release {previous} is live again"),
    );
    let held = replace_back(ctx, ready, previous);
    match commit::back(ctx, failed, previous, site_changed) {
        Ok(()) => ctx.events.undone(what, Ok(())),
        Err(error) => ctx.events.undone(what, Err(&error)),
    }
    if let (Some(held), Some(previous)) = (held, previous) {
        held.hand_over(&ctx.home.release(previous).web_socket());
    }
    if let Some(previous) = previous
        && let Err(error) = retire::take_back(ctx, previous)
    {
        ctx.events
            .undone("the old release's singletons", Err(&error));
    }
    match goer {
        Goer::New => undo(ctx, failed.release, Served::Yes),
        Goer::Again => discard::stop(ctx, failed.release),
    }
}

/// Takes a failed release away, with what it did to the database; its log stays.
fn undo(ctx: &Context<'_>, id: ReleaseId, served: Served) {
    if let Err(error) = undo::take_away(ctx, id, served) {
        ctx.events
            .undone(format!("remove release {id}"), Err(&error));
    }
}

fn planned(ctx: &Context<'_>, repo: &Repo, request: &Request) -> Result<Plan, Failure> {
    let running = ctx.events.start(Stage::Plan);
    let plan =
        plan::run(ctx, repo, &request.commit, &request.source, request.wishes).at(Stage::Plan)?;
    for note in &plan.settings.notes {
        ctx.events.line(Stage::Plan, note);
    }
    running.end(Outcome::done(plan.summary()));
    if let Some(tight) = &plan.memory {
        ctx.events.note(format!("warning: {tight}"));
    }
    Ok(plan)
}

fn check_out(
    ctx: &Context<'_>,
    repo: &Repo,
    plan: &Plan,
    release: &ReleaseDir,
    seen: Option<(ReleaseId, Seen)>,
) -> Result<Room, Failure> {
    let running = ctx.events.start(Stage::Checkout);
    let shared = &plan.settings.shared;
    let written =
        checkout::run(ctx, repo, &plan.tree, release, shared, seen).at(Stage::Checkout)?;
    let changed = plan
        .changed_files
        .map(|changed| format!(", {changed} changed"))
        .unwrap_or_default();
    let message = format!("{}{changed}", count(written.files, "file"));
    running.end(match written.remarks.first() {
        Some(remark) => Outcome::warning(format!("{message}; {remark}")),
        None => Outcome::done(message),
    });
    Ok(written.room)
}

fn facts_of(plan: &Plan) -> ReleaseFacts<'_> {
    ReleaseFacts {
        commit: plan.commit.as_str(),
        has_python: plan.settings.backend.is_some(),
        django_settings: plan
            .settings
            .backend
            .as_ref()
            .and_then(|backend| backend.settings.as_ref())
            .map(AsRef::as_ref),
    }
}

fn begin_record(
    ctx: &Context<'_>,
    request: &Request,
    plan: &Plan,
    release: &ReleaseDir,
) -> Result<(), store::StoreError> {
    fs::create_folder(release.root())?;
    let record = Record {
        format: FORMAT,
        release: release.id(),
        commit: plan.commit.clone(),
        tree: plan.tree.clone(),
        subject: plan.subject.clone(),
        source: plan.source.clone(),
        who: request.caller.who.clone(),
        key: request.caller.key.clone(),
        state: State::Preparing,
        created: ctx.host.now_unix(),
        live_at: None,
        turn: 0,
        rolled_back: false,
        keys: plan.keys(),
        reused: plan.parts().0.into_iter().map(str::to_owned).collect(),
        checked_out: Room::default(),
        checks: checks_of(ctx, plan, None),
        django: None,
        migrations: Vec::new(),
    };
    store::write(release, &record)
}

fn checks_of(ctx: &Context<'_>, plan: &Plan, django: Option<&Introspection>) -> Checks {
    let health = &plan.settings.health;
    let backend = plan.settings.backend.as_ref();
    Checks {
        frontend: plan.settings.frontend.is_some(),
        backend: plan.settings.backend.is_some(),
        host: render::host_header(ctx, django),
        health_path: health.path.clone(),
        health_named: health.named,
        health_timeout: health.timeout.as_secs().max(1),
        start_timeout: backend.map_or(0, |backend| backend.start_timeout.as_secs().max(1)),
    }
}

fn note_django(
    ctx: &Context<'_>,
    plan: &Plan,
    release: &ReleaseDir,
    said: &Introspection,
    version: &str,
) -> Result<Record, store::StoreError> {
    store::update(release, |record| {
        record.checks = checks_of(ctx, plan, Some(said));
        record.django = Some(DjangoFacts {
            version: version.to_owned(),
            static_at_start: said.static_at_start,
            collected: plan
                .settings
                .backend
                .as_ref()
                .is_some_and(|backend| backend.collectstatic),
            static_url: said.static_url.as_deref().and_then(render::local_url),
        });
    })
}
