//! `emomm errors`: what went wrong in runs, grouped.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;
use emomm_eval::run::{ProblemGroup, Run, problems};
use serde_json::json;

use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct ErrorsArgs {
    /// Folders of runs
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Print one JSON object per run
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &ErrorsArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    for path in &args.runs {
        let run = Run::open(path)?;
        let groups = problems(run.records());
        let n: usize = groups.iter().map(|g| g.n).sum();
        if args.json {
            printer.json(&json!({
                "run": path,
                "n_records": run.records().len(),
                "n_total": run.header().plan.n_records,
                "n_failed": n,
                "groups": groups,
            }))?;
        } else {
            let mut text = format!("{}: {}, {n} without an answer\n", path.display(), run.n_of_n());
            for group in &groups {
                paragraph(&mut text, group);
            }
            printer.data(&text)?;
        }
    }
    Ok(ExitStatus::Done)
}

fn paragraph(out: &mut String, group: &ProblemGroup) {
    let _ = writeln!(
        out,
        "\n{:>7} records of {} clips: {}, {}",
        group.n, group.n_clips, group.status, group.kind
    );
    let _ = writeln!(out, "        {}", group.message);
    if let Some(hint) = &group.hint {
        let _ = writeln!(out, "        hint: {hint}");
    }
    let coalitions: Vec<String> = group.coalitions.iter().map(|(c, n)| format!("{c} {n}")).collect();
    let _ = writeln!(out, "        by coalition: {}", coalitions.join(", "));
    let _ = writeln!(out, "        for example: {}", group.examples.join(", "));
}
