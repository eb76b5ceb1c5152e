//! The equation index of `ARCHITECTURE.md` names functions and tests that exist in the files it names.

use std::path::Path;

use super::Finding;
use super::tree::Tree;

const DOCUMENT: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Equation index";

/// Checks every row of the index.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(document) = tree.files().iter().find(|f| f.path == Path::new(DOCUMENT)) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    // A sentence above a table may name the file of all its rows.
    let mut above = Vec::new();
    for (index, row) in document.text.lines().enumerate().skip_while(|(_, line)| *line != HEADING) {
        let own: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        if !row.starts_with('|') {
            above.extend(own);
            continue;
        }
        let words: Vec<&str> = own.iter().chain(&above).copied().collect();
        let texts: Vec<&str> = words
            .iter()
            .filter_map(|w| tree.files().iter().find(|f| f.path == Path::new(w)))
            .map(|f| &*f.text)
            .collect();
        // A path that does not exist is the business of another rule.
        for name in own.iter().filter(|w| !w.contains('/')) {
            let last = name.rsplit("::").next().unwrap_or(name);
            if !texts.iter().any(|text| names(text, last)) {
                let message = format!("`{name}` is in none of the files that its row names");
                findings.push(Finding::error(&document.path, index + 1, message));
            }
        }
    }
    findings
}

/// Whether a text holds an identifier as a whole word.
fn names(text: &str, identifier: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(identifier)
        .any(|(at, _)| !text[..at].ends_with(inside) && !text[at + identifier.len()..].starts_with(inside))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree_of;
    use super::*;

    #[test]
    fn a_name_that_is_gone_is_found() {
        let document = "# A\n| `elsewhere` |\n\n## Equation index\n| (1) | `Set::mass` in `crates/a/src/lib.rs` | `sums` beside it |\n\
                        | (2) | `mas` in `crates/a/src/lib.rs` | |\n";
        let code = "fn mass() {}\n#[test]\nfn sums() {}\n";
        let found = check(&tree_of(&[("ARCHITECTURE.md", document), ("crates/a/src/lib.rs", code)]));
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["ARCHITECTURE.md:6: `mas` is in none of the files that its row names"]);
    }
}
