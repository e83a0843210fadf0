//! `landfall hook`: what the installed git hooks call. Prepares in pre-receive, goes live in post-receive; where only
//! post-receive is installed, both happen there.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use super::session::Session;
use super::{Ended, exit_code, plan as plan_command};
use crate::base::checkpoint;
use crate::base::command::Cmd;
use crate::base::hint::{Hint, Kind};
use crate::base::host::{Host, SYSTEM_PATH};
use crate::base::names::{ObjectId, ReleaseId};
use crate::base::stretch;
use crate::base::user;
use crate::deploy::{self, Goer, Request};
use crate::git::{GitError, RefChange, Repo};
use crate::handover;
use crate::release::lock::Holder;
use crate::release::store;
use crate::report::log::DeployLog;
use crate::report::pusher::{Pusher, Style};
use crate::stage::Context;
use crate::stage::discard::Served;
use crate::stage::plan::{self, Wishes};
use crate::stage::push::{self, PushOptions};
use crate::stage::refs::{self, Change};
use crate::{undo, upkeep};

/// How long a push waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which hook git runs.
    #[arg(value_enum)]
    hook: Hook,
    /// The app's settings file.
    #[arg(long)]
    settings: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Hook {
    PreReceive,
    PostReceive,
    /// Left behind by pre-receive: does post-receive's work where git ends without calling it.
    Finish,
    /// Left behind after a push: what need not be done while it waits.
    Upkeep,
}

impl Hook {
    /// As a trace shows it.
    fn name(self) -> &'static str {
        match self {
            Self::PreReceive => "pre-receive",
            Self::PostReceive => "post-receive",
            Self::Finish => "finish",
            Self::Upkeep => "upkeep",
        }
    }
}

/// The push came too late.
#[derive(Debug, thiserror::Error)]
enum HookError {
    #[error("`{branch}` was moved to {now} by another push while this one waited")]
    Overtaken { branch: String, now: String },
    #[error("the hook's input cannot be read")]
    Input(#[source] std::io::Error),
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Hint for HookError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Overtaken { .. } => vec!["git pull --rebase, then push again".into()],
            Self::Input(_) => Vec::new(),
            Self::Git(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Overtaken { .. } => Kind::Busy,
            Self::Input(_) | Self::Git(_) => Kind::Failed,
        }
    }
}

pub(super) fn run(host: &Host, args: &Args) -> Result<(), Ended> {
    // A Ctrl-C in the pusher's terminal is for git, not for a deploy half-way; a local push would share it with us. Only a
    // group's leader cannot leave its session, and a hook is none.
    let _ = nix::unistd::setsid();
    let process = stretch::begin(stretch::PROCESS, args.hook.name());
    let session = Session::open_file(&args.settings)?;
    session
        .events
        .add(Box::new(Pusher::new(std::io::stdout(), Style::Piped)));
    let push = Push {
        host,
        session: &session,
        begun: host.now(),
    };
    let result = push.run(args.hook);
    if let Err(Ended::Error(error)) = &result {
        push.say_error(error.as_ref());
    }
    session.events.flush();
    drop(process);
    if args.hook == Hook::Finish {
        push.become_upkeep();
    }
    result.map_err(|ended| match ended {
        Ended::Error(error) => Ended::Said(exit_code::of(error.kind())),
        said @ Ended::Said(_) => said,
    })
}

/// Starts a program that outlives this one. It must hold nothing of git's: git waits for the end of the hook's output.
fn leave(command: &Cmd) -> std::io::Result<()> {
    let mut command = command.to_std();
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(|_| ())
}

struct Push<'a> {
    host: &'a Host,
    session: &'a Session,
    begun: std::time::SystemTime,
}

