//! `emomm retry`: asks again for the records of a run that have no answer.

use std::path::{Path, PathBuf};

use clap::Args;
use emomm_api::KeptReplies;
use emomm_dataset::manifest::Manifest;
use emomm_eval::run::{LogWriter, RecordStatus, Run, RunHeader};
use emomm_eval::runner::RunnerOptions;
use emomm_eval::{AttentionDetail, PredictOptions};

use super::eval::{Model, Seconds, Session, all_items, bench_id, left_over};
use super::verify::read_benchmark;
use crate::exit_status::{ExitStatus, Failure};
use crate::printer::Printer;
use crate::served_args::AccessArgs;

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// Folders of runs
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Statuses to ask again, as timeout,error; all but ok without it
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub(crate) status: Vec<RecordStatus>,
    /// Folder of the model; the one that the run names without it
    #[arg(long, value_name = "DIR")]
    pub(crate) model: Option<PathBuf>,
    /// Router of a run that was steered by one
    #[arg(long, value_name = "ROUTER")]
    pub(crate) router: Option<PathBuf>,
    /// Folder of the benchmark; the one that the run names without it
    #[arg(long, value_name = "BENCH")]
    pub(crate) bench: Option<PathBuf>,
    /// Workers, which share the weights
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) jobs: u32,
    /// Longest time for one clip in seconds; no limit without it
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<Seconds>,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    /// Print one JSON object per run
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &RetryArgs, printer: &Printer) -> Result<ExitStatus, Failure> {
    let mut worst = ExitStatus::Done;
    for path in &args.runs {
        match again(args, path, printer)? {
            ExitStatus::Done => {}
            ExitStatus::Interrupted => return Ok(ExitStatus::Interrupted),
            other => worst = other,
        }
    }
    Ok(worst)
}

fn again(args: &RetryArgs, path: &Path, printer: &Printer) -> Result<ExitStatus, Failure> {
    let header = Run::open(path)?.header().clone();
    let bench = args.bench.clone().unwrap_or_else(|| header.places.bench.clone());
    let manifest = read_benchmark(&bench)?;
    same_bench(&header, &manifest, &bench)?;
    let place = args.model.as_ref().unwrap_or(&header.places.model);
    // An answer that was kept, of a record that has none, came in a session that was cut off.
    let reuses =
        if args.status.contains(&RecordStatus::Ok) { KeptReplies::None } else { KeptReplies::Answers };
    let access = args.access.access(args.jobs as usize, reuses);
    let served = Model::ask_again(place, &header, path, access, printer)?;
    let model = match served {
        Some(model) => model,
        None => Model::again(place, args.router.as_deref(), &header.plan.settings, printer)?,
    };
    let (writer, header, records) = LogWriter::reopen(path)?;
    let asked = |status: RecordStatus| {
        if args.status.is_empty() { status != RecordStatus::Ok } else { args.status.contains(&status) }
    };
    // What is not there at all is left to `eval`.
    let mut items = all_items(&header, &manifest, &bench)?;
    let there: std::collections::BTreeSet<&str> = records.iter().map(|r| r.key.as_str()).collect();
    for item in &mut items {
        item.wanted.retain(|wanted| there.contains(wanted.key.as_str()));
    }
    items.retain(|item| !item.wanted.is_empty());
    let (kept, items) = left_over(items, &records, |r| !asked(r.status));
    let settings = &header.plan.settings;
    let attention: AttentionDetail =
        settings.attention.parse().map_err(|e: String| Failure::new(ExitStatus::Data, e))?;
    let predict = PredictOptions {
        attention,
        importance: settings.importance,
        generate: settings.generate,
        max_new_tokens: settings.max_new_tokens,
    };
    let options = RunnerOptions {
        predict,
        jobs: args.jobs as usize,
        // A retried run has no caches.
        read_ahead: 0,
        timeout: args.timeout.map(|s| s.0),
        fail_on: None,
        keeps_tensors: attention == AttentionDetail::Full,
    };
    let truths = manifest.rows.iter().filter(|r| r.is_full());
    let truths = truths.map(|r| (r.id.clone(), r.labels.ground_truth.class)).collect();
    let session = Session { out: path, header: &header, model: &model, truths, manifest: &manifest };
    let outcome = session.run(writer, items, &kept, &options, false, printer)?;
    session.finish(&outcome, kept.len(), args.json, printer)
}

/// A run is only continued on the benchmark that it was made on.
fn same_bench(header: &RunHeader, manifest: &Manifest, bench: &Path) -> Result<(), Failure> {
    let (found, expected) = (bench_id(manifest).manifest_sha256, &header.plan.bench.manifest_sha256);
    if found == *expected {
        return Ok(());
    }
    let message = format!("{}: manifest {found}, expected {expected} as in the run", bench.display());
    Err(Failure::new(ExitStatus::Data, message).with_hint("name the run's benchmark with --bench"))
}
