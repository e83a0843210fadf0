//! Python packages.

use super::*;
use crate::config::settings::PythonPackages;

fn python(files: &[(&str, &str)]) -> PythonPackages {
    backend(&tree(files)).python
}

/// A backend in `api` with other lists of packages.
fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let bare = MemoryTree::new(&[
        (
            "api/manage.py",
            "setdefault('DJANGO_SETTINGS_MODULE', 'app.settings')",
        ),
        ("api/app/settings.py", ""),
        ("api/app/wsgi.py", ""),
    ]);
    files
        .iter()
        .fold(bare, |tree, (path, text)| tree.with(path, text.as_bytes()))
}

fn paths(packages: &PythonPackages) -> (Vec<&str>, Vec<&str>) {
    let PythonPackages::Requirements { files, all } = packages else {
        panic!("{packages:?}");
    };
    (
        files.iter().map(AsRef::as_ref).collect(),
        all.iter().map(AsRef::as_ref).collect(),
    )
}

#[test]
fn requirements_lie_in_the_backend_or_at_the_root() {
    let both = python(&[("requirements.txt", ""), ("api/requirements.txt", "")]);
    assert_eq!(paths(&both).0, ["api/requirements.txt"]);
    assert_eq!(
        paths(&python(&[("requirements.txt", "")])).0,
        ["requirements.txt"]
    );
}

#[test]
fn nested_files_belong_to_the_key_and_loops_end() {
    let found = python(&[
        (
            "api/requirements/prod.txt",
            "-i https://mirror/simple\n-r common.txt # all\ngunicorn\n",
        ),
        (
            "api/requirements/common.txt",
            "-c ../../limits.txt\n--requirement=prod.txt\nDjango\n",
        ),
        ("limits.txt", "-r https://example.org/x.txt\n"),
    ]);
    let (files, all) = paths(&found);
    assert_eq!(files, ["api/requirements/prod.txt"]);
    assert_eq!(
        all,
        [
            "api/requirements/prod.txt",
            "api/requirements/common.txt",
            "limits.txt"
        ]
    );
}

#[test]
fn utf_16_and_a_byte_order_mark_are_read() {
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain("-r other.txt\r\n".encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let tree = tree(&[
        ("api/other.txt", "\u{feff}-r last.txt"),
        ("api/last.txt", ""),
    ])
    .with("api/requirements.txt", &utf16);
    assert_eq!(paths(&backend(&tree).python).1.len(), 3);
}

#[test]
fn a_production_list_is_taken_where_it_names_the_common_one() {
    let files = [
        ("requirements.txt", "Django"),
        ("requirements-prod.txt", "-r requirements.txt\nuwsgi"),
    ];
    assert_eq!(paths(&python(&files)).0, ["requirements-prod.txt"]);
    let apart = tree(&[
        ("requirements.txt", ""),
        ("requirements-prod.txt", "sentry"),
    ]);
    assert_eq!(paths(&backend(&apart).python).0, ["requirements.txt"]);
    note(&apart, "`requirements-prod.txt` is not");
}

#[test]
fn lock_files_of_tools_come_first() {
    for (file, expected) in [
        (
            "uv.lock",
            PythonPackages::Uv {
                dir: "api".parse().unwrap(),
            },
        ),
        (
            "poetry.lock",
            PythonPackages::Poetry {
                dir: "api".parse().unwrap(),
            },
        ),
    ] {
        let path = format!("api/{file}");
        let files = [
            ("api/pyproject.toml", ""),
            (&path, ""),
            ("api/requirements.txt", ""),
        ];
        assert_eq!(python(&files), expected);
    }
    let dir: crate::base::names::RepoPath = "".parse().unwrap();
    let locked = python(&[("Pipfile", ""), ("Pipfile.lock", "{}")]);
    assert_eq!(
        locked,
        PythonPackages::Pipenv {
            dir: dir.clone(),
            locked: true
        }
    );
    let open = python(&[("Pipfile", "")]);
    assert_eq!(
        open,
        PythonPackages::Pipenv {
            dir: dir.clone(),
            locked: false
        }
    );
    let project = python(&[("pyproject.toml", "[dependency-groups]\n")]);
    assert_eq!(project, PythonPackages::Project { dir });
}

#[test]
fn a_pyproject_of_tools_only_is_no_list_of_packages() {
    let files = [
        ("api/pyproject.toml", "[tool.black]\n"),
        ("requirements.txt", ""),
    ];
    assert_eq!(paths(&python(&files)).0, ["requirements.txt"]);
}

#[test]
fn what_cannot_be_installed_or_found_is_a_note() {
    let tree = tree(&[("requirements.txt", "pkg-resources==0.0.0\n-r gone.txt")]);
    note(&tree, "can never be installed");
    assert_eq!(
        note(&tree, "gone.txt"),
        "`requirements.txt` names `gone.txt`, which is not in the repository"
    );
}

#[test]
fn no_list_at_all_is_an_error() {
    let error = settle(&tree(&[])).unwrap_err().to_string();
    assert!(
        error.starts_with("no list of Python packages was found"),
        "{error}"
    );
}
