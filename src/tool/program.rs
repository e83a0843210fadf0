//! Finding programs, and telling one version's file from another's without starting it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The first executable file called `name` in `path` (a PATH value). A name with a slash is taken as it is.
pub fn find(name: &str, path: &str) -> Option<PathBuf> {
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![PathBuf::from(name)]
    } else {
        path.split(':')
            .map(|dir| Path::new(dir).join(name))
            .collect()
    };
    candidates.into_iter().find(|file| {
        file.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

/// Where a program really lies, its size and its time: changes with every upgrade, and costs no process.
pub fn identity(name: &str, path: &str) -> Option<String> {
    let file = find(name, path)?.canonicalize().ok()?;
    let meta = file.metadata().ok()?;
    Some(format!(
        "{} {} {}",
        file.display(),
        meta.size(),
        meta.mtime()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_the_path_given() {
        assert!(find("sh", "/nowhere:/bin").is_some());
        assert!(find("sh", "/nowhere").is_none());
        assert!(identity("sh", "/bin").is_some_and(|identity| identity.starts_with('/')));
    }
}
