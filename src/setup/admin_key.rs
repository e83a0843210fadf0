//! The key that lets the one who sets the server up in again.
//!
//! takes: who runs this, sshd's settings · gives: the file with such a key · touches: reads passwd and the users' files of keys

use std::path::{Path, PathBuf};

use crate::base::fs;
use crate::base::host::Host;
use crate::tool::sshd::SshdSettings;

/// A file with a key that lets the caller in: root's, or that of the user who became root by sudo.
pub(super) fn admin_key(host: &Host, sshd: Option<&SshdSettings>) -> Option<PathBuf> {
    let user = host.var("SUDO_USER").filter(|user| *user != "root");
    let passwd = fs::read(Path::new("/etc/passwd")).ok()?;
    let name = user.unwrap_or("root");
    if name == "root" && sshd.is_some_and(SshdSettings::shuts_root_out) {
        return None;
    }
    let home = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.len() == 7 && fields[0] == name).then(|| PathBuf::from(fields[5]))
    })?;
    let files = sshd.map(|sshd| sshd.key_files.clone()).unwrap_or_default();
    let mut files = files.iter().map(|file| {
        let file = file.replace("%h", &home.to_string_lossy());
        home.join(file.replace("%u", name).replace("%%", "%"))
    });
    files.find(|file| fs::read(file).is_ok_and(|text| has_key(&text)))
}

/// A line that is a key that lets somebody in to do what they like: with no command of its own, and not `restrict`ed. Cloud
/// images put the latter into root's file, to say that somebody else should log in.
fn has_key(text: &str) -> bool {
    const KINDS: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    let is_key = |text: &str| {
        let mut words = text.split_whitespace();
        let kind = words.next().unwrap_or_default();
        KINDS.iter().any(|start| kind.starts_with(start))
            && words.next().is_some_and(|word| word.starts_with("AAAA"))
    };
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .any(|line| {
            if is_key(line) {
                return true;
            }
            let (options, rest) = key_options(line);
            let shut = |option: &String| {
                let name = option.split('=').next().unwrap_or_default();
                name.eq_ignore_ascii_case("command") || name.eq_ignore_ascii_case("restrict")
            };
            is_key(rest) && !options.iter().any(shut)
        })
}

/// The options before a key, and what follows them: a blank ends them, a comma parts them, neither within quotes.
fn key_options(line: &str) -> (Vec<String>, &str) {
    let mut options = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return (options, &line[at..]),
            ',' if !quoted => {
                options.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        if let Some(option) = options.last_mut() {
            option.push(c);
        }
    }
    (options, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_key_with_or_without_options() {
        assert!(has_key("# mine\nssh-ed25519 AAAAC3Nz me@here\n"));
        assert!(has_key(
            "from=\"192.0.2.1, command=x\",no-agent-forwarding ecdsa-sha2-nistp256 AAAAE2Vj me\n"
        ));
        assert!(!has_key("# ssh-ed25519 AAAAC3Nz me@here\n\n"));
        assert!(!has_key("ssh-ed25519\n"));
    }

    #[test]
    fn a_key_with_a_command_or_restricted_lets_nobody_administer() {
        // Ubuntu's cloud images, in root's file.
        let cloud = "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command=\"echo 'Please login as the user \\\"ubuntu\\\" rather \
                     than the user \\\"root\\\".';echo;sleep 10;exit 142\" ssh-ed25519 AAAAC3Nz me@here\n";
        assert!(!has_key(cloud));
        assert!(!has_key("Command=\"git-shell\" ssh-ed25519 AAAAC3Nz git\n"));
        assert!(!has_key("restrict ssh-ed25519 AAAAC3Nz backup\n"));
        assert!(!has_key(
            "restrict,command=\"ssh-x AAAA \" ssh-ed25519 AAAAC3Nz backup\n"
        ));
        assert!(has_key(&format!("{cloud}ssh-ed25519 AAAAC3Nz another\n")));
    }
}
