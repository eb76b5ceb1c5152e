//! Panics, hangs, nonsense.

use std::sync::{Arc, Mutex};

use emomm_dataset::ModalitySet;
use emomm_eval::fake::FakePredictor;
use emomm_eval::run::{Record, RecordStatus, Run};
use emomm_eval::runner::{Ending, FailOn, OpenPredictor, RunnerOptions, run, run_after_trial};
use emomm_eval::{Clip, Deliver, PredictError, PredictErrorKind, PredictOptions, Predictor};

use crate::stage::{Runner, SHORT, Spectator, fake, header, options, play, play_by, records};

/// Status and kind of the records of one clip, and whether all others are fine.
fn of_clip(records: &[Record], id: &str) -> (Vec<(RecordStatus, Option<String>)>, bool) {
    let kind = |r: &Record| (r.status, r.error.as_ref().map(|e| e.kind.clone()));
    let hit = records.iter().filter(|r| r.sample.ends_with(id)).map(kind).collect();
    (hit, records.iter().filter(|r| !r.sample.ends_with(id)).all(|r| r.status == RecordStatus::Ok))
}

fn one(status: RecordStatus, kind: &str) -> (RecordStatus, Option<String>) {
    (status, Some(kind.to_owned()))
}

#[test]
fn each_fault_costs_the_records_of_its_clip_and_no_others() {
    for (words, status, kind) in [
        ("panic=0003", RecordStatus::Error, "panic"),
        ("nan=0003", RecordStatus::Error, "not_finite"),
        ("media=0003", RecordStatus::MediaError, "media"),
        ("mute=0003", RecordStatus::ParseError, "parse"),
    ] {
        for jobs in [1, 3] {
            let all = records(8, words, &options(jobs));
            assert_eq!(all.len(), 64, "{words}");
            let (hit, others_are_fine) = of_clip(&all, "0003");
            assert_eq!(hit, vec![one(status, kind); 8], "{words}");
            assert!(others_are_fine, "{words}");
        }
    }
}

#[test]
fn a_panic_under_one_coalition_leaves_the_other_seven() {
    let all = records(4, "panic=0001@TA", &options(2));
    let bad: Vec<&Record> = all.iter().filter(|r| r.status != RecordStatus::Ok).collect();
    assert_eq!(bad.len(), 1);
    assert_eq!((bad[0].coalition.to_string().as_str(), bad[0].sample.as_str()), ("TA", "made-up/v/0001"));
    assert!(bad[0].error.as_ref().unwrap().message.contains("made-up panic"));
    // The answers of those that were asked again are the same.
    let fine = records(4, "", &options(1));
    let same = all.iter().filter(|r| r.status == RecordStatus::Ok).all(|r| fine.contains(r));
    assert!(same);
}

#[test]
fn an_answer_for_another_coalition_is_not_believed() {
    let all = records(3, "garbage=0001", &options(1));
    let garbage = all.iter().filter(|r| r.error.as_ref().is_some_and(|e| e.kind == "garbage")).count();
    // The fake answers for no evidence at all, which is right once.
    assert_eq!(garbage, 7);
}

#[test]
fn answers_that_are_missing_are_named() {
    let all = records(3, "short=0001", &options(1));
    let (hit, others_are_fine) = of_clip(&all, "0001");
    assert_eq!(hit.iter().filter(|h| **h == one(RecordStatus::Error, "garbage")).count(), 1);
    assert!(others_are_fine);
}

#[test]
fn a_hanging_clip_is_a_timeout_and_the_rest_goes_on() {
    for jobs in [1, 2] {
        let options = RunnerOptions { timeout: Some(SHORT), ..options(jobs) };
        let all = records(6, "hang=0002", &options);
        assert_eq!(all.len(), 48);
        let (hit, others_are_fine) = of_clip(&all, "0002");
        assert_eq!(hit, vec![one(RecordStatus::Timeout, "timeout"); 8]);
        assert!(others_are_fine);
    }
}

#[test]
fn coalitions_that_were_done_before_a_timeout_keep_their_records() {
    let options = RunnerOptions { timeout: Some(SHORT), ..options(2) };
    let all = records(6, "hang=0002@AV", &options);
    assert_eq!(all.len(), 48);
    let fine = records(6, "", &options);
    let late: Vec<&Record> = all.iter().filter(|r| r.status == RecordStatus::Timeout).collect();
    // In the order none, T, A, V, TA, TV, AV, TAV the fake hangs at the seventh and never comes to the eighth.
    let words: Vec<String> = late.iter().map(|r| r.coalition.to_string()).collect();
    assert_eq!(words, ["AV", "TAV"]);
    for record in late {
        let error = record.error.as_ref().unwrap();
        assert!(record.sample.ends_with("0002"));
        assert!(error.message.ends_with("6 of 8 coalitions were done by then"), "{}", error.message);
    }
    let done = all.iter().filter(|r| r.status == RecordStatus::Ok);
    assert_eq!(done.clone().count(), 46);
    assert!(done.into_iter().all(|r| fine.contains(r)));
}

#[test]
fn what_was_done_of_a_clip_stays_when_the_run_ends_in_it() {
    let folder = tempfile::tempdir().unwrap();
    play(folder.path(), &header(3), &fake("setup=0001@TA"), &options(1), &mut Spectator::default());
    let run = Run::open(folder.path()).unwrap();
    // All of the first clip, and of the second what does not need what is missing.
    assert_eq!(run.records().len(), 8 + 7);
    assert!(run.records().iter().all(|r| r.status == RecordStatus::Ok));
    play(folder.path(), &header(3), &fake(""), &options(1), &mut Spectator::default());
    let run = Run::open(folder.path()).unwrap();
    assert_eq!((run.records().len(), run.is_complete()), (24, true));
}

