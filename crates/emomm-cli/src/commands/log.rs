//! `emomm log export`: a run as a file that other tools read. `emomm log import`: the way back.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use clap::{Args, Subcommand};
use emomm_dataset::manifest::Manifest;
use emomm_eval::import::{self, ImportError, ImportFormat};
use emomm_eval::run::{ExportedRun, LOG_FILE, LogWriter, METADATA_FILE, RecordStatus, Run, write_whole};
use serde_json::json;

use super::compare::manifest_of;
use super::verify::{read_benchmark, unreadable};
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

/// Where Parquet goes without `--out`.
const PARQUET_FILE: &str = "records.parquet";

/// Where a log of inspect goes without `--out`.
const INSPECT_FILE: &str = "records.eval";

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    pub(crate) command: LogCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Write the records of a run, with the labels of its benchmark, for other tools
    Export(ExportArgs),
    /// Make a run of answers that a model gave elsewhere
    Import(ImportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Folder of the run
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) form: ExportForm,
    /// With --folder: the clips as well, as links where the disk allows it
    #[arg(long, requires = "folder")]
    pub(crate) include_media: bool,
    /// File to write, or the folder of --folder; without it CSV and JSONL go to stdout, others to RUN/records.parquet or RUN/records.eval
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
    /// A log of inspect, .eval
    #[arg(long)]
    pub(crate) inspect: bool,
    /// A folder with metadata.jsonl, as Hugging Face's datasets loads it; needs --out
    #[arg(long, requires = "out")]
    pub(crate) folder: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Samples file of lmms-eval or lm-eval, .eval log of inspect, folder with metadata.*, CSV, JSONL or Parquet
    #[arg(value_name = "SOURCE")]
    pub(crate) source: PathBuf,
    /// Folder of the benchmark whose clips were asked about
    #[arg(long, value_name = "BENCH")]
    pub(crate) bench: PathBuf,
    /// Folder for the run: new
    #[arg(long, value_name = "RUN")]
    pub(crate) out: PathBuf,
    /// What the source is: lmms-eval, inspect, folder or table; seen from it without this option
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<ImportFormat>,
    /// Table whose n-th row, from 0, is document n of a samples file, where it keeps no documents
    #[arg(long, value_name = "FILE")]
    pub(crate) docs: Option<PathBuf>,
    /// Name of the model; the source's file name without it
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &LogArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    match &args.command {
        LogCommand::Export(args) => export(args, printer),
        LogCommand::Import(args) => import(args, printer),
    }
}

fn import(args: &ImportArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let manifest = read_benchmark(&args.bench)?;
    let format = args.format.map_or_else(|| ImportFormat::of(&args.source), Ok)?;
    if args.docs.is_some() && format != ImportFormat::LmmsEval {
        let message = format!("--docs: the source is of the form {}, expected lmms-eval", format.name());
        return Err(Failure::new(ExitStatus::Usage, message).with_hint("leave --docs out"));
    }
    let stem = args.source.file_stem().map(|s| s.to_string_lossy().into_owned());
    let name = args.name.clone().or(stem).unwrap_or_default();
    let imported = import::import(&args.source, format, args.docs.as_deref(), &name, &manifest, &args.bench)?;
    write_whole(&args.out, |growing| {
        LogWriter::create(growing, &imported.header)?.append(&imported.records)
    })?;
    let n_answered = imported.records.iter().filter(|r| r.status == RecordStatus::Ok).count();
    let n_records = imported.records.len();
    if args.json {
        printer.json(&json!({
            "out": args.out,
            "format": format.name(),
            "n_records": n_records,
            "n_answered": n_answered,
            "coalitions": imported.header.plan.coalitions,
        }))?;
    } else {
        printer
            .data(&format!("{}: {n_records} records, {n_answered} with an answer\n", args.out.display()))?;
    }
    Ok(ExitStatus::Done)
}

fn export(args: &ExportArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let run = Run::open(&args.run)?;
    let manifest = manifest_of(&run, args.bench.as_deref(), printer)?;
    let exported = ExportedRun::new(&run, &manifest);
    if !run.is_complete() {
        printer.talk(&format!("note: the run is not complete: {}", run.n_of_n()));
    }
    if let (true, Some(out)) = (args.form.folder, &args.out) {
        return export_folder(&exported, out, args, printer);
    }
    let parquet = args.form.parquet.then(|| run.folder().join(PARQUET_FILE));
    let inspect = args.form.inspect.then(|| run.folder().join(INSPECT_FILE));
    let out = args.out.clone().or(parquet).or(inspect);
    let bytes = match args.form {
        ExportForm { parquet: true, .. } => exported.parquet(out.as_deref().unwrap_or(Path::new("")))?,
        ExportForm { csv: true, .. } => {
            exported.csv().map_err(|e| Failure::new(ExitStatus::Data, e.to_string()))?
        }
        ExportForm { inspect: true, .. } => {
            exported.inspect(written_at(&run)).map_err(|e| Failure::new(ExitStatus::Data, e.to_string()))?
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

/// Writes a folder for `datasets`: the rows, and the clips if they are asked for.
fn export_folder(
    exported: &ExportedRun<'_>,
    out: &Path,
    args: &ExportArgs,
    printer: &Printer,
) -> Result<ExitStatus, Failure> {
    let fault = |path: &Path, e: &dyn std::fmt::Display| {
        Failure::new(ExitStatus::Usage, format!("{}: {e}", path.display()))
            .with_hint("give --out a folder that may be written")
    };
    fs::create_dir_all(out).map_err(|e| fault(out, &e))?;
    if args.include_media {
        let bench = args.bench.as_deref().unwrap_or(&exported.places().bench);
        let roots = Manifest::read_roots(bench).map_err(unreadable)?;
        for (corpus, path) in exported.media_files() {
            let is_below = Path::new(&path).components().all(|c| matches!(c, Component::Normal(_)));
            let Some(root) = roots.get(&corpus).filter(|_| is_below) else {
                let message =
                    format!("{corpus}/{path}: found no root of this corpus, or a path that leaves it");
                return Err(Failure::new(ExitStatus::Data, message).with_hint("leave out --include-media"));
            };
            let (from, to) = (root.join(&path), out.join(&corpus).join(&path));
            let folder = to.parent().unwrap_or(out);
            fs::create_dir_all(folder).map_err(|e| fault(folder, &e))?;
            if !to.exists() && fs::hard_link(&from, &to).is_err() {
                fs::copy(&from, &to).map_err(|e| {
                    Failure::new(ExitStatus::Data, format!("{}: {e}", from.display()))
                        .with_hint("see `emomm verify`, or leave out --include-media")
                })?;
            }
        }
    }
    let rows = out.join(METADATA_FILE);
    write(&rows, &exported.metadata())?;
    printer.data(&format!("{}\n", rows.display()))?;
    Ok(ExitStatus::Done)
}

/// When the log was last written, in seconds since 1970.
fn written_at(run: &Run) -> u64 {
    let log = fs::metadata(run.folder().join(LOG_FILE)).and_then(|m| m.modified());
    log.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_secs())
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        Self { status: ExitStatus::Data, hint: error.hint(), message: error.to_string() }
    }
}

/// Written beside its place and renamed: nobody reads half a file.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let beside = path.with_extension("part");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|e| Failure::new(ExitStatus::Usage, format!("{}: {e}", path.display())))
}
