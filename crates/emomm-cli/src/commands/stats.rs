//! `emomm stats`: what a benchmark holds, as the paper's Table 3 and Table 4 and as subsets and splits, and its Figures 6
//! to 8.

use std::fs;
use std::path::Path;

use emomm_dataset::build::Split;
use emomm_dataset::manifest::ManifestRow;
use emomm_metrics::{DescribedSample, Statistics};
use emomm_report::{benchmark_figures, benchmark_subsets};
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
    if let Some(folder) = &args.figures {
        write_figures(&statistics, folder, printer)?;
    }
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

/// Files that stand in the folder under the same names are replaced, others are left alone.
fn write_figures(
    statistics: &[(String, Statistics)],
    folder: &Path,
    printer: &Printer,
) -> Result<(), Failure> {
    fs::create_dir_all(folder)
        .map_err(|e| Failure::new(ExitStatus::Usage, format!("{}: {e}", folder.display())))?;
    let subsets = std::iter::once(benchmark_subsets::figure(statistics));
    for figure in subsets.chain(benchmark_figures::figures(statistics)) {
        figure.write(folder, "")?;
        let path = folder.join(&figure.name);
        printer.talk(&format!("{}.svg, .png, .csv: {}", path.display(), figure.title));
    }
    Ok(())
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
