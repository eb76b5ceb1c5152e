//! Workers, stops and groups change nothing of what is computed.

use std::sync::Arc;

use emomm_dataset::Modality;
use emomm_eval::run::{LogWriter, Run};
use emomm_eval::runner::{Ending, RunnerOptions};
use emomm_eval::{AttentionDetail, PredictOptions};

use crate::stage::{Spectator, fake, header, options, play, records};

#[test]
fn the_number_of_workers_changes_no_record() {
    let one = records(30, "seed=5", &options(1));
    assert_eq!(one, records(30, "seed=5", &options(7)));
    assert_ne!(one, records(30, "seed=6", &options(1)));
    assert_eq!(one.len(), 240);
    assert!(one.is_sorted_by(|a, b| a.sample <= b.sample));
}

#[test]
fn a_run_that_is_stopped_again_and_again_ends_as_one_that_is_not() {
    let undisturbed = records(40, "ms=2", &options(2));
    let folder = tempfile::tempdir().unwrap();
    let mut sessions = 0;
    loop {
        let mut spectator = Spectator { stop_after: Some(24), ..Spectator::default() };
        let outcome = play(folder.path(), &header(40), &fake("ms=2"), &options(2), &mut spectator);
        sessions += 1;
        assert_eq!(spectator.n_records, outcome.n_recorded);
        match outcome.ending {
            Ending::Drained => {}
            Ending::Complete => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(sessions > 2);
    let run = Run::open(folder.path()).unwrap();
    assert_eq!(run.records(), undisturbed);
    assert_eq!(run.n_superseded(), 0);
}

#[test]
fn asked_twice_it_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut spectator = Spectator::default();
    spectator.stop.ask();
    spectator.stop.ask();
    let outcome = play(folder.path(), &header(4), &fake("hang=00"), &options(2), &mut spectator);
    assert!(matches!(outcome.ending, Ending::Stopped));
    // The lock is free again, whatever the workers do.
    LogWriter::resume(folder.path(), &header(4), false).unwrap();
}

#[test]
fn attention_by_head_is_kept_beside_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let options = RunnerOptions { keeps_tensors: true, ..options(2) };
    play(folder.path(), &header(6), &fake(""), &options, &mut Spectator::default());
    let run = Run::open(folder.path()).unwrap();
    let plain = records(6, "", &crate::stage::options(1));
    for (record, plain) in run.records().iter().zip(&plain) {
        let kept = run.kept_attention(record).unwrap().unwrap();
        let heads = kept.heads;
        let attention = record.attention.as_ref().unwrap();
        for (m, layers) in heads.nmas.iter() {
            let means = attention.nmas.get(m);
            assert_eq!(layers.is_some(), record.coalition.contains(m));
            let Some(layers) = layers else { continue };
            for (layer, mean) in layers.iter().zip(means.as_ref().unwrap()) {
                let sum: f64 = layer.iter().map(|v| f64::from(*v)).sum();
                assert!((sum / layer.len() as f64 - mean).abs() < 1e-12);
            }
        }
        assert_eq!(run.kept_attention(plain).unwrap(), None);
        assert_eq!(attention.nmas, plain.attention.as_ref().unwrap().nmas);
    }
}

/// What single tokens take adds up to what their modality takes, and comes back as it was kept.
#[test]
fn attention_by_token_is_kept_when_it_is_asked_for_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let predict =
        PredictOptions { attention: AttentionDetail::Full, importance: true, ..PredictOptions::default() };
    let options = RunnerOptions { keeps_tensors: true, predict, ..options(2) };
    play(folder.path(), &header(6), &fake(""), &options, &mut Spectator::default());
    let run = Run::open(folder.path()).unwrap();
    let mut seen = 0;
    run.visit_kept_attention(run.records(), &mut |record, kept| {
        seen += 1;
        assert_eq!(run.kept_attention(record).unwrap().as_ref(), Some(&kept));
        let attention = record.attention.as_ref().unwrap();
        let Some(maps) = kept.tokens else {
            // Nothing is shown, so no token belongs to a modality.
            return assert!(record.coalition.is_empty());
        };
        for (m, layers) in maps.attention.iter() {
            assert_eq!(layers.is_some(), record.coalition.contains(m));
            let masses = attention.mass.get(m).as_ref().into_iter().flatten();
            for (layer, mass) in layers.iter().flatten().zip(masses) {
                let sum: f64 = layer.iter().map(|v| f64::from(*v)).sum();
                assert!((sum - mass).abs() < 1e-6, "{sum} {mass}");
            }
        }
        let has_video = record.coalition.contains(Modality::Video);
        assert_eq!((maps.importance.is_some(), maps.places.is_some()), (has_video, has_video));
        let spatial = attention.spatial.as_ref();
        assert_eq!(spatial.is_some(), has_video);
        if let Some(spatial) = spatial {
            assert!(spatial.entropy.iter().flatten().all(|e| (0.0..=1.0).contains(e)));
            assert!(spatial.importance_entropy.is_some() && spatial.person.is_none());
        }
    })
    .unwrap();
    assert_eq!(seen, 6 * 8);
}

