//! Files. Every error names its path; what is written is written whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::ancestor;
use super::checkpoint::{self, WRITE};
use super::hint::Hint;

/// An operation on a path that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub struct FsError {
    operation: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl FsError {
    /// `operation` is a verb that reads well after "cannot".
    pub fn new(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// The operating system's kind of error.
    pub fn io_kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl Hint for FsError {
    fn hints(&self) -> Vec<String> {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let path = self.path.parent().unwrap_or(&self.path).display();
                vec![format!(
                    "the disk is full, or has no inodes left: df -h {path}; df -i {path}"
                )]
            }
            io::ErrorKind::ReadOnlyFilesystem => vec![
                "the file system is read-only, as Linux makes it after an error of the disk: dmesg | tail; findmnt -t ext4,xfs,btrfs"
                    .into(),
            ],
            io::ErrorKind::PermissionDenied => {
                vec![format!("see who owns it: ls -ld {}", self.path.display())]
            }
            _ if self.source.raw_os_error() == Some(Errno::EMFILE as i32) => {
                vec!["more files are open than one process may have: ulimit -n; LimitNOFILE= of the service".into()]
            }
            _ if self.source.raw_os_error() == Some(Errno::ENFILE as i32) => {
                vec!["more files are open than the kernel takes: cat /proc/sys/fs/file-nr".into()]
            }
            _ => Vec::new(),
        }
    }
}

trait Context<T> {
    fn on(self, operation: &'static str, path: &Path) -> Result<T, FsError>;
}

impl<T> Context<T> for io::Result<T> {
    fn on(self, operation: &'static str, path: &Path) -> Result<T, FsError> {
        self.map_err(|source| FsError::new(operation, path, source))
    }
}

/// Mode of files that hold secrets.
pub const PRIVATE: u32 = 0o600;
/// Mode of ordinary files.
pub const PUBLIC: u32 = 0o644;

/// The whole file as text.
#[expect(clippy::disallowed_methods, reason = "wrapped here")]
pub fn read(path: &Path) -> Result<String, FsError> {
    fs::read_to_string(path).on("read", path)
}

/// The whole file as text, or `None` where there is no such file.
pub fn read_if_exists(path: &Path) -> Result<Option<String>, FsError> {
    match read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.io_kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The whole file.
#[expect(clippy::disallowed_methods, reason = "wrapped here")]
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, FsError> {
    fs::read(path).on("read", path)
}

/// Writes `path` whole: a temporary file beside it, fsync, rename, fsync of the folder. A reader sees the old file or
/// the new one, also after power loss.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FsError> {
    let temporary = beside(path);
    checkpoint::reached(WRITE);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)
            .on("create", &temporary)?;
        file.write_all(bytes).on("write", &temporary)?;
        // The mode given to open(2) is cut by the umask.
        file.set_permissions(fs::Permissions::from_mode(mode))
            .on("set the mode of", &temporary)?;
        file.sync_all().on("sync", &temporary)?;
        rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = remove_file(&temporary);
    }
    written?;
    sync_folder_of(path)
}

/// Writes `path` in place and leaves the rest to the kernel: for what is checked when it is read, and is not missed.
#[expect(clippy::disallowed_methods, reason = "wrapped here")]
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    checkpoint::reached(WRITE);
    fs::write(path, bytes).on("write", path)
}

/// Puts a file that `make` fills at the place it is given where `path` is, whole, as [`write`] does. It has its mode from
/// the beginning.
pub fn put<E: From<FsError>>(
    path: &Path,
    mode: u32,
    make: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let temporary = beside(path);
    write(&temporary, b"", mode)?;
    let put = make(&temporary).and_then(|()| {
        File::open(&temporary)
            .and_then(|file| file.sync_all())
            .on("sync", &temporary)?;
        rename(&temporary, path)?;
        Ok(sync_folder_of(path)?)
    });
    if put.is_err() {
        let _ = remove_file(&temporary);
    }
    put
}

/// Writes the content of `from` into the file `to`, which is there and keeps its mode.
pub fn copy_content(from: &Path, to: &Path) -> Result<(), FsError> {
    checkpoint::reached(WRITE);
    let mut source = File::open(from).on("read", from)?;
    let target = OpenOptions::new().write(true).truncate(true).open(to);
    let mut target = target.on("write", to)?;
    io::copy(&mut source, &mut target).on("copy", from)?;
    Ok(())
}

