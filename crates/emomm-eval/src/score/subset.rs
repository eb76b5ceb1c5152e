//! The subsets of the benchmark to which a row belongs: stated, or computed from its labels (Sec. 3.2, App. A.1).

use emomm_dataset::{Labels, ModalitySet, Sentiment, Subset, SubsetRules};
use serde::Serializer;

/// The word for every row, whatever its subset.
pub(super) const EVERY_ROW: &str = "all";

/// The subset that the labels put a row into; `None` where they do not say, and for coalitions that are no part of
/// the benchmark: single modalities and none.
pub(super) fn computed(labels: Labels<Sentiment>, coalition: ModalitySet) -> Option<Subset> {
    (coalition.len() >= 2).then(|| SubsetRules::default().narrowest(&labels, coalition)).flatten()
}

/// The narrowest subset of a row: the stated one, made narrower by the labels where they agree with it.
pub(super) fn narrowest(
    stated: Option<Subset>,
    labels: Labels<Sentiment>,
    coalition: ModalitySet,
) -> Option<Subset> {
    match (stated, computed(labels, coalition)) {
        (Some(stated), Some(computed)) if computed.is_within(stated) => Some(computed),
        (Some(stated), _) => Some(stated),
        (None, computed) => computed,
    }
}

/// Writes `all` for no subset in particular.
#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
pub(super) fn or_all<S: Serializer>(subset: &Option<Subset>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(subset.map_or(EVERY_ROW, Subset::name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sentiment::{Negative, Neutral, Positive, WeaklyPositive};
    use emomm_dataset::PerModality;

    fn subset(modalities: [Option<Sentiment>; 3], coalition: &str) -> Option<Subset> {
        let [text, audio, video] = modalities;
        let labels = Labels { ground_truth: Positive, modalities: PerModality { text, audio, video } };
        computed(labels, coalition.parse().unwrap())
    }

    #[test]
    fn subsets_follow_from_the_observed_labels() {
        let (p, wp, neu) = (Some(Positive), Some(WeaklyPositive), Some(Neutral));
        for (labels, coalition, expected) in [
            ([p, p, p], "TAV", Some(Subset::Equal)),
            ([p, wp, p], "TAV", Some(Subset::SamePolarity)),
            ([p, wp, neu], "TAV", Some(Subset::Conflict)),
            ([p, wp, neu], "TA", Some(Subset::MissingAlign)),
            ([p, wp, neu], "TV", Some(Subset::MissingConflict)),
            ([p, None, neu], "TAV", Some(Subset::Conflict)),
            ([p, None, p], "TAV", None),
            ([p, None, p], "TV", Some(Subset::MissingAlign)),
            ([p, None, p], "TA", None),
            ([p, p, p], "T", None),
            ([p, p, p], "none", None),
        ] {
            assert_eq!(subset(labels, coalition), expected, "{labels:?} {coalition}");
        }
    }

    #[test]
    fn a_stated_subset_is_kept_and_made_narrower_where_the_labels_agree() {
        let modalities = PerModality { text: Some(Positive), audio: Some(Positive), video: Some(Positive) };
        let labels = Labels { ground_truth: Positive, modalities };
        let of = |stated| narrowest(stated, labels, ModalitySet::FULL);
        assert_eq!(of(None), Some(Subset::Equal));
        assert_eq!(of(Some(Subset::Align)), Some(Subset::Equal));
        assert_eq!(of(Some(Subset::Conflict)), Some(Subset::Conflict));
        let without = Labels { ground_truth: Negative, modalities: PerModality::default() };
        assert_eq!(narrowest(Some(Subset::Align), without, ModalitySet::FULL), Some(Subset::Align));
        assert_eq!(narrowest(None, without, ModalitySet::FULL), None);
    }
}
