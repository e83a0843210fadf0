//! What the server is like.
//!
//! takes: nothing · gives: [`Facts`] · touches: reads files, asks dpkg, systemd, sshd and nginx; changes nothing

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use serde::Serialize;

use super::admin_key::admin_key;
use super::packages;
use crate::base::command::{Cmd, CommandError, output};
use crate::base::fs;
use crate::base::hint::{Hint, Report};
use crate::base::host::{Host, SYSTEM_PATH};
use crate::base::proc::kilobytes;
use crate::base::server_paths::ServerPaths;
use crate::config::server::{self, Layout};
use crate::tool::nginx_version::{self, Version};
use crate::tool::sshd::{self, SshdSettings};
use crate::tool::systemd::{self, UnitState};
use crate::tool::{apt, find_program};

/// The units that the plan is about.
const UNITS: [&str; 15] = [
    "ssh.service",
    "ssh.socket",
    "nginx.service",
    "supervisor.service",
    "postgresql.service",
    "redis-server.service",
    "fail2ban.service",
    "unattended-upgrades.service",
    "landfall-cert-renew.timer",
    "landfall-cert-status.timer",
    "landfall-firewall.service",
    "firewalld.service",
    "swapfile.swap",
    "logrotate.timer",
    "apt-daily-upgrade.timer",
];

/// The server, as far as the plan depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub struct Facts {
    /// The distribution.
    pub os: Os,
    /// Installed packages and their versions.
    pub installed: BTreeMap<String, String>,
    /// What apt would install of the packages that are missing.
    pub candidates: BTreeMap<String, String>,
    /// dpkg was interrupted.
    pub dpkg_is_broken: bool,
    /// nginx, installed or as it would be installed.
    pub nginx: Option<Version>,
    /// Directives that nginx's main file has itself; a second one would be an error.
    pub nginx_main: Vec<String>,
    /// Debian's example site, where it is switched on.
    pub nginx_default_site: Option<DefaultSite>,
    /// Where backends of apps in the split layout listen, besides 443.
    pub backend_ports: Vec<u16>,
    /// sshd's settings; none where it does not run.
    pub sshd: Option<SshdSettings>,
    /// sshd's main file reads the folder that ours is in.
    pub sshd_reads_folder: bool,
    /// Ports that an ssh server listens on, also one that is started in another way.
    pub ssh_listens: Vec<u16>,
    /// A key that lets the one who runs this in again, and in which file it is.
    pub admin_key: Option<PathBuf>,
    /// Units and their states.
    pub units: BTreeMap<String, UnitState>,
    /// Programs by name that are there, by a package or otherwise.
    pub programs: Vec<String>,
    /// Programs that somebody configured in Debian's own supervisor.
    pub supervisor_programs: Vec<PathBuf>,
    /// The server's shared Redis has data.
    pub redis_has_data: bool,
    /// Ports that something listens on for other machines.
    pub listens: Vec<u16>,
    /// ufw's state, where it is installed.
    pub ufw: Option<Ufw>,
    /// The kernel has IPv6.
    pub has_ipv6: bool,
    /// A container, which kind; swap and kernel settings are its host's.
    pub container: Option<String>,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Swap in MiB.
    pub swap_mb: u64,
    /// What is free on the root file system in MiB.
    pub free_mb: u64,
    /// The root file system's kind.
    pub root_fs: String,
    /// The system's groups that matter: `landfall-apps` exists.
    pub has_apps_group: bool,
}

/// The distribution, by /etc/os-release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Os {
    /// `debian`, `ubuntu`.
    pub id: String,
    /// `12`, `24.04`.
    pub version: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
    /// What it is derived from, itself included.
    pub family: Vec<String>,
}

/// Debian's `sites-enabled/default`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DefaultSite {
    /// Somebody changed it: it serves something.
    pub is_changed: bool,
}

/// ufw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ufw {
    /// It filters.
    pub active: bool,
    /// Ports it lets in from anywhere.
    pub allowed: Vec<u16>,
}