/// Writes `path` if its content differs. True if it was written.
pub fn write_if_changed(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, FsError> {
    if path.is_file() && read_bytes(path)? == bytes {
        return Ok(false);
    }
    write(path, bytes, mode)?;
    Ok(true)
}

/// Makes the symbolic link `link` point at `target`, in one rename: a reader sees the old target or the new one.
pub fn swap_link(target: &Path, link: &Path) -> Result<(), FsError> {
    let temporary = beside(link);
    symlink(target, &temporary)?;
    if let Err(error) = rename(&temporary, link) {
        let _ = remove_file(&temporary);
        return Err(error);
    }
    sync_folder_of(link)
}

/// A name in the same folder that nothing else uses: `.NAME.PID.tmp`.
pub(super) fn beside(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

/// Takes away what killed processes left in `folder`: files that were not whole and links that were not swapped. For the holder
/// of a lock, before it writes there: an earlier process may have had the number of this one. Folders in it are not entered.
pub fn sweep(folder: &Path) -> Result<(), FsError> {
    for path in list(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_left = writer(&name)
            .is_some_and(|pid| pid == std::process::id() || !ancestor::is_of_this_program(pid));
        if is_left && (path.is_symlink() || !path.is_dir()) {
            remove_file(&path)?;
        }
    }
    Ok(())
}

/// Whose temporary file it is, by the name that [`beside`] gives.
fn writer(name: &str) -> Option<u32> {
    let (name, pid) = name.strip_suffix(".tmp")?.rsplit_once('.')?;
    pid.parse().ok().filter(|_| name.starts_with('.'))
}

/// fsync of the folder that holds `path`, so that a rename in it is on disk.
pub fn sync_folder_of(path: &Path) -> Result<(), FsError> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .on("sync", folder)
}

/// Everything written on the file system that holds `path` so far is on the disk when this returns (syncfs(2)): files that
/// other programs wrote, and the folders that name them. For what must last before something says that it does.
pub fn sync_all(path: &Path) -> Result<(), FsError> {
    File::open(path)
        .and_then(|file| Ok(nix::unistd::syncfs(&file)?))
        .on("sync the file system of", path)
}

/// rename(2).
#[expect(clippy::disallowed_methods, reason = "wrapped here")]
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    checkpoint::reached(WRITE);
    fs::rename(from, to).on("rename", from)
}

/// symlink(2): makes `link` with the content `target`.
#[expect(clippy::disallowed_methods, reason = "wrapped here")]
pub fn symlink(target: &Path, link: &Path) -> Result<(), FsError> {
    checkpoint::reached(WRITE);
    std::os::unix::fs::symlink(target, link).on("make the link", link)
}

/// What the link holds, or `None` where there is no link.
pub fn link_target(link: &Path) -> Result<Option<PathBuf>, FsError> {
    match fs::read_link(link) {
        Ok(target) => Ok(Some(target)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FsError::new("read the link", link, error)),
    }
}

/// What the file system says of `path` itself (lstat(2)).
pub fn metadata(path: &Path) -> Result<fs::Metadata, FsError> {
    fs::symlink_metadata(path).on("look at", path)
}

/// [`metadata`], or `None` where there is nothing.
pub fn metadata_if_exists(path: &Path) -> Result<Option<fs::Metadata>, FsError> {
    match metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.io_kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The size of a file in words: `3.2 MB`.
pub fn size(path: &Path) -> Result<String, FsError> {
    let bytes = fs::symlink_metadata(path).on("look at", path)?.len();
    Ok(super::words::bytes(bytes))
}

/// Gives `path` to another user and group; a link is given itself, not what it leads to.
pub fn chown(path: &Path, user: u32, group: u32) -> Result<(), FsError> {
    checkpoint::reached(WRITE);
    std::os::unix::fs::lchown(path, Some(user), Some(group)).on("change the owner of", path)
}

/// [`chown`] for `path` and everything below it. No link is followed.
pub fn chown_tree(path: &Path, user: u32, group: u32) -> Result<(), FsError> {
    if path.is_dir() && !path.is_symlink() {
        for each in list(path)? {
            chown_tree(&each, user, group)?;
        }
    }
    chown(path, user, group)
}

/// The folder and its parents; existing ones are fine.
#[expect(clippy::disallowed_methods, reason = "wrapped here")]
pub fn create_folder(path: &Path) -> Result<(), FsError> {
    checkpoint::reached(WRITE);
    fs::create_dir_all(path).on("create the folder", path)
}

/// The folder with exactly this mode; its parents as the umask has them.
pub fn create_folder_with_mode(path: &Path, mode: u32) -> Result<(), FsError> {
    create_folder(path)?;
    set_mode(path, mode)
}

/// Sets the mode of a file or folder; links are followed.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), FsError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).on("set the mode of", path)
}

