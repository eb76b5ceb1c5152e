//! `emomm compare`: two runs on the same samples, paired.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use emomm_dataset::manifest::Manifest;
use emomm_eval::run::Run;
use emomm_eval::score::{
    self, Answers, ClusterBy, CompareError, CompareOptions, CompareReport, ComparedPart, Difference,
    RecordColumn,
};
use emomm_metrics::{BootstrapOptions, PermutationOptions};

use super::verify::read_benchmark;
use crate::cli::word;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Folder of the first run
    #[arg(value_name = "A")]
    pub(crate) a: PathBuf,
    /// Folder of the second run
    #[arg(value_name = "B")]
    pub(crate) b: PathBuf,
    /// Folder of the benchmark; the one that the runs name without it
    #[arg(long, value_name = "BENCH")]
    pub(crate) bench: Option<PathBuf>,
    /// Compare what both runs have, instead of refusing runs on other samples
    #[arg(long)]
    pub(crate) common: bool,
    /// Answers that count: letter, reply_letter, or auto (letter where a run has logits)
    #[arg(long, value_name = "COLUMN", default_value = "auto", value_parser = word::<RecordColumn>)]
    pub(crate) answer: RecordColumn,
    /// What intervals draw and tests swap: group (speaker or video) or clip
    #[arg(long, value_name = "UNIT", default_value = "group", value_parser = word::<ClusterBy>)]
    pub(crate) cluster: ClusterBy,
    /// Resamples behind each interval
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) resamples: u32,
    /// Most permutations behind each p-value
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) permutations: u32,
    /// Seed of resamples and permutations
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &CompareArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let (a, b) = (Run::open(&args.a)?, Run::open(&args.b)?);
    let manifest = manifest_of(&a, args.bench.as_deref(), printer)?;
    tell_of_other_labels(&b, &manifest, printer);
    let answers = |run: &Run| -> Result<Answers, Failure> {
        let answers = score::of_run(run, &manifest, args.answer)?;
        for note in &answers.notes {
            printer.talk(&format!("note: {}: {note}", run.folder().display()));
        }
        Ok(answers)
    };
    let (of_a, of_b) = (answers(&a)?, answers(&b)?);
    let is_answered = |answers: &Answers| answers.rows.iter().any(|row| row.answer.is_some());
    // Answers that are not there are of no column.
    if of_a.answer_column != of_b.answer_column && is_answered(&of_a) && is_answered(&of_b) {
        let message = format!(
            "answers of the first run are {}, of the second {}",
            of_a.answer_column, of_b.answer_column
        );
        return Err(Failure::new(ExitStatus::Data, message).with_hint("choose one with --answer"));
    }
    let options = CompareOptions {
        cluster: args.cluster,
        bootstrap: BootstrapOptions {
            n_resamples: args.resamples as usize,
            seed: args.seed,
            ..BootstrapOptions::default()
        },
        permutation: PermutationOptions { n_permutations: args.permutations as usize, seed: args.seed },
    };
    let spinner = printer.spinner("comparing");
    let report = score::compare(&of_a.rows, &of_b.rows, args.common, &options);
    spinner.finish_and_clear();
    let report = report?;
    if report.n_left_out > 0 {
        printer.talk(&format!("note: {} rows that only one run has are left out", report.n_left_out));
    }
    if args.json {
        printer.json(&report)?;
    } else {
        printer.data(&table(&report))?;
    }
    Ok(ExitStatus::Done)
}

/// The benchmark that is named, or the one that a run names. Where it is not the one that the run was made with, a note says so.
pub(crate) fn manifest_of(run: &Run, bench: Option<&Path>, printer: &Printer) -> Result<Manifest, Failure> {
    let manifest = read_benchmark(bench.unwrap_or(&run.header().places.bench)).map_err(|failure| {
        let hint = "name the folder of the run's benchmark with --bench";
        if bench.is_none() { failure.with_hint(hint) } else { failure }
    })?;
    tell_of_other_labels(run, &manifest, printer);
    Ok(manifest)
}

/// Says that the labels of a run are taken from another benchmark than its own, which may have been built again.
fn tell_of_other_labels(run: &Run, manifest: &Manifest, printer: &Printer) {
    let (own, found) = (&run.header().plan.bench.manifest_sha256, &manifest.header.parquet_sha256);
    if own.is_empty() || found.is_empty() || own == found {
        return;
    }
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    printer.talk(&format!(
        "note: {}: the run was made with a benchmark of digest {}, its labels are taken from one of digest {}: figures may not \
         be those that the run had",
        run.folder().display(),
        short(own),
        short(found)
    ));
}

impl From<CompareError> for Failure {
    fn from(error: CompareError) -> Self {
        Self { status: ExitStatus::Data, hint: error.hint(), message: error.to_string() }
    }
}

fn table(report: &CompareReport) -> String {
    let mut out = String::new();
    let options = &report.options;
    let _ = writeln!(
        out,
        "Second minus first. In brackets: {:.0} % intervals, {} resamples of clusters; p by swapping clusters, seed {}.",
        options.bootstrap.level * 100.0,
        options.bootstrap.n_resamples,
        options.bootstrap.seed
    );
    let _ = writeln!(
        out,
        "\n{:<18} {:>6}  {:<44}  {:<44}  {:<44}  right to wrong, wrong to right",
        "rows", "n", "Acc", "macro F1", "MAE of replies"
    );
    line(&mut out, report.rows, &report.top);
    for parts in [&report.subsets, &report.coalitions, &report.corpora] {
        for (name, part) in parts {
            line(&mut out, name, part);
        }
    }
    for family in [&report.holm, &report.holm_macro_f1, &report.holm_mae] {
        let _ =
            writeln!(out, "\nAfter Holm over {} comparisons ({}):", family.comparisons.len(), family.name);
        for comparison in &family.comparisons {
            let _ = writeln!(
                out,
                "{:<24} p {:.4}, adjusted {:.4}",
                comparison.name, comparison.p_value, comparison.adjusted
            );
        }
    }
    out
}

fn line(out: &mut String, name: &str, part: &ComparedPart) {
    let _ = write!(out, "{name:<18} {:>6}", part.n);
    for difference in [part.acc, part.macro_f1, part.mae] {
        let _ = write!(out, "  {:<44}", difference.map_or_else(|| "-".to_owned(), shown));
    }
    let _ = writeln!(out, "  {}, {}", part.flips.right_to_wrong, part.flips.wrong_to_right);
}

/// `0.512 0.530 +0.018 [-0.01, 0.04] p 0.210`
fn shown(d: Difference) -> String {
    let mut text = format!("{:.3} {:.3} {:+.3}", d.a, d.b, d.delta);
    if let (Some(low), Some(high)) = (d.low, d.high) {
        let _ = write!(text, " [{low:+.3}, {high:+.3}]");
    }
    if let Some(p) = d.p {
        let _ = write!(text, " p {p:.3}");
    }
    text
}