/// With nothing to wait for but the disk, many clips share one sync.
#[test]
fn a_fast_predictor_shares_groups() {
    let folder = tempfile::tempdir().unwrap();
    let mut spectator = Spectator::default();
    let n = 2000;
    play(folder.path(), &header(n), &fake(""), &options(2), &mut spectator);
    assert_eq!(spectator.n_records, n * 8);
    assert!(spectator.n_groups < n, "{} groups", spectator.n_groups);
    drop(Arc::clone(&spectator.stop));
}

/// A predictor that knows which clips were read before they were asked for.
struct Ahead {
    inner: emomm_eval::fake::FakePredictor,
    read: Arc<std::sync::Mutex<Vec<String>>>,
    /// Clips that were asked for, and whether they had been read.
    asked: Arc<std::sync::Mutex<Vec<(String, bool)>>>,
}

impl emomm_eval::Predictor for Ahead {
    fn render_prompt(
        &self,
        clip: &emomm_eval::Clip,
        coalition: emomm_dataset::ModalitySet,
    ) -> Result<String, emomm_eval::PredictError> {
        self.inner.render_prompt(clip, coalition)
    }

    fn predict_each(
        &mut self,
        clip: &emomm_eval::Clip,
        coalitions: &[emomm_dataset::ModalitySet],
        options: &PredictOptions,
        deliver: &mut emomm_eval::Deliver<'_>,
    ) {
        let was_read = self.read.lock().unwrap().contains(&clip.id);
        self.asked.lock().unwrap().push((clip.id.clone(), was_read));
        self.inner.predict_each(clip, coalitions, options, deliver);
    }

    fn read_ahead(&self, clip: &emomm_eval::Clip, coalitions: &[emomm_dataset::ModalitySet]) {
        assert_eq!(coalitions.len(), 8);
        assert!(!clip.id.contains("0030"), "a made-up panic");
        let asked = self.asked.lock().unwrap().len();
        let mut read = self.read.lock().unwrap();
        read.push(clip.id.clone());
        // The worker's own clip is among those that were asked for, or about to be.
        assert!(read.len() <= asked + 1 + 3, "{} read, {asked} asked", read.len());
    }
}

/// The next clips are read while one is answered, never more than so many of them; a reader that panics stops nothing.
#[test]
fn clips_are_read_ahead_of_the_workers() {
    let folder = tempfile::tempdir().unwrap();
    let (read, asked) =
        <(Arc<std::sync::Mutex<Vec<String>>>, Arc<std::sync::Mutex<Vec<(String, bool)>>>)>::default();
    let (of_read, of_asked) = (Arc::clone(&read), Arc::clone(&asked));
    let open: Arc<emomm_eval::runner::OpenPredictor> = Arc::new(move || {
        let inner = emomm_eval::fake::FakePredictor::new("ms=15".parse().unwrap());
        Ok(Box::new(Ahead { inner, read: Arc::clone(&of_read), asked: Arc::clone(&of_asked) }))
    });
    let options = RunnerOptions { read_ahead: 3, ..options(1) };
    let outcome = play(folder.path(), &header(40), &open, &options, &mut Spectator::default());
    assert!(matches!(outcome.ending, Ending::Complete));
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 40);
    // The first may be asked for before it is read; after the panic nothing is read any more.
    let n_before = asked.iter().filter(|(_, was_read)| *was_read).count();
    assert!((5..=31).contains(&n_before), "{n_before} of 40 were read before");
    let mut each = read.lock().unwrap().clone();
    each.dedup();
    assert_eq!(each.len(), read.lock().unwrap().len());
}