/// A folder that must not exist yet.
pub fn create_new_folder(path: &Path) -> Result<(), FsError> {
    checkpoint::reached(WRITE);
    fs::create_dir(path).on("create the folder", path)
}

/// Removes a file or a link; a missing one is fine.
#[expect(clippy::disallowed_methods, reason = "wrapped here")]
pub fn remove_file(path: &Path) -> Result<(), FsError> {
    checkpoint::reached(WRITE);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FsError::new("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Removes a folder and what is in it, never following links; a missing one is fine. Folders without write permission
/// (Go's and some npm caches) are opened first.
#[expect(clippy::disallowed_methods, reason = "wrapped here")]
pub fn remove_tree(path: &Path) -> Result<(), FsError> {
    checkpoint::reached(WRITE);
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path);
            fs::remove_dir_all(path).on("remove", path)
        }
        Err(error) => Err(FsError::new("remove", path, error)),
    }
}

fn open_folders(path: &Path) {
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    for entry in list(path).unwrap_or_default() {
        if entry.is_dir() && !entry.is_symlink() {
            open_folders(&entry);
        }
    }
}

/// The paths in a folder, sorted; none where there is no folder.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, FsError> {
    let mut paths: Vec<PathBuf> = entries(folder)?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    Ok(paths)
}

#[expect(clippy::disallowed_methods, reason = "wrapped here")]
fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, FsError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.and_then(Iterator::collect).on("list", folder),
    }
}

/// Regular files below `folder`, as paths relative to it, sorted. Links are not followed and not listed.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>, FsError> {
    of_kind_below(folder, fs::FileType::is_file)
}

/// The symbolic links below `folder`, relative to it, in order; none is followed.
pub fn links_below(folder: &Path) -> Result<Vec<PathBuf>, FsError> {
    of_kind_below(folder, fs::FileType::is_symlink)
}

