//! Root's own templates for sites: files in `/etc/landfall/templates`, by the names of the built-in ones.
//!
//! takes: that folder · gives: their texts · touches: nothing

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::fs::{self, FsError};
use crate::base::hint::{Hint, Kind};
use crate::base::server_paths::ServerPaths;
use crate::base::words::list;
use crate::template::Overrides;

/// A template that is not used.
#[derive(Debug, thiserror::Error)]
pub enum OverrideError {
    /// No template has that name.
    #[error("{} is called like none of Landfall's templates", .0.display())]
    Unknown(PathBuf),
    /// Whoever can write it could become root by it.
    #[error("{} can be written by others than root", .0.display())]
    NotRoots(PathBuf),
    /// It cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl Hint for OverrideError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unknown(_) => vec![format!("there are: {}", list(&Overrides::known()))],
            Self::NotRoots(path) => {
                let path = path.display();
                vec![format!("chown root {path} && chmod go-w {path}")]
            }
            Self::Fs(error) => error.hints(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Fs(_) => Kind::Failed,
            Self::Unknown(_) | Self::NotRoots(_) => Kind::Refused,
        }
    }
}

/// Reads them; none is fine.
pub(super) fn read(server: &ServerPaths) -> Result<Overrides, OverrideError> {
    let folder = server.settings().join("templates");
    let mut texts = BTreeMap::new();
    if !folder.is_dir() {
        return Ok(Overrides::default());
    }
    for file in fs::files_below(&folder)? {
        let name = file.to_string_lossy().into_owned();
        if name == "README" {
            continue;
        }
        let path = folder.join(&file);
        if !Overrides::known().contains(&name) {
            return Err(OverrideError::Unknown(path));
        }
        let is_roots = |path: &Path| {
            path.symlink_metadata()
                .is_ok_and(|metadata| fs::is_roots_alone(&metadata))
        };
        if !is_roots(&path) || !path.parent().is_some_and(is_roots) {
            return Err(OverrideError::NotRoots(path));
        }
        texts.insert(name, fs::read(&path)?);
    }
    Ok(Overrides::new(texts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::user;

    #[test]
    fn only_roots_files_by_known_names_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let server = ServerPaths::under(dir.path());
        assert_eq!(read(&server).unwrap(), Overrides::default());
        let folder = server.settings().join("templates/nginx");
        fs::create_folder_with_mode(&folder, 0o755).unwrap();
        let tls = folder.join("tls.hbs");
        fs::write(&tls, b"ssl_protocols TLSv1.3;", 0o644).unwrap();
        if user::is_root() {
            assert_ne!(read(&server).unwrap(), Overrides::default());
            fs::chown(&tls, 65534, 65534).unwrap();
        }
        let error = read(&server).unwrap_err();
        assert!(matches!(error, OverrideError::NotRoots(_)), "{error}");
        fs::remove_file(&tls).unwrap();
        fs::write(&folder.join("tsl.hbs"), b"", 0o644).unwrap();
        let error = read(&server).unwrap_err();
        assert!(error.hints()[0].contains("nginx/tls.hbs"), "{error}");
    }
}
