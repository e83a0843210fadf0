//! What pip says and leaves: its report of an install, a distribution's list of files, the scripts in `bin`. Parsers only.

use std::path::{Component, Path, PathBuf};

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The first pip whose report is of the version read here (pip's own documentation, "Installation Report").
const FIRST_REPORTING: u32 = 23;
/// The longest first line that Linux takes for a script's interpreter, as pip counts it (distlib, `scripts.py`).
const LONGEST_SHEBANG: usize = 127;

/// A package that pip installs, as its report names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name, normalized.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The hash of what says where it comes from: an archive's address, which may hold what only pip may know, and its hashes.
    pub origin: String,
    /// A requirement names it; another package's needs may, too.
    pub requested: bool,
    /// It was asked for by a path or an address, not by its name.
    pub is_direct: bool,
}

impl Package {
    /// What it is called where it lies.
    pub fn named(&self) -> Named {
        Named {
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }
}

/// A package as it lies in an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Named {
    /// Its name, normalized.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Named {
    /// What a folder `NAME-VERSION.dist-info` says; `None` for any other.
    pub fn of_folder(folder: &Path) -> Option<Self> {
        let name = folder.file_name()?.to_str()?;
        let (name, version) = name.strip_suffix(".dist-info")?.rsplit_once('-')?;
        Some(Self {
            name: normalized(name),
            version: version.to_owned(),
        })
    }

    /// It is a pip that reports what it installs.
    pub fn is_reporting_pip(&self) -> bool {
        let major = self.version.split('.').next().map(str::parse::<u32>);
        self.name == "pip" && matches!(major, Some(Ok(major)) if major >= FIRST_REPORTING)
    }
}

/// A file of a distribution, by its `RECORD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// As it is written there: relative to the folder of packages.
    pub path: String,
    /// Its size, where that is said: not of what was compiled.
    pub size: Option<u64>,
}

/// A name as names are compared (PEP 503).
pub fn normalized(name: &str) -> String {
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// What a report says is installed; `None` where it is no report of the version known here.
pub fn report(text: &str) -> Option<Vec<Package>> {
    let report: Value = serde_json::from_str(text).ok()?;
    if report.get("version")?.as_str()? != "1" {
        return None;
    }
    let package = |item: &Value| {
        let metadata = item.get("metadata")?;
        Some(Package {
            name: normalized(metadata.get("name")?.as_str()?),
            version: metadata.get("version")?.as_str()?.to_owned(),
            origin: hash(item.get("download_info")?.to_string().as_bytes()),
            requested: item.get("requested")?.as_bool()?,
            is_direct: item.get("is_direct")?.as_bool()?,
        })
    };
    report
        .get("install")?
        .as_array()?
        .iter()
        .map(package)
        .collect()
}

/// The files a `RECORD` lists; `None` where a line cannot be read.
pub fn record(text: &str) -> Option<Vec<Recorded>> {
    text.lines().map(recorded).collect()
}

fn recorded(line: &str) -> Option<Recorded> {
    let mut from_the_end = line.rsplitn(3, ',');
    let (size, _hash, path) = (
        from_the_end.next()?,
        from_the_end.next()?,
        from_the_end.next()?,
    );
    let path = match path.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?.replace("\"\"", "\""),
        None => path.to_owned(),
    };
    let size = match size {
        "" => None,
        size => Some(size.parse().ok()?),
    };
    Some(Recorded { path, size })
}

