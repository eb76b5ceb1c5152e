//! The run folders of variants: what is left to do is steered clip by clip, written in groups, and read back as figures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use emomm_chase::{CleanReading, ClipKnowledge, LoadedRouter, Rng, Steerer, by_subset};
use emomm_dataset::{ModalitySet, Sentiment};
use emomm_eval::run::{LogWriter, Record, RecordStatus, Run};
use emomm_eval::runner::WorkItem;

use super::figures::{VariantFigures, metric};
use super::session::Session;
use super::words::{SampleArgs, in_order};
use crate::exit_status::{ExitStatus, Failure};
use crate::interrupt::Interrupts;
use crate::printer::Printer;

/// Clips whose records are written together.
const GROUP: usize = 8;

/// Whether a record stands as it is.
pub(super) fn is_done(status: RecordStatus, retry: bool) -> bool {
    if retry { status == RecordStatus::Ok } else { !status.is_transient() }
}

/// A run folder that is being filled.
pub(super) struct OpenRun {
    pub(super) folder: PathBuf,
    pub(super) writer: LogWriter,
    pub(super) items: Vec<WorkItem>,
    pub(super) done: BTreeSet<String>,
    pub(super) pending: Vec<Record>,
}

impl OpenRun {
    fn flush(&mut self) -> Result<(), Failure> {
        if !self.pending.is_empty() {
            self.writer.append(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}

/// The router's clean outputs of the clip that stands in for a clip, by coalition and clip.
pub(super) type Others = BTreeMap<(ModalitySet, String), Arc<CleanReading>>;

/// Steers every clip of which some variant lacks a record.
pub(super) fn steer_all(
    session: &mut Session,
    steerer: &Steerer,
    router: &LoadedRouter,
    runs: &mut [OpenRun],
    others: &Others,
    printer: &Printer,
) -> Result<(), Failure> {
    let interrupts = Interrupts::listen(|line| Printer::new().talk(line));
    let n_clips = runs.first().map_or(0, |r| r.items.len());
    let spinner = printer.spinner("steering");
    for at in 0..n_clips {
        let clip = runs[0].items[at].clip.clone();
        let is_left = |coalition: ModalitySet| {
            runs.iter().any(|r| {
                r.items[at].wanted.iter().any(|w| w.coalition == coalition && !r.done.contains(&w.key))
            })
        };
        let asked: Vec<ModalitySet> =
            runs[0].items[at].wanted.iter().map(|w| w.coalition).filter(|c| is_left(*c)).collect();
        if asked.is_empty() {
            continue;
        }
        if interrupts.stop.asked() > 0 {
            runs.iter_mut().try_for_each(OpenRun::flush)?;
            spinner.finish_and_clear();
            return Err(Failure::new(
                ExitStatus::Interrupted,
                format!("interrupted after {at} of {n_clips} clips"),
            )
            .with_hint("issue the same command again to go on"));
        }
        spinner.set_message(format!("steering {at}/{n_clips}"));
        let (truth, unimodal) = (session.truth(&clip.id), session.unimodal(&clip.id));
        let rules = router.1.rules;
        let knowledge = ClipKnowledge {
            target: &|coalition| rules.target(truth, unimodal, coalition),
            other: &|coalition| others.get(&(coalition, clip.id.clone())).cloned(),
        };
        for (coalition, result) in steerer.run(session.white_box.as_mut(), &clip, &asked, &knowledge) {
            for (i, run) in runs.iter_mut().enumerate() {
                let Some(wanted) = run.items[at].wanted.iter().find(|w| w.coalition == coalition) else {
                    continue;
                };
                if run.done.contains(&wanted.key) {
                    continue;
                }
                let (key, sample) = (wanted.key.clone(), clip.id.clone());
                let result = result.as_ref().map_or_else(Err, |answers| answers[i].as_ref());
                run.pending.push(match result {
                    Ok(answer) => {
                        let mut record = Record::of(key, sample, coalition, Ok(answer.prediction.clone()));
                        record.steering.clone_from(&answer.trace);
                        record
                    }
                    Err(error) => Record::of(key, sample, coalition, Err(error.clone())),
                });
            }
        }
        if (at + 1) % GROUP == 0 {
            runs.iter_mut().try_for_each(OpenRun::flush)?;
        }
    }
    spinner.finish_and_clear();
    runs.iter_mut().try_for_each(OpenRun::flush)
}

/// The answers of all runs, read from disk, as figures.
pub(super) fn read_back(
    session: &Session,
    steerer: &Steerer,
    runs: Vec<OpenRun>,
    seed: u64,
) -> Result<Vec<VariantFigures>, Failure> {
    let mut by_variant: Vec<BTreeMap<(String, ModalitySet), Option<Sentiment>>> = Vec::new();
    let mut failed = Vec::new();
    for run in runs {
        let folder = run.folder.clone();
        drop(run);
        let read = Run::open(&folder)?;
        failed.push(read.records().iter().filter(|r| r.status != RecordStatus::Ok).count());
        by_variant
            .push(read.records().iter().map(|r| ((r.sample.clone(), r.coalition), r.answer())).collect());
    }
    let keys: Vec<(String, ModalitySet)> =
        by_variant.first().map_or(Vec::new(), |m| m.keys().cloned().collect());
    let judged: Vec<_> = keys.iter().map(|(id, shown)| session.judged(id, *shown)).collect();
    let answers = |at: usize| -> Vec<Option<Sentiment>> {
        keys.iter().map(|k| by_variant[at].get(k).copied().flatten()).collect()
    };
    let baseline = if by_variant.is_empty() { Vec::new() } else { answers(0) };
    let mut figures = Vec::new();
    for (at, variant) in steerer.variants().iter().enumerate() {
        let subsets = by_subset(&judged, &answers(at), &baseline, seed).map_err(metric)?;
        figures.push(VariantFigures { name: variant.name.clone(), subsets, n_failed: failed[at] });
    }
    Ok(figures)
}

/// Readings of all clips, each handed to another one: by coalition a cycle in an order drawn by the seed.
pub(super) fn shuffled(
    session: &mut Session,
    router: &LoadedRouter,
    samples: &SampleArgs,
    clips: &[String],
    printer: &Printer,
) -> Result<Others, Failure> {
    let mut store = session.store(router.1.text_scope, router.1.n_sinks)?;
    session.ensure(&mut store, &samples.split, &in_order(&samples.coalitions), printer)?;
    let wanted: BTreeSet<&str> = clips.iter().map(String::as_str).collect();
    let mut readings: BTreeMap<ModalitySet, Vec<(String, Arc<CleanReading>)>> = BTreeMap::new();
    let mut failure = None;
    store.for_each(|record| {
        if let Some(features) = record.features.filter(|_| wanted.contains(record.sample.as_str())) {
            match CleanReading::of(&features, &router.0, &router.1) {
                Ok(reading) => {
                    readings.entry(record.coalition).or_default().push((record.sample, Arc::new(reading)));
                }
                Err(error) => failure = Some(error),
            }
        }
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    let mut others = Others::new();
    for (coalition, mut list) in readings {
        list.sort_by(|a, b| a.0.cmp(&b.0));
        Rng::named(samples.seed, &format!("shuffle/{coalition}")).shuffle(&mut list);
        // A lone clip has no other: its own outputs would be no placebo.
        for (at, (id, _)) in list.iter().enumerate().filter(|_| list.len() > 1) {
            let other = Arc::clone(&list[(at + 1) % list.len()].1);
            others.insert((coalition, id.clone()), other);
        }
    }
    Ok(others)
}
