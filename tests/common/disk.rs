//! A small disk of its own: a tmpfs, which takes root to mount.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted disk. Unmounted when it goes.
#[derive(Debug)]
pub(crate) struct Disk {
    path: PathBuf,
}

impl Disk {
    /// `options` are tmpfs's: `size=200m,nr_inodes=9000`.
    pub(crate) fn mount(path: &Path, options: &str) -> Self {
        fs::create_dir_all(path).expect("the mount point can be made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "landfall-test"])
            .arg(path)
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "a small disk cannot be mounted: these tests need root"
        );
        Self {
            path: path.to_owned(),
        }
    }

    /// Takes all that is free but `leave` bytes. What is taken is given back by [`Disk::empty`].
    pub(crate) fn fill(&self, leave: u64) {
        let stat = nix::sys::statvfs::statvfs(&self.path).expect("statvfs");
        let free = stat.blocks_available() * stat.fragment_size();
        let mut file = fs::File::create(self.path.join("filler")).expect("a file can be made");
        let block = vec![1; 1 << 20];
        let mut left = free.saturating_sub(leave);
        while left > 0 {
            let size = usize::try_from(left.min(1 << 20)).expect("it fits");
            match file.write(&block[..size]) {
                Ok(written) => left -= written as u64,
                // Somebody else took the rest.
                Err(_) => break,
            }
        }
    }

    /// As [`Disk::fill`], with inodes.
    pub(crate) fn fill_inodes(&self, leave: u64) {
        let folder = self.path.join("fillers");
        fs::create_dir_all(&folder).expect("a folder can be made");
        for number in 0.. {
            let stat = nix::sys::statvfs::statvfs(&self.path).expect("statvfs");
            if stat.files_available() <= leave
                || fs::File::create(folder.join(number.to_string())).is_err()
            {
                return;
            }
        }
    }

    pub(crate) fn empty(&self) {
        let _ = fs::remove_file(self.path.join("filler"));
        let _ = fs::remove_dir_all(self.path.join("fillers"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        let _ = fs::remove_dir(&self.path);
    }
}
