//! One `package.json`, as far as it decides how a frontend is built.
//!
//! takes: a tree, a folder · gives: [`Package`] · touches: nothing

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::tree::{Tree, in_folder};

/// Names a build script goes by, the best first.
const BUILD_SCRIPTS: [&str; 3] = ["build", "build:prod", "build-only"];

/// Packages that turn sources into a site.
const BUILD_TOOLS: [&str; 13] = [
    "@vue/cli-service",
    "vite",
    "react-scripts",
    "@angular/cli",
    "webpack",
    "parcel",
    "parcel-bundler",
    "rollup",
    "esbuild",
    "nuxt",
    "next",
    "astro",
    "gulp",
];

/// What matters of a `package.json`.
#[derive(Debug, Clone, Default)]
pub(super) struct Package {
    /// Its folder.
    pub(super) dir: String,
    /// The build script's name and its command line.
    pub(super) build: Option<(&'static str, String)>,
    /// Dependencies of all kinds but optional and peer ones, with what is asked of them.
    pub(super) dependencies: BTreeMap<String, String>,
    /// The `packageManager` field.
    pub(super) manager: Option<String>,
    /// It declares a workspace.
    pub(super) workspaces: bool,
    /// All scripts' command lines.
    pub(super) scripts: Vec<String>,
}

impl Package {
    /// Reads `dir/package.json`; `None` where there is none, or it is not a JSON object.
    pub(super) fn read(tree: &dyn Tree, dir: &str) -> Option<Self> {
        let text = tree.text(&in_folder(dir, "package.json"))?;
        let Value::Object(json) = serde_json::from_str(&text).ok()? else {
            return None;
        };
        let texts = |key: &str| -> BTreeMap<String, String> {
            let entries = json.get(key).and_then(Value::as_object);
            entries
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect()
        };
        let scripts = texts("scripts");
        let mut dependencies = texts("devDependencies");
        dependencies.extend(texts("dependencies"));
        Some(Self {
            dir: dir.to_owned(),
            build: BUILD_SCRIPTS
                .iter()
                .find_map(|name| Some((*name, scripts.get(*name)?.clone()))),
            dependencies,
            manager: json
                .get("packageManager")
                .and_then(Value::as_str)
                .map(str::to_owned),
            workspaces: json.contains_key("workspaces"),
            scripts: scripts.into_values().collect(),
        })
    }

    /// It depends on something that builds.
    pub(super) fn has_build_tool(&self) -> bool {
        BUILD_TOOLS.iter().any(|tool| self.depends_on(tool))
    }

    /// It asks for this package.
    pub(super) fn depends_on(&self, name: &str) -> bool {
        self.dependencies.contains_key(name)
    }

    /// The first number in the version asked of a package: 4 for `^4.5.0`.
    pub(super) fn major(&self, name: &str) -> Option<u32> {
        let version = self.dependencies.get(name)?;
        let digits: String = version
            .chars()
            .skip_while(|c| "^~>=v< ".contains(*c))
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().ok()
    }
}
