//! npm, Yarn and pnpm.

use serde_json::{Map, Value};

/// The parts of a `package.json` that an install reads, as text for a cache key: a new build script or version number does
/// not make `node_modules` stale, a new dependency or install script does.
pub fn install_facts(manifest: &[u8]) -> String {
    let Ok(Value::Object(manifest)) = serde_json::from_slice::<Value>(manifest) else {
        return String::from_utf8_lossy(manifest).into_owned();
    };
    let mut facts = Map::new();
    for key in [
        "dependencies",
        "devDependencies",
        "optionalDependencies",
        "peerDependencies",
        "overrides",
        "resolutions",
        "pnpm",
        "packageManager",
        "workspaces",
    ] {
        if let Some(value) = manifest.get(key) {
            facts.insert(key.into(), value.clone());
        }
    }
    for script in [
        "preinstall",
        "install",
        "postinstall",
        "prepare",
        "preprepare",
        "postprepare",
    ] {
        if let Some(value) = manifest
            .get("scripts")
            .and_then(|scripts| scripts.get(script))
        {
            facts.insert(script.into(), value.clone());
        }
    }
    Value::Object(facts).to_string()
}

/// True for a `package.json` that is the root of a workspace.
pub fn has_workspaces(manifest: &[u8]) -> bool {
    let manifest = serde_json::from_slice::<Value>(manifest);
    manifest.is_ok_and(|manifest| manifest.get("workspaces").is_some())
}

/// What a failed install or build most likely needs, read from its last lines.
pub fn advice(output: &[String]) -> Option<String> {
    let has = |needle: &str| output.iter().any(|line| line.contains(needle));
    if has("ERR_OSSL_EVP_UNSUPPORTED") {
        Some("in landfall.toml: [frontend] env = { NODE_OPTIONS = \"--openssl-legacy-provider\" } (webpack 4 on Node 17 or later)".into())
    } else if has("EUSAGE")
        || has("can only install packages when your package.json and package-lock.json")
    {
        Some("the lock file does not fit package.json: npm install, commit package-lock.json, push again".into())
    } else if has("heap out of memory") {
        Some("in landfall.toml: [frontend] env = { NODE_OPTIONS = \"--max-old-space-size=2048\" }, or add swap".into())
    } else if has("EBADENGINE") || has("Unsupported engine") {
        Some(
            "package.json's `engines` asks for another Node than the server has: node --version"
                .into(),
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_install_reads_counts() {
        let a =
            install_facts(br#"{"version":"1","scripts":{"build":"x"},"dependencies":{"vue":"3"}}"#);
        let b =
            install_facts(br#"{"version":"2","scripts":{"build":"y"},"dependencies":{"vue":"3"}}"#);
        let c = install_facts(br#"{"scripts":{"postinstall":"y"},"dependencies":{"vue":"3"}}"#);
        assert_eq!(a, b);
        assert_ne!(a, c);
    }
}
