//! What this machine's nginx can, asked of itself.

use std::path::Path;

use crate::base::command::output;
use crate::base::fs;
use crate::template::server_site::{Abilities, CURVES};
use crate::tool::nginx::NginxError;
use crate::tool::nginx_version::{self, NginxVersion, Version};

/// From 1.23.2 on, nginx changes the keys of session tickets in a shared cache by itself (its changes file).
const TICKETS_ROTATE: Version = Version(1, 23, 2);

pub(super) fn of(program: &Path) -> Result<Abilities, NginxError> {
    let text = output(&nginx_version::ask(program))
        .map_err(|error| NginxError::Failed(Box::new(error)))?;
    let ipv6 = fs::read(Path::new("/proc/net/if_inet6")).is_ok_and(|text| !text.trim().is_empty());
    Ok(read(&text, ipv6))
}

/// What `nginx -V` says; a version that cannot be read counts as old.
fn read(text: &str, ipv6: bool) -> Abilities {
    let version = NginxVersion::parse(text);
    let knows_mlkem = version.is_some_and(|version| version.knows_mlkem());
    let curves = &CURVES[usize::from(!knows_mlkem)..];
    Abilities {
        ipv6,
        http2_directive: version.is_some_and(|version| version.has_http2_directive()),
        gzip_static: nginx_version::has_gzip_static(text),
        no_tickets: version.is_none_or(|version| version.nginx < TICKETS_ROTATE),
        curves: curves.join(":"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_servers_get_what_they_know() {
        let old = read(
            "nginx version: nginx/1.22.1\nbuilt with OpenSSL 3.0.8",
            false,
        );
        assert!(!old.http2_directive && old.no_tickets && !old.gzip_static && !old.ipv6);
        assert_eq!(old.curves, "X25519:prime256v1:secp384r1");
        let new = read(
            "nginx version: nginx/1.26.3\nbuilt with OpenSSL 3.5.1\nconfigure arguments: --with-http_gzip_static_module",
            true,
        );
        assert!(new.http2_directive && !new.no_tickets && new.gzip_static);
        assert_eq!(new.curves, CURVES.join(":"));
    }
}
