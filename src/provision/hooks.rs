//! The hooks in an app's repository: a few lines of sh between markers. Installing twice changes nothing; lines of others
//! outside the markers stay.

use std::path::Path;

use crate::base::fs::{self, FsError};
use crate::release::layout::Home;

const BEGIN: &str = "# >>> landfall >>>";
const END: &str = "# <<< landfall <<<";
const STUBS: [(&str, &str); 2] = [
    ("pre-receive", include_str!("../../hooks/pre-receive")),
    ("post-receive", include_str!("../../hooks/post-receive")),
];

/// Installs both hooks.
pub fn install(home: &Home, landfall: &Path, settings: &Path) -> Result<(), FsError> {
    let folder = home.repository().join("hooks");
    fs::create_folder(&folder)?;
    for (name, stub) in STUBS {
        let path = folder.join(name);
        let ours = stub
            .replace(
                "{{landfall}}",
                &shell_words::quote(&landfall.to_string_lossy()),
            )
            .replace(
                "{{settings}}",
                &shell_words::quote(&settings.to_string_lossy()),
            );
        let text = merge(fs::read_if_exists(&path)?.as_deref(), &ours);
        fs::write(&path, text.as_bytes(), 0o755)?;
    }
    Ok(())
}

/// True if our block stands in the hook.
pub fn is_installed(home: &Home, hook: &str) -> bool {
    let path = home.repository().join("hooks").join(hook);
    fs::read_if_exists(&path)
        .ok()
        .flatten()
        .is_some_and(|text| text.contains(BEGIN))
}

/// The hook with our block in it: in the place of an old one, else after what is there.
fn merge(existing: Option<&str>, ours: &str) -> String {
    let Some(existing) = existing else {
        return ours.to_owned();
    };
    let block = ours
        .find(BEGIN)
        .and_then(|begin| ours.find(END).map(|end| &ours[begin..end + END.len()]))
        .unwrap_or(ours);
    match (existing.find(BEGIN), existing.find(END)) {
        (Some(begin), Some(end)) if begin < end => {
            format!(
                "{}{block}{}",
                &existing[..begin],
                &existing[end + END.len()..]
            )
        }
        _ => format!("{}\n{block}\n", existing.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_replaced_in_place_and_others_lines_stay() {
        let ours = "#!/bin/sh\n# >>> landfall >>>\nnew\n# <<< landfall <<<\n";
        let existing =
            "#!/bin/bash\necho mine\n# >>> landfall >>>\nold\n# <<< landfall <<<\necho after\n";
        let merged = merge(Some(existing), ours);
        assert_eq!(
            merged,
            "#!/bin/bash\necho mine\n# >>> landfall >>>\nnew\n# <<< landfall <<<\necho after\n"
        );
        assert_eq!(merge(Some(&merged), ours), merged);
        assert_eq!(merge(None, ours), ours);
        assert_eq!(
            merge(Some("#!/bin/sh\necho mine\n"), ours),
            "#!/bin/sh\necho mine\n# >>> landfall >>>\nnew\n# <<< landfall <<<\n"
        );
    }
}
