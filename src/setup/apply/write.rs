//! Makes one thing as planned.
//!
//! takes: a difference · gives: nothing · touches: one file, folder, group or ufw's rules; what it was before is remembered
//! first, until its reader was told

use std::path::PathBuf;

use super::Setup;
use crate::base::command::Cmd;
use crate::base::fs::{self, FsError};
use crate::base::hint::Report;
use crate::base::host::{SYSTEM_PATH, rfc3339};
use crate::setup::differ::{Difference, State};
use crate::setup::memory::Pending;
use crate::setup::plan::{Reaction, What};
use crate::tool::sshd;

/// sshd's main file; ours is read by it.
const SSHD_CONFIG: &str = "/etc/ssh/sshd_config";

impl Setup<'_> {
    /// Makes it so; a file of somebody's stays, unless `overwrite`.
    pub(super) fn make(&mut self, difference: &Difference, overwrite: bool) -> Result<(), Report> {
        let why = &difference.item.why;
        match &difference.item.what {
            What::UserGroup(name) => {
                let add = program("groupadd").args(["--system", name]);
                self.step(&format!("make the group {name}"), &add)?;
                self.changed(format!("made the group {name}: {why}"));
            }
            What::Folder { path, mode } => {
                fs::create_folder_with_mode(&self.paths.at(path), *mode)?;
                self.changed(format!("made the folder {path}: {why}"));
            }
            What::File { .. } if difference.is_edited() && !overwrite => {
                self.done.kept.push(difference.clone());
            }
            What::File {
                path,
                mode,
                text,
                then,
            } => {
                if let State::Edited { now } = &difference.state {
                    self.keep_aside(path, now)?;
                }
                if *then == Reaction::Ssh {
                    self.try_sshd(text)?;
                }
                self.write(path, *mode, text, *then)?;
                self.changed(format!("wrote {path}: {why}"));
            }
            What::Away { path, then } => {
                let link = fs::link_target(&self.paths.at(path))?;
                self.pend(path, None, link.clone(), *then)?;
                fs::remove_file(&self.paths.at(path))?;
                let to = link.unwrap_or_default();
                self.changed(format!(
                    "removed the link {path} (to {}): {why}",
                    to.display()
                ));
            }
            What::Made { path, commands } => {
                self.make_by_commands(path, commands)?;
                self.changed(format!("made {path}: {why}"));
            }
            What::Ufw(ports) => {
                for port in ports {
                    let allow = program("ufw").arg("allow").arg(format!("{port}/tcp"));
                    self.step(&format!("let in {port}/tcp"), &allow)?;
                }
                self.step("switch ufw on", &program("ufw").args(["--force", "enable"]))?;
                self.changed(format!("switched ufw on: {why}"));
            }
            What::Unit { .. } => {}
        }
        Ok(())
    }

    /// Writes a file; who must be told of it stands in the memory before it changes.
    fn write(&mut self, path: &str, mode: u32, text: &str, then: Reaction) -> Result<(), Report> {
        let file = self.paths.at(path);
        if let Some(folder) = file.parent() {
            fs::create_folder(folder)?;
        }
        let before = fs::read_if_exists(&file)?;
        // Both texts are ours: a run that is killed between the two writes knows the file again.
        self.pend(path, before, None, then)?;
        fs::write(&file, text.as_bytes(), mode)?;
        self.memory.files.insert(path.to_owned(), text.to_owned());
        self.memory.write(self.paths)?;
        Ok(())
    }

    fn pend(
        &mut self,
        path: &str,
        before: Option<String>,
        link: Option<PathBuf>,
        then: Reaction,
    ) -> Result<(), Report> {
        if then != Reaction::Nobody
            && !self
                .memory
                .pending
                .iter()
                .any(|pending| pending.path == path)
        {
            let was_ours = before
                .as_ref()
                .is_some_and(|text| self.memory.is_ours(path, text));
            self.memory.pending.push(Pending {
                path: path.to_owned(),
                before,
                was_ours,
                link,
                then,
            });
            self.memory.write(self.paths)?;
        }
        Ok(())
    }

    /// A copy of somebody's file, at the same path below `/var/lib/landfall/kept/TIME/`: beside it, its reader might read it too.
    fn keep_aside(&mut self, path: &str, now: &str) -> Result<(), FsError> {
        let time = rfc3339(self.host.now_unix()).replace(':', "-");
        let aside = self
            .paths
            .state()
            .join("kept")
            .join(time)
            .join(path.trim_start_matches('/'));
        if let Some(folder) = aside.parent() {
            fs::create_folder(folder)?;
        }
        fs::write(&aside, now.as_bytes(), fs::PRIVATE)?;
        self.changed(format!("kept {path} as it was: {}", aside.display()));
        Ok(())
    }

    /// sshd reads the new text in front of all it reads now: refused there, the file is not placed.
    fn try_sshd(&self, text: &str) -> Result<(), Report> {
        // Made by sshd's service when it starts; a socket may not have started it yet.
        fs::create_folder(&self.paths.at("/run/sshd"))?;
        let trial = self.paths.run().join("sshd_config.trial");
        let all = format!("{text}\n{}", fs::read(&self.paths.at(SSHD_CONFIG))?);
        fs::write(&trial, all.as_bytes(), fs::PRIVATE)?;
        let tried = self.step("a trial of sshd's configuration", &sshd::test(Some(&trial)));
        fs::remove_file(&trial)?;
        Ok(tried?)
    }

    fn make_by_commands(&self, path: &str, commands: &[Vec<String>]) -> Result<(), Report> {
        let file = self.paths.at(path);
        let new = file.with_extension("landfall-new");
        fs::remove_file(&new)?;
        let place = new.to_string_lossy();
        for words in commands {
            let argv: Vec<String> = words
                .iter()
                .map(|word| word.replace("{}", &place))
                .collect();
            let cmd = Cmd::from_argv(&argv)
                .env("PATH", SYSTEM_PATH)
                .env("LANG", "C.UTF-8");
            self.step(&cmd.display(), &cmd)?;
        }
        fs::rename(&new, &file)?;
        Ok(())
    }
}

fn program(name: &str) -> Cmd {
    Cmd::new(name)
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
}
