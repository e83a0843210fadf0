//! apt and dpkg: what is installed, what could be, and installing it.
//!
//! takes: names of packages · gives: commands as values, their answers parsed · touches: nothing by itself

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::command::Cmd;
use crate::base::host::{Host, SYSTEM_PATH};

/// How long apt waits for another one that holds dpkg's lock (a new server's first unattended upgrade), in seconds.
const LOCK_PATIENCE: u32 = 600;
/// The longest that fetching and unpacking may take on a slow line.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// The longest that a question to the local lists may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(60);

fn command(host: &Host, program: &str) -> Cmd {
    Cmd::new(program)
        .envs(host.machine_variables())
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .env("HOME", "/root")
        .env("DEBIAN_FRONTEND", "noninteractive")
        // A restart of services that nobody asked for would ask, or restart ssh under the one who runs this.
        .env("NEEDRESTART_MODE", "l")
        .timeout(ASK_TIMEOUT)
}

fn apt_get(host: &Host) -> Cmd {
    command(host, "apt-get")
        .arg("-q")
        .arg("-y")
        .arg("-o")
        .arg(format!("DPkg::Lock::Timeout={LOCK_PATIENCE}"))
        .timeout(INSTALL_TIMEOUT)
}

/// All packages dpkg knows; [`installed`] reads the answer.
pub fn list(host: &Host) -> Cmd {
    command(host, "dpkg-query").args([
        "--show",
        "--showformat=${db:Status-Abbrev}|${Package}|${Version}\n",
    ])
}

/// The installed packages and their versions.
pub fn installed(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split('|');
            let status = fields.next()?;
            let (name, version) = (fields.next()?, fields.next()?);
            // The second letter is what is: `ii` wanted and installed, `hi` held and installed.
            (status.as_bytes().get(1) == Some(&b'i')).then(|| (name.to_owned(), version.to_owned()))
        })
        .collect()
}

/// Which versions could be installed; [`candidates`] reads the answer.
pub fn policy(host: &Host, names: &[&str]) -> Cmd {
    command(host, "apt-cache")
        .arg("policy")
        .args(names.iter().copied())
}

/// The packages that can be installed, with the version apt would take.
pub fn candidates(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut name = None;
    for line in text.lines() {
        if !line.starts_with(' ') {
            name = line.strip_suffix(':').map(str::to_owned);
        } else if let Some(version) = line.trim().strip_prefix("Candidate: ")
            && version != "(none)"
            && let Some(name) = name.take()
        {
            found.insert(name, version.to_owned());
        }
    }
    found
}

/// Packages that are half installed; [`is_broken`] reads the answer.
pub fn audit(host: &Host) -> Cmd {
    command(host, "dpkg").arg("--audit")
}

/// dpkg was interrupted: it names packages that are not whole.
pub fn is_broken(audit: &str) -> bool {
    !audit.trim().is_empty()
}

/// Finishes what an interrupted dpkg left.
pub fn configure(host: &Host) -> Cmd {
    command(host, "dpkg")
        .args(["--force-confold", "--configure", "--pending"])
        .timeout(INSTALL_TIMEOUT)
}

/// Fetches what an interrupted installation still needs, or takes back what cannot be finished.
pub fn mend(host: &Host) -> Cmd {
    apt_get(host)
        .args(["-o", "Dpkg::Options::=--force-confold"])
        .args(["--fix-broken", "--no-install-recommends", "install"])
}

/// Fetches the lists of packages.
pub fn update(host: &Host) -> Cmd {
    apt_get(host).arg("update")
}

/// Installs packages; configuration files that somebody changed stay as they are.
pub fn install<S: AsRef<str>>(host: &Host, names: &[S]) -> Cmd {
    apt_get(host)
        .args(["-o", "Dpkg::Options::=--force-confold"])
        .args(["-o", "Dpkg::Options::=--force-confdef"])
        .args(["--no-install-recommends", "install"])
        .args(names.iter().map(AsRef::as_ref))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_told_from_what_was() {
        let text = "ii |git|1:2.39.5-0+deb12u2\nrc |apache2|2.4\nhi |nginx|1.22.1-9\niF |postgresql|15\nun |x|\n";
        let found = installed(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["git", "nginx"]);
        assert_eq!(found["nginx"], "1.22.1-9");
    }

    #[test]
    fn candidates_are_those_that_apt_has() {
        let text = "nginx:\n  Installed: (none)\n  Candidate: 1.22.1-9+deb12u10\n  Version table:\n     1.22.1-9 500\n\
                    apache2-mpm:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n\
                    git:\n  Installed: 1:2\n  Candidate: 1:3\n";
        let found = candidates(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["git", "nginx"]);
        assert_eq!(found["nginx"], "1.22.1-9+deb12u10");
    }

    #[test]
    fn installing_asks_nothing_and_keeps_changed_files() {
        let host = Host::fixed(&[], std::path::Path::new("/"), std::time::UNIX_EPOCH);
        let cmd = install(&host, &["git"]);
        assert_eq!(
            cmd.argv().join(" "),
            "apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-confold -o \
             Dpkg::Options::=--force-confdef --no-install-recommends install git"
        );
        assert_eq!(cmd.environment()["DEBIAN_FRONTEND"], "noninteractive");
        assert_eq!(
            configure(&host).display(),
            "dpkg --force-confold --configure --pending"
        );
        assert!(is_broken(
            "The following packages are only half configured:\n"
        ));
        assert!(!is_broken("\n"));
    }
}
