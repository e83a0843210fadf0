//! sshd: apps' users get in by their registered keys alone; everybody else's passwords are refused, once a key lets the one
//! who runs this in.
//!
//! takes: sshd's settings, the caller's key · gives: items, notes · touches: nothing

use super::Group;
use super::facts::Facts;
use super::memory::Memory;
use super::plan::{Plan, Reaction};
use crate::base::server_paths::{APPS_GROUP, SSH_RULES};
use crate::base::words::list;

/// sshd takes the first value it reads, and reads this folder in the order of names: before a cloud image's own
/// 50-cloud-init.conf, which may allow passwords.
pub(super) const CONF: &str = SSH_RULES;

pub(super) fn plan(plan: &mut Plan, facts: &Facts, memory: &Memory) {
    let Some(sshd) = &facts.sshd else {
        plan.note(
            Group::Ssh,
            "there is no sshd here; a push over ssh needs one: apt install openssh-server",
        );
        return;
    };
    if !facts.sshd_reads_folder {
        plan.note(
            Group::Ssh,
            "/etc/ssh/sshd_config does not read /etc/ssh/sshd_config.d; put `Include /etc/ssh/sshd_config.d/*.conf` at its \
             beginning and run again: no app can be reached by ssh before",
        );
        return;
    }
    if !sshd.restricted_to.is_empty() {
        plan.note(
            Group::Ssh,
            format!(
                "sshd lets in only some ({}): add the group {APPS_GROUP}, or no app can be reached by ssh",
                list(&sshd.restricted_to)
            ),
        );
    }
    // What one run found holds: the next may be another person's, or a timer's.
    let refuses = |text: &String| text.contains("\nPasswordAuthentication no\n");
    let is_hardened = memory.files.get(CONF).is_some_and(refuses);
    if sshd.passwords && is_hardened {
        plan.note(
            Group::Ssh,
            format!("sshd lets passwords in although {CONF} says no; see which file says otherwise: grep -ri passwordauthentication /etc/ssh"),
        );
    }
    let why = match &facts.admin_key {
        None if is_hardened => "no passwords over ssh, as a run before found a key".to_owned(),
        Some(file) => format!(
            "no passwords over ssh (the key in {} lets you in), root by key alone, apps by their own keys alone",
            file.display()
        ),
        None => {
            plan.note(
                Group::Ssh,
                "passwords over ssh stay allowed: no key lets you in yet. Put yours into ~/.ssh/authorized_keys, try it, and run again",
            );
            "apps get in by their own keys alone".to_owned()
        }
    };
    let harden = facts.admin_key.is_some() || is_hardened;
    let root_is_out = sshd.shuts_root_out();
    if harden && root_is_out {
        plan.note(
            Group::Ssh,
            format!(
                "root's logins over ssh stay as somebody set them here (PermitRootLogin {}): that is stricter than by key alone",
                sshd.root_login
            ),
        );
    }
    plan.file(
        Group::Ssh,
        CONF,
        &text(harden, root_is_out),
        Reaction::Ssh,
        &why,
    );
}

fn text(harden: bool, root_is_out: bool) -> String {
    let passwords = match (harden, root_is_out) {
        (true, false) => {
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        }
        // This is read first: a line of ours would let root in again.
        (true, true) => "PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
        (false, _) => "# Passwords as before: nobody's key was found when this was written.\n",
    };
    format!(
        "{passwords}PermitEmptyPasswords no
MaxAuthTries 4
LoginGraceTime 30

# Apps: the keys that `landfall key add` registered, each with the one command it may run.
Match Group {APPS_GROUP}
    AuthorizedKeysFile /etc/landfall/keys/%u
    AuthenticationMethods publickey
    PasswordAuthentication no
    KbdInteractiveAuthentication no
    AllowTcpForwarding no
    AllowStreamLocalForwarding no
    AllowAgentForwarding no
    X11Forwarding no
    PermitTunnel no
    PermitTTY no
    PermitUserRC no
    AcceptEnv GIT_PROTOCOL
Match all
"
    )
}
