//! `emomm rescore`: replies parsed again and figures computed again, without a model.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use emomm_dataset::Corpus;
use emomm_eval::run::{LogWriter, Record, Run, reparsed};
use emomm_eval::score::{self, RecordColumn, ScoreOptions};
use serde_json::json;

use super::compare::manifest_of;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;
use crate::score_table;

/// The figures beside the log.
const SCORES_FILE: &str = "scores.json";

#[derive(Debug, Args)]
pub(crate) struct RescoreArgs {
    /// Folders of runs
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Folder of the benchmark; the one that the run names without it
    #[arg(long, value_name = "BENCH")]
    pub(crate) bench: Option<PathBuf>,
    /// Say what would change, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object per run
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &RescoreArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    for path in &args.runs {
        again(args, path, printer)?;
    }
    Ok(ExitStatus::Done)
}

fn again(args: &RescoreArgs, path: &Path, printer: &Printer) -> Result<(), Failure> {
    let run = Run::open(path)?;
    let manifest = manifest_of(&run, args.bench.as_deref(), printer)?;
    let maps: BTreeMap<&str, Corpus> =
        manifest.header.corpora.iter().map(|c| (c.name.as_str(), c.class_map)).collect();
    let corpus = |r: &Record| r.sample.split('/').next().and_then(|name| maps.get(name)).copied();
    let changed: Vec<Record> =
        run.records().iter().filter_map(|r| reparsed(r, corpus(r).unwrap_or(Corpus::ChSims))).collect();
    let run = if args.dry_run || changed.is_empty() {
        run
    } else {
        let (mut writer, _, _) = LogWriter::reopen(run.folder())?;
        writer.append(&changed)?;
        drop(writer);
        Run::open(path)?
    };
    let answers = score::of_run(&run, &manifest, RecordColumn::Auto)?;
    let report = score::score(&answers, &ScoreOptions::default())?;
    if !args.dry_run {
        let file = run.folder().join(SCORES_FILE);
        let beside = file.with_extension("part");
        let bytes = serde_json::to_vec_pretty(&report)
            .map_err(|e| Failure::new(ExitStatus::Data, format!("{}: {e}", file.display())))?;
        fs::write(&beside, bytes)
            .and_then(|()| fs::rename(&beside, &file))
            .map_err(|e| Failure::new(ExitStatus::Usage, format!("{}: {e}", file.display())))?;
    }
    for note in &answers.notes {
        printer.talk(&format!("note: {note}"));
    }
    if args.json {
        return printer.json(&json!({
            "run": path,
            "n_records": run.records().len(),
            "n_total": run.header().plan.n_records,
            "n_changed": changed.len(),
            "score": report,
        }));
    }
    let verb = if args.dry_run { "would change" } else { "changed" };
    printer.data(&format!(
        "{}: {}, {} {verb}\n\n{}",
        path.display(),
        run.n_of_n(),
        changed.len(),
        score_table::report(&report)
    ))
}
