//! `cargo xtask golden`: runs the scripts that write the golden fixtures.
//!
//! Every folder `tests/golden/<case>` with an `export.py` is a case. The scripts share nothing with the Rust code;
//! what each needs stands at its head, and in a `requirements.txt` beside it where it needs packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::succeeds;

/// Which fixtures to write, and with which Python.
#[derive(Args)]
pub(crate) struct Options {
    /// Cases to write, for example `prompts`; all without this.
    cases: Vec<String>,
    /// Python interpreter with the packages that the scripts need.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Only print the commands.
    #[arg(long)]
    dry_run: bool,
}

/// Runs the export scripts; false if one failed.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let all = cases(&root.join("tests/golden"))?;
    if let Some(unknown) = options.cases.iter().find(|c| !all.contains(c)) {
        bail!("no golden case `{unknown}`, there are {}", all.join(", "));
    }
    for case in all.iter().filter(|c| options.cases.is_empty() || options.cases.contains(c)) {
        let folder = root.join("tests/golden").join(case);
        if folder.join("requirements.txt").exists() {
            println!(
                "# needs: {} -m pip install -r tests/golden/{case}/requirements.txt",
                options.python.display()
            );
        }
        let mut command = Command::new(&options.python);
        command.arg(format!("tests/golden/{case}/export.py")).current_dir(root);
        if options.dry_run {
            println!("$ {}", crate::process::shown(&command));
        } else if !succeeds(&mut command)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Names of the folders that hold an export script, sorted.
fn cases(golden: &Path) -> Result<Vec<String>> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(golden).with_context(|| format!("cannot list {}", golden.display()))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|n| n.to_str())
            && path.join("export.py").exists()
        {
            cases.push(name.to_owned());
        }
    }
    cases.sort();
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_a_script_are_cases() {
        let dir = tempfile::tempdir().unwrap();
        for case in ["b", "a", "no_script"] {
            std::fs::create_dir(dir.path().join(case)).unwrap();
        }
        for case in ["b", "a"] {
            std::fs::write(dir.path().join(case).join("export.py"), "").unwrap();
        }
        assert_eq!(cases(dir.path()).unwrap(), ["a", "b"]);
    }
}
