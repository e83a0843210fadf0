//! Where things lie in an app's home. Paths only; nothing here touches the disk.

use std::path::{Path, PathBuf};

use crate::base::names::{AppName, ReleaseId};

/// An app's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    app: AppName,
}

impl Home {
    /// `root` is absolute.
    pub fn new(root: PathBuf, app: AppName) -> Self {
        Self { root, app }
    }

    /// The home's own path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The app's name.
    pub fn app(&self) -> &AppName {
        &self.app
    }

    /// The bare repository.
    pub fn repository(&self) -> PathBuf {
        self.root.join(format!("{}.git", self.app))
    }

    /// The app's environment, mode 0600.
    pub fn env_file(&self) -> PathBuf {
        self.root.join("env")
    }

    /// The list of what a server's app shares besides what its settings name.
    pub fn shared_list(&self) -> PathBuf {
        self.root.join("shared.toml")
    }

    /// What outlives releases.
    pub fn shared(&self) -> PathBuf {
        self.root.join("shared")
    }

    /// All releases.
    pub fn releases(&self) -> PathBuf {
        self.root.join("releases")
    }

    /// One release.
    pub fn release(&self, id: ReleaseId) -> ReleaseDir {
        ReleaseDir {
            root: self.releases().join(id.to_string()),
            id,
        }
    }

    /// The link to the live release.
    pub fn current(&self) -> PathBuf {
        self.root.join("current")
    }

    /// Everything that can be built again.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Hashed assets of the last releases, for open tabs.
    pub fn assets(&self) -> PathBuf {
        self.root.join("assets")
    }

    /// Logs of the app's processes.
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Logs of deploys.
    pub fn deploy_logs(&self) -> PathBuf {
        self.log().join("deploys")
    }

    /// The log of one deploy.
    pub fn deploy_log(&self, id: ReleaseId) -> PathBuf {
        self.deploy_logs().join(format!("{id}.log"))
    }

    /// The log of one process.
    pub fn process_log(&self, process: &str) -> PathBuf {
        self.log().join(format!("{process}.log"))
    }

    /// Lock, journal, supervisord's files.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The deploy lock.
    pub fn lock(&self) -> PathBuf {
        self.run().join("lock")
    }

    /// Folders that upkeep removes.
    pub fn trash(&self) -> PathBuf {
        self.cache().join("trash")
    }

    /// Held by the one upkeep that runs.
    pub fn upkeep_lock(&self) -> PathBuf {
        self.cache().join("upkeep.lock")
    }

    /// When everything that nothing leads to was last removed from the repository: its time.
    pub fn collected(&self) -> PathBuf {
        self.cache().join("collected")
    }

    /// The release that pre-receive prepared and post-receive makes live.
    pub fn pending(&self) -> PathBuf {
        self.run().join("pending.json")
    }

    /// supervisord's configuration.
    pub fn supervisord_conf(&self) -> PathBuf {
        self.run().join("supervisord.conf")
    }

    /// supervisord's socket.
    pub fn supervisord_socket(&self) -> PathBuf {
        self.run().join("supervisor.sock")
    }

    /// supervisord's pid.
    pub fn supervisord_pid(&self) -> PathBuf {
        self.run().join("supervisord.pid")
    }

    /// The program file of the release being prepared; the live one's lies in its release.
    pub fn next_programs(&self) -> PathBuf {
        self.run().join("next.conf")
    }

    /// What a deploy asks of root's half of the site.
    pub fn site_request(&self) -> PathBuf {
        self.run().join("site.json")
    }

    /// nginx's main configuration in user mode.
    pub fn nginx_conf(&self) -> PathBuf {
        self.run().join("nginx.conf")
    }

    /// nginx's pid in user mode.
    pub fn nginx_pid(&self) -> PathBuf {
        self.run().join("nginx.pid")
    }

    /// nginx's temporary folders in user mode.
    pub fn nginx_temp(&self) -> PathBuf {
        self.run().join("nginx")
    }
}

/// One release's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseDir {
    root: PathBuf,
    id: ReleaseId,
}

impl ReleaseDir {
    /// A folder that is laid out as a release, and is none.
    pub(super) fn at(root: PathBuf) -> Self {
        Self {
            root,
            id: ReleaseId(0),
        }
    }

    /// Its number.
    pub fn id(&self) -> ReleaseId {
        self.id
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The commit's files.
    pub fn src(&self) -> PathBuf {
        self.root.join("src")
    }

    /// What `src` looked like when it was checked out.
    pub fn stamps(&self) -> PathBuf {
        self.root.join("stamps")
    }

    /// The built frontend, a link into the cache or into `src`.
    pub fn public(&self) -> PathBuf {
        self.root.join("public")
    }

    /// Django's static files, a link to `STATIC_ROOT`.
    pub fn static_files(&self) -> PathBuf {
        self.root.join("static")
    }

    /// Django's uploads, a link to `MEDIA_ROOT`.
    pub fn media(&self) -> PathBuf {
        self.root.join("media")
    }

    /// The Python environment, a link into the cache.
    pub fn venv(&self) -> PathBuf {
        self.root.join("venv")
    }

    /// uWSGI's socket.
    pub fn web_socket(&self) -> PathBuf {
        self.root.join("web.sock")
    }

    /// A socket that takes the place of uWSGI's while it is replaced, until it has its name.
    pub fn web_socket_held(&self) -> PathBuf {
        self.root.join("held.sock")
    }

    /// uWSGI's socket while another has its name.
    pub fn web_socket_aside(&self) -> PathBuf {
        self.root.join("aside.sock")
    }

    /// uWSGI's configuration.
    pub fn uwsgi_ini(&self) -> PathBuf {
        self.root.join("uwsgi.ini")
    }

    /// supervisor's programs of this release; `current/supervisor.conf` is what a boot starts.
    pub fn programs(&self) -> PathBuf {
        self.root.join("supervisor.conf")
    }

    /// The processes' argv, folders and variables, as `landfall exec` starts them.
    pub fn processes(&self) -> PathBuf {
        self.root.join("processes.json")
    }

    /// The site's nginx configuration as this release needs it.
    pub fn site_conf(&self) -> PathBuf {
        self.root.join("nginx.conf")
    }

    /// What the release needs of the site, in the server's mode.
    pub fn site_needs(&self) -> PathBuf {
        self.root.join("site.json")
    }

    /// What is known of the release.
    pub fn record(&self) -> PathBuf {
        self.root.join("release.json")
    }
}
