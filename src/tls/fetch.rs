//! The certificate of an issuer, from where the one that it signed says it is (RFC 5280, 4.2.2.1).
//!
//! takes: that address, whose machines may be asked · gives: certificates · touches: one connection
//!
//! Whoever made the certificate chose the address. Without an authority of one's own, only public machines are asked, as web
//! servers: nothing inside is reached through it. What comes is trusted no more than a file that was brought.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::certificate::Certificate;
use super::finding::{Code, Refusal};
use super::intake::text;
use crate::base::words::shown;
use crate::tool::http;

/// More than any issuer's certificate has, also with its own issuers'.
pub const LARGEST: usize = 64 * 1024;
/// For the whole exchange.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose machines may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public ones, on port 80.
    Public,
    /// Any: the authority is one's own.
    Anywhere,
}

/// The certificates at `url`. No redirect is followed.
pub fn certificates(url: &str, reach: Reach) -> Result<Vec<Certificate>, Refusal> {
    let refused = |why: fmt::Arguments<'_>| {
        Refusal::new(
            Code::ChainFetch,
            format!(
                "the issuer's certificate was not fetched from {}: {why}",
                shown(url, 200)
            ),
        )
        .hint("get it from the authority, then: landfall cert install FILE --chain CHAIN.pem")
    };
    let place = Place::parse(url)
        .ok_or_else(|| refused(format_args!("that is no address of plain http")))?;
    let address = place
        .address(reach)
        .map_err(|why| refused(format_args!("{why}")))?;
    let answer = http::get_at_most(address, &place.name(), &place.path, PATIENCE, LARGEST + 1)
        .map_err(|error| refused(format_args!("{error}")))?;
    if (300..400).contains(&answer.status) {
        let to = shown(answer.header("location").unwrap_or("another address"), 200);
        return Err(refused(format_args!(
            "it leads to {to}, which is not followed"
        )));
    }
    if answer.status != 200 {
        return Err(refused(format_args!("the answer is {}", answer.status)));
    }
    if answer.body.len() > LARGEST {
        return Err(refused(format_args!("it has more than {LARGEST} bytes")));
    }
    read(&answer.body).ok_or_else(|| refused(format_args!("what is there is no certificate")))
}

/// An address with `http://`, in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    path: String,
}

impl Place {
    fn parse(url: &str) -> Option<Self> {
        let head = url.get(..7)?;
        let rest = &url[7..];
        if !head.eq_ignore_ascii_case("http://")
            || !rest.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return None;
        }
        let rest = rest.split('#').next()?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
            let (host, port) = bracketed.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port)
        } else {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(end);
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || !host.bytes().all(is_name) {
                return None;
            }
            (host, port)
        };
        let port = match port {
            "" | ":" => 80,
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Some(Self {
            host: host.to_owned(),
            port,
            path,
        })
    }

    /// For the Host header.
    fn name(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match self.port {
            80 => host,
            port => format!("{host}:{port}"),
        }
    }

    /// The very address that is then asked: the name is not looked up again.
    fn address(&self, reach: Reach) -> Result<SocketAddr, String> {
        if reach == Reach::Public && self.port != 80 {
            return Err(format!("port {} is no web server's", self.port));
        }
        let found = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| format!("{} is not found ({error})", self.host))?;
        let found: Vec<SocketAddr> = found.collect();
        let allowed = |address: &&SocketAddr| reach == Reach::Anywhere || is_public(address.ip());
        match (found.iter().find(allowed), found.first()) {
            (Some(address), _) => Ok(*address),
            (None, Some(address)) => Err(format!(
                "{} is no public address; with --roots, for an authority of your own, it would be asked",
                address.ip()
            )),
            (None, None) => Err(format!("{} has no address", self.host)),
        }
    }
}

/// True for what the internet reaches: not this machine, its neighbours, a provider's inner services or a special purpose
/// (IANA's registries of special addresses; RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // "This network", shared addresses of providers, protocols, relays, benchmarks, multicast and above.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 224;
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    // An IPv6 network's way to IPv4 (RFC 6052).
    if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let is_global = parts[0] & 0xe000 == 0x2000;
    let is_special = (parts[0] == 0x2001 && (parts[1] < 0x200 || parts[1] == 0xdb8))
        || parts[0] == 0x2002
        || (parts[0] == 0x3fff && parts[1] < 0x1000);
    is_global && !is_special
}

/// Reads an answer: a certificate as DER or PEM, or several in PKCS#7.
fn read(bytes: &[u8]) -> Option<Vec<Certificate>> {
    if let Some(certificate) = Certificate::parse(bytes) {
        return Some(vec![certificate]);
    }
    if let Some(all) = in_pkcs7(bytes) {
        return Some(all);
    }
    let text = text::decode(bytes)?;
    let mut all = Vec::new();
    for block in text::scan(&text).ok()?.blocks {
        match block.label() {
            "CERTIFICATE" | "X509 CERTIFICATE" => all.push(Certificate::parse(block.der())?),
            "PKCS7" | "CMS" => all.extend(in_pkcs7(block.der())?),
            _ => {}
        }
    }
    Some(all).filter(|all| !all.is_empty())
}

/// `signedData` (RFC 5652, 5.1) that carries certificates and nothing signed.
const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const SEQUENCE: u8 = 0x30;
const OID: u8 = 6;
/// `[0]`, of several parts.
const CONTEXT: u8 = 0xa0;

fn in_pkcs7(der: &[u8]) -> Option<Vec<Certificate>> {
    let (content_info, _) = Part::of(der, SEQUENCE)?;
    let (kind, rest) = Part::of(content_info.content, OID)?;
    if kind.content != SIGNED_DATA {
        return None;
    }
    let (content, _) = Part::of(rest, CONTEXT)?;
    let (signed, _) = Part::of(content.content, SEQUENCE)?;
    let (mut rest, mut found) = (signed.content, None);
    while let Some((part, after)) = Part::first(rest) {
        if part.tag == CONTEXT {
            found = Some(part);
            break;
        }
        rest = after;
    }
    let (mut rest, mut all) = (found?.content, Vec::new());
    while let Some((part, after)) = Part::first(rest) {
        // Attribute certificates and the like have other tags.
        if part.tag == SEQUENCE {
            all.push(Certificate::parse(part.whole)?);
        }
        rest = after;
    }
    Some(all).filter(|all| !all.is_empty())
}

/// One element of DER.
struct Part<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Part<'a> {
    /// The first of `bytes`, and what follows it.
    fn first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (tag, length) = (*bytes.first()?, *bytes.get(1)?);
        let (head, length) = if length < 0x80 {
            (2, usize::from(length))
        } else {
            let count = usize::from(length & 0x7f);
            if !(1..=3).contains(&count) {
                return None;
            }
            let digits = bytes.get(2..2 + count)?;
            let value = digits
                .iter()
                .fold(0, |value, byte| value << 8 | usize::from(*byte));
            (2 + count, value)
        };
        let whole = bytes.get(..head + length)?;
        let part = Self {
            tag,
            content: &whole[head..],
            whole,
        };
        Some((part, &bytes[head + length..]))
    }

    fn of(bytes: &'a [u8], tag: u8) -> Option<(Self, &'a [u8])> {
        Self::first(bytes).filter(|(part, _)| part.tag == tag)
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
