//! Where things lie on a server that Landfall administers. Paths only; nothing here touches the disk.
//!
//! An app's own home is [`crate::release::layout::Home`]; this is root's side of it.

use std::path::{Path, PathBuf};

use super::names::AppName;

/// The system's folders, below a root that tests put elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPaths {
    root: PathBuf,
}

impl Default for ServerPaths {
    fn default() -> Self {
        Self::under("/")
    }
}

impl ServerPaths {
    /// All paths below `root`, which is absolute.
    pub fn under(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// An absolute path of the system, below the root.
    pub fn at(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Landfall's own settings.
    pub fn settings(&self) -> PathBuf {
        self.at("/etc/landfall")
    }

    /// The settings files of apps, root's; each app reads its own.
    pub fn apps(&self) -> PathBuf {
        self.at("/etc/landfall/apps")
    }

    /// `NAME.toml`.
    pub fn app_settings(&self, app: &AppName) -> PathBuf {
        self.apps().join(format!("{app}.toml"))
    }

    /// The ssh keys of apps, one file per app in the form of `authorized_keys`: sshd's `AuthorizedKeysFile` for their users.
    /// Root's, so that nothing an app runs can add a key.
    pub fn keys(&self) -> PathBuf {
        self.at("/etc/landfall/keys")
    }

    /// The keys of one app.
    pub fn app_keys(&self, app: &AppName) -> PathBuf {
        self.keys().join(app.as_str())
    }

    /// Our rules for sshd. sshd takes the first value it reads, so the name comes before a cloud image's `50-cloud-init.conf`.
    pub fn ssh_rules(&self) -> PathBuf {
        self.at(SSH_RULES)
    }

    /// The server's own program that tells people what Landfall finds.
    pub fn notify(&self) -> PathBuf {
        self.at("/etc/landfall/notify")
    }

    /// The homes of apps.
    pub fn homes(&self) -> PathBuf {
        self.at("/srv/landfall")
    }

    /// An app's home.
    pub fn home(&self, app: &AppName) -> PathBuf {
        self.homes().join(app.as_str())
    }

    /// The last backups of removed apps.
    pub fn backups(&self) -> PathBuf {
        self.at("/var/backups/landfall")
    }

    /// What Landfall remembers of the server: what `server setup` wrote, files kept aside.
    pub fn state(&self) -> PathBuf {
        self.at("/var/lib/landfall")
    }

    /// What `app create` made for an app besides its files: root's memory, from before the first thing is made until after
    /// the last is gone.
    pub fn made(&self, app: &AppName) -> PathBuf {
        self.state().join("apps").join(format!("{app}.json"))
    }

    /// Stands while an app is taken away: nothing of it is to be made anew.
    pub fn removing(&self, app: &AppName) -> PathBuf {
        self.state().join("apps").join(format!("{app}.removing"))
    }

    /// Locks and trial configurations; gone at a boot.
    pub fn run(&self) -> PathBuf {
        self.at("/run/landfall")
    }

    /// An app's certificates and keys: `current` leads to the pair that is served.
    pub fn tls(&self, app: &AppName) -> PathBuf {
        self.at("/etc/ssl/landfall").join(app.as_str())
    }

    /// The accounts at certificate authorities. No app can be called so: their names have no dot.
    pub fn acme_accounts(&self) -> PathBuf {
        self.at("/etc/ssl/landfall/acme.accounts")
    }

    /// Where answers to challenges of certificate authorities are put.
    pub fn challenges(&self) -> PathBuf {
        self.at("/var/lib/landfall-challenges")
    }

    /// nginx's main configuration.
    pub fn nginx_main(&self) -> PathBuf {
        self.at("/etc/nginx/nginx.conf")
    }

    /// The folder of nginx's configuration that every packaging of it includes as `*.conf`.
    pub fn nginx_sites(&self) -> PathBuf {
        self.at("/etc/nginx/conf.d")
    }

    /// nginx's configuration of one app's site.
    pub fn site(&self, app: &AppName) -> PathBuf {
        self.nginx_sites().join(format!("landfall-{app}.conf"))
    }

    /// nginx's logs of one app: root's, for nginx opens them as root; the app's group may read them.
    pub fn site_logs(&self, app: &AppName) -> PathBuf {
        self.at("/var/log/landfall").join(app.as_str())
    }

    /// The one line of sudoers that an app has.
    pub fn sudoers(&self, app: &AppName) -> PathBuf {
        // sudo skips names with a dot.
        self.at("/etc/sudoers.d").join(format!("landfall-{app}"))
    }

    /// The limits of an app's service, beside the packaged unit `landfall@.service`.
    pub fn service_limits(&self, app: &AppName) -> PathBuf {
        self.at("/etc/systemd/system")
            .join(format!("landfall@{app}.service.d/limits.conf"))
    }

    /// The configuration of an app's own Redis.
    pub fn redis_conf(&self, app: &AppName) -> PathBuf {
        self.at("/etc/landfall/redis").join(format!("{app}.conf"))
    }

    /// How the logs of an app are rotated.
    pub fn logrotate(&self, app: &AppName) -> PathBuf {
        self.at("/etc/logrotate.d").join(format!("landfall-{app}"))
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Where `server setup` writes its rules for sshd.
pub const SSH_RULES: &str = "/etc/ssh/sshd_config.d/00-landfall.conf";

/// The group of all apps' users; sshd's rules for them match it.
pub const APPS_GROUP: &str = "landfall-apps";
