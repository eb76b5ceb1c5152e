//! What was chosen, in words: the notes under tables and figures say what their numbers follow, whichever reading that is.

use emomm_eval::score::{EmptyValue, ScoreOptions};
use emomm_metrics::{ConflictReading, Unparsed};

/// What becomes of records without an answer in accuracy and F1.
pub(super) fn unanswered(options: &ScoreOptions) -> &'static str {
    match options.unparsed {
        Unparsed::Wrong => "A record without an answer counts as wrong in Acc and F1 and has no MAE.",
        Unparsed::Excluded => {
            "Records without an answer are left out of Acc, F1 and MAE, though n counts them."
        }
    }
}

/// What a comparison on the same samples does about records without an answer, where the scores leave them out.
pub(crate) fn unanswered_in_pairs(options: &ScoreOptions) -> &'static str {
    match options.unparsed {
        Unparsed::Wrong => "",
        Unparsed::Excluded => {
            " In paired differences a record without an answer is not right: both sides need the same samples."
        }
    }
}

/// How many modalities are wrong in the samples of GTAR.
pub(super) fn conflicting(options: &ScoreOptions) -> &'static str {
    match options.gtar {
        ConflictReading::ExactlyOne => "exactly one",
        ConflictReading::AtLeastOne => "at least one",
    }
}

/// What V(∅) of PSMV is.
pub(super) fn without_evidence(options: &ScoreOptions) -> &'static str {
    match options.empty_value {
        EmptyValue::Run => "V(∅) is the accuracy of the answers without evidence.",
        EmptyValue::Majority => "V(∅) is the share of the commonest true class of the same clips.",
        EmptyValue::Chance => "V(∅) is one in five.",
    }
}

/// Under how many coalitions a clip must have been shown for PSMV.
pub(super) fn coalitions_of_psmv(options: &ScoreOptions) -> &'static str {
    match options.empty_value {
        EmptyValue::Run => "all eight coalitions",
        EmptyValue::Majority | EmptyValue::Chance => "all seven coalitions with evidence",
    }
}
