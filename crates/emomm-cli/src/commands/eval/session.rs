//! One session of a run: workers, progress, and what is said at the end. `emomm eval` and `emomm retry` share it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use emomm_dataset::Sentiment;
use emomm_dataset::manifest::Manifest;
use emomm_eval::run::{LogWriter, Plan, ProblemGroup, Record, RecordSink, RecordStatus, RunHeader};
use emomm_eval::runner::{self, Ending, Outcome, Progress, RowKind, RunnerOptions, WorkItem};

use super::watch::Watch;
use super::{Model, Summary};
use crate::exit_status::{ExitStatus, Failure};
use crate::interrupt::Interrupts;
use crate::printer::Printer;

/// What a session works on.
pub(crate) struct Session<'a> {
    pub(crate) out: &'a Path,
    pub(crate) header: &'a RunHeader,
    pub(crate) model: &'a Model,
    pub(crate) truths: BTreeMap<String, Sentiment>,
    pub(crate) manifest: &'a Manifest,
}

/// Divides items into what is there and what is left: a record is there if its key is wanted and `is_done` says so.
pub(crate) fn left_over(
    items: Vec<WorkItem>,
    records: &[Record],
    is_done: impl Fn(&Record) -> bool,
) -> (Vec<Record>, Vec<WorkItem>) {
    let done: BTreeMap<&str, &Record> =
        records.iter().filter(|r| is_done(r)).map(|r| (r.key.as_str(), r)).collect();
    let mut reused = Vec::new();
    let mut left = Vec::new();
    for mut item in items {
        item.wanted.retain(|wanted| match done.get(wanted.key.as_str()) {
            Some(record) => {
                reused.push((*record).clone());
                false
            }
            None => true,
        });
        if !item.wanted.is_empty() {
            left.push(item);
        }
    }
    (reused, left)
}

impl Session<'_> {
    /// Answers the items, with `preflight` after some of them were tried.
    pub(crate) fn run(
        &self,
        writer: LogWriter,
        items: Vec<WorkItem>,
        reused: &[Record],
        options: &RunnerOptions,
        preflight: bool,
        printer: &Printer,
    ) -> Result<Outcome, Failure> {
        let plan = &self.header.plan;
        let mut progress = Progress::new(plan.n_records, self.truths.clone(), &plan.coalitions);
        progress.reuse(reused);
        let say = |line: &str| Printer::new().talk(line);
        let interrupts = Interrupts::listen(say);
        let stop = std::sync::Arc::clone(&interrupts.stop);
        let mut sink = if options.keeps_tensors {
            RecordSink::with_tensors(writer, self.out)?
        } else {
            RecordSink::new(writer)
        };
        let mut watch = Watch::new(progress, interrupts, printer);
        let answer = if preflight { runner::run_after_trial } else { runner::run };
        let outcome = answer(items, &self.model.open, &mut sink, options, &stop, &mut watch);
        watch.finish();
        Ok(outcome?)
    }

    /// Says what came of it, and how the command ends.
    pub(crate) fn finish(
        &self,
        outcome: &Outcome,
        n_reused: usize,
        json: bool,
        printer: &Printer,
    ) -> Result<ExitStatus, Failure> {
        let summary = Summary::of(self.out, self.manifest, n_reused, outcome.cost)?;
        summary.print(json, printer)?;
        let again = "issue the same command again to go on";
        match &outcome.ending {
            Ending::Complete if summary.n_failed() > 0 => Ok(ExitStatus::Partial),
            Ending::Complete => Ok(ExitStatus::Done),
            Ending::Drained | Ending::Stopped => {
                printer.talk(&format!("interrupted with {}; {again}", summary.n_of_n()));
                Ok(ExitStatus::Interrupted)
            }
            Ending::TooManyErrors => {
                let message = format!("too many records failed: {} so far", outcome.n_failed);
                Err(Failure::new(ExitStatus::Partial, message)
                    .with_hint("`emomm errors` says why; raise or leave out --fail-on-error to go on"))
            }
            Ending::CannotGoOn(error) => Err(error.clone().into()),
            Ending::TrialFailed(reason) => Err(trial_failed(reason, self.out)),
        }
    }
}

/// Nothing that was tried has an answer.
fn trial_failed(reason: &ProblemGroup, out: &Path) -> Failure {
    let status = match reason.status {
        RecordStatus::MediaError => ExitStatus::Data,
        _ => ExitStatus::Model,
    };
    let message = format!(
        "none of the {} records that were tried first has an answer, all are {}; most often (as {}): {}",
        reason.n,
        reason.status.name(),
        reason.examples.join(", "),
        reason.message
    );
    let own = reason.hint.as_ref().map_or(String::new(), |hint| format!("{hint}; "));
    Failure::new(status, message).with_hint(format!(
        "{own}nothing else was asked; `emomm errors {}` lists these. When the cause is mended, `emomm retry` asks these again and the same command goes on; \
         --no-preflight asks everything all the same",
        out.display()
    ))
}

/// The selection of a plan that is there, as words again.
pub(crate) fn rows_of(plan: &Plan) -> Result<RowKind, Failure> {
    let selection = &plan.selection;
    Ok(RowKind {
        subsets: each(&selection.subsets)?,
        splits: each(&selection.splits)?,
        sample_ids: selection.sample_ids.clone(),
        limit: selection.limit,
        shard: selection.shard.as_ref().map(|s| read(s)).transpose()?,
    })
}

fn each<T: FromStr<Err: Display>>(words: &[String]) -> Result<Vec<T>, Failure> {
    words.iter().map(|w| read(w)).collect()
}

fn read<T: FromStr<Err: Display>>(word: &str) -> Result<T, Failure> {
    word.parse().map_err(|e: T::Err| Failure::new(ExitStatus::Data, format!("the run's header: {e}")))
}
