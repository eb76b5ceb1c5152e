//! A stage for runs: clips by number, a fake predictor, a folder.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::fake::FakePredictor;
use emomm_eval::run::{LogWriter, Places, Plan, Record, RecordSink, Run, RunError, RunHeader};
use emomm_eval::runner::{
    InFlight, Observer, OpenPredictor, Outcome, RunnerOptions, Stop, Wanted, WorkItem, run,
};
use emomm_eval::{AttentionDetail, Clip, PredictOptions};

/// So many clips under all eight coalitions.
pub(crate) fn header(n_clips: usize) -> RunHeader {
    let plan =
        Plan { coalitions: ModalitySet::ALL.to_vec(), n_clips, n_records: n_clips * 8, ..Plan::default() };
    RunHeader::new(plan, Places::default(), None)
}

pub(crate) fn items(header: &RunHeader) -> Vec<WorkItem> {
    let item = |i: usize| {
        let id = format!("made-up/v/{i:04}");
        let wanted = |c: ModalitySet| Wanted { coalition: c, key: header.key(&id, c, ["x"]) };
        WorkItem {
            wanted: ModalitySet::ALL.into_iter().map(wanted).collect(),
            clip: Clip {
                text: Some("words".to_owned()),
                audio: Some("sound.wav".into()),
                video: Some("picture.mp4".into()),
                corpus: Corpus::ChSims,
                id,
            },
        }
    };
    (0..header.plan.n_clips).map(item).collect()
}

/// Opens fakes with the given words.
pub(crate) fn fake(words: &str) -> Arc<OpenPredictor> {
    let settings = words.parse::<emomm_eval::fake::FakeSettings>().unwrap();
    Arc::new(move || Ok(Box::new(FakePredictor::new(settings.clone()))))
}

pub(crate) fn options(jobs: usize) -> RunnerOptions {
    RunnerOptions {
        predict: PredictOptions { attention: AttentionDetail::Summary, ..PredictOptions::default() },
        jobs,
        timeout: None,
        fail_on: None,
        keeps_tensors: false,
        read_ahead: 0,
    }
}

/// Counts what it sees and stops after so many records.
#[derive(Default)]
pub(crate) struct Spectator {
    pub(crate) n_records: usize,
    pub(crate) n_groups: usize,
    pub(crate) stop_after: Option<usize>,
    pub(crate) stop: Arc<Stop>,
}

impl Observer for Spectator {
    fn recorded(&mut self, records: &[Record]) {
        self.n_records += records.len();
        self.n_groups += 1;
        if self.stop_after.is_some_and(|n| self.n_records >= n) {
            self.stop_after = None;
            self.stop.ask();
        }
    }

    fn tick(&mut self, in_flight: &dyn Fn() -> Vec<InFlight>) {
        assert!(in_flight().len() <= 64);
    }
}

/// Runs all items of a header in a folder that is new or was left.
pub(crate) fn play(
    folder: &Path,
    header: &RunHeader,
    open: &Arc<OpenPredictor>,
    options: &RunnerOptions,
    spectator: &mut Spectator,
) -> Outcome {
    play_by(run, folder, header, open, options, spectator)
}

/// [`run`], or what begins otherwise.
pub(crate) type Runner = fn(
    Vec<WorkItem>,
    &Arc<OpenPredictor>,
    &mut RecordSink,
    &RunnerOptions,
    &Stop,
    &mut dyn Observer,
) -> Result<Outcome, RunError>;

/// The same by another runner.
pub(crate) fn play_by(
    runner: Runner,
    folder: &Path,
    header: &RunHeader,
    open: &Arc<OpenPredictor>,
    options: &RunnerOptions,
    spectator: &mut Spectator,
) -> Outcome {
    let (writer, records) = LogWriter::resume(folder, header, false).unwrap();
    let mut items = items(header);
    for item in &mut items {
        item.wanted.retain(|w| !records.iter().any(|r| r.key == w.key));
    }
    items.retain(|item| !item.wanted.is_empty());
    let mut sink = if options.keeps_tensors {
        RecordSink::with_tensors(writer, folder).unwrap()
    } else {
        RecordSink::new(writer)
    };
    let stop = Arc::clone(&spectator.stop);
    runner(items, open, &mut sink, options, &stop, spectator).unwrap()
}

/// Runs to the end; the records.
pub(crate) fn records(n_clips: usize, words: &str, options: &RunnerOptions) -> Vec<Record> {
    let folder = tempfile::tempdir().unwrap();
    play(folder.path(), &header(n_clips), &fake(words), options, &mut Spectator::default());
    Run::open(folder.path()).unwrap().records().to_vec()
}

/// A short timeout.
pub(crate) const SHORT: Duration = Duration::from_millis(300);
