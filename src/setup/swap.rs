//! A swap file where memory is small: a frontend's build alone may want a gigabyte.
//!
//! takes: memory, swap, disk, what the machine is · gives: items, notes · touches: nothing

use super::Group;
use super::facts::Facts;
use super::memory::Memory;
use super::plan::{Plan, Reaction, What};

/// Less memory than this, in MiB, gets swap. A machine of 2 GB shows a little less.
const SMALL_MB: u64 = 2048;
/// The file's size in MiB.
const SIZE_MB: u64 = 2048;
/// What must stay free beside it, in MiB.
const SPARE_MB: u64 = 4096;
/// File systems on which a plain file can be swap.
const FITTING: [&str; 3] = ["ext4", "xfs", "ext3"];

const FILE: &str = "/swapfile";
const UNIT: &str = "swapfile.swap";

pub(super) fn plan(plan: &mut Plan, facts: &Facts, memory: &Memory) {
    let unit = format!("/etc/systemd/system/{UNIT}");
    let is_ours = memory.files.contains_key(&unit);
    if !is_ours && (facts.memory_mb >= SMALL_MB || facts.swap_mb > 0) {
        return;
    }
    let hindrance = if let Some(kind) = &facts.container {
        Some(format!(
            "swap belongs to the host of this container ({kind})"
        ))
    } else if !FITTING.contains(&facts.root_fs.as_str()) {
        Some(format!(
            "a file on {} cannot be swap as it is",
            facts.root_fs
        ))
    } else if !is_ours && facts.free_mb < SIZE_MB + SPARE_MB {
        Some(format!("only {} MiB of the disk are free", facts.free_mb))
    } else {
        None
    };
    if let Some(hindrance) = hindrance {
        let memory = facts.memory_mb;
        plan.note(
            Group::Swap,
            format!("no swap file is made for {memory} MiB of memory: {hindrance}"),
        );
        return;
    }
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let commands = vec![
        // Written, not only reserved: a swap file must have no holes on any file system.
        words(&format!(
            "dd if=/dev/zero of={{}} bs=1M count={SIZE_MB} status=none"
        )),
        words("chmod 600 {}"),
        words("mkswap {}"),
    ];
    let made = What::Made {
        path: FILE.into(),
        commands,
    };
    plan.item(
        Group::Swap,
        made,
        &format!("{} MiB of memory are little for a build", facts.memory_mb),
    );
    let text = format!(
        "[Unit]\nDescription=Swap of Landfall\n\n[Swap]\nWhat={FILE}\n\n[Install]\nWantedBy=swap.target\n"
    );
    plan.file(
        Group::Swap,
        &unit,
        &text,
        Reaction::Systemd,
        "it is used from boot; /etc/fstab stays as it is",
    );
    plan.unit(Group::Swap, UNIT, true, "it is used now");
}