/// The same `RECORD` with the hash and size of one file as they are now.
pub fn record_with(text: &str, path: &str, content: &[u8]) -> String {
    let hash = hash(content);
    let line = |line: &str| match recorded(line) {
        Some(file) if file.path == path => {
            let name = line.rsplitn(3, ',').last().unwrap_or(path);
            format!("{name},sha256={hash},{}\n", content.len())
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// `path` below `folder` without its `..`; `None` where it leads out of the environment that `folder` is a part of.
pub fn within(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut place = folder.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => place.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !place.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(place)
}

/// A script made for the environment at `from`, as pip would have made it for the one at `to`. `None` where it names the
/// other one in a way that is not pip's. What names neither stays as it is.
pub fn script_at(script: &[u8], from: &Path, to: &Path) -> Option<Vec<u8>> {
    let old = from.join("bin").to_str()?.to_owned();
    let names = |bytes: &[u8]| bytes.windows(old.len()).any(|part| part == old.as_bytes());
    if !names(script) {
        return Some(script.to_vec());
    }
    let text = std::str::from_utf8(script).ok()?;
    let (interpreter, rest) = interpreter(text)?;
    let name = interpreter.strip_prefix(&old)?.strip_prefix('/')?;
    if name.contains([' ', '/']) || names(rest.as_bytes()) {
        return None;
    }
    let new = to.join("bin").join(name).to_str()?.to_owned();
    let is_simple = !new.contains(' ') && new.len() + 3 <= LONGEST_SHEBANG;
    let quoted = if new.contains(' ') {
        format!("\"{new}\"")
    } else {
        new
    };
    Some(if is_simple {
        format!("#!{quoted}\n{rest}").into_bytes()
    } else {
        format!("#!/bin/sh\n'''exec' {quoted} \"$0\" \"$@\"\n' '''\n{rest}").into_bytes()
    })
}

/// The interpreter in one of the two forms that pip writes, and the lines after it.
fn interpreter(script: &str) -> Option<(&str, &str)> {
    let (first, rest) = script.strip_prefix("#!")?.split_once('\n')?;
    if first != "/bin/sh" {
        return Some((first, rest));
    }
    let (exec, rest) = rest.strip_prefix("'''exec' ")?.split_once('\n')?;
    let interpreter = exec.strip_suffix(" \"$0\" \"$@\"")?;
    Some((interpreter.trim_matches('"'), rest.strip_prefix("' '''\n")?))
}

/// As `RECORD` has it.
fn hash(content: &[u8]) -> String {
    BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, content).as_ref())
}

/// A pip that failed had an answer; it did not break.
pub fn answers(output: &[String]) -> bool {
    output
        .iter()
        .any(|line| line.starts_with("ERROR: ") || line.trim_start().starts_with("error: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "/srv/a/venv/1";

    fn moved(script: &str, to: &str) -> Option<String> {
        script_at(script.as_bytes(), Path::new(OLD), Path::new(to))
            .map(|script| String::from_utf8(script).unwrap())
    }

    #[test]
    fn a_report_is_read_and_another_version_is_not() {
        let text = r#"{"version": "1", "install": [{"download_info": {"url": "u", "archive_info": {}}, "is_direct": false,
            "requested": true, "metadata": {"name": "Zope.Interface", "version": "5.0"}}]}"#;
        let packages = report(text).unwrap();
        assert_eq!(packages[0].name, "zope-interface");
        assert_eq!(packages[0].version, "5.0");
        assert!(packages[0].requested && !packages[0].is_direct);
        let other = report(&text.replace("\"u\"", "\"v\"")).unwrap();
        assert_ne!(packages[0].origin, other[0].origin);
        assert_eq!(report(&text.replace("\"1\"", "\"2\"")), None);
        assert_eq!(report(&text.replace("requested", "asked")), None);
        assert_eq!(report("half"), None);
    }

    #[test]
    fn a_folder_names_its_package() {
        let named = Named::of_folder(Path::new("lib/Zope_Interface-5.0.dist-info")).unwrap();
        assert_eq!(
            (named.name.as_str(), named.version.as_str()),
            ("zope-interface", "5.0")
        );
        assert_eq!(Named::of_folder(Path::new("lib/django")), None);
        let pip = |version: &str| Named {
            name: "pip".into(),
            version: version.into(),
        };
        assert!(pip("23.0.1").is_reporting_pip() && pip("26.1").is_reporting_pip());
        assert!(!pip("22.3").is_reporting_pip() && !named.is_reporting_pip());
    }

    #[test]
    fn a_record_is_read_and_one_line_of_it_renewed() {
        let text = "../../../bin/x,sha256=aa,3\n\"a,\"\"b.py\",sha256=bb,4\nc.pyc,,\n";
        let files = record(text).unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["../../../bin/x", "a,\"b.py", "c.pyc"]);
        assert_eq!(
            files.iter().map(|file| file.size).collect::<Vec<_>>(),
            [Some(3), Some(4), None]
        );
        assert_eq!(
            record_with(text, "../../../bin/x", b""),
            "../../../bin/x,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n\"a,\"\"b.py\",sha256=bb,4\nc.pyc,,\n"
        );
        for broken in ["a.py", "a.py,sha256=aa,many\n", "\"a.py,,\n"] {
            assert_eq!(record(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_file_lies_within_the_environment_or_nowhere() {
        let site = Path::new("lib/python3/site-packages");
        assert_eq!(within(site, "../../../bin/x"), Some("bin/x".into()));
        assert_eq!(within(site, "./a/b.py"), Some(site.join("a/b.py")));
        assert_eq!(within(site, "../../../../x"), None);
        assert_eq!(within(site, "/etc/x"), None);
    }

    #[test]
    fn a_script_is_made_for_its_new_place_as_pip_makes_it() {
        let simple = format!("#!{OLD}/bin/python3\nimport sys\n");
        assert_eq!(
            moved(&simple, "/srv/b").unwrap(),
            "#!/srv/b/bin/python3\nimport sys\n"
        );
        let long = format!("/{}", "l".repeat(120));
        let wrapped = moved(&simple, &long).unwrap();
        assert_eq!(
            wrapped,
            format!("#!/bin/sh\n'''exec' {long}/bin/python3 \"$0\" \"$@\"\n' '''\nimport sys\n")
        );
        let back = script_at(wrapped.as_bytes(), Path::new(&long), Path::new(OLD)).unwrap();
        assert_eq!(back, simple.as_bytes());
        let spaced = moved(&simple, "/srv/my app").unwrap();
        assert!(
            spaced.starts_with("#!/bin/sh\n'''exec' \"/srv/my app/bin/python3\" \"$0\""),
            "{spaced}"
        );
        let back = script_at(spaced.as_bytes(), Path::new("/srv/my app"), Path::new(OLD)).unwrap();
        assert_eq!(back, simple.as_bytes());
    }

    #[test]
    fn a_script_that_is_not_pips_is_not_made_anew() {
        assert_eq!(
            moved("#!/bin/sh\necho\n", "/srv/b").unwrap(),
            "#!/bin/sh\necho\n"
        );
        for other in [
            format!("#!/bin/sh\n{OLD}/bin/python x\n"),
            format!("#!{OLD}/bin/python\nPATH = '{OLD}/bin/x'\n"),
            format!("#!{OLD}/bin/python -s\n"),
        ] {
            assert_eq!(moved(&other, "/srv/b"), None, "{other}");
        }
    }

    #[test]
    fn pips_answer_is_told_from_its_end() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert!(answers(&lines(
            "Collecting x\nERROR: No matching distribution found for x"
        )));
        assert!(!answers(&lines(
            "Traceback (most recent call last):\nModuleNotFoundError: No module named 'pip'"
        )));
    }
}
