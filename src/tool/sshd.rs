//! sshd: its settings as it reads them, and whether a configuration is valid.
//!
//! takes: a configuration's path · gives: commands as values, the answer parsed · touches: nothing by itself

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::base::command::Cmd;
use crate::base::host::SYSTEM_PATH;

/// The settings that matter here, as `sshd -T` says they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SshdSettings {
    /// Where it listens.
    pub ports: Vec<u16>,
    /// A password lets somebody in.
    pub passwords: bool,
    /// Whether root may log in: `yes`, `prohibit-password`, `no`.
    pub root_login: String,
    /// Where a user's keys are looked for.
    pub key_files: Vec<String>,
    /// Only these users or groups may log in at all, in the words of the configuration.
    pub restricted_to: Vec<String>,
}

/// `sshd -t`: is the configuration valid?
pub fn test(conf: Option<&Path>) -> Cmd {
    with_conf(sshd().arg("-t"), conf)
}

/// `sshd -T`: the settings that hold.
pub fn settings() -> Cmd {
    sshd().arg("-T")
}

fn sshd() -> Cmd {
    Cmd::new("/usr/sbin/sshd")
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .timeout(Duration::from_secs(30))
}

fn with_conf(cmd: Cmd, conf: Option<&Path>) -> Cmd {
    match conf {
        Some(conf) => cmd.arg("-f").path_arg(conf),
        None => cmd,
    }
}

/// Reads what `sshd -T` prints.
pub fn parse(text: &str) -> SshdSettings {
    let values = |name: &str| -> Vec<&str> {
        text.lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .collect()
    };
    let words = |name: &str| -> Vec<String> {
        let lines = values(name);
        let words = lines.iter().flat_map(|line| line.split_whitespace());
        words.map(str::to_owned).collect()
    };
    let mut ports: Vec<u16> = values("listenaddress")
        .iter()
        .filter_map(|address| address.rsplit(':').next()?.parse().ok())
        .chain(values("port").iter().filter_map(|port| port.parse().ok()))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    SshdSettings {
        ports,
        passwords: values("passwordauthentication") == ["yes"],
        // What people write today; sshd prints the old word.
        root_login: values("permitrootlogin")
            .first()
            .map(|word| word.replace("without-password", "prohibit-password"))
            .unwrap_or_default(),
        key_files: words("authorizedkeysfile"),
        restricted_to: ["allowusers", "allowgroups"]
            .iter()
            .flat_map(|name| words(name).into_iter().map(move |w| format!("{name} {w}")))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_that_hold_are_read() {
        let text = "port 22\nport 2222\nlistenaddress [::]:22\nlistenaddress 0.0.0.0:2222\npermitrootlogin without-password\n\
                    passwordauthentication yes\nauthorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2\nallowgroups admins\n";
        assert_eq!(
            parse(text),
            SshdSettings {
                ports: vec![22, 2222],
                passwords: true,
                root_login: "prohibit-password".into(),
                key_files: vec![
                    ".ssh/authorized_keys".into(),
                    ".ssh/authorized_keys2".into()
                ],
                restricted_to: vec!["allowgroups admins".into()],
            }
        );
    }
}
