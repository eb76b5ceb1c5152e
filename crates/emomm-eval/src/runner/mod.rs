//! Runs a predictor over the work items of a plan and appends what comes out to a log.
//!
//! `items` turns a benchmark and a selection into [`WorkItem`]s: a clip with all its wanted coalitions, answered in one
//! call. [`run`] hands them to workers, each a thread with a predictor of its own, and appends what they return in groups.
//! A predictor that panics, hangs, or answers nonsense costs its own records and nothing else.

mod fail_on;
mod item;
mod progress;
mod read_ahead;
mod selection;
mod shard;
mod shared;
mod stop;
mod supervisor;
mod trial;
mod worker;

pub use fail_on::FailOn;
pub use item::{Evidence, Wanted, WorkItem, keyed};
pub use progress::{Progress, ProgressLine};
pub use selection::{Candidate, RowKind, SelectError, candidates, check_pairs, evidence_of};
pub use shard::Shard;
pub use stop::Stop;
pub use supervisor::{Ending, InFlight, Observer, OpenPredictor, Outcome, RunnerOptions, run};
pub use trial::run_after_trial;
