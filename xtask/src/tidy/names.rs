//! Names that say nothing about their content are refused.

use super::Finding;
use super::tree::Tree;

const REFUSED: [&str; 6] = ["utils", "common", "helpers", "misc", "core", "imp"];

/// Checks every file and folder under `crates` and `xtask`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.paths()
        .filter(|p| p.starts_with("crates") || p.starts_with("xtask"))
        .filter_map(|path| {
            let stem = path.file_stem()?.to_str()?;
            let refused = REFUSED.iter().find(|r| stem.eq_ignore_ascii_case(r))?;
            Some(Finding::error(path, 1, format!("`{refused}` says nothing; name the file by its concept")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree_of;
    use super::*;

    #[test]
    fn empty_names_are_found_in_files_and_folders() {
        let found = check(&tree_of(&[
            ("crates/a/src/utils.rs", ""),
            ("crates/a/src/core/mod.rs", ""),
            ("crates/a/src/scores.rs", ""),
            ("docs/common.md", ""),
        ]));
        let paths: Vec<_> = found.iter().map(|f| f.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["crates/a/src/core", "crates/a/src/utils.rs"]);
    }
}
