//! `landfall app create`: a home, a bare repository with the hooks, a supervisord with nginx under it.
//!
//! takes: a name · gives: what to type next · touches: the home, the settings file · undone by: `landfall app remove`; what
//! fails in the middle is taken away

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::fs;
use crate::base::hint::{Hint, Kind};
use crate::base::host::Host;
use crate::base::names::{AppName, BranchName, Domain, ReleaseId};
use crate::base::secret::Secret;
use crate::base::words::count;
use crate::base::{socket, user};
use crate::cli::app::on_server;
use crate::cli::session::{self, Session};
use crate::cli::{Ended, Globals, output};
use crate::config::server::{self, AppSettings, Layout};
use crate::provision;
use crate::recover;
use crate::release::layout::Home;
use crate::tool::supervisord;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
As root, on a server that `landfall server setup` has prepared: a system user, its home in /srv/landfall with a bare repository \
whose hooks deploy, a hardened service, a database and a Redis of its own, and a site in the server's nginx.

As anybody else, or with --user-mode: everything runs as the present user, with an nginx of its own on an unprivileged port.

What fails in the middle is taken away again.

Examples:
  landfall app create fussat --domain fussat-audiens.org --redirect www.fussat-audiens.org
  landfall app create notes --domain notes.example.org --layout split --without redis
  landfall app create notes-staging --user-mode --branch staging --listen 127.0.0.1:8001")]
pub(in crate::cli) struct Args {
    /// The app's name: lower-case letters, digits and `-`.
    pub(super) name: AppName,
    /// The branch that deploys.
    #[arg(long, default_value = "master", value_name = "BRANCH")]
    pub(super) branch: BranchName,
    /// A host name the site answers to; can be given several times, the first is the one its URL is made of.
    #[arg(long = "domain", value_name = "DOMAIN")]
    pub(super) domains: Vec<Domain>,
    /// A host name that leads to the first domain; can be given several times.
    #[arg(long = "redirect", value_name = "DOMAIN", conflicts_with = "user_mode")]
    pub(super) redirect_domains: Vec<Domain>,
    /// Frontend and backend both on 443, or the backend on a port of its own.
    #[arg(
        long,
        value_enum,
        default_value = "one-origin",
        conflicts_with = "user_mode"
    )]
    layout: LayoutName,
    /// What the app does not get, though the server has it.
    #[arg(long, value_enum, value_name = "SERVICE", conflicts_with = "user_mode")]
    without: Vec<Service>,
    /// Everything runs as the present user, on an unprivileged port; the only way without root.
    #[arg(long)]
    user_mode: bool,
    /// User mode: where its home lies [default: ~/landfall/NAME].
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// User mode: where nginx listens [default: 127.0.0.1:8000].
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

/// How frontend and backend share the site's origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LayoutName {
    OneOrigin,
    Split,
}

/// A service of the server that an app can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Service {
    Database,
    Redis,
}

impl Args {
    pub(super) fn layout(&self) -> Layout {
        match self.layout {
            LayoutName::OneOrigin => Layout::OneOrigin,
            LayoutName::Split => Layout::Split,
        }
    }

    pub(super) fn leaves_out_database(&self) -> bool {
        self.without.contains(&Service::Database)
    }

    pub(super) fn leaves_out_redis(&self) -> bool {
        self.without.contains(&Service::Redis)
    }

    /// An address or a home of one's own means user mode; root without either means the server.
    fn is_user_mode(&self) -> bool {
        self.user_mode || self.listen.is_some() || self.home.is_some() || !user::is_root()
    }

    fn listen(&self) -> SocketAddr {
        self.listen
            .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000))
    }
}

/// An app that cannot be made.
#[derive(Debug, thiserror::Error)]
enum CreateError {
    #[error("there is an app `{0}` already")]
    Exists(AppName),
    #[error("{} exists and is not empty", .0.display())]
    HomeTaken(PathBuf),
    #[error("`{}` cannot be a home: letters, digits and / . _ - + @ only", .0.display())]
    OddHome(PathBuf),
    #[error("nginx cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        free: Option<SocketAddr>,
        #[source]
        source: std::io::Error,
    },
    #[error("`{app}` listens on {address} already")]
    ListenTaken {
        app: AppName,
        address: SocketAddr,
        free: Option<SocketAddr>,
    },
    #[error("{} is too long for a home: with the names of sockets in it, it is {over} above the longest path of a socket", home.display(), over = count(*over, "byte"))]
    LongHome { home: PathBuf, over: usize },
    #[error("port 0 is no port to listen on")]
    PortZero,
}

impl Hint for CreateError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Exists(name) => vec![
                format!("see it: landfall app show {name}"),
                format!("take it away: landfall app remove {name}"),
            ],
            Self::Listen { free, .. } | Self::ListenTaken { free, .. } => match free {
                Some(free) => vec![format!("this one is free: --listen {free}")],
                None => vec!["choose another: --listen ADDR:PORT".into()],
            },
            Self::PortZero => vec!["choose one: --listen 127.0.0.1:8000".into()],
            Self::HomeTaken(_) | Self::OddHome(_) | Self::LongHome { .. } => {
                vec!["choose another: --home DIR".into()]
            }
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Exists(_) => Kind::Refused,
            _ => Kind::Usage,
        }
    }
}

/// How long what was started for an app that could not be made may take to end.
const STOP: Duration = Duration::from_secs(20);

