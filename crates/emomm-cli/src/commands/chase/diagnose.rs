//! `emomm chase diagnose`: Table 6 in three readings, under labels by class and by polarity, on clean decision steps.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use emomm_chase::{CleanReading, DiagnosedSample, Diagnosis, LabelLevel, TargetReading, diagnose};
use emomm_dataset::ModalitySet;
use emomm_dataset::build::Split;
use serde_json::json;

use super::eval::{open_router, write_json};
use super::session::{READ, Session, words};
use super::words::{WhereArgs, from_word};
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct DiagnoseArgs {
    #[command(flatten)]
    pub(crate) place: WhereArgs,
    /// Router folder that `emomm chase train` wrote
    #[arg(long, value_name = "ROUTER")]
    pub(crate) router: PathBuf,
    /// Splits: train, valid or test
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "valid,test")]
    pub(crate) split: Vec<Split>,
    /// τ: a layer counts as steered where p exceeds it
    #[arg(long, value_name = "X", default_value_t = 0.7)]
    pub(crate) threshold: f64,
    /// What the gate must point to: any modality that is right, or the unique one where there is one
    #[arg(long, value_name = "WHICH", default_value = "any", value_parser = from_word::<TargetReading>)]
    pub(crate) target: TargetReading,
    /// The figures as JSON; the report draws diagnose*.json of a folder of variants
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &DiagnoseArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    if !(0.0..=1.0).contains(&args.threshold) {
        let message = format!("--threshold {}: expected a number from 0 to 1", args.threshold);
        return Err(Failure::new(ExitStatus::Usage, message));
    }
    let mut session = Session::open(&args.place, printer)?;
    let router = open_router(&args.router, &session)?;
    let mut store = session.store(router.1.text_scope, router.1.n_sinks)?;
    let (mut rows, mut n_failed) = (Vec::new(), 0);
    for split in &args.split {
        n_failed += session.ensure(&mut store, &[*split], &words(&READ), printer)?.1;
        let chosen: std::collections::BTreeSet<String> =
            session.clips(&[*split], &words(&READ))?.into_iter().map(|c| c.clip.id).collect();
        let mut read: Vec<(String, ModalitySet, CleanReading)> = Vec::new();
        let mut failure = None;
        store.for_each(|record| {
            if let Some(features) = record.features.filter(|_| chosen.contains(&record.sample)) {
                match CleanReading::of(&features, &router.0, &router.1) {
                    Ok(reading) => read.push((record.sample, record.coalition, reading)),
                    Err(error) => failure = Some(error),
                }
            }
        })?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        for (part, is_in) in
            [("full", (|c| c == ModalitySet::FULL) as fn(ModalitySet) -> bool), ("missing", |c| c.len() == 2)]
        {
            let samples: Vec<DiagnosedSample<'_>> = read
                .iter()
                .filter(|(_, shown, _)| is_in(*shown))
                .map(|(id, shown, reading)| DiagnosedSample {
                    shown: *shown,
                    ground_truth: session.truth(id),
                    unimodal: session.unimodal(id),
                    reading,
                })
                .collect();
            for level in [LabelLevel::Class, LabelLevel::Polarity] {
                let (rules, first) = (&router.1.rules, router.1.first_layer - 1);
                let found = diagnose(&samples, rules, level, first, args.threshold, args.target);
                rows.push((split.name(), part, found));
            }
        }
    }
    let object = json!({
        "router": args.router,
        "targets": router.1.targets,
        "trained_on": router.1.corpora,
        "corpora": args.place.corpus,
        "threshold": args.threshold,
        "rows": rows
            .iter()
            .map(|(split, part, d)| json!({ "split": split, "samples": part, "diagnosis": d }))
            .collect::<Vec<_>>(),
    });
    if let Some(path) = &args.out {
        write_json(path, &object)?;
    }
    if args.json {
        printer.json(&object)?;
    } else {
        printer.data(&text(&rows, args))?;
    }
    Ok(if n_failed > 0 { ExitStatus::Partial } else { ExitStatus::Done })
}

fn text(rows: &[(&str, &str, Diagnosis)], args: &DiagnoseArgs) -> String {
    let target = match args.target {
        TargetReading::Any => "any right modality",
        TargetReading::Unique => "the one right modality",
    };
    let threshold = args.threshold;
    let mut out = format!("a layer counts as steered where p > {threshold}; target: {target}\n");
    let _ = writeln!(
        out,
        "{:<6} {:<8} {:<9} {:>6} {:>9} {:>6} {:>7} {:>7} {:>7} | top-1 {:>6} {:>6} {:>6} | joint {:>6} {:>6} {:>6}",
        "split",
        "samples",
        "labels",
        "n",
        "conflicts",
        "none",
        "recall",
        "false+",
        "AUROC",
        "layer",
        "mean",
        "most",
        "layer",
        "mean",
        "most"
    );
    let number = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.4}"));
    for (split, part, d) in rows {
        let _ = writeln!(
            out,
            "{split:<6} {part:<8} {:<9} {:>6} {:>9} {:>6} {:>7} {:>7} {:>7} |       {:>6} {:>6} {:>6} |       {:>6} {:>6} {:>6}",
            d.level,
            d.n,
            d.n_conflict,
            d.n_none_correct,
            number(d.recall),
            number(d.false_positive_rate),
            number(d.auroc),
            number(d.top1_by_layer),
            number(d.top1_by_mean_gate),
            number(d.top1_by_majority),
            number(d.joint_by_layer),
            number(d.joint_by_mean_gate),
            number(d.joint_by_majority)
        );
    }
    out
}