impl Facts {
    /// Looks at the server.
    ///
    /// # Errors
    /// dpkg or systemd does not answer. What is merely missing is a fact.
    pub fn gather(host: &Host) -> Result<Self, Report> {
        let installed = apt::installed(&output(&apt::list(host))?);
        let missing = packages::all()
            .filter(|name| !installed.contains_key(*name))
            .collect::<Vec<_>>();
        let candidates = match &missing[..] {
            [] => BTreeMap::new(),
            missing => apt::candidates(&output(&apt::policy(host, missing))?),
        };
        let sshd = sshd_settings()?;
        let sockets = output(&ss()).unwrap_or_default();
        Ok(Self {
            os: os(&read("/etc/os-release")),
            dpkg_is_broken: apt::is_broken(&output(&apt::audit(host))?),
            nginx: nginx(&candidates),
            nginx_main: directives(&read("/etc/nginx/nginx.conf")),
            nginx_default_site: default_site(),
            backend_ports: backend_ports(&ServerPaths::default().apps())?,
            admin_key: admin_key(host, sshd.as_ref()),
            sshd,
            sshd_reads_folder: reads_folder(&read("/etc/ssh/sshd_config")),
            ssh_listens: listens(&sockets, &|line| {
                line.contains("((\"sshd\"") || line.contains("((\"dropbear\"")
            }),
            units: systemd::states(&output(&systemd::show(&UNITS))?),
            programs: programs(),
            supervisor_programs: configs("/etc/supervisor/conf.d")?,
            redis_has_data: ["dump.rdb", "appendonlydir", "appendonly.aof"]
                .iter()
                .any(|name| Path::new("/var/lib/redis").join(name).exists()),
            listens: listens(&sockets, &|_| true),
            ufw: ufw_state()?,
            has_ipv6: Path::new("/proc/net/if_inet6").exists(),
            container: container(),
            memory_mb: meminfo(&read("/proc/meminfo"), "MemTotal"),
            swap_mb: meminfo(&read("/proc/meminfo"), "SwapTotal"),
            free_mb: statvfs("/").map_or(0, |fs| {
                (fs.blocks_available() * fs.fragment_size()) / (1024 * 1024)
            }),
            root_fs: root_fs(&read("/proc/self/mounts")),
            has_apps_group: read("/etc/group")
                .lines()
                .any(|line| line.starts_with("landfall-apps:")),
            installed,
            candidates,
        })
    }

    /// A unit's state; one that systemd does not know is off.
    pub fn unit(&self, name: &str) -> UnitState {
        self.units.get(name).copied().unwrap_or_default()
    }

    /// The program is there.
    pub fn has_program(&self, name: &str) -> bool {
        self.programs.iter().any(|program| program == name)
    }

    /// It is Ubuntu, or made of it.
    pub fn is_ubuntu(&self) -> bool {
        self.os.family.iter().any(|id| id == "ubuntu")
    }

    /// The ports that ssh comes in by: what sshd says, what its socket says, what the caller's own session uses.
    pub fn ssh_ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self
            .sshd
            .iter()
            .flat_map(|sshd| sshd.ports.clone())
            .collect();
        ports.extend(&self.ssh_listens);
        if ports.is_empty() {
            ports.push(22);
        }
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

/// A small file's text; none where there is no such file.
fn read(path: &str) -> String {
    fs::read(Path::new(path)).unwrap_or_default()
}

fn os(text: &str) -> Os {
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let id = value("ID");
    let mut family = vec![id.clone()];
    family.extend(value("ID_LIKE").split_whitespace().map(str::to_owned));
    Os {
        id,
        version: value("VERSION_ID"),
        name: value("PRETTY_NAME"),
        family,
    }
}

fn nginx(candidates: &BTreeMap<String, String>) -> Option<Version> {
    match find_program("nginx") {
        Some(nginx) => nginx_version::installed(&nginx)
            .ok()
            .map(|version| version.nginx),
        None => candidates.get("nginx").and_then(|v| Version::parse(v)),
    }
}

/// The first words of a configuration's lines, comments apart.
fn directives(text: &str) -> Vec<String> {
    let words = text.lines().filter_map(|line| {
        let word = line.split('#').next()?.split_whitespace().next()?;
        word.bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'_')
            .then(|| word.to_owned())
    });
    words.collect()
}

fn default_site() -> Option<DefaultSite> {
    let site = Path::new("/etc/nginx/sites-enabled/default");
    let is_on = site.exists() || site.is_symlink();
    is_on.then(|| DefaultSite {
        is_changed: !site.is_symlink()
            || is_changed_conffile("nginx-common", "sites-available/default"),
    })
}

