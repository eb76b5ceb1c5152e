//! `cargo xtask measure`: everything that asserts or reports time, kept apart from the tests.
//!
//! Runs the benches of every crate that has any, then times the release build of `emomm` as a whole process, and on a
//! benchmark of 100,000 rows.

mod benchmark;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{cargo, shown, succeeds};

/// What to time.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs of the whole process.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Leave out the benches of the crates.
    #[arg(long)]
    no_benches: bool,
    /// Time this program instead of building one.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Arguments of `emomm` to time as a whole process.
    #[arg(last = true, default_values_t = ["--help".to_owned()])]
    arguments: Vec<String>,
}

/// Runs the benches and times the tool; false if one failed.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let benched = if options.no_benches { Vec::new() } else { crates_with_benches(&root.join("crates"))? };
    for name in benched {
        if !succeeds(cargo().args(["bench", "-p", &name]).current_dir(root))? {
            return Ok(false);
        }
    }
    let program = match &options.program {
        Some(program) => std::path::absolute(program)?,
        None if succeeds(cargo().args(["build", "--release", "-p", "emomm-cli"]).current_dir(root))? => {
            root.join("target/release").join(format!("emomm{}", std::env::consts::EXE_SUFFIX))
        }
        None => return Ok(false),
    };
    let mut times = Vec::with_capacity(options.runs);
    for _ in 0..options.runs {
        times.push(timed(Command::new(&program).args(&options.arguments).current_dir(root))?);
    }
    times.sort();
    if let (Some(least), Some(middle)) = (times.first(), times.get(times.len() / 2)) {
        println!(
            "emomm {}: {} runs, least {:.3} s, median {:.3} s",
            options.arguments.join(" "),
            times.len(),
            least.as_secs_f64(),
            middle.as_secs_f64()
        );
    }
    benchmark::run(&program, &root.join("target/measure"))?;
    Ok(true)
}

/// Wall time of a process whose output is thrown away.
fn timed(command: &mut Command) -> Result<Duration> {
    let shown = shown(command);
    let start = Instant::now();
    let status = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(start.elapsed())
}

/// Names of the crates that have a `benches` folder, sorted.
fn crates_with_benches(crates: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(crates).with_context(|| format!("cannot list {}", crates.display()))? {
        let path = entry?.path();
        if path.join("benches").is_dir()
            && let Some(name) = path.file_name().and_then(|n| n.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crates_with_benches_are_benched() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("fast/benches")).unwrap();
        std::fs::create_dir_all(dir.path().join("plain/src")).unwrap();
        assert_eq!(crates_with_benches(dir.path()).unwrap(), ["fast"]);
    }

    #[test]
    fn a_failing_process_is_not_timed() {
        assert!(timed(&mut Command::new("false")).is_err());
        assert!(timed(&mut Command::new("true")).is_ok());
    }
}
