//! Tries a clip before all others: where nothing can be answered, that is known after a few records and not after thousands.

use std::sync::Arc;

use super::fail_on::FailOn;
use super::item::WorkItem;
use super::stop::Stop;
use super::supervisor::{Ending, InFlight, Observer, OpenPredictor, Outcome, RunnerOptions, go_on};
use crate::run::{ProblemGroup, Record, RecordSink, RecordStatus, RunError, problems};

/// Runs of so many clips or fewer are not worth a trial.
const FEW_CLIPS: usize = 10;

/// Trials that must fail before the run does: a clip alone may be to blame.
const TRIALS: usize = 3;

/// Answers all items as [`super::run`] does, after one clip of each coalition was tried: the first clip, or as many as it takes
/// to show every coalition that is wanted. Its records count like all others. Where none has an answer, and two further trials with
/// other clips fail for the same reason, the run ends with [`Ending::TrialFailed`]. Small runs begin at once.
///
/// # Errors
/// The log could not be written. What was acknowledged before stays.
pub fn run_after_trial(
    mut items: Vec<WorkItem>,
    open: &Arc<OpenPredictor>,
    sink: &mut RecordSink,
    options: &RunnerOptions,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    let mut outcome = Outcome::of_nothing();
    if items.len() > FEW_CLIPS {
        let mut tried = Tried { observer, records: Vec::new() };
        // Nobody works ahead of a trial.
        let options = RunnerOptions { read_ahead: 0, ..options.clone() };
        for trial in 0..TRIALS {
            // Neighbours may share their fate: the first, the middle, the last.
            let from = trial * items.len().saturating_sub(1) / (TRIALS - 1);
            let (first, rest) = one_of_each(items, from);
            items = rest;
            outcome = go_on(outcome, first, open, sink, &options, stop, &mut tried)?;
            if !matches!(outcome.ending, Ending::Complete) {
                return Ok(outcome);
            }
            if let Some(ending) = ended(&outcome, &options, stop).filter(|_| !items.is_empty()) {
                return Ok(Outcome { ending, ..outcome });
            }
            if only_reason(&tried.records).is_none() {
                break;
            }
        }
        if let Some(reason) = only_reason(&tried.records).filter(|r| is_of_all(r) && !items.is_empty()) {
            return Ok(Outcome { ending: Ending::TrialFailed(reason), ..outcome });
        }
    }
    go_on(outcome, items, open, sink, options, stop, observer)
}

/// Whether the run has to end between two trials.
fn ended(outcome: &Outcome, options: &RunnerOptions, stop: &Stop) -> Option<Ending> {
    if options.fail_on.is_some_and(|f| f.is_reached(outcome.n_failed, outcome.n_recorded)) {
        return Some(Ending::TooManyErrors);
    }
    match stop.asked() {
        0 => None,
        1 => Some(Ending::Drained),
        _ => Some(Ending::Stopped),
    }
}

/// Items that together show every coalition of all, sought from a place on, and the others, both in their order.
fn one_of_each(items: Vec<WorkItem>, from: usize) -> (Vec<WorkItem>, Vec<WorkItem>) {
    let n = items.len();
    let mut shown = Vec::new();
    let mut is_taken = vec![false; n];
    for place in (0..n).map(|i| (from + i) % n) {
        let new = items[place].wanted.iter().map(|w| w.coalition).filter(|c| !shown.contains(c));
        let new: Vec<_> = new.collect();
        is_taken[place] = !new.is_empty();
        shown.extend(new);
    }
    let (taken, left): (Vec<_>, Vec<_>) =
        items.into_iter().zip(is_taken).partition(|(_, is_taken)| *is_taken);
    let bare = |pairs: Vec<(WorkItem, bool)>| pairs.into_iter().map(|(item, _)| item).collect();
    (bare(taken), bare(left))
}

/// Why all of these failed, if none has an answer and status and kind of error are those of all; messages may differ by
/// coalition and clip, and the most frequent one is given.
fn only_reason(records: &[Record]) -> Option<ProblemGroup> {
    if records.iter().any(|r| r.status == RecordStatus::Ok) {
        return None;
    }
    let groups = problems(records);
    let first = groups.first()?;
    let is_one = groups.iter().all(|g| (g.status, &g.kind) == (first.status, &first.kind));
    is_one.then(|| ProblemGroup { n: records.len(), ..first.clone() })
}

/// Whether the clips that were tried speak for all. A model that answers, but not as asked, may do so with some clips only: that
/// takes as many records as a share of failures is judged by.
fn is_of_all(reason: &ProblemGroup) -> bool {
    let is_answer =
        matches!(reason.status, RecordStatus::ParseError | RecordStatus::Refused | RecordStatus::Blocked);
    !is_answer || reason.n >= FailOn::FEWEST
}

/// Keeps the records that it sees.
struct Tried<'a> {
    observer: &'a mut dyn Observer,
    records: Vec<Record>,
}

impl Observer for Tried<'_> {
    fn recorded(&mut self, records: &[Record]) {
        self.records.extend_from_slice(records);
        self.observer.recorded(records);
    }

    fn tick(&mut self, in_flight: &dyn Fn() -> Vec<InFlight>) {
        self.observer.tick(in_flight);
    }
}
