//! `emomm score`: predictions made anywhere, or the records of a run, scored with the paper's figures.

use std::path::Path;

use emomm_eval::run::{LOG_FILE, Run};
use emomm_eval::score::{
    self, AnswerColumn, Answers, BenchTruth, Fault, RecordColumn, ScoreFileError, ScoreOptions,
};
use emomm_metrics::{BootstrapOptions, MetricError};

use super::compare::manifest_of;
use super::verify::read_benchmark;
use crate::cli::ScoreArgs;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;
use crate::score_table;

/// Rows left out that are named on stderr; the others are counted.
const SHOWN: usize = 20;

pub(crate) fn run(args: &ScoreArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let reading = score::ReadOptions {
        corpus: args.corpus.clone(),
        answer: args.answer,
        on_bad_row: args.on_bad_row,
        off_grid: args.off_grid,
    };
    let answers = match &args.bench {
        _ if is_run(&args.file) => answers_of_run(args, printer)?,
        None => score::read(&args.file, &reading)?,
        Some(bench) => {
            let truth = BenchTruth::of(&read_benchmark(bench)?);
            score::read_beside(&args.file, &reading, &truth)?
        }
    };
    let options = ScoreOptions {
        unparsed: args.unparsed,
        acc2: args.acc2,
        gtar: args.gtar,
        empty_value: args.empty_value,
        cluster: args.cluster,
        bootstrap: BootstrapOptions {
            n_resamples: args.resamples as usize,
            seed: args.seed,
            ..BootstrapOptions::default()
        },
    };
    let spinner = printer.spinner("scoring");
    let report = score::score(&answers, &options);
    spinner.finish_and_clear();
    let report = report?;
    if args.json {
        printer.json(&report)?;
    } else {
        printer.data(&score_table::report(&report))?;
    }
    for note in answers.notes.iter().chain(&report.notes) {
        printer.talk(&format!("note: {note}"));
    }
    talk_of_skipped(&answers.skipped, printer);
    Ok(if answers.skipped.is_empty() { ExitStatus::Done } else { ExitStatus::Partial })
}

/// Whether a path is a run's folder, or its log.
fn is_run(path: &Path) -> bool {
    path.join(LOG_FILE).is_file() || (path.is_file() && path.file_name().is_some_and(|n| n == LOG_FILE))
}

/// The records of a run beside the benchmark that it names.
fn answers_of_run(args: &ScoreArgs, printer: &Printer) -> Result<Answers, Failure> {
    let run = Run::open(&args.file)?;
    let manifest = manifest_of(&run, args.bench.as_deref(), printer)?;
    let column = match args.answer {
        AnswerColumn::Letter => RecordColumn::Letter,
        AnswerColumn::ReplyLetter => RecordColumn::ReplyLetter,
        AnswerColumn::Auto | AnswerColumn::Label => RecordColumn::Auto,
    };
    Ok(score::of_run(&run, &manifest, column)?)
}

fn talk_of_skipped(skipped: &[Fault], printer: &Printer) {
    for fault in skipped.iter().take(SHOWN) {
        printer.talk(&format!("skipped: {fault}"));
    }
    if skipped.len() > SHOWN {
        printer.talk(&format!("skipped: {} more", skipped.len() - SHOWN));
    }
}

impl From<ScoreFileError> for Failure {
    fn from(error: ScoreFileError) -> Self {
        Self::new(ExitStatus::Data, error.to_string()).with_hint(error.hint())
    }
}

impl From<MetricError> for Failure {
    fn from(error: MetricError) -> Self {
        Self { status: ExitStatus::Data, hint: error.hint(), message: error.to_string() }
    }
}
