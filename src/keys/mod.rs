//! L2: ssh keys of apps. A key as it is given (`public_key`), what it may do (`role`), and the file sshd reads
//! (`authorized`).

pub mod authorized;
pub mod public_key;
pub mod role;
