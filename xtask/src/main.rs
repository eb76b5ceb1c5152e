//! The project's own checks and chores: `cargo xtask <command>`.
//!
//! `tidy` checks the house rules, `ci` runs all that a change must pass, `golden` writes the fixtures again, `soak`
//! runs the long checks, `measure` the timed ones.
#![expect(clippy::print_stdout, reason = "what a chore prints is its result")]

mod ci;
mod golden;
mod measure;
mod process;
mod soak;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own checks and chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check the house rules that a machine can check.
    Tidy(tidy::Options),
    /// Run all that a change must pass: `.ci/run` without installing anything.
    Ci,
    /// Write golden fixtures again with their export scripts.
    Golden(golden::Options),
    /// Run the long checks: property tests with many cases, fuzz targets.
    Soak(soak::Options),
    /// Run the timed checks: benches, and the command line tool as a whole process.
    Measure(measure::Options),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().chore) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs one chore; false if a check did not hold.
fn run(chore: &Chore) -> Result<bool> {
    let root = repository_root()?;
    match chore {
        Chore::Tidy(options) => tidy::run(&root, options),
        Chore::Ci => ci::run(&root),
        Chore::Golden(options) => golden::run(&root, options),
        Chore::Soak(options) => soak::run(&root, options),
        Chore::Measure(options) => measure::run(&root, options),
    }
}

/// The folder above this crate's own.
fn repository_root() -> Result<PathBuf> {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root =
        manifest_dir.parent().with_context(|| format!("no folder above {}", manifest_dir.display()))?;
    Ok(root.to_owned())
}
