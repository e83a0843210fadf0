//! openssl in a folder of its own, for the tests: what it makes is what people have.

use std::path::{Path, PathBuf};

use crate::base::command::{Cmd, output};
use crate::base::fs;

/// A folder that openssl works in.
pub(crate) struct Openssl {
    dir: tempfile::TempDir,
}

impl Openssl {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(&self.path(name), bytes, 0o600).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read_bytes(&self.path(name)).unwrap()
    }

    /// Runs it with words split at spaces; it must succeed.
    pub(crate) fn run(&self, words: &str) -> String {
        self.run_args(&words.split(' ').collect::<Vec<_>>())
    }

    pub(crate) fn run_args(&self, args: &[&str]) -> String {
        output(&self.cmd(args)).unwrap_or_else(|error| {
            panic!(
                "openssl {args:?}: {error}: {:?}",
                crate::base::hint::Hint::tool_output(&error)
            )
        })
    }

    pub(crate) fn cmd(&self, args: &[&str]) -> Cmd {
        Cmd::new("openssl")
            .args(args.to_vec())
            .cwd(self.dir.path())
            .env("PATH", "/usr/bin:/bin")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// A new key, `NAME.key`; kinds as `genpkey` names them.
    pub(crate) fn key(&self, name: &str, kind: &str) {
        let words = match kind.strip_prefix("rsa") {
            Some(bits) => format!(
                "genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:{bits} -out {name}.key"
            ),
            None => format!(
                "genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:{kind} -out {name}.key"
            ),
        };
        self.run(&words);
    }
}

/// An authority of two floors, made by openssl: `root`, `int`, and what they sign.
pub(crate) struct Pki {
    pub(crate) openssl: Openssl,
}

/// Extensions of a site's certificate.
pub(crate) const LEAF: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n";

impl Pki {
    pub(crate) fn new() -> Self {
        let pki = Self {
            openssl: Openssl::new(),
        };
        pki.root("root");
        pki.intermediate("int", "root", "P-256");
        pki
    }

    pub(crate) fn root(&self, name: &str) {
        self.openssl.key(name, "P-256");
        self.openssl.run(&format!(
            "req -x509 -new -key {name}.key -subj /CN={name} -days 3650 -addext keyUsage=critical,keyCertSign -out {name}.pem"
        ));
    }

    pub(crate) fn intermediate(&self, name: &str, by: &str, kind: &str) {
        self.openssl.key(name, kind);
        let ca = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
        self.sign(name, name, by, ca, "-days 3650");
    }

    /// A certificate `NAME.pem` with that subject for the key `KEY.key`, whose name is the part of `name` before a dot.
    pub(crate) fn sign(
        &self,
        name: &str,
        subject: &str,
        by: &str,
        extensions: &str,
        options: &str,
    ) {
        self.openssl.write("ext.cnf", extensions.as_bytes());
        let key = name.split('.').next().unwrap();
        self.openssl.run(&format!(
            "req -new -key {key}.key -subj /CN={subject} -out {name}.csr"
        ));
        self.openssl.run(&format!(
            "x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial -extfile ext.cnf {options} -out {name}.pem"
        ));
    }

    /// A site's certificate by `int`, for these names.
    pub(crate) fn leaf(&self, name: &str, kind: &str, names: &[&str]) {
        self.openssl.key(name, kind);
        self.sign(name, "site", "int", &leaf_extensions(names), "-days 90");
    }

    pub(crate) fn pem(&self, name: &str) -> String {
        String::from_utf8(self.openssl.read(&format!("{name}.pem"))).unwrap()
    }

    /// Several, one after the other.
    pub(crate) fn bundle(&self, names: &[&str]) -> String {
        names.iter().map(|name| self.pem(name)).collect()
    }
}

pub(crate) fn leaf_extensions(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
    format!("{LEAF}subjectAltName={}\n", names.join(","))
}
