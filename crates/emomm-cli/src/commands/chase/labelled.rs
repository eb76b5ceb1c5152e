//! Cached features with their targets: what a router learns from, and what of it is kept for the controls.

use std::collections::BTreeMap;

use emomm_chase::{
    FeatureStore, Features, PreferenceOptions, Rng, Smoothing, StoredRecord, Target, TargetKind, TargetRules,
    jsd,
};
use emomm_dataset::build::Split;
use emomm_dataset::{Modality, ModalitySet, Sentiment};
use emomm_models::white_box::greatest;

use super::session::Session;
use crate::exit_status::Failure;

/// Heads of a layer in the offline profile: the paper's K.
const PROFILE_HEADS: usize = 4;
/// Smoothing of the divergence in that profile.
const PROFILE_EPSILON: f64 = 1e-8;

/// A record with its target.
pub(super) struct Labelled {
    pub(super) record: StoredRecord,
    pub(super) target: Target,
}

/// Records of some splits with features and a target, sorted by sample and coalition, and the number without a target.
pub(super) fn labelled(
    session: &Session,
    store: &FeatureStore,
    splits: &[Split],
    coalitions: &[ModalitySet],
    targets: TargetKind,
    rules: &TargetRules,
) -> Result<(Vec<Labelled>, usize), Failure> {
    let chosen: std::collections::BTreeSet<String> =
        session.clips(splits, coalitions)?.into_iter().map(|c| c.clip.id).collect();
    let mut records = Vec::new();
    store.for_each(|record| {
        if chosen.contains(&record.sample) {
            records.push(record);
        }
    })?;
    let mut own: BTreeMap<String, [Option<Sentiment>; 3]> = BTreeMap::new();
    for record in records.iter().filter(|r| r.coalition.len() == 1) {
        let answer = Sentiment::from_index(greatest(&record.letter_logits));
        for modality in record.coalition.iter() {
            own.entry(record.sample.clone()).or_default()[modality.index()] = answer;
        }
    }
    let (mut kept, mut without) = (Vec::new(), 0);
    for record in records {
        if record.features.is_none() || !coalitions.contains(&record.coalition) {
            continue;
        }
        let labels = match targets {
            TargetKind::UnimodalLabels => session.unimodal(&record.sample),
            TargetKind::SelfAnswers => own.get(&record.sample).copied().unwrap_or_default(),
        };
        match rules.target(session.truth(&record.sample), labels, record.coalition) {
            Some(target) => kept.push(Labelled { record, target }),
            None => without += 1,
        }
    }
    kept.sort_by(|a, b| (&a.record.sample, a.record.coalition).cmp(&(&b.record.sample, b.record.coalition)));
    Ok((kept, without))
}

/// Keeps so many clips, drawn by the seed; gives their number.
pub(super) fn draw(records: &mut Vec<Labelled>, seed: u64, clips: Option<usize>) -> usize {
    let mut ids: Vec<String> = records.iter().map(|l| l.record.sample.clone()).collect();
    ids.dedup();
    if let Some(clips) = clips.filter(|c| *c < ids.len()) {
        Rng::named(seed, "clips").shuffle(&mut ids);
        ids.truncate(clips);
        ids.sort();
        records.retain(|l| ids.binary_search(&l.record.sample).is_ok());
    }
    ids.len()
}

/// The first clips in an order that the ids decide, so that larger parts hold the smaller ones.
pub(super) fn first_clips(records: &[Labelled], n: usize) -> Vec<String> {
    let mut ids: Vec<String> = records.iter().map(|l| l.record.sample.clone()).collect();
    ids.dedup();
    ids.sort_by_key(|id| Rng::named(0, id).bits());
    ids.truncate(n);
    ids
}

/// Mean g* of the conflicts of each coalition; of all its samples where none is a conflict.
pub(super) fn mean_gates(records: &[Labelled]) -> BTreeMap<String, [f64; 3]> {
    let mut sums: BTreeMap<(String, bool), ([f64; 3], usize)> = BTreeMap::new();
    for labelled in records {
        let key = (labelled.record.coalition.to_string(), labelled.target.conflict > 0.5);
        let (sum, n) = sums.entry(key).or_default();
        for (sum, g) in sum.iter_mut().zip(labelled.target.gate) {
            *sum += g;
        }
        *n += 1;
    }
    // Conflicts come second and replace the others.
    sums.into_iter().map(|((name, _), (sum, n))| (name, sum.map(|s| s / n as f64))).collect()
}

/// In each layer the heads whose preference is, on average over the conflicts of full clips, farthest from g*.
pub(super) fn fixed_heads(
    records: &[Labelled],
    preference: PreferenceOptions,
    first_layer: usize,
) -> Vec<[usize; 2]> {
    let conflicts = || {
        records
            .iter()
            .filter(|l| l.target.conflict > 0.5 && l.record.coalition == ModalitySet::FULL)
            .filter_map(|l| {
                let features: &Features = l.record.features.as_ref()?;
                Some((features, l.target.gate))
            })
    };
    let Some((first, _)) = conflicts().next() else { return Vec::new() };
    let (n_layers, n_heads) = (first.layers.len(), first.layers.first().map_or(0, |l| l.nmas.len()));
    let present = Modality::ALL.map(|_| true);
    let mut chosen = Vec::new();
    for layer in first_layer - 1..n_layers {
        let mut sums = vec![0.0; n_heads];
        for (features, gate) in conflicts() {
            let heads = features.layers[layer].preference(preference, present, features.n_keys);
            for (sum, head) in sums.iter_mut().zip(heads) {
                *sum += jsd(head, gate, PROFILE_EPSILON, Smoothing::Denominator);
            }
        }
        let mut order: Vec<usize> = (0..n_heads).collect();
        order.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]).then(a.cmp(b)));
        let mut heads: Vec<usize> = order.into_iter().take(PROFILE_HEADS).collect();
        heads.sort_unstable();
        chosen.extend(heads.into_iter().map(|head| [layer + 1, head]));
    }
    chosen
}
