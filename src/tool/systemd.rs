//! systemd: the state of units, and changing it.
//!
//! takes: names of units · gives: commands as values, their answers parsed · touches: nothing by itself

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::base::command::Cmd;
use crate::base::host::SYSTEM_PATH;

/// The longest that starting or stopping a unit may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What systemd knows of a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UnitState {
    /// There is such a unit.
    pub exists: bool,
    /// It runs, or, for a socket, listens.
    pub active: bool,
    /// It is started at boot.
    pub enabled: bool,
}

/// `systemctl WORDS…`.
pub fn systemctl(words: &[&str]) -> Cmd {
    Cmd::new("systemctl")
        .args(words.iter().copied())
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8")
        .timeout(TIMEOUT)
}

/// The state of units, in one question; [`states`] reads the answer.
pub fn show(units: &[&str]) -> Cmd {
    systemctl(&["show", "--property=Id,LoadState,ActiveState,UnitFileState"])
        .args(units.iter().copied())
}

/// The units' states by name.
pub fn states(text: &str) -> BTreeMap<String, UnitState> {
    text.split("\n\n")
        .filter_map(|block| {
            let value = |name: &str| {
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            };
            let state = UnitState {
                exists: value("LoadState") == Some("loaded"),
                active: matches!(value("ActiveState"), Some("active" | "reloading")),
                enabled: matches!(value("UnitFileState"), Some("enabled" | "enabled-runtime")),
            };
            Some((value("Id")?.to_owned(), state))
        })
        .collect()
}

/// The ports a socket unit listens on (`systemctl show --property=Listen`): `Listen=[::]:22 (Stream)`.
pub fn socket_ports(text: &str) -> Vec<u16> {
    let mut ports: Vec<u16> = text
        .lines()
        .filter_map(|line| {
            let address = line
                .trim_start_matches("Listen=")
                .strip_suffix("(Stream)")?;
            address.trim().rsplit(':').next()?.parse().ok()
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_by_unit() {
        let text = "Id=ssh.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\n\
                    Id=nginx.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n\n\
                    Id=redis-server.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\n";
        let states = states(text);
        let state = |exists, active, enabled| UnitState {
            exists,
            active,
            enabled,
        };
        assert_eq!(states["ssh.service"], state(true, true, true));
        assert_eq!(states["nginx.service"], state(false, false, false));
        assert_eq!(states["redis-server.service"], state(true, false, false));
    }

    #[test]
    fn a_sockets_ports_are_read_in_each_form() {
        let text = "Listen=[::]:22 (Stream)\nListen=0.0.0.0:22 (Stream)\nListen=2222 (Stream)\nListen=/run/x (Stream)\nListen=53 (Datagram)";
        assert_eq!(socket_ports(text), [22, 2222]);
    }
}
