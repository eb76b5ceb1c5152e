//! Every Rust file begins by saying what it is, and none grows beyond what one reads at a sitting.

use super::Finding;
use super::tree::Tree;

/// Above this a file deserves a second look.
const LONG: usize = 500;

/// Above this a file is refused, tests included; long tests move to `tests/`.
const TOO_LONG: usize = 800;

/// Checks every Rust file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        if !file.text.starts_with("//!") {
            findings.push(Finding::error(
                &file.path,
                1,
                "the file does not begin with `//!`: say what it is and why",
            ));
        }
        let lines = file.text.lines().count();
        if lines > TOO_LONG {
            findings.push(Finding::error(
                &file.path,
                lines,
                format!("{lines} lines, at most {TOO_LONG}: split it"),
            ));
        } else if lines > LONG {
            findings.push(Finding::warning(
                &file.path,
                lines,
                format!("{lines} lines, look again over {LONG}"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tree::tree_of;
    use super::*;

    #[test]
    fn length_and_header() {
        let body = |lines: usize| format!("//! What.\n{}", "\n".repeat(lines - 1));
        let found = check(&tree_of(&[
            ("a.rs", &body(500)),
            ("b.rs", &body(501)),
            ("c.rs", &body(801)),
            ("d.rs", "fn main() {}\n"),
        ]));
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "b.rs:501: warning: 501 lines, look again over 500",
                "c.rs:801: 801 lines, at most 800: split it",
                "d.rs:1: the file does not begin with `//!`: say what it is and why",
            ]
        );
    }
}