/// By root's settings of the apps. A file that cannot be read is that app's trouble, and has no site.
fn backend_ports(apps: &Path) -> Result<Vec<u16>, fs::FsError> {
    let mut ports: Vec<u16> = fs::list(apps)?
        .iter()
        .filter(|file| file.extension().is_some_and(|ext| ext == "toml"))
        .filter_map(|file| server::parse(&fs::read(file).ok()?, "").ok())
        .filter(|app| app.listen.is_none() && app.layout == Layout::Split)
        .map(|app| app.backend_port)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// dpkg names the files of a package that are not as it brought them, and then ends with 1.
fn is_changed_conffile(package: &str, file: &str) -> bool {
    let verify = Cmd::new("dpkg")
        .args(["--verify", package])
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8");
    match output(&verify) {
        Ok(_) => false,
        Err(error) => error.tool_output().iter().any(|line| line.contains(file)),
    }
}

/// sshd's own words, or, where it has never run (a socket starts it), what its socket says.
fn sshd_settings() -> Result<Option<SshdSettings>, Report> {
    if !Path::new("/usr/sbin/sshd").exists() {
        return Ok(None);
    }
    let listen = systemd::systemctl(&["show", "ssh.socket", "--property=Listen"]);
    let socket = systemd::socket_ports(&output(&listen)?);
    let mut settings = match output(&sshd::settings()) {
        Ok(text) => sshd::parse(&text),
        // It wants its runtime folder, which is made when it starts: defaults then, and the socket's ports.
        Err(_) => SshdSettings {
            passwords: true,
            root_login: "prohibit-password".into(),
            key_files: vec![".ssh/authorized_keys".into()],
            ..SshdSettings::default()
        },
    };
    if settings.ports.is_empty() {
        settings.ports = socket;
    }
    // What others say of root, also where our own file is read before theirs.
    let others = configs("/etc/ssh/sshd_config.d")?
        .iter()
        .filter(|file| *file != Path::new(super::ssh::CONF))
        .map(|file| fs::read(file).unwrap_or_default())
        .collect::<Vec<_>>();
    let said = sshd::root_login(&read("/etc/ssh/sshd_config"), &others);
    settings.heed_root_login(said.as_deref());
    Ok(Some(settings))
}

fn reads_folder(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("include"))
            && words.any(|word| word.contains("sshd_config.d/"))
    })
}

fn programs() -> Vec<String> {
    let names = ["nginx", "node", "npm", "supervisord", "redis-server", "ufw"];
    let there = names.iter().filter(|name| find_program(name).is_some());
    there.map(|name| (*name).to_owned()).collect()
}

fn configs(folder: &str) -> Result<Vec<PathBuf>, fs::FsError> {
    let mut files = fs::list(Path::new(folder))?;
    files.retain(|file| file.extension().is_some_and(|ext| ext == "conf"));
    Ok(files)
}

fn ss() -> Cmd {
    Cmd::new("ss")
        .args(["-H", "-l", "-t", "-n", "-p"])
        .env("PATH", SYSTEM_PATH)
}

