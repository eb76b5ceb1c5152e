//! `cargo xtask ci`: all that a change must pass.
//!
//! The list of checks stands in one place, the script `.ci/run`; this chore only leaves out the installation.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::process::succeeds;

/// Runs `.ci/run`; false if a check did not hold.
pub(crate) fn run(root: &Path) -> Result<bool> {
    succeeds(Command::new("bash").arg(root.join(".ci/run")).arg("--no-install").current_dir(root))
}
