//! Clips that are tried before all others.

use std::collections::BTreeSet;
use std::sync::Arc;

use emomm_dataset::ModalitySet;
use emomm_eval::run::{RecordSink, RecordStatus, Run, RunError};
use emomm_eval::runner::{
    Ending, FailOn, Observer, OpenPredictor, Outcome, RunnerOptions, Stop, WorkItem, run_after_trial,
};

use crate::stage::{Spectator, fake, header, options, play_by};

/// Clips of each run.
const CLIPS: usize = 12;

/// The outcome and the distinct keys of the log.
fn tried(words: &str, options: &RunnerOptions, mut spectator: Spectator) -> (Outcome, Run, usize) {
    let folder = tempfile::tempdir().unwrap();
    let outcome =
        play_by(run_after_trial, folder.path(), &header(CLIPS), &fake(words), options, &mut spectator);
    (outcome, Run::open(folder.path()).unwrap(), spectator.n_records)
}

#[test]
fn what_was_tried_counts_once_and_a_broken_clip_ends_nothing() {
    for words in ["", "media=0000", "nan=0000", "panic=0000@TA"] {
        let (outcome, run, n_seen) = tried(words, &options(2), Spectator::default());
        assert!(matches!(outcome.ending, Ending::Complete), "{words}: {:?}", outcome.ending);
        let keys: BTreeSet<&str> = run.records().iter().map(|r| r.key.as_str()).collect();
        assert_eq!((keys.len(), n_seen, outcome.n_recorded), (CLIPS * 8, CLIPS * 8, CLIPS * 8), "{words}");
        let failed = run.records().iter().filter(|r| r.status != RecordStatus::Ok).count();
        assert_eq!(failed, outcome.n_failed, "{words}");
    }
}

/// The first, the middle and the last clip of those that are left.
#[test]
fn one_reason_for_all_ends_the_run_after_three_clips() {
    for (words, status) in [("media=/", RecordStatus::MediaError), ("mute=/", RecordStatus::ParseError)] {
        let (outcome, run, _) = tried(words, &options(2), Spectator::default());
        let Ending::TrialFailed(reason) = outcome.ending else { panic!("{:?}", outcome.ending) };
        assert_eq!((reason.status, reason.n, outcome.n_failed), (status, 24, 24));
        let samples: BTreeSet<&str> = run.records().iter().map(|r| r.sample.as_str()).collect();
        assert_eq!(samples, BTreeSet::from(["made-up/v/0000", "made-up/v/0006", "made-up/v/0011"]));
    }
}

#[test]
fn stops_and_bounds_hold_between_trials() {
    let spectator = Spectator { stop_after: Some(1), ..Spectator::default() };
    let (outcome, run, _) = tried("", &options(1), spectator);
    assert!(matches!(outcome.ending, Ending::Drained), "{:?}", outcome.ending);
    assert_eq!(run.records().len(), 8);
    let strict = RunnerOptions { fail_on: Some(FailOn::Count(3)), ..options(1) };
    let (outcome, run, _) = tried("media=/", &strict, Spectator::default());
    assert!(matches!(outcome.ending, Ending::TooManyErrors), "{:?}", outcome.ending);
    assert_eq!(run.records().len(), 8);
    // What failed in a trial counts with what fails after it.
    let bounded = RunnerOptions { fail_on: Some(FailOn::Count(9)), ..options(1) };
    let (outcome, _, _) = tried("media=000", &bounded, Spectator::default());
    assert!(matches!(outcome.ending, Ending::TooManyErrors), "{:?}", outcome.ending);
}

/// Three replies that cannot be read may be those of a model that now and then writes no letter.
#[test]
fn few_unreadable_replies_end_nothing() {
    fn of_full_clips(
        mut items: Vec<WorkItem>,
        open: &Arc<OpenPredictor>,
        sink: &mut RecordSink,
        options: &RunnerOptions,
        stop: &Stop,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, RunError> {
        for item in &mut items {
            item.wanted.retain(|w| w.coalition == ModalitySet::FULL);
        }
        run_after_trial(items, open, sink, options, stop, observer)
    }
    for (words, is_over) in [("mute=/", false), ("media=/", true)] {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Spectator::default();
        let outcome =
            play_by(of_full_clips, folder.path(), &header(CLIPS), &fake(words), &options(2), &mut seen);
        assert_eq!(
            matches!(outcome.ending, Ending::TrialFailed(_)),
            is_over,
            "{words}: {:?}",
            outcome.ending
        );
        assert_eq!(outcome.n_failed, if is_over { 3 } else { CLIPS }, "{words}");
    }
}
