//! The package manager: by lock file, by the `packageManager` field, and whether the lock still fits.
//!
//! takes: a tree, a folder with `package.json` · gives: manager, lock file, install command · touches: nothing

use super::package::Package;
use crate::base::names::RepoPath;
use crate::base::words::list;
use crate::config::settings::PackageManager;
use crate::config::tree::{Tree, file_name, in_folder, parent};

/// In the order that decides where nothing else does.
const LOCKS: [(&str, PackageManager); 4] = [
    ("package-lock.json", PackageManager::Npm),
    ("npm-shrinkwrap.json", PackageManager::Npm),
    ("yarn.lock", PackageManager::Yarn),
    ("pnpm-lock.yaml", PackageManager::Pnpm),
];

/// How packages are installed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Install {
    pub(super) manager: PackageManager,
    pub(super) lockfile: Option<RepoPath>,
    pub(super) command: &'static str,
}

/// The program's name.
pub(super) fn program(manager: PackageManager) -> &'static str {
    match manager {
        PackageManager::Npm => "npm",
        PackageManager::Yarn => "yarn",
        PackageManager::Pnpm => "pnpm",
    }
}

/// How the packages of `package` are installed; `pinned` is what landfall.toml says.
pub(super) fn detect(
    tree: &dyn Tree,
    package: &Package,
    pinned: Option<PackageManager>,
    notes: &mut Vec<String>,
) -> Install {
    let field = pinned.or_else(|| package_manager_field(package));
    let mut locks = locks_of(tree, &package.dir);
    let all: Vec<String> = locks.iter().map(|(path, _)| format!("`{path}`")).collect();
    locks.retain(|(_, manager)| pinned.is_none_or(|pinned| pinned == *manager));
    let several = locks.len() > 1;
    if several && let Some(field) = field {
        locks.sort_by_key(|(_, manager)| *manager != field);
    } else if several {
        locks.sort_by_key(|(path, _)| missing_from(tree, path, package).is_some());
    }
    let Some((path, manager)) = locks.into_iter().next() else {
        return without_lock(package, field.unwrap_or(PackageManager::Npm), notes);
    };
    if several {
        notes.push(format!(
            "{} are all in git: `{path}` is used; remove the others",
            list(&all)
        ));
    }
    let command = frozen(tree, &path, manager, package, notes);
    Install {
        manager,
        lockfile: path.parse().ok(),
        command,
    }
}

fn without_lock(package: &Package, manager: PackageManager, notes: &mut Vec<String>) -> Install {
    notes.push(format!(
        "`{}` has no lock file: what is installed may differ from deploy to deploy; commit one",
        in_folder(&package.dir, "package.json")
    ));
    Install {
        manager,
        lockfile: None,
        command: match manager {
            PackageManager::Npm => "npm install --no-package-lock",
            PackageManager::Yarn => "yarn install --no-lockfile",
            PackageManager::Pnpm => "pnpm install --no-lockfile",
        },
    }
}

fn frozen(
    tree: &dyn Tree,
    path: &str,
    manager: PackageManager,
    package: &Package,
    notes: &mut Vec<String>,
) -> &'static str {
    let stale = missing_from(tree, path, package);
    if let Some(name) = &stale {
        notes.push(format!(
            "`{path}` does not name `{name}`, which package.json asks for: installed without \
             holding to it; commit a fresh one"
        ));
    }
    match (manager, stale.is_some()) {
        (PackageManager::Npm, false) => "npm ci",
        (PackageManager::Npm, true) => "npm install",
        (PackageManager::Yarn, false) if is_berry(tree, path) => "yarn install --immutable",
        (PackageManager::Yarn, false) => "yarn install --frozen-lockfile",
        (PackageManager::Yarn, true) => "yarn install",
        (PackageManager::Pnpm, false) => "pnpm install --frozen-lockfile",
        (PackageManager::Pnpm, true) => "pnpm install --no-frozen-lockfile",
    }
}

/// Yarn 2 and later write another format and name the option differently.
fn is_berry(tree: &dyn Tree, path: &str) -> bool {
    tree.text(path)
        .is_some_and(|text| text.contains("\n__metadata:"))
}

/// A dependency that the lock file does not know: `npm ci` would stop with EUSAGE. Only what is certain: a lock file too
/// large to read counts as fresh.
fn missing_from(tree: &dyn Tree, path: &str, package: &Package) -> Option<String> {
    // The lock of a workspace names the packages of all its members.
    if parent(path) != package.dir {
        return None;
    }
    let lock = tree.text(path)?;
    package
        .dependencies
        .iter()
        .filter(|(_, version)| !version.contains(':'))
        .map(|(name, _)| name)
        .find(|name| match file_name(path) {
            "yarn.lock" => !lock.contains(&format!("{name}@")),
            "pnpm-lock.yaml" => !lock.contains(name.as_str()),
            _ => {
                !lock.contains(&format!("node_modules/{name}\""))
                    && !lock.contains(&format!("\"{name}\""))
            }
        })
        .cloned()
}

