//! `cargo xtask soak`: the long checks, of which the test suite runs a short form.
//!
//! Property tests run with many cases; every fuzz target runs for a given time, starting from the kept corpus.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::process::{cargo, succeeds};

/// Memory that a fuzz target may take, the sanitizer's own included.
const MEMORY_MB: u32 = 1024;

/// How long to soak.
#[derive(Args)]
pub(crate) struct Options {
    /// Cases of each property test.
    #[arg(long, default_value_t = 10_000)]
    cases: u32,
    /// Seconds for each fuzz target.
    #[arg(long, default_value_t = 300)]
    seconds: u32,
    /// Requests of the annotation app's blinding walk.
    #[arg(long, default_value_t = 1_000_000)]
    walk: u32,
    /// Kills of the annotation server, and of `emomm eval`.
    #[arg(long, default_value_t = 500)]
    kills: u32,
    /// Leave out the fuzz targets, which need cargo-fuzz and a nightly compiler.
    #[arg(long)]
    no_fuzz: bool,
}

/// Runs the long checks; false if one did not hold.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let mut properties = cargo();
    properties.args(["test", "--release", "--workspace"]).env("PROPTEST_CASES", options.cases.to_string());
    properties.env("EMOMM_WALK", options.walk.to_string()).env("EMOMM_KILLS", options.kills.to_string());
    let mut holds = succeeds(properties.current_dir(root))?;
    if options.no_fuzz {
        return Ok(holds);
    }
    for target in targets(&root.join("fuzz/fuzz_targets"))? {
        // Through rustup's proxy, which knows `+nightly`; the cargo that runs this chore does not.
        let mut fuzz = Command::new("cargo");
        // What the fuzzer finds new lands in the first folder; the kept corpus stays as it is.
        let found = root.join("target/fuzz-found").join(&target);
        std::fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
        fuzz.args(["+nightly", "fuzz", "run", &target])
            .arg(&found)
            .arg(Path::new("fuzz/corpus").join(&target))
            .arg("--")
            .arg(format!("-max_total_time={}", options.seconds))
            .arg(format!("-rss_limit_mb={MEMORY_MB}"));
        fuzz.env_remove("RUSTUP_TOOLCHAIN").current_dir(root);
        let held = succeeds(&mut fuzz)?;
        if !held {
            println!(
                "fuzz target {target} failed; if it did not start: rustup toolchain install nightly, cargo install --locked cargo-fuzz"
            );
        }
        holds &= held;
    }
    Ok(holds)
}

/// Names of the fuzz targets, sorted.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "rs")
            && let Some(stem) = path.file_stem().and_then(|s| s.to_str())
        {
            targets.push(stem.to_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target without a kept corpus would not be replayed by any test.
    #[test]
    fn every_fuzz_target_is_declared_and_has_a_kept_corpus() {
        let root = crate::repository_root().unwrap();
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        for target in targets(&root.join("fuzz/fuzz_targets")).unwrap() {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not declared");
            assert!(root.join("fuzz/corpus").join(&target).is_dir(), "{target} has no corpus");
        }
    }
}