impl Push<'_> {
    fn run(&self, hook: Hook) -> Result<(), Ended> {
        match hook {
            Hook::Finish => return self.finish(),
            Hook::Upkeep => return self.keep_up(),
            Hook::PreReceive | Hook::PostReceive => {}
        }
        let mut input = String::new();
        std::io::stdin()
            .take(push::INPUT_LIMIT)
            .read_to_string(&mut input)
            .map_err(HookError::Input)?;
        let updates = push::parse(&input)?;
        let options = push::options(self.host)?;
        let mut repo = Repo::open(&self.session.home.repository())?;
        if let Some(quarantine) = self.host.path_var("GIT_QUARANTINE_PATH") {
            repo.add_quarantine(&quarantine)?;
        }
        let decision = refs::run(&updates, &self.session.app, &repo)?;
        let has_pre_receive = hook == Hook::PreReceive
            || crate::provision::hooks::is_installed(&self.session.home, "pre-receive");
        if hook == Hook::PreReceive || !has_pre_receive {
            for remark in &decision.remarks {
                self.session.events.note(remark.clone());
            }
        }
        let Some(change) = decision.change else {
            return Ok(());
        };
        match hook {
            Hook::PreReceive => self.pre_receive(&repo, &change, options),
            _ => self.post_receive(&repo, &change, options).map_err(|ended| {
                if let Ended::Error(error) = &ended {
                    self.say_error(error.as_ref());
                }
                // git has moved the ref; where the commit did not go live, it goes back.
                match ended {
                    Ended::Error(error) if error.kind() == Kind::Busy => {
                        Ended::Said(exit_code::of(Kind::Busy))
                    }
                    _ => self.put_ref_back(&repo, &change),
                }
            }),
        }
    }

    fn pre_receive(&self, repo: &Repo, change: &Change, options: PushOptions) -> Result<(), Ended> {
        let before = self.session.context(self.host);
        if options.plan {
            return self.show_plan(&before, repo, change, options);
        }
        let _lock = handover::lock(&before, &self.holder(change), PATIENCE)?;
        Self::is_still(repo, change, &change.update.old)?;
        let fresh = self.session.fresh()?;
        let ctx = fresh.context(self.session, self.host);
        let id = self.begin(&ctx)?;
        let request = self.request(repo, change, options)?;
        deploy::prepare(&ctx, repo, &request, id).map_err(|failure| self.rejected(&failure))?;
        let left = handover::leave(&ctx, id, &change.update, &change.commit, self.begun);
        if let Err(error) = left {
            undo::take_away(&ctx, id, Served::No)?;
            return Err(error.into());
        }
        self.leave_finisher();
        checkpoint::reached(checkpoint::PREPARED);
        Ok(())
    }

    /// Leaves a process behind that finishes the deploy should git end without calling post-receive: the pusher is gone.
    fn leave_finisher(&self) {
        let caller = [user::WHO, user::KEY].map(|name| Some((name, self.host.var(name)?)));
        let command = self
            .to_leave(Hook::Finish, Cmd::new(self.host.exe()))
            .envs(caller.into_iter().flatten())
            .envs(checkpoint::environment());
        if let Err(error) = leave(&command) {
            self.session.events.note(format!(
                "if this connection is lost now, run landfall deploy: {error}"
            ));
        }
    }

    /// Goes on as what has no hurry. Comes back where it cannot; what it would do is done after the next push.
    fn become_upkeep(&self) {
        let mut upkeep = self.upkeep().to_std();
        upkeep.stdout(Stdio::null()).stderr(Stdio::null());
        let _ = upkeep.exec();
    }

    fn upkeep(&self) -> Cmd {
        let exe = self.host.exe().to_string_lossy().into_owned();
        self.to_leave(Hook::Upkeep, Cmd::new("nice").args(["-n", "19", &exe]))
    }

    fn to_leave(&self, hook: Hook, program: Cmd) -> Cmd {
        let settings = self.session.settings_file.to_string_lossy().into_owned();
        program
            .args(["hook", hook.name(), "--settings", &settings])
            .cwd(self.session.home.root())
            .env("PATH", SYSTEM_PATH)
            .env("HOME", self.session.home.root().to_string_lossy())
            .envs(self.host.machine_variables())
    }

    /// What [`Push::become_upkeep`] goes on with.
    fn keep_up(&self) -> Result<(), Ended> {
        let ctx = self.session.context(self.host);
        if let Some(live) = store::live(ctx.home)? {
            self.log(&ctx, live)?;
        }
        upkeep::run(&ctx);
        Ok(())
    }

    /// What [`Push::leave_finisher`] leaves behind.
    fn finish(&self) -> Result<(), Ended> {
        let home = &self.session.home;
        let Some(release) = handover::waiting(home).map(|pending| pending.release) else {
            return Ok(());
        };
        if handover::wait_for_git(home, release).is_none() {
            return Ok(());
        }
        let before = self.session.context(self.host);
        let who = user::caller(self.host).who;
        let holder = Holder::new(self.host, format!("{}{release}", Holder::FINISH), who);
        let _lock = handover::lock_as_it_is(&before, &holder, PATIENCE)?;
        let Some(pending) = handover::waiting(home).filter(|pending| pending.release == release)
        else {
            return Ok(());
        };
        let fresh = self.session.fresh()?;
        let ctx = fresh.context(self.session, self.host);
        self.log(&ctx, release)?;
        let repo = Repo::open(&home.repository())?;
        if repo.ref_target(&pending.ref_name)?.as_ref() != Some(&pending.commit) {
            ctx.events
                .note("git ended without moving the ref; the release is taken away");
            return Ok(undo::take_away(&ctx, release, Served::No)?);
        }
        ctx.events.note("the pusher is gone; the deploy goes on");
        let done = deploy::go_live(&ctx, release, Goer::New, pending.begun());
        handover::done(&ctx)?;
        let back = RefChange {
            name: pending.ref_name,
            old: pending.commit,
            new: pending.old,
        };
        match done {
            Ok(()) => Ok(()),
            Err(_) => Ok(repo.change_ref(&back, "landfall: the deploy failed")?),
        }
    }

    /// Whatever error this gives, the commit is not live.
    fn post_receive(
        &self,
        repo: &Repo,
        change: &Change,
        options: PushOptions,
    ) -> Result<(), Ended> {
        let before = self.session.context(self.host);
        let said = |_| Ended::Said(ExitCode::from(exit_code::FAILED));
        let lock = handover::lock_as_it_is(&before, &self.holder(change), PATIENCE)?;
        let prepared =
            handover::waiting(before.home).filter(|pending| pending.commit == change.commit);
        if let Some(pending) = prepared {
            let fresh = self.session.fresh()?;
            let ctx = fresh.context(self.session, self.host);
            self.log(&ctx, pending.release)?;
            let done = deploy::go_live(&ctx, pending.release, Goer::New, pending.begun());
            if let Err(error) = handover::done(&ctx) {
                ctx.events
                    .note(format!("the next run will do this: {error}"));
            }
            return done.map_err(said);
        }
        drop(lock);
        if options.plan {
            return self.show_plan(&before, repo, change, options);
        }
        let _lock = handover::lock(&before, &self.holder(change), PATIENCE)?;
        Self::is_still(repo, change, &change.update.new)?;
        let fresh = self.session.fresh()?;
        let ctx = fresh.context(self.session, self.host);
        let id = self.begin(&ctx)?;
        let request = self.request(repo, change, options)?;
        deploy::prepare(&ctx, repo, &request, id)
            .and_then(|()| deploy::go_live(&ctx, id, Goer::New, self.begun))
            .map_err(said)?;
        let _ = leave(&self.upkeep());
        Ok(())
    }

    fn request(
        &self,
        repo: &Repo,
        change: &Change,
        options: PushOptions,
    ) -> Result<Request, Ended> {
        Ok(Request {
            commit: repo.commit(&change.commit)?,
            source: change.branch.to_string(),
            caller: user::caller(self.host),
            wishes: Wishes {
                rebuild: options.rebuild,
                skip_gate: options.skip_gate,
            },
        })
    }

    /// The next number, and its log.
    fn begin(&self, ctx: &Context<'_>) -> Result<ReleaseId, Ended> {
        let id = store::next_number(ctx.home)?;
        self.log(ctx, id)?;
        Ok(id)
    }

    fn log(&self, ctx: &Context<'_>, id: ReleaseId) -> Result<(), Ended> {
        self.session.events.add(Box::new(DeployLog::open(
            &ctx.home.deploy_log(id),
            self.host,
        )?));
        Ok(())
    }

    fn holder(&self, change: &Change) -> Holder {
        Holder::new(
            self.host,
            format!("{}{}", Holder::DEPLOY, change.commit.short()),
            user::caller(self.host).who,
        )
    }

    /// The ref is where this push has it; another push that moved it meanwhile is the newer one.
    fn is_still(repo: &Repo, change: &Change, wanted: &ObjectId) -> Result<(), HookError> {
        let now = repo
            .ref_target(&change.update.name)?
            .unwrap_or_else(ObjectId::zero);
        if now == *wanted {
            return Ok(());
        }
        let (branch, now) = (change.branch.to_string(), now.short().to_owned());
        Err(HookError::Overtaken { branch, now })
    }

    fn show_plan(
        &self,
        ctx: &Context<'_>,
        repo: &Repo,
        change: &Change,
        options: PushOptions,
    ) -> Result<(), Ended> {
        let request = self.request(repo, change, options)?;
        let plan = plan::run(ctx, repo, &request.commit, &request.source, request.wishes)?;
        for line in plan_command::lines(&plan) {
            self.session.events.note(line);
        }
        self.session
            .events
            .note("nothing was built and the push is rejected, as -o plan asks");
        Err(Ended::Said(ExitCode::from(exit_code::REFUSED)))
    }

    fn rejected(&self, failure: &deploy::Failure) -> Ended {
        self.session
            .events
            .note("the push is rejected and can be repeated; what serves is as it was");
        Ended::Said(exit_code::of(failure.error.kind()))
    }

    /// After a failure in post-receive the ref goes back too, so that the same push can be repeated; git tells the client
    /// nothing of it, so we do.
    fn put_ref_back(&self, repo: &Repo, change: &Change) -> Ended {
        let events = &self.session.events;
        let back = RefChange {
            name: change.update.name.clone(),
            old: change.update.new.clone(),
            new: change.update.old.clone(),
        };
        let was = if back.new.is_zero() {
            "as it was: not there".to_owned()
        } else {
            format!("back at {}", back.new.short())
        };
        match repo.change_ref(&back, "landfall: the deploy failed") {
            Ok(()) => events.note(format!(
                "git says the push succeeded, the deploy did not: `{}` is {was}; the same push can be repeated",
                change.branch
            )),
            Err(error) => events.undone(format!("put `{}` {was}", change.branch), Err(&error)),
        }
        Ended::Said(ExitCode::from(exit_code::FAILED))
    }

    /// An error outside the stages.
    fn say_error(&self, error: &dyn Hint) {
        self.session.events.note(format!("error: {error}"));
        for cause in super::causes(error) {
            self.session.events.note(format!("  caused by: {cause}"));
        }
        for hint in error.hints() {
            self.session.events.note(format!("hint: {hint}"));
        }
    }
}
