//! Figure 11: what the picture adds to text and sound on Conflict, ΔV of Eq. (18), of every run.
//!
//! A run whose pictures show the person alone stands beside the one with the original pictures.

use emomm_dataset::{ModalitySet, Sentiment};
use emomm_eval::run::RecordStatus;
use emomm_eval::score::{Interval, ScoreOptions};
use emomm_metrics::{Classification, DeltaV, Figure, Performance};
use serde_json::Value;

use super::sums::{ByCluster, intervals};
use crate::error::ReportError;
use crate::study::{Study, StudyRun};

/// ΔV of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDeltaV {
    /// The run.
    pub run: String,
    /// What of the picture was shown: `original`, or the region of the person mask.
    pub picture: String,
    /// Clips in Conflict that have both coalitions.
    pub n: usize,
    /// Visual tokens that the model was shown under TAV, mean; `None` where it does not say.
    pub tokens: Option<f64>,
    /// Visual tokens of the whole picture, mean, where a person-only reading left some out or looked for the person.
    pub whole_tokens: Option<f64>,
    /// Those of them that show the person, mean.
    pub person_tokens: Option<f64>,
    /// Perf is accuracy over five classes.
    pub acc5: Option<Interval>,
    /// Perf is ACC-2.
    pub acc2: Option<Interval>,
    /// Perf is macro F1.
    pub macro_f1: Option<Interval>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// With and without the picture: true class × answer, the last column without one.
    counts: [[[usize; 6]; 5]; 2],
}

impl std::ops::AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Self) {
        for (sums, values) in self.counts.iter_mut().flatten().zip(other.counts.iter().flatten()) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        }
    }
}

/// Computes ΔV; `None` where no clip in Conflict was shown both as TAV and as TA.
pub fn delta_v(
    study: &Study,
    run: &StudyRun,
    options: &ScoreOptions,
) -> Result<Option<RunDeltaV>, ReportError> {
    let without: ModalitySet = ModalitySet::FULL.without(emomm_dataset::Modality::Video);
    let mut sums: ByCluster<'_, Counts> = ByCluster::default();
    let mut n = 0;
    let [mut shown, mut whole, mut person] = [const { Vec::new() }; 3];
    for (index, clip) in study.clips.iter().enumerate() {
        let (Some(full), Some(less)) = (run.record(index, ModalitySet::FULL), run.record(index, without))
        else {
            continue;
        };
        if clip.is_conflict() != Some(true) {
            continue;
        }
        n += 1;
        shown.extend(full.tokens.map(|t| t.video));
        let picture = full.media.as_ref().and_then(|m| m.picture.as_ref()?.person.as_ref());
        whole.extend(picture.map(|p| p.tokens));
        person.extend(picture.map(|p| p.person_tokens));
        let sum = sums.of(clip);
        for (counts, record) in sum.counts.iter_mut().zip([full, less]) {
            let answer = record.label.filter(|_| record.status == RecordStatus::Ok);
            counts[clip.truth().index()][answer.map_or(5, Sentiment::index)] += 1;
        }
    }
    if n == 0 {
        return Ok(None);
    }
    let clusters = sums.into_sums();
    let [acc5, acc2, macro_f1] = intervals(&clusters, options.bootstrap, "ΔV", |sum: &Counts| {
        let [with, without] = sum.counts.map(|counts| performance(&counts, options));
        let Ok(delta) = DeltaV::of(&with, &without) else { return [None; 3] };
        [delta.acc5, delta.acc2, delta.macro_f1]
    })?;
    let [tokens, whole_tokens, person_tokens] = [shown, whole, person].map(|counts| mean(&counts));
    let (run, picture) = (run.name.clone(), picture(run));
    Ok(Some(RunDeltaV { run, picture, n, tokens, whole_tokens, person_tokens, acc5, acc2, macro_f1 }))
}

fn mean(counts: &[usize]) -> Option<f64> {
    (!counts.is_empty()).then(|| counts.iter().sum::<usize>() as f64 / counts.len() as f64)
}

fn performance(counts: &[[usize; 6]; 5], options: &ScoreOptions) -> Performance {
    let cells = Sentiment::ALL.into_iter().flat_map(|truth| {
        (0..6).map(move |column| (truth, Sentiment::from_index(column), counts[truth.index()][column]))
    });
    let c = Classification::of_counts(cells, options.unparsed, options.acc2);
    let figure = |f: Option<Figure>| f;
    Performance { acc5: figure(c.acc), acc2: figure(c.acc2), macro_f1: figure(c.macro_f1) }
}

/// What the run's media settings say of the picture: a reading of the person alone, a treatment of subtitles.
fn picture(run: &StudyRun) -> String {
    let media = &run.run.header().plan.settings.media;
    let word = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut words = Vec::new();
    for value in media.values() {
        // Looking for the person changes nothing of the picture.
        let reading = word(value, "person").filter(|reading| reading != "observe");
        words.extend(reading.map(|reading| format!("person alone, {reading}")));
        let band = word(value, "subtitle_band").filter(|treatment| treatment != "keep");
        words.extend(band.map(|treatment| format!("subtitles, {treatment}")));
    }
    if words.is_empty() { "original".to_owned() } else { words.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    use emomm_eval::run::{Places, Plan, RunHeader};
    use serde_json::json;

    /// The setting `picture` as `emomm eval` writes it.
    #[test]
    fn what_is_done_to_the_picture_is_named() {
        let of = |picture: Value| {
            let folder = tempfile::tempdir().unwrap();
            let mut plan = Plan::default();
            plan.settings.media.insert("picture".to_owned(), picture);
            let header = RunHeader::new(plan, Places::default(), None);
            let log = serde_json::to_string(&header).unwrap() + "\n";
            std::fs::write(folder.path().join("log.jsonl"), log).unwrap();
            let run = emomm_eval::run::Run::open(folder.path()).unwrap();
            super::picture(&StudyRun::alone("run", run))
        };
        assert_eq!(of(Value::Null), "original");
        assert_eq!(of(json!({ "subtitle_band": "keep", "person": null })), "original");
        assert_eq!(of(json!({ "subtitle_band": "keep", "person": "observe" })), "original");
        let both = json!({ "subtitle_band": "crop", "person": "drop" });
        assert_eq!(of(both), "person alone, drop; subtitles, crop");
    }
}
