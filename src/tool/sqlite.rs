//! `SQLite` databases, copied while something writes to them. Python's own sqlite3 does it: every Django server has it.
//!
//! takes: a database's path · gives: a whole copy, its write-ahead log included · touches: the target

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::command::{self, Cmd, CommandError};
use crate::base::fs;
use crate::base::host::SYSTEM_PATH;

/// The longest that a copy may take.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// How every database file begins (<https://www.sqlite.org/fileformat2.html>, 1.3.1).
const MAGIC: &[u8] = b"SQLite format 3\0";
/// `SQLite`'s online backup, <https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.backup>.
const SCRIPT: &str = "\
import sqlite3, sys
source = sqlite3.connect(sys.argv[1], timeout=60)
target = sqlite3.connect(sys.argv[2])
source.backup(target)
target.close()
source.close()
";

/// Names that a `SQLite` database usually has.
pub fn is_database_name(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, suffix)| ["sqlite3", "sqlite", "db"].contains(&suffix))
}

/// The file begins as a database does.
pub fn is_database(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok()
        && start == MAGIC
}

/// What `SQLite` keeps beside a database while it is in use.
pub fn companions(path: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|suffix| {
        let mut companion = path.as_os_str().to_owned();
        companion.push(suffix);
        companion.into()
    })
}

/// Copies the database at `from`, as it is at one moment, into the empty or missing file `to`.
pub fn copy(python: &Path, from: &Path, to: &Path) -> Result<(), CommandError> {
    let result = command::output(&copy_command(python, from, to));
    for companion in companions(to) {
        let _ = fs::remove_file(&companion);
    }
    result.map(|_| ())
}

fn copy_command(python: &Path, from: &Path, to: &Path) -> Cmd {
    Cmd::new(python)
        .args(["-I", "-c", SCRIPT])
        .path_arg(from)
        .path_arg(to)
        .env("PATH", SYSTEM_PATH)
        .timeout(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::find_program;

    #[test]
    fn a_database_in_use_is_copied_with_what_is_in_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a b.sqlite3"), dir.path().join("copy"));
        let python = find_program("python3").expect("python3 is not installed");
        let script = "\
import sqlite3, subprocess, sys
db = sqlite3.connect(sys.argv[1])
db.execute('PRAGMA journal_mode=WAL')
db.execute('CREATE TABLE t (x)')
db.execute('INSERT INTO t VALUES (42)')
db.commit()
subprocess.run([sys.executable, '-c', sys.argv[3], sys.argv[1], sys.argv[2]], check=True)
";
        let fill = Cmd::new(&python)
            .args(["-c", script])
            .path_arg(&from)
            .path_arg(&to)
            .arg(SCRIPT);
        command::output(&fill).unwrap();
        let read = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT x FROM t').fetchall())";
        let read = Cmd::new(&python).args(["-c", read]).path_arg(&to);
        assert_eq!(command::output(&read).unwrap(), "[(42,)]");
        let again = dir.path().join("again");
        copy(&python, &from, &again).unwrap();
        assert!(is_database(&again) && is_database_name("a/b.sqlite3"));
        assert!(!is_database(&dir.path().join("none")) && !is_database_name("sqlite3"));
        assert!(
            !companions(&again)
                .iter()
                .any(|companion| companion.exists())
        );
    }
}