/// The lock files beside `package.json`; in a workspace, those of the nearest folder above that declares one.
fn locks_of(tree: &dyn Tree, dir: &str) -> Vec<(String, PackageManager)> {
    let here = |dir: &str| -> Vec<(String, PackageManager)> {
        LOCKS
            .iter()
            .map(|(name, manager)| (in_folder(dir, name), *manager))
            .filter(|(path, _)| tree.has(path))
            .collect()
    };
    let own = here(dir);
    let mut above = dir;
    while own.is_empty() && !above.is_empty() {
        above = parent(above);
        let workspace = tree.has(&in_folder(above, "pnpm-workspace.yaml"))
            || Package::read(tree, above).is_some_and(|package| package.workspaces);
        if workspace {
            return here(above);
        }
    }
    own
}

fn package_manager_field(package: &Package) -> Option<PackageManager> {
    let field = package.manager.as_deref()?;
    match field.split('@').next()? {
        "npm" => Some(PackageManager::Npm),
        "yarn" => Some(PackageManager::Yarn),
        "pnpm" => Some(PackageManager::Pnpm),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::MemoryTree;

    fn detect_in(files: &[(&str, &str)]) -> (Install, Vec<String>) {
        let tree = MemoryTree::new(files);
        let mut notes = Vec::new();
        let package = Package::read(&tree, "web").unwrap();
        (detect(&tree, &package, None, &mut notes), notes)
    }

    #[test]
    fn the_lock_file_decides() {
        for (lock, text, command) in [
            ("package-lock.json", "{}", "npm ci"),
            ("npm-shrinkwrap.json", "{}", "npm ci"),
            ("yarn.lock", "", "yarn install --frozen-lockfile"),
            ("yarn.lock", "#\n__metadata:\n", "yarn install --immutable"),
            ("pnpm-lock.yaml", "", "pnpm install --frozen-lockfile"),
        ] {
            let lock = format!("web/{lock}");
            let (install, notes) = detect_in(&[("web/package.json", "{}"), (&lock, text)]);
            assert_eq!(install.command, command);
            assert_eq!(install.lockfile.unwrap().as_str(), lock);
            assert_eq!(notes, [""; 0]);
        }
    }

    #[test]
    fn of_two_locks_the_field_decides_then_the_one_that_fits_then_npm() {
        let both = [
            ("web/package-lock.json", "{}"),
            ("web/yarn.lock", "vue@^2:\n"),
        ];
        let with = |package| detect_in(&[both[0], both[1], ("web/package.json", package)]);
        let (install, notes) = with(r#"{"packageManager": "yarn@1.22.0"}"#);
        assert_eq!(install.manager, PackageManager::Yarn);
        assert_eq!(
            notes,
            [
                "`web/package-lock.json` and `web/yarn.lock` are all in git: `web/yarn.lock` is used; remove the others"
            ]
        );
        let (install, _) = with(r#"{"dependencies": {"vue": "^2"}}"#);
        assert_eq!(install.command, "yarn install --frozen-lockfile");
        assert_eq!(with("{}").0.command, "npm ci");
    }

    #[test]
    fn a_stale_or_missing_lock_is_no_reason_to_fail() {
        let package = (
            "web/package.json",
            r#"{"dependencies": {"vue": "^2", "x": "file:../x"}}"#,
        );
        let (install, notes) = detect_in(&[package, ("web/package-lock.json", "{}")]);
        assert_eq!(install.command, "npm install");
        assert!(notes[0].contains("does not name `vue`"), "{notes:?}");
        let (install, notes) = detect_in(&[package]);
        assert_eq!(install.command, "npm install --no-package-lock");
        assert!(notes[0].contains("has no lock file"), "{notes:?}");
    }

    #[test]
    fn a_workspace_has_its_lock_above() {
        let (install, _) = detect_in(&[
            ("web/package.json", "{}"),
            ("package.json", r#"{"workspaces": ["web"]}"#),
            ("package-lock.json", "{}"),
        ]);
        assert_eq!(install.lockfile.unwrap().as_str(), "package-lock.json");
        let (install, _) = detect_in(&[
            ("web/package.json", "{}"),
            ("package.json", "{}"),
            ("package-lock.json", "{}"),
        ]);
        assert_eq!(install.lockfile, None);
    }
}
