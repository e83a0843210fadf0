//! What an app's site in the server's nginx is rendered from: `site apply`'s file.
//!
//! takes: root's settings of the app, what its release needs, what this nginx can · gives: the values of
//! `templates/nginx/server_site.conf.hbs` · touches: nothing

use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::site::{Needs, Origin};
use crate::base::names::{AppName, Domain};
use crate::config::server::Layout;

/// An app's site: plain http that redirects, https, and the backend's own port in the split layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSite {
    /// The app.
    pub app: AppName,
    /// Its home; see [`super::site::Site::home`].
    pub home: PathBuf,
    /// The host names it answers to.
    pub domains: Vec<Domain>,
    /// The host names that lead to the first domain.
    pub redirect_domains: Vec<Domain>,
    /// How frontend and backend share the origins.
    pub layout: Layout,
    /// The backend's port in the split layout.
    pub backend_port: u16,
    /// What the release needs. A backend without a frontend has one origin whatever the layout.
    pub needs: Needs,
    /// The largest request body, in MiB.
    pub max_upload_mb: u32,
    /// Strict-Transport-Security's max-age in seconds; 0 sends no such header.
    pub hsts_seconds: u32,
    /// The certificate with its chain (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM).
    pub certificate_key: PathBuf,
    /// The folder of nginx's logs of this site.
    pub logs: PathBuf,
    /// Where answers to challenges of certificate authorities are put (RFC 8555, 8.3).
    pub challenges: PathBuf,
    /// What this nginx can.
    pub nginx: Abilities,
    /// Names this configuration; nginx tells it at `/.well-known/landfall` to this machine.
    pub state: String,
}

/// What the nginx of this machine can.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one question that a template asks"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Abilities {
    /// The machine has IPv6.
    pub ipv6: bool,
    /// `http2 on` (nginx 1.25.1); before, `http2` stands on `listen`.
    pub http2_directive: bool,
    /// `ngx_http_gzip_static_module`.
    pub gzip_static: bool,
    /// Ticket keys are never changed (before nginx 1.23.2).
    pub no_tickets: bool,
    /// The elliptic curves, as `ssl_ecdh_curve` takes them.
    pub curves: String,
}

/// The curves of Mozilla's guidelines 6.0, intermediate; the first needs OpenSSL 3.5.
pub const CURVES: [&str; 4] = ["X25519MLKEM768", "X25519", "prime256v1", "secp384r1"];

#[derive(Serialize)]
struct Fields<'a> {
    app: &'a AppName,
    state: &'a str,
    domains: &'a [Domain],
    first: Option<&'a Domain>,
    redirect_domains: &'a [Domain],
    logs: &'a PathBuf,
    challenges: &'a PathBuf,
    certificate: &'a PathBuf,
    certificate_key: &'a PathBuf,
    hsts: u32,
    backend_port: u16,
    http2_on_listen: bool,
    #[serde(flatten)]
    nginx: &'a Abilities,
    main: Origin<'a>,
    api: Option<Origin<'a>>,
}

impl Serialize for ServerSite {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let frontend = self.needs.frontend;
        let backend = self.needs.backend.as_ref();
        let is_split = self.layout == Layout::Split && frontend.is_some() && backend.is_some();
        let origin = |frontend, backend| {
            let (app, home) = (&self.app, &self.home);
            let mut origin = Origin::new(app, home, frontend, backend, self.max_upload_mb, true);
            origin.linked_from.clone_from(home);
            origin.hsts = self.hsts_seconds;
            origin.gzip_static = self.nginx.gzip_static;
            origin.brotli = true;
            origin
        };
        Fields {
            app: &self.app,
            state: &self.state,
            domains: &self.domains,
            first: self.domains.first(),
            redirect_domains: &self.redirect_domains,
            logs: &self.logs,
            challenges: &self.challenges,
            certificate: &self.certificate,
            certificate_key: &self.certificate_key,
            hsts: self.hsts_seconds,
            backend_port: self.backend_port,
            http2_on_listen: !self.nginx.http2_directive,
            nginx: &self.nginx,
            main: origin(frontend, backend.filter(|_| !is_split)),
            api: is_split.then(|| origin(None, backend)),
        }
        .serialize(serializer)
    }
}