fn of_kind_below(
    folder: &Path,
    is_wanted: impl Fn(&fs::FileType) -> bool,
) -> Result<Vec<PathBuf>, FsError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in entries(&next)? {
            let path = entry.path();
            // What the folder says of it; no look at the file itself.
            let kind = entry.file_type().on("look at", &path)?;
            if kind.is_dir() {
                folders.push(path);
            } else if is_wanted(&kind) {
                files.push(path.strip_prefix(folder).unwrap_or(&path).to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Hard-links `from` to `to`, whose folder is made; an existing `to` stays as it is. Copies where the file system cannot
/// link (another device, too many links).
#[expect(clippy::disallowed_methods, reason = "wrapped here")]
pub fn link_file(from: &Path, to: &Path) -> Result<(), FsError> {
    checkpoint::reached(WRITE);
    let linked = match (fs::hard_link(from, to), to.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            create_folder(folder)?;
            fs::hard_link(from, to)
        }
        (linked, _) => linked,
    };
    match linked {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => copy_file(from, to),
    }
}

/// Copies content and mode.
pub fn copy_file(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::copy(from, to).on("copy", from).map(|_| ())
}

/// Moves a folder by rename; copies it where it lies on another device.
pub fn move_tree(from: &Path, to: &Path) -> Result<(), FsError> {
    match rename(from, to) {
        Err(error) if error.io_kind() == io::ErrorKind::CrossesDevices => {
            copy_tree(from, to)?;
            remove_tree(from)
        }
        other => other,
    }
}

/// Copies regular files and folders; links are left out.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), FsError> {
    create_folder(to)?;
    for file in files_below(from)? {
        let target = to.join(&file);
        if let Some(folder) = target.parent() {
            create_folder(folder)?;
        }
        copy_file(&from.join(&file), &target)?;
    }
    Ok(())
}

/// Marks the file as changed now.
pub fn touch(path: &Path) -> Result<(), FsError> {
    // A file in a cache may be read-only and linked elsewhere; its time is all that changes.
    nix::sys::stat::utimensat(
        nix::fcntl::AT_FDCWD,
        path,
        &nix::sys::time::TimeSpec::UTIME_NOW,
        &nix::sys::time::TimeSpec::UTIME_NOW,
        nix::sys::stat::UtimensatFlags::FollowSymlink,
    )
    .map_err(|errno| FsError::new("touch", path, errno.into()))
}

/// When the file was last changed, or the link made.
pub fn modified(path: &Path) -> Result<std::time::SystemTime, FsError> {
    fs::symlink_metadata(path)
        .and_then(|meta| meta.modified())
        .on("look at", path)
}

/// Seconds since 1970 at which the file was last changed.
pub fn modified_unix(path: &Path) -> Result<u64, FsError> {
    Ok(modified(path)?
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs())
}

/// True for what is root's and nobody else may write to: what it says may be done as root.
pub fn is_roots_alone(metadata: &fs::Metadata) -> bool {
    metadata.uid() == 0 && metadata.mode() & 0o022 == 0
}

/// The file's permission bits.
pub fn mode(path: &Path) -> Result<u32, FsError> {
    Ok(fs::symlink_metadata(path)
        .on("look at", path)?
        .permissions()
        .mode()
        & 0o7777)
}

/// [`mode`] of what a link leads to.
pub fn mode_of_target(path: &Path) -> Result<u32, FsError> {
    let metadata = fs::metadata(path).on("look at", path)?;
    Ok(metadata.permissions().mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_whole_has_its_mode_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("env");
        write(&path, b"one", PRIVATE).unwrap();
        write(&path, b"two", PRIVATE).unwrap();
        assert_eq!(read(&path).unwrap(), "two");
        assert_eq!(mode(&path).unwrap(), PRIVATE);
        assert_eq!(list(dir.path()).unwrap(), vec![path]);
    }

    #[test]
    fn an_error_names_its_path() {
        let error = read(Path::new("/no/such/file")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /no/such/file");
    }

    #[test]
    fn a_link_is_swapped_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("current");
        swap_link(Path::new("releases/1"), &link).unwrap();
        swap_link(Path::new("releases/2"), &link).unwrap();
        assert_eq!(
            link_target(&link).unwrap().unwrap(),
            Path::new("releases/2")
        );
        assert_eq!(list(dir.path()).unwrap().len(), 1);
    }

    #[test]
    fn what_killed_processes_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        // No process has the first number (PID_MAX_LIMIT, proc(5)), this one had the second before, init has the third.
        let own = std::process::id();
        for name in [
            ".env.4194305.tmp".to_owned(),
            format!("..env.{own}.tmp.{own}.tmp"),
            ".env.1.tmp".into(),
        ] {
            write(&path(&name), b"half", PRIVATE).unwrap();
        }
        symlink(Path::new("/nowhere"), &path(".current.4194305.tmp")).unwrap();
        let kept = [".env.tmp", ".tmp", "a.4194305.tmp", "env"];
        for name in kept {
            write(&path(name), b"", PRIVATE).unwrap();
        }
        create_folder(&path(".folder.4194305.tmp")).unwrap();
        sweep(dir.path()).unwrap();
        let mut left = list(dir.path()).unwrap();
        left.retain(|path| !path.is_dir());
        assert_eq!(left, kept.map(path));
        assert!(path(".folder.4194305.tmp").is_dir());
        sweep(&path("missing")).unwrap();
    }

    #[test]
    fn what_a_running_process_of_this_program_writes_stays() {
        let dir = tempfile::tempdir().unwrap();
        let name = read(Path::new("/proc/self/comm")).unwrap();
        let program = dir.path().join(name.trim());
        // No copy: a fork of another test may have that open for writing still, and nobody can start it.
        symlink(Path::new("/bin/sleep"), &program).unwrap();
        let sleep = crate::base::command::Cmd::new(program).arg("60");
        let mut other = sleep.to_std().spawn().unwrap();
        let file = dir.path().join(format!(".env.{}.tmp", other.id()));
        write(&file, b"half", PRIVATE).unwrap();
        sweep(dir.path()).unwrap();
        assert!(file.exists());
        other.kill().unwrap();
        // It is not waited for yet: what lies there is dead, though it has its number still.
        while ancestor::is_of_this_program(other.id()) {
            std::thread::yield_now();
        }
        sweep(dir.path()).unwrap();
        assert!(!file.exists());
        other.wait().unwrap();
    }

    #[test]
    fn a_tree_is_removed_without_following_links() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, gone) = (dir.path().join("kept"), dir.path().join("gone"));
        create_folder(&kept).unwrap();
        write(&kept.join("a"), b"", PUBLIC).unwrap();
        create_folder(&gone).unwrap();
        symlink(&kept, &gone.join("link")).unwrap();
        remove_tree(&gone).unwrap();
        assert!(kept.join("a").exists());
        remove_tree(&gone).unwrap();
    }
}
