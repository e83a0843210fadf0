//! Tells the readers of changed files, and puts back what one refuses.
//!
//! takes: the memory's pending files · gives: nothing · touches: reloads services · undone by: a refused file is as before

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{ORDER, Setup, SetupError, try_quietly};
use crate::base::command::{Cmd, Quiet, run as run_command};
use crate::base::fs;
use crate::base::hint::Report;
use crate::base::host::SYSTEM_PATH;
use crate::setup::plan::Reaction;
use crate::tool::{nginx, sshd, systemd};

/// The longest that is waited for a fail2ban that is starting: a second is usual, ten were seen.
const FAIL2BAN_STARTS: Duration = Duration::from_secs(30);

impl Setup<'_> {
    /// Tells everybody who has not been told yet, of this run's files and an earlier one's.
    pub(super) fn react(&mut self) -> Result<(), Report> {
        for reaction in ORDER {
            if !self
                .memory
                .pending
                .iter()
                .any(|pending| pending.then == reaction)
            {
                continue;
            }
            if let Err(error) = self.test(reaction) {
                self.put_back(reaction)?;
                return Err(error);
            }
            self.reload(reaction)?;
            self.memory
                .pending
                .retain(|pending| pending.then != reaction);
            self.memory.write(self.paths)?;
        }
        Ok(())
    }

    /// The reader's own test of all it reads, neighbours' files included.
    fn test(&self, reaction: Reaction) -> Result<(), Report> {
        match reaction {
            Reaction::Nginx => Ok(nginx::check(&nginx::find()?, &self.paths.nginx_main())?),
            Reaction::Ssh => {
                fs::create_folder(&self.paths.at("/run/sshd"))?;
                Ok(self.step("the test of sshd's configuration", &sshd::test(None))?)
            }
            Reaction::Firewall => {
                let check =
                    command("nft").args(["--check", "--file", "/etc/landfall/firewall.nft"]);
                Ok(self.step("the test of the packet filter's rules", &check)?)
            }
            Reaction::Fail2ban => Ok(self.step(
                "the test of fail2ban's configuration",
                &command("fail2ban-client").arg("--test"),
            )?),
            Reaction::Nobody | Reaction::Systemd | Reaction::Journal => Ok(()),
        }
    }

    fn reload(&self, reaction: Reaction) -> Result<(), SetupError> {
        let words: &[&str] = match reaction {
            Reaction::Nobody => return Ok(()),
            Reaction::Systemd => &["daemon-reload"],
            Reaction::Nginx => &["try-reload-or-restart", "nginx.service"],
            // Where a socket starts it, it may not run now, and reads its files when it does.
            Reaction::Ssh => &["try-reload-or-restart", "ssh.service"],
            Reaction::Firewall => &["try-reload-or-restart", "landfall-firewall.service"],
            Reaction::Fail2ban => {
                until_fail2ban_can_stop();
                return self.restart("fail2ban.service");
            }
            Reaction::Journal => return self.restart("systemd-journald.service"),
        };
        self.step(&words.join(" "), &systemd::systemctl(words))
    }

    /// Where it runs, it starts again. That runs before this one started it too does not count: systemd refuses the sixth start
    /// within ten seconds (systemd.unit(5), StartLimitBurst=), and forgets the others with reset-failed.
    fn restart(&self, unit: &str) -> Result<(), SetupError> {
        try_quietly(&systemd::systemctl(&["reset-failed", unit]));
        let words = ["try-restart", unit];
        self.step(&words.join(" "), &systemd::systemctl(&words))
    }

    /// The files that a reader refuses are as they were before.
    fn put_back(&mut self, reaction: Reaction) -> Result<(), Report> {
        let pending = self.memory.pending.clone();
        for pending in pending.iter().filter(|pending| pending.then == reaction) {
            let file = self.paths.at(&pending.path);
            match (&pending.before, &pending.link) {
                (_, Some(link)) => back_to_link(link, &file)?,
                (Some(text), None) => fs::write(&file, text.as_bytes(), fs::PUBLIC)?,
                (None, None) => fs::remove_file(&file)?,
            }
            match &pending.before {
                Some(text) if pending.was_ours => {
                    self.memory.files.insert(pending.path.clone(), text.clone())
                }
                _ => self.memory.files.remove(&pending.path),
            };
            (self.tell)(&format!("put back {} as it was", pending.path));
        }
        self.memory
            .pending
            .retain(|pending| pending.then != reaction);
        self.memory.write(self.paths)?;
        if reaction == Reaction::Systemd {
            try_quietly(&systemd::systemctl(&["daemon-reload"]));
        }
        Ok(())
    }
}

/// fail2ban is stopped by a word over its socket (ExecStop= of its unit). One that is starting has none yet: its stop fails, and the
/// signal that follows may find it deaf, until systemd kills it after 90 seconds.
fn until_fail2ban_can_stop() {
    let active = systemd::systemctl(&["is-active", "--quiet", "fail2ban.service"]);
    let ping = command("fail2ban-client").arg("ping");
    let answers = |cmd: &Cmd| run_command(cmd, &Quiet).is_ok();
    let began = Instant::now();
    while began.elapsed() < FAIL2BAN_STARTS && answers(&active) && !answers(&ping) {
        thread::sleep(Duration::from_millis(100));
    }
}

fn back_to_link(target: &Path, link: &Path) -> Result<(), fs::FsError> {
    if link.is_symlink() {
        return Ok(());
    }
    fs::symlink(target, link)
}

fn command(name: &str) -> Cmd {
    Cmd::new(name)
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
}