#[test]
fn after_a_panic_nothing_is_asked_again_that_was_delivered() {
    let asked: Arc<Mutex<Vec<usize>>> = Arc::default();
    let counting = Arc::clone(&asked);
    let open: Arc<OpenPredictor> = Arc::new(move || {
        let inner = FakePredictor::new("panic=0001@TA".parse().unwrap());
        Ok(Box::new(Counting { inner, asked: Arc::clone(&counting) }))
    });
    let folder = tempfile::tempdir().unwrap();
    play(folder.path(), &header(2), &open, &options(1), &mut Spectator::default());
    let run = Run::open(folder.path()).unwrap();
    assert_eq!(run.records().iter().filter(|r| r.status == RecordStatus::Ok).count(), 15);
    // The second clip: all eight; then TA, TV, AV and TAV alone, for none, T, A and V were there.
    assert_eq!(*asked.lock().unwrap(), [8, 8, 1, 1, 1, 1]);
}

/// Notes how many coalitions each call asks for.
struct Counting {
    inner: FakePredictor,
    asked: Arc<Mutex<Vec<usize>>>,
}

impl Predictor for Counting {
    fn render_prompt(&self, clip: &Clip, coalition: ModalitySet) -> Result<String, PredictError> {
        self.inner.render_prompt(clip, coalition)
    }

    fn predict_each(
        &mut self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        options: &PredictOptions,
        deliver: &mut Deliver<'_>,
    ) {
        self.asked.lock().unwrap().push(coalitions.len());
        self.inner.predict_each(clip, coalitions, options, deliver);
    }
}

#[test]
fn a_predictor_that_always_hangs_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let options = RunnerOptions { timeout: Some(SHORT), ..options(4) };
    let outcome = play(folder.path(), &header(40), &fake("hang=00"), &options, &mut Spectator::default());
    let Ending::CannotGoOn(error) = outcome.ending else { panic!("{:?}", outcome.ending) };
    assert_eq!(error.kind, PredictErrorKind::Model);
    let all = Run::open(folder.path()).unwrap().records().to_vec();
    assert!(!all.is_empty() && all.iter().all(|r| r.status == RecordStatus::Timeout));
    assert!(all.len() < 40 * 8);
}

#[test]
fn what_every_clip_needs_ends_the_run_and_blames_no_clip() {
    let folder = tempfile::tempdir().unwrap();
    let outcome =
        play(folder.path(), &header(9), &fake("setup=0004"), &options(1), &mut Spectator::default());
    assert!(matches!(&outcome.ending, Ending::CannotGoOn(e) if e.kind == PredictErrorKind::Setup));
    let run = Run::open(folder.path()).unwrap();
    assert_eq!((run.records().len(), run.is_complete()), (32, false));
    // Once it is there, the same command goes on.
    let outcome = play(folder.path(), &header(9), &fake(""), &options(1), &mut Spectator::default());
    assert!(matches!(outcome.ending, Ending::Complete));
    assert!(Run::open(folder.path()).unwrap().is_complete());
}

#[test]
fn a_run_that_is_complete_opens_no_model() {
    let folder = tempfile::tempdir().unwrap();
    play(folder.path(), &header(2), &fake(""), &options(1), &mut Spectator::default());
    let open: Arc<OpenPredictor> = Arc::new(|| panic!("a model is opened"));
    let runners: [Runner; 2] = [run, run_after_trial];
    for runner in runners {
        let mut spectator = Spectator::default();
        let outcome = play_by(runner, folder.path(), &header(2), &open, &options(1), &mut spectator);
        assert!(matches!(outcome.ending, Ending::Complete), "{:?}", outcome.ending);
        assert_eq!((outcome.n_recorded, spectator.n_records), (0, 0));
    }
}

#[test]
fn a_model_that_cannot_be_opened_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    for (open, said) in [(opening_fails(), "no weights"), (opening_panics(), "panicked")] {
        let outcome = play(folder.path(), &header(5), &open, &options(2), &mut Spectator::default());
        let Ending::CannotGoOn(error) = outcome.ending else { panic!("{:?}", outcome.ending) };
        assert!(error.message.contains(said), "{error}");
        assert_eq!(Run::open(folder.path()).unwrap().records().len(), 0);
    }
}

fn opening_fails() -> Arc<OpenPredictor> {
    Arc::new(|| {
        let message = "no weights".to_owned();
        Err(PredictError { kind: PredictErrorKind::Model, message, hint: None })
    })
}

fn opening_panics() -> Arc<OpenPredictor> {
    Arc::new(|| panic!("made-up"))
}

#[test]
fn a_run_ends_when_too_much_fails() {
    for (fail_on, most) in [(FailOn::Count(8), 8 * 8), (FailOn::Share(0.5), 8 * 8)] {
        let folder = tempfile::tempdir().unwrap();
        let options = RunnerOptions { fail_on: Some(fail_on), ..options(1) };
        // Slow enough that the log is written between clips.
        let outcome =
            play(folder.path(), &header(60), &fake("media=00,ms=20"), &options, &mut Spectator::default());
        assert!(matches!(outcome.ending, Ending::TooManyErrors), "{:?}", outcome.ending);
        assert!(outcome.n_failed >= 8 && outcome.n_recorded <= most, "{outcome:?}");
    }
}
