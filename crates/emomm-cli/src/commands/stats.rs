//! `emomm stats`: what a benchmark holds, as the paper's Table 3 and Table 4 and as subsets and splits.

use emomm_dataset::build::Split;
use emomm_dataset::manifest::ManifestRow;
use emomm_metrics::{DescribedSample, Statistics};
use serde_json::Value;

use super::verify::read_benchmark;
use crate::cli::StatsArgs;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;
use crate::statistics_tables::tables;
use crate::table_writers::{csv, latex, markdown, terminal};

pub(crate) fn run(args: &StatsArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let manifest = read_benchmark(&args.bench)?;
    let samples: Vec<DescribedSample<'_>> = manifest.rows.iter().map(described).collect();
    let statistics = Statistics::by_corpus(&samples, &Split::ALL.map(Split::name));
    if args.form.json {
        let object = statistics
            .into_iter()
            .map(|(name, s)| Ok((name, serde_json::to_value(s)?)))
            .collect::<serde_json::Result<serde_json::Map<String, Value>>>()
            .map_err(|e| Failure::new(ExitStatus::Data, format!("statistics as JSON: {e}")))?;
        printer.json(&object)?;
        return Ok(ExitStatus::Done);
    }
    let tables = tables(&statistics);
    let text = if args.form.csv {
        csv(&tables)
    } else if args.form.latex {
        latex(&tables)
    } else if args.form.markdown {
        markdown(&tables)
    } else {
        terminal(&tables)
    };
    printer.data(&text)?;
    Ok(ExitStatus::Done)
}

fn described(row: &ManifestRow) -> DescribedSample<'_> {
    DescribedSample {
        corpus: &row.corpus,
        coalition: row.coalition,
        labels: row.labels.classes(),
        subset: row.subset,
        agreement: row.agreement,
        split: row.split.name(),
        group: &row.group,
    }
}
