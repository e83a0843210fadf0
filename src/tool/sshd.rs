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
    /// Whether root may log in: `yes`, `prohibit-password`, `forced-commands-only`, `no`.
    pub root_login: String,
    /// Where a user's keys are looked for.
    pub key_files: Vec<String>,
    /// Only these users or groups may log in at all, in the words of the configuration.
    pub restricted_to: Vec<String>,
}

impl SshdSettings {
    /// Root gets in by no key of its own: `no`, or by keys with one command each.
    pub fn shuts_root_out(&self) -> bool {
        is_stricter(&self.root_login)
    }

    /// Takes what other files say of root, where that is stricter than what holds: a file of ours that is read first hides it.
    pub fn heed_root_login(&mut self, said: Option<&str>) {
        if let Some(said) = said
            && !self.shuts_root_out()
            && is_stricter(said)
        {
            said.clone_into(&mut self.root_login);
        }
    }
}

/// Stricter than by key alone.
fn is_stricter(root_login: &str) -> bool {
    matches!(root_login, "no" | "forced-commands-only")
}

/// The first `PermitRootLogin` outside of a `Match`, which is the one that holds, of the main file and those of
/// `sshd_config.d` in the order of their names, in place of the line that includes them.
pub fn root_login(main: &str, folder: &[String]) -> Option<String> {
    for words in global_lines(main) {
        match (words.first()?.as_str(), words.get(1)) {
            ("permitrootlogin", Some(value)) => return Some(value.clone()),
            ("include", _) if words.iter().any(|word| word.contains("sshd_config.d/")) => {
                let said = folder.iter().find_map(|text| root_login(text, &[]));
                if said.is_some() {
                    return said;
                }
            }
            _ => {}
        }
    }
    None
}

/// The lines before the first `Match`, as lower-case words: `Name value`, `Name=value`, `Name "value"`.
fn global_lines(text: &str) -> impl Iterator<Item = Vec<String>> {
    text.lines()
        .map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            line.split(|c: char| c.is_whitespace() || c == '=' || c == '"')
                .filter(|word| !word.is_empty())
                .map(str::to_ascii_lowercase)
                .collect::<Vec<_>>()
        })
        .filter(|words| !words.is_empty())
        .take_while(|words| words[0] != "match")
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

    #[test]
    fn what_holds_for_root_is_the_first_that_is_said_outside_of_a_match() {
        let texts = |texts: &[&str]| -> Vec<String> { texts.iter().map(|t| (*t).into()).collect() };
        let main = "# PermitRootLogin yes\nInclude /etc/ssh/sshd_config.d/*.conf\npermitrootlogin=No # mine\n";
        assert_eq!(root_login(main, &[]).as_deref(), Some("no"));
        let cloud = texts(&[
            "Port 22\nMatch User ana\n  PermitRootLogin no\n",
            "PermitRootLogin \"yes\"\n",
        ]);
        assert_eq!(root_login(main, &cloud).as_deref(), Some("yes"));
        let before = format!("PermitRootLogin forced-commands-only\n{main}");
        assert_eq!(
            root_login(&before, &cloud).as_deref(),
            Some("forced-commands-only")
        );
        assert_eq!(root_login("UsePAM yes\n", &cloud), None);
    }

    #[test]
    fn what_is_stricter_for_root_is_heeded_and_nothing_else() {
        let heeded = |holds: &str, said: Option<&str>| {
            let mut settings = SshdSettings {
                root_login: holds.into(),
                ..SshdSettings::default()
            };
            settings.heed_root_login(said);
            settings.root_login
        };
        assert_eq!(heeded("prohibit-password", Some("no")), "no");
        assert_eq!(
            heeded("prohibit-password", Some("yes")),
            "prohibit-password"
        );
        assert_eq!(heeded("no", Some("forced-commands-only")), "no");
        assert_eq!(heeded("yes", None), "yes");
    }
}
