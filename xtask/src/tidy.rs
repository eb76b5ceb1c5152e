//! `cargo xtask tidy`: the house rules that a machine can check.
//!
//! One file per rule. Every rule looks at the whole tree and returns all its findings; nothing stops at the first.

mod dependencies;
mod equations;
mod help;
mod imports;
mod model_names;
mod names;
mod paths;
mod source;
mod tree;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use tree::Tree;

/// What to check beside the files.
#[derive(Args)]
pub(crate) struct Options {
    /// Build `emomm` and check that every option of its help stands in the contract.
    #[arg(long)]
    help_of_emomm: bool,
}

/// A house rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: PathBuf,
    /// Counted from 1.
    line: usize,
    message: String,
    /// A warning is printed and does not fail the check.
    is_warning: bool,
}

impl Finding {
    fn error(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into(), is_warning: false }
    }

    fn warning(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self { is_warning: true, ..Self::error(path, line, message) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.is_warning { "warning: " } else { "" };
        write!(f, "{}:{}: {warning}{}", self.path.display(), self.line, self.message)
    }
}

/// Checks the tree under `root` and prints every finding; false if there is an error among them.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let tree = Tree::read(root)?;
    let mut findings = check(&tree);
    if options.help_of_emomm {
        findings.extend(help::check(root, &tree)?);
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|f| !f.is_warning).count();
    println!("tidy: {} files, {errors} errors, {} warnings", tree.files().len(), findings.len() - errors);
    Ok(errors == 0)
}

/// The rules that need nothing but the files.
fn check(tree: &Tree) -> Vec<Finding> {
    let rules: [fn(&Tree) -> Vec<Finding>; 7] = [
        dependencies::check,
        equations::check,
        imports::check,
        model_names::check,
        names::check,
        paths::check,
        source::check,
    ];
    rules.iter().flat_map(|rule| rule(tree)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_read_like_a_compiler_s() {
        let path = Path::new("crates/a/src/lib.rs");
        assert_eq!(Finding::error(path, 3, "too long").to_string(), "crates/a/src/lib.rs:3: too long");
        assert_eq!(Finding::warning(path, 1, "long").to_string(), "crates/a/src/lib.rs:1: warning: long");
    }

    /// The repository itself keeps its rules.
    #[test]
    fn the_repository_is_tidy() {
        let tree = Tree::read(&crate::repository_root().unwrap()).unwrap();
        let errors: Vec<String> =
            check(&tree).into_iter().filter(|f| !f.is_warning).map(|f| f.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}
