//! `emomm verify`: every check of a benchmark with the number of things it looked at.

use std::fmt::Write;
use std::path::Path;

use emomm_dataset::DatasetError;
use emomm_dataset::manifest::{Check, Manifest, verify, verify_media};
use serde_json::json;

use crate::cli::VerifyArgs;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Violations of one check that are named; all are counted.
const MAX_NAMED: usize = 5;

pub(crate) fn run(args: &VerifyArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let manifest = read_benchmark(&args.bench)?;
    let mut checks = verify(&manifest);
    if args.media {
        if manifest.header.options.labels_only {
            let message = format!("--media: {} was built with --labels-only", args.bench.display());
            return Err(Failure::new(ExitStatus::Usage, message)
                .with_hint("build it with the media, or leave out --media"));
        }
        let roots = Manifest::read_roots(&args.bench).map_err(unreadable)?;
        let spinner = printer.spinner("hashing media");
        checks.push(verify_media(&manifest, &roots));
        spinner.finish_and_clear();
    }
    let holds = checks.iter().all(Check::holds);
    if args.json {
        printer.json(&json!({ "holds": holds, "checks": checks }))?;
    } else {
        printer.data(&table(&checks))?;
    }
    if manifest.header.options.labels_only {
        printer.talk("note: built with --labels-only: no media has a hash");
    }
    Ok(if holds { ExitStatus::Done } else { ExitStatus::Partial })
}

/// The manifest of a benchmark's folder.
pub(crate) fn read_benchmark(bench: &Path) -> Result<Manifest, Failure> {
    Manifest::read(bench).map_err(unreadable)
}

/// What cannot be read has a remedy.
pub(crate) fn unreadable(error: DatasetError) -> Failure {
    let mut failure = Failure::from(error);
    failure.hint.get_or_insert_with(|| "give a folder that `emomm build` wrote, unchanged".to_owned());
    failure
}

/// One line a check, with violations below it.
fn table(checks: &[Check]) -> String {
    let mut out = format!("{:<6} {:>9} {:>7}  check\n", "", "checked", "failed");
    for check in checks {
        let word = match (check.failed, check.checked) {
            (0, 0) => "-",
            (0, _) => "ok",
            _ => "FAILED",
        };
        let _ = writeln!(out, "{word:<6} {:>9} {:>7}  {}", check.checked, check.failed, check.name);
        for violation in check.violations.iter().take(MAX_NAMED) {
            let _ = writeln!(out, "{:26}{violation}", "");
        }
        if check.failed > MAX_NAMED {
            let _ = writeln!(out, "{:26}and {} more", "", check.failed - MAX_NAMED);
        }
    }
    out
}