/// The ports that `ss -Hltnp` shows on addresses other machines can reach, of the lines that are `wanted`.
fn listens(text: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<u16> {
    let mut ports: Vec<u16> = text
        .lines()
        .filter(|line| wanted(line))
        .filter_map(|line| {
            let (address, port) = line.split_whitespace().nth(3)?.rsplit_once(':')?;
            let is_own =
                address.starts_with("127.") || address == "[::1]" || address.contains("%lo");
            (!is_own).then(|| port.parse().ok())?
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn ufw_state() -> Result<Option<Ufw>, CommandError> {
    if find_program("ufw").is_none() {
        return Ok(None);
    }
    let status = Cmd::new("ufw")
        .arg("status")
        .env("PATH", SYSTEM_PATH)
        .env("LANG", "C.UTF-8");
    Ok(Some(ufw(&output(&status)?)))
}

/// Reads `ufw status`: `22/tcp   ALLOW   Anywhere`.
fn ufw(text: &str) -> Ufw {
    let mut allowed: Vec<u16> = text
        .lines()
        .filter(|line| line.contains("ALLOW") && !line.contains("(v6)"))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let port = words.next()?.trim_end_matches("/tcp");
            (words.last() == Some("Anywhere")).then(|| port.parse().ok())?
        })
        .collect();
    allowed.sort_unstable();
    Ufw {
        active: text.lines().any(|line| line.trim() == "Status: active"),
        allowed,
    }
}

fn container() -> Option<String> {
    let kind = read("/run/systemd/container");
    let kind = kind.trim();
    (!kind.is_empty()).then(|| kind.to_owned())
}

/// A line of /proc/meminfo, in MiB.
fn meminfo(text: &str, name: &str) -> u64 {
    kilobytes(text, name).unwrap_or(0) / (1024 * 1024)
}

fn root_fs(mounts: &str) -> String {
    // The last mount on a folder is the one that is seen.
    let line = mounts
        .lines()
        .rfind(|line| line.split(' ').nth(1) == Some("/"));
    line.and_then(|line| line.split(' ').nth(2))
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_known_by_its_own_file() {
        let debian =
            os("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n");
        assert_eq!(
            (debian.id.as_str(), debian.version.as_str()),
            ("debian", "12")
        );
        let mint = os("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\nVERSION_ID=\"22\"\n");
        assert_eq!(mint.family, ["linuxmint", "ubuntu", "debian"]);
    }

    #[test]
    fn what_listens_for_others_is_told_from_what_listens_here() {
        let text = "LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=1,fd=3))\nLISTEN 0 128 [::]:22 [::]:*\nLISTEN 0 200 127.0.0.1:5432 0.0.0.0:*\n\
                    LISTEN 0 4096 127.0.0.53%lo:53 0.0.0.0:*\nLISTEN 0 100 203.0.113.7:25 0.0.0.0:*\nLISTEN 0 1 [::1]:6379 [::]:*\nLISTEN 0 1 *:9090 *:*\n";
        assert_eq!(listens(text, &|_| true), [22, 25, 9090]);
        assert_eq!(listens(text, &|line| line.contains("sshd")), [22]);
    }

    #[test]
    fn nginxs_own_directives_are_those_not_commented_out() {
        let text = "http {\n\t# server_tokens off;\n\tserver_tokens build; # x\n\tssl_protocols TLSv1.2;\n\tinclude /etc/nginx/conf.d/*.conf;\n}\n";
        assert_eq!(
            directives(text),
            ["http", "server_tokens", "ssl_protocols", "include"]
        );
    }

    #[test]
    fn a_split_sites_port_is_known_by_the_apps_settings() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(backend_ports(&dir.path().join("none")).unwrap(), [0; 0]);
        let app = |name: &str, rest: &str| {
            let text = format!(
                "name = \"{name}\"\nbranch = \"main\"\ndomains = [\"{name}.example\"]\nhome = \"/srv/landfall/{name}\"\n{rest}"
            );
            assert!(
                server::parse(&text, "").is_ok(),
                "{:?}",
                server::parse(&text, "")
            );
            fs::write(
                &dir.path().join(format!("{name}.toml")),
                text.as_bytes(),
                0o640,
            )
            .unwrap();
        };
        app("one", "");
        app("two", "layout = \"split\"\nbackend_port = 9443\n");
        app("three", "layout = \"split\"\n");
        app("four", "layout = \"split\"\n");
        app(
            "own",
            "layout = \"split\"\nbackend_port = 7443\nlisten = \"127.0.0.1:8000\"\n",
        );
        fs::write(&dir.path().join("broken.toml"), b"layout = ", 0o640).unwrap();
        assert_eq!(backend_ports(dir.path()).unwrap(), [8443, 9443]);
    }

    #[test]
    fn small_files_are_read() {
        assert_eq!(
            meminfo("MemTotal:        2014140 kB\nSwapTotal: 0 kB\n", "MemTotal"),
            1966
        );
        assert_eq!(
            root_fs("/dev/vda / ext4 rw 0 0\noverlay / overlay rw 0 0\n/dev/vdb /srv xfs rw 0 0\n"),
            "overlay"
        );
        assert!(reads_folder("# x\nInclude /etc/ssh/sshd_config.d/*.conf\n"));
        assert!(!reads_folder("#Include /etc/ssh/sshd_config.d/*.conf\n"));
        assert_eq!(
            ufw(
                "Status: active\n\nTo  Action  From\n22/tcp  ALLOW  Anywhere\n80/tcp  ALLOW  192.0.2.1\n443  ALLOW IN  Anywhere\n22/tcp (v6)  ALLOW  Anywhere (v6)\n"
            ),
            Ufw {
                active: true,
                allowed: vec![22, 443]
            }
        );
    }
}