pub(super) fn run(host: &Host, globals: &Globals, args: &Args) -> Result<(), Ended> {
    if !args.is_user_mode() {
        return on_server::create(host, globals, args);
    }
    let settings = make_own(host, args)?;
    if globals.json {
        output::json(&settings);
    } else {
        next_steps(&settings, &settings_file(host, args));
    }
    Ok(())
}

/// Makes the app, the server's or one's own, and says nothing of what is next; what fails in the middle is taken away again.
pub(super) fn make_app(host: &Host, args: &Args) -> Result<AppSettings, Ended> {
    if args.is_user_mode() {
        make_own(host, args)
    } else {
        Ok(on_server::make(host, args)?.0)
    }
}

fn settings_file(host: &Host, args: &Args) -> PathBuf {
    session::user_folder(host).join(format!("{}.toml", args.name))
}

fn make_own(host: &Host, args: &Args) -> Result<AppSettings, Ended> {
    let settings_file = settings_file(host, args);
    let settings = check(host, args, &settings_file)?;
    let made = make(host, &settings, &settings_file);
    if made.is_err() {
        // What was made in vain goes; nothing of it was there before.
        let home = Home::new(settings.home.clone(), settings.name.clone());
        let _ = recover::daemon_of(&home).stop(STOP);
        let _ = fs::remove_file(&settings_file);
        let _ = fs::remove_tree(&settings.home);
    }
    made?;
    Ok(settings)
}

fn check(host: &Host, args: &Args, settings_file: &Path) -> Result<AppSettings, Ended> {
    if session::all_apps(host)?
        .iter()
        .any(|(name, _)| *name == args.name)
        || settings_file.exists()
    {
        return Err(CreateError::Exists(args.name.clone()).into());
    }
    let base = user::home().unwrap_or_else(|| PathBuf::from("/"));
    let root = args.home.as_ref().map_or_else(
        || base.join("landfall").join(args.name.as_str()),
        |home| host.absolute(home),
    );
    let home = Home::new(root.clone(), args.name.clone());
    if !root
        .to_string_lossy()
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/._-+@".contains(&b))
    {
        return Err(CreateError::OddHome(root).into());
    }
    check_length(&home)?;
    if !fs::list(&root)?.is_empty() {
        return Err(CreateError::HomeTaken(root).into());
    }
    check_listen(host, args.listen())?;
    let mut settings = AppSettings::new(args.name.clone(), root, args.branch.clone());
    settings.domains.clone_from(&args.domains);
    settings.listen = Some(args.listen());
    Ok(settings)
}

/// Sockets are the longest names in a home; supervisord first binds a longer one than its own.
fn check_length(home: &Home) -> Result<(), CreateError> {
    let length = |path: PathBuf| path.as_os_str().len();
    let web = home.release(ReleaseId(99_999)).web_socket();
    let over = length(web)
        .saturating_sub(socket::LONGEST_PATH)
        .max(length(home.supervisord_socket()).saturating_sub(supervisord::LONGEST_SOCKET));
    if over == 0 {
        return Ok(());
    }
    Err(CreateError::LongHome {
        home: home.root().to_owned(),
        over,
    })
}

/// The address must be free, also of apps that do not run just now.
fn check_listen(host: &Host, address: SocketAddr) -> Result<(), Ended> {
    if address.port() == 0 {
        return Err(CreateError::PortZero.into());
    }
    let mut taken = Vec::new();
    for (app, file) in session::all_apps(host)? {
        // An app whose settings cannot be read is somebody else's trouble.
        if let Ok(settings) = session::read_settings(&file) {
            taken.extend(settings.listen.map(|listen| (app, listen)));
        }
    }
    let free = || {
        (8000..9000)
            .map(|port| SocketAddr::new(address.ip(), port))
            .filter(|address| !taken.iter().any(|(_, other)| other == address))
            .find(|address| TcpListener::bind(address).is_ok())
    };
    if let Some((app, _)) = taken.iter().find(|(_, other)| *other == address) {
        return Err(CreateError::ListenTaken {
            app: app.clone(),
            address,
            free: free(),
        }
        .into());
    }
    TcpListener::bind(address).map_err(|source| CreateError::Listen {
        address,
        free: free(),
        source,
    })?;
    Ok(())
}

fn make(host: &Host, settings: &AppSettings, settings_file: &Path) -> Result<(), Ended> {
    // In user mode nginx and everything else runs as this user; nobody else has business in here.
    fs::create_folder_with_mode(&settings.home, 0o700)?;
    let key = Secret::random(64)?;
    provision::furnish(host, settings, settings_file, vec![("SECRET_KEY", key)])?;
    if let Some(folder) = settings_file.parent() {
        fs::create_folder(folder)?;
    }
    fs::write(
        settings_file,
        server::render(settings).as_bytes(),
        fs::PUBLIC,
    )?;
    let session = Session::open_file(settings_file)?;
    let ctx = session.context(host);
    recover::start_supervisord(&ctx)?;
    Ok(())
}

fn next_steps(settings: &AppSettings, settings_file: &Path) {
    let home = Home::new(settings.home.clone(), settings.name.clone());
    let repository = home.repository();
    output::say(format!(
        "{} is made in {}; its settings are in {}",
        settings.name,
        settings.home.display(),
        settings_file.display()
    ));
    output::say("next, in your project:");
    output::line(format!(
        "  git remote add production {}",
        repository.display()
    ));
    output::line(format!("  git push production {}", settings.branch));
    output::say(format!(
        "from another machine: git remote add production {}@{}:{}",
        user::name(),
        user::hostname(),
        repository.display()
    ));
}
