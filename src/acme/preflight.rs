//! Before an authority is asked: would nginx give it the answers? A file is put where they will lie, and asked for as the
//! authority will, on this machine. What is wrong here would cost an attempt there.
//!
//! takes: names · gives: nothing, or who answers instead · touches: a file among the challenges, requests to port 80 here ·
//! undone by: itself

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::challenge::{AnswerError, Answers, BELOW};
use super::failure::Failure;
use crate::base::fs;
use crate::base::hint::chain;
use crate::base::names::AppName;
use crate::base::secret::Secret;
use crate::base::words::shown;
use crate::tls::finding::Code;
use crate::tls::name::CertName;
use crate::tool::http::{self, Response};

const TIMEOUT: Duration = Duration::from_secs(5);
/// nginx, as this machine reaches it.
const NGINX: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);

/// Asks nginx for an answer at each of the names.
pub(super) fn check(
    app: &AppName,
    names: &[CertName],
    answers: &mut Answers,
) -> Result<(), AnswerError> {
    let unreadable = |error: crate::base::secret::RandomError| {
        Failure::new(Code::AcmeWebroot, "no probe can be made").because(&chain(&error).join(": "))
    };
    let token = format!(
        "landfall-{}",
        Secret::random(24).map_err(unreadable)?.expose()
    );
    let content = format!("{token}.probe");
    answers.file(&token, &content)?;
    let found = names
        .iter()
        .try_for_each(|name| ask(NGINX, app, name, &token, &content, answers.folder()));
    // Whether it could be taken away is the next one's business: it stands in the journal.
    let _ = answers.remove();
    Ok(found?)
}

fn ask(
    nginx: SocketAddr,
    app: &AppName,
    name: &CertName,
    token: &str,
    content: &str,
    folder: &Path,
) -> Result<(), Failure> {
    let path = format!("/{BELOW}/{token}");
    let (why, said) = match http::get(nginx, name.as_str(), &path, TIMEOUT) {
        Ok(answer) if answer.status == 200 && answer.body == content.as_bytes() => return Ok(()),
        Ok(answer) => (reason(&answer, folder), String::new()),
        Err(error) => (
            "nginx does not answer on port 80".to_owned(),
            chain(&error).join(": "),
        ),
    };
    Err(Failure::new(
        Code::AcmeWebroot,
        format!("answers to challenges are not served for {name}: {why}"),
    )
    .because(&said)
    .hint(format!(
        "which server blocks are there? nginx -T | grep -n server_name | grep {name}"
    ))
    .hint(format!(
        "landfall site apply {app}   writes the app's own anew"
    )))
}

/// Who may have answered.
fn reason(answer: &Response, folder: &Path) -> String {
    let shut = folder.ancestors().find(|folder| {
        // nginx's workers are nobody's friend: everyone must be let through.
        fs::mode_of_target(folder).is_ok_and(|mode| mode & 0o001 == 0)
    });
    if let Some(shut) = shut {
        let shut = shut.display();
        return format!("nginx's workers cannot go through {shut} (chmod o+x {shut})");
    }
    match answer.status {
        200 => "another server block of nginx, or its page, answers".to_owned(),
        301 | 302 | 303 | 307 | 308 => {
            let to = answer.header("location").unwrap_or_default();
            format!("another server block sends it to {}", shown(to, 100))
        }
        404 => "nginx finds no such file, so another server block answers".to_owned(),
        status => format!("nginx answers {status}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A server that gives one answer.
    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        });
        address
    }

    fn asked(nginx: SocketAddr, folder: &Path) -> Result<(), Failure> {
        let name = CertName::parse("example.org").unwrap();
        ask(
            nginx,
            &"notes".parse().unwrap(),
            &name,
            "token",
            "content",
            folder,
        )
    }

    #[test]
    fn only_the_file_itself_is_an_answer() {
        let dir = Path::new("/usr/share");
        asked(answering("HTTP/1.1 200 OK\r\n\r\ncontent"), dir).unwrap();
        for (answer, why) in [
            ("HTTP/1.1 200 OK\r\n\r\n<html>", "or its page"),
            (
                "HTTP/1.1 301 M\r\nLocation: https://example.org/\u{202e}x\r\n\r\n",
                "sends it to https://example.org/\\u{202e}x",
            ),
            ("HTTP/1.1 404 N\r\n\r\n", "finds no such file"),
            ("HTTP/1.1 502 N\r\n\r\n", "answers 502"),
        ] {
            let refused = asked(answering(answer), dir).unwrap_err();
            assert_eq!(refused.code(), Code::AcmeWebroot);
            assert!(refused.to_string().contains(why), "{answer}: {refused}");
            assert!(!refused.has_asked);
        }
        let nobody = "127.0.0.1:9".parse().unwrap();
        assert!(
            asked(nobody, dir)
                .unwrap_err()
                .to_string()
                .contains("does not answer on port 80")
        );
    }

    #[test]
    fn a_folder_that_nginx_cannot_enter_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("challenges");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        let refused = asked(answering("HTTP/1.1 404 N\r\n\r\n"), &folder).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains(&format!("chmod o+x {}", folder.display())),
            "{refused}"
        );
    }
}
