//! Plans and records with known content.

use emomm_dataset::ModalitySet;
use emomm_eval::run::{Places, Plan, Record, RunHeader};
use emomm_eval::{MediaRecord, Prediction};

/// A plan for so many records.
pub(crate) fn plan(n_records: usize) -> Plan {
    let mut plan =
        Plan { n_records, n_clips: n_records, coalitions: vec![ModalitySet::FULL], ..Plan::default() };
    "made-up".clone_into(&mut plan.settings.model.name);
    plan
}

pub(crate) fn header(plan: Plan) -> RunHeader {
    RunHeader::new(plan, Places::default(), None)
}

/// An answer for the i-th clip; `logit` tells two answers apart.
pub(crate) fn record(header: &RunHeader, i: usize, logit: f32) -> Record {
    record_of(header, i, prediction(logit))
}

/// What a model said of the i-th clip, as a record.
pub(crate) fn record_of(header: &RunHeader, i: usize, prediction: Prediction) -> Record {
    let sample = format!("made-up/v/{i:03}");
    let key = header.key(&sample, ModalitySet::FULL, ["evidence"]);
    Record::of(key, sample, ModalitySet::FULL, Ok(prediction))
}

/// An answer to a full clip.
pub(crate) fn prediction(logit: f32) -> Prediction {
    Prediction {
        coalition: ModalitySet::FULL,
        tokens: None,
        grid_thw: None,
        letter_logits: Some([0.0, logit, 0.0, 0.0, -0.1]),
        letter_mass: None,
        letter: Some('B'),
        label: emomm_dataset::Sentiment::from_letter('B'),
        centre_score: Some(-0.4),
        reply: None,
        attention: None,
        token_maps: None,
        steering: None,
        served: None,
        media: MediaRecord::default(),
        ms: 1.5,
    }
}
