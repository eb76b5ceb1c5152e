//! The unit of work: a clip with all coalitions that are wanted of it.

use emomm_dataset::{Modality, ModalitySet, PerModality};

use super::selection::Candidate;
use crate::predictor::Clip;
use crate::run::RunHeader;

/// What identifies a modality's content: a digest of its file, or the transcript itself.
pub type Evidence = PerModality<Option<String>>;

/// A coalition that is wanted, and the key of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The coalition.
    pub coalition: ModalitySet,
    /// Key of the record.
    pub key: String,
}

/// A clip and what is wanted of it: one call of the predictor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkItem {
    /// The clip.
    pub clip: Clip,
    /// The coalitions, in the order of [`ModalitySet::ALL`].
    pub wanted: Vec<Wanted>,
}

/// Gives every wanted coalition its key under the header's settings. Where missing modalities keep their places in the prompt, their
/// contents count, too: the prompt is as long as they are.
pub fn keyed(candidates: Vec<Candidate>, header: &RunHeader) -> Vec<WorkItem> {
    let item = |candidate: Candidate| {
        let missing = header.plan.settings.missing;
        let laid_out = |coalition| missing.laid_out(coalition, candidate.clip.available());
        let wanted = candidate.coalitions.iter().map(|coalition| {
            let shown = |m: Modality| {
                candidate.evidence.get(m).as_deref().filter(|_| laid_out(*coalition).contains(m))
            };
            let evidence = Modality::ALL.into_iter().filter_map(shown);
            let map = candidate.clip.corpus.name();
            let key = header.key(&candidate.clip.id, *coalition, std::iter::once(map).chain(evidence));
            Wanted { coalition: *coalition, key }
        });
        let wanted = wanted.collect();
        WorkItem { clip: candidate.clip, wanted }
    };
    candidates.into_iter().map(item).collect()
}
