//! `emomm log export`: a run as a file that other tools read.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use emomm_eval::run::{ExportedRun, Run};

use super::compare::manifest_of;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Where Parquet goes without `--out`.
const PARQUET_FILE: &str = "records.parquet";

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    pub(crate) command: LogCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Write the records of a run, with the labels of its benchmark, for other tools
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Folder of the run
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) form: ExportForm,
    /// File to write; without it CSV and JSONL go to stdout, and Parquet to RUN/records.parquet
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Folder of the benchmark; the one that the run names without it
    #[arg(long, value_name = "BENCH")]
    pub(crate) bench: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ExportForm {
    /// Parquet, one row a record
    #[arg(long)]
    pub(crate) parquet: bool,
    /// CSV, one row a record; `emomm score` reads it
    #[arg(long)]
    pub(crate) csv: bool,
    /// JSONL as the samples files of lmms-eval
    #[arg(long)]
    pub(crate) lmms_eval: bool,
}

pub(crate) fn run(args: &LogArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let LogCommand::Export(args) = &args.command;
    let run = Run::open(&args.run)?;
    let manifest = manifest_of(&run, args.bench.as_deref())?;
    let exported = ExportedRun::new(&run, &manifest);
    if !run.is_complete() {
        printer.talk(&format!("note: the run is not complete: {}", run.n_of_n()));
    }
    let parquet = args.form.parquet.then(|| run.folder().join(PARQUET_FILE));
    let out = args.out.clone().or(parquet);
    let bytes = match args.form {
        ExportForm { parquet: true, .. } => exported.parquet(out.as_deref().unwrap_or(Path::new("")))?,
        ExportForm { csv: true, .. } => {
            exported.csv().map_err(|e| Failure::new(ExitStatus::Data, e.to_string()))?
        }
        _ => exported.lmms_eval(),
    };
    match out {
        Some(path) => {
            write(&path, &bytes)?;
            printer.data(&format!("{}\n", path.display()))?;
        }
        None => printer.data(&String::from_utf8_lossy(&bytes))?,
    }
    Ok(ExitStatus::Done)
}

/// Written beside its place and renamed: nobody reads half a file.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let beside = path.with_extension("part");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|e| Failure::new(ExitStatus::Usage, format!("{}: {e}", path.display())))
}
