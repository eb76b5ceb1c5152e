//! `emomm merge`: the shards of one plan as one run.

use std::path::PathBuf;

use clap::Args;
use emomm_eval::run::{MergeError, Run, merge};
use serde_json::json;

use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Folders of all shards of one plan
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Folder for the whole run: new
    #[arg(long, value_name = "RUN")]
    pub(crate) out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &MergeArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let runs: Vec<Run> = args.runs.iter().map(|path| Run::open(path)).collect::<Result<_, _>>()?;
    let n = merge(&runs, &args.out)?;
    if args.json {
        printer.json(&json!({ "out": args.out, "n_runs": runs.len(), "n_records": n }))?;
    } else {
        printer.data(&format!("{n} records of {} runs in {}\n", runs.len(), args.out.display()))?;
    }
    Ok(ExitStatus::Done)
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Run(error) => error.into(),
            error => Self { status: ExitStatus::Data, hint: error.hint(), message: error.to_string() },
        }
    }
}
