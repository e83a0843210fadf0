//! `landfall exec`: becomes a process of a release. What supervisor starts.
//!
//! takes: home, release, process · gives: nothing, the process takes this one's place · touches: nothing
//!
//! The app's environment is read here, at the last moment, so that no value of it stands in a configuration file or a
//! command line, and a restart sees what `landfall env set` changed.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::PathBuf;

use crate::base::fs::FsError;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::{AppName, ProcessName, ReleaseId};
use crate::release::layout::Home;
use crate::release::process::Processes;
use crate::tool::program;

use super::{Ended, session};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The app's home.
    #[arg(long)]
    home: PathBuf,
    /// The app's name.
    #[arg(long)]
    name: AppName,
    /// The release.
    #[arg(long)]
    release: ReleaseId,
    /// The process.
    process: ProcessName,
}

/// The process could not be started.
#[derive(Debug, thiserror::Error)]
enum ExecError {
    #[error("release {1} has no process `{0}`")]
    NoSuchProcess(ProcessName, ReleaseId),
    #[error("`{0}` is not installed in the release's Python environment, nor in the PATH")]
    NoSuchProgram(String),
    #[error("cannot start `{0}`")]
    Start(String, #[source] nix::errno::Errno),
    #[error("a value has a NUL in it")]
    Nul(#[from] std::ffi::NulError),
}

impl Hint for ExecError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoSuchProgram(_) => vec!["is it in the requirements?".into()],
            _ => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::NotFound
    }
}

pub(super) fn run(_host: &Host, args: &Args) -> Result<(), Ended> {
    let home = Home::new(args.home.clone(), args.name.clone());
    let processes = Processes::read(&home.release(args.release))?;
    let process = processes
        .processes
        .get(&args.process)
        .ok_or_else(|| ExecError::NoSuchProcess(args.process.clone(), args.release))?;
    let env = session::read_env(&home)?;
    let mut variables: BTreeMap<String, String> = env
        .iter()
        .map(|(name, value)| (name.to_string(), value.expose().to_owned()))
        .collect();
    variables.extend(process.env.clone());

    let name = process.argv.first().cloned().unwrap_or_default();
    let path = variables.get("PATH").cloned().unwrap_or_default();
    let program =
        program::find(&name, &path).ok_or_else(|| ExecError::NoSuchProgram(name.clone()))?;
    nix::unistd::chdir(&process.cwd)
        .map_err(|errno| FsError::new("enter", &process.cwd, errno.into()))?;

    let program_text =
        CString::new(program.as_os_str().as_encoded_bytes()).map_err(ExecError::Nul)?;
    let argv = process
        .argv
        .iter()
        .map(|arg| CString::new(arg.as_str()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(ExecError::Nul)?;
    let env = variables
        .iter()
        .map(|(name, value)| CString::new(format!("{name}={value}")))
        .collect::<Result<Vec<_>, _>>()
        .map_err(ExecError::Nul)?;
    match nix::unistd::execve(&program_text, &argv, &env) {
        Ok(never) => match never {},
        Err(errno) => Err(ExecError::Start(name, errno).into()),
    }
}
