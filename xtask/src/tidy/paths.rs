//! Every path of the repository that a Markdown file names exists.

use std::path::{Path, PathBuf};

use super::Finding;
use super::tree::Tree;

/// A word in backticks that begins so is a path of the repository.
const FOLDERS: [&str; 10] = [
    "crates/",
    "xtask/",
    "tests/",
    "tools/",
    "fuzz/",
    "docs/",
    "design/",
    "experiments/",
    ".github/",
    ".ci/",
];

/// Checks words in backticks and the targets of relative links.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().iter().filter(|f| f.path.extension().is_some_and(|e| e == "md")) {
        let folder = file.path.parent().unwrap_or(Path::new(""));
        let mut in_fence = false;
        for (index, line) in file.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_fence = !in_fence;
                continue;
            }
            if in_fence {
                continue;
            }
            for word in code_spans(line).filter_map(repository_path) {
                if !tree.holds(&word) {
                    let message = format!("`{}` does not exist", word.display());
                    findings.push(Finding::error(&file.path, index + 1, message));
                }
            }
            for target in link_targets(line) {
                if !resolve(folder, target)
                    .is_some_and(|path| path.as_os_str().is_empty() || tree.holds(&path))
                {
                    let message = format!("the link to {target} leads nowhere");
                    findings.push(Finding::error(&file.path, index + 1, message));
                }
            }
        }
    }
    findings
}

/// What stands between single backticks.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The path that a word names, `None` for code, commands and patterns.
fn repository_path(word: &str) -> Option<PathBuf> {
    let is_path = FOLDERS.iter().any(|f| word.starts_with(f))
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:".contains(c))
        && !word.contains("::")
        && !word.contains("...");
    // `src/lib.rs:12` names a line.
    let path = word.split(':').next()?.trim_end_matches('/');
    is_path.then(|| PathBuf::from(path))
}

/// The targets of `[text](target)` that are no URL and no anchor of the same page.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter_map(|target| {
        let file = target.split('#').next()?;
        (!file.is_empty() && !target.contains("://") && !target.starts_with("mailto:")).then_some(file)
    })
}

/// A relative link from a file in `folder`, as a path from the root; `None` if it leaves the repository.
fn resolve(folder: &Path, target: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if !path.pop() {
                    return None;
                }
            }
            name => path.push(name),
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree_of;
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_is_found() {
        let text = "See `crates/a/src/lib.rs` and `crates/a/src/gone.rs:7`.\n\
                    Not a path: `crates/<name>/src`, `tests/*.rs`, `cargo test`, `a/b`.\n\
                    ```\n`crates/in/a/fence.rs`\n```\n\
                    [good](docs/x.md#part), [bad](docs/y.md), [web](https://a.b/c), [here](#part)\n";
        let found = check(&tree_of(&[
            ("README.md", text),
            ("crates/a/src/lib.rs", ""),
            ("docs/x.md", "[up](../README.md)"),
        ]));
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "README.md:1: `crates/a/src/gone.rs` does not exist",
                "README.md:6: the link to docs/y.md leads nowhere"
            ]
        );
    }

    #[test]
    fn folders_may_end_in_a_slash() {
        assert!(check(&tree_of(&[("a.md", "`tests/golden/`"), ("tests/golden/x", "")])).is_empty());
    }

    #[test]
    fn links_out_of_the_repository_lead_nowhere() {
        assert_eq!(resolve(Path::new("docs"), "../../x"), None);
        assert_eq!(resolve(Path::new("docs"), "../x"), Some(PathBuf::from("x")));
    }
}
