//! PSMV of Eq. (2) with intervals: what each modality is worth, from the clips that were shown under all eight
//! coalitions.

use emomm_dataset::{ModalitySet, PerModality, Sentiment, Subset};
use emomm_metrics::{Figure, Psmv, Unparsed};
use serde::{Deserialize, Serialize};

use super::answers::AnswerRow;
use super::clip::clip_key;
use super::interval::{Interval, intervals};
use super::{ScoreOptions, corpora};

/// What V(∅) of Eq. (2) is: the paper does not say what a prompt without evidence is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyValue {
    /// The accuracy of the answers to the prompt without evidence.
    #[default]
    Run,
    /// The share of the commonest true class of the same clips. Answers without evidence are not needed.
    Majority,
    /// One in five. Answers without evidence are not needed.
    Chance,
}

/// PSMV over accuracy, of all complete clips of all corpora, and of parts of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PsmvReport {
    /// Of all complete clips.
    #[serde(flatten)]
    pub all: PsmvFigures,
    /// Of the complete clips in Align and in Conflict, where there are any.
    pub subsets: PsmvBySubset,
    /// Of the complete clips of each corpus, by name.
    pub corpora: serde_json::Map<String, serde_json::Value>,
}

/// PSMV by the subset of the full clip.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PsmvBySubset {
    /// Of clips in Align.
    pub align: Option<PsmvFigures>,
    /// Of clips in Conflict.
    pub conflict: Option<PsmvFigures>,
}

/// PSMV of some clips.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PsmvFigures {
    /// PSMV(m) by modality.
    #[serde(flatten)]
    pub values: PerModality<Option<Interval>>,
    /// V(TAV) − V(∅), the sum of the three.
    pub total: Option<Interval>,
    /// Shares of the total; null unless all three values are positive.
    pub shares: PerModality<Option<Interval>>,
    /// Shares of the positive part; null where no value is positive.
    pub positive_shares: PerModality<Option<Interval>>,
    /// Clips.
    pub n: usize,
}

/// The eight rows of a clip in the order of [`ModalitySet::ALL`].
type CompleteClip<'a> = [&'a AnswerRow; 8];

/// Right answers by coalition, and clips.
#[derive(Debug, Default)]
struct Right {
    counts: [usize; 8],
    /// Clips by true class.
    classes: [usize; 5],
    clips: usize,
}

impl std::ops::AddAssign<&Right> for Right {
    fn add_assign(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum += count;
        }
        for (sum, count) in self.classes.iter_mut().zip(other.classes) {
            *sum += count;
        }
        self.clips += other.clips;
    }
}

/// Computes PSMV; `None` where no clip was shown under all eight coalitions. The notes say what was left out.
pub(super) fn report(rows: &[AnswerRow], options: &ScoreOptions) -> (Option<PsmvReport>, Vec<String>) {
    let clips: Vec<&[AnswerRow]> = rows.chunk_by(|a, b| clip_key(a) == clip_key(b)).collect();
    let complete: Vec<CompleteClip<'_>> =
        clips.iter().filter_map(|clip| complete(clip, options.empty_value)).collect();
    if complete.is_empty() {
        let shown = ModalitySet::ALL.iter().filter(|s| rows.iter().any(|row| row.coalition == **s));
        let shown: Vec<String> = shown.map(ToString::to_string).collect();
        let shown = shown.join(", ");
        let needed = needed(options.empty_value);
        let note = format!("no PSMV: no clip has rows for {needed}; the file has {shown}");
        return (None, vec![note]);
    }
    let mut notes = Vec::new();
    let lacking = clips.len() - complete.len();
    if lacking > 0 {
        notes.push(format!(
            "PSMV is of the {} clips that have {}; {lacking} lack some",
            complete.len(),
            needed(options.empty_value)
        ));
    }
    if options.unparsed == Unparsed::Excluded {
        notes.push(
            "PSMV counts missing answers as wrong: its eight values must be of the same clips".to_owned(),
        );
    }
    let chosen = |keep: &dyn Fn(&AnswerRow) -> bool| -> Option<PsmvFigures> {
        // The full clip says to which part the clip belongs.
        let part: Vec<&CompleteClip<'_>> = complete.iter().filter(|clip| keep(clip[7])).collect();
        (!part.is_empty()).then(|| figures(&part, options)).flatten()
    };
    let Some(all) = chosen(&|_| true) else { return (None, notes) };
    let subsets = PsmvBySubset {
        align: chosen(&|full| full.is_in(Subset::Align)),
        conflict: chosen(&|full| full.is_in(Subset::Conflict)),
    };
    let corpora = corpora(rows)
        .into_iter()
        .map(|name| (name.to_owned(), serde_json::json!(chosen(&|full| full.corpus.name == name))))
        .collect();
    (Some(PsmvReport { all, subsets, corpora }), notes)
}

/// The coalitions that a clip must have rows for.
fn needed(empty: EmptyValue) -> &'static str {
    match empty {
        EmptyValue::Run => "all eight coalitions",
        EmptyValue::Majority | EmptyValue::Chance => "the seven coalitions with evidence",
    }
}

/// The rows of a clip. Where V(∅) is not run, another row stands for the one without evidence, and is not looked at.
fn complete(clip: &[AnswerRow], empty: EmptyValue) -> Option<CompleteClip<'_>> {
    let found = ModalitySet::ALL.map(|s| {
        let own = clip.iter().find(|row| row.coalition == s);
        own.or_else(|| clip.first().filter(|_| s.is_empty() && empty != EmptyValue::Run))
    });
    let rows: Vec<&AnswerRow> = found.into_iter().flatten().collect();
    rows.try_into().ok()
}

fn figures(clips: &[&CompleteClip<'_>], options: &ScoreOptions) -> Option<PsmvFigures> {
    let mut sums: std::collections::BTreeMap<(&str, &str), Right> = std::collections::BTreeMap::new();
    for clip in clips {
        let sum = sums.entry(options.cluster.key(clip[7])).or_default();
        sum.clips += 1;
        sum.classes[clip[7].labels.ground_truth.index()] += 1;
        for (count, row) in sum.counts.iter_mut().zip(clip.iter()) {
            *count += usize::from(is_right(row));
        }
    }
    let clusters: Vec<Right> = sums.into_values().collect();
    let figure = |value: f64| Some(Figure { value, n: clips.len() });
    let [vt, va, vv, total, st, sa, sv, pt, pa, pv] =
        intervals(&clusters, options.bootstrap, |right: &Right| {
            let Some(psmv) = psmv(right, options.empty_value) else { return [None; 10] };
            let of = |values: Option<PerModality<f64>>| {
                [values.map(|v| v.text), values.map(|v| v.audio), values.map(|v| v.video)]
            };
            let ([vt, va, vv], [st, sa, sv], [pt, pa, pv]) =
                (of(Some(psmv.values)), of(psmv.shares), of(psmv.positive_shares));
            [vt, va, vv, Some(psmv.total), st, sa, sv, pt, pa, pv].map(|v| v.and_then(figure))
        })
        .ok()?;
    Some(PsmvFigures {
        values: PerModality { text: vt, audio: va, video: vv },
        total,
        shares: PerModality { text: st, audio: sa, video: sv },
        positive_shares: PerModality { text: pt, audio: pa, video: pv },
        n: clips.len(),
    })
}

fn is_right(row: &AnswerRow) -> bool {
    row.answer.map(Sentiment::index) == Some(row.labels.ground_truth.index())
}

fn psmv(right: &Right, empty: EmptyValue) -> Option<Psmv> {
    let n = right.clips;
    let without_evidence = match empty {
        EmptyValue::Run => None,
        EmptyValue::Majority => {
            Some(right.classes.iter().max().copied().unwrap_or(0) as f64 / n.max(1) as f64)
        }
        EmptyValue::Chance => Some(1.0 / right.classes.len() as f64),
    };
    let mut values = ModalitySet::ALL.into_iter().zip(right.counts);
    // `Psmv::of` asks for the coalitions in the order of `ModalitySet::ALL`.
    let value = |coalition: ModalitySet| {
        let count = values.find(|(s, _)| *s == coalition)?.1;
        let run = count as f64 / n.max(1) as f64;
        let value = without_evidence.filter(|_| coalition.is_empty()).unwrap_or(run);
        (n > 0).then_some(Figure { value, n })
    };
    Psmv::of(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten clips, six of the commonest class; everything right with evidence, three answers right without.
    #[test]
    fn what_no_evidence_is_worth_can_be_said() {
        let right = Right { counts: [3, 10, 10, 10, 10, 10, 10, 10], classes: [6, 1, 1, 1, 1], clips: 10 };
        for (empty, value) in [(EmptyValue::Run, 0.3), (EmptyValue::Majority, 0.6), (EmptyValue::Chance, 0.2)]
        {
            let total = psmv(&right, empty).unwrap().total;
            assert!((total - (1.0 - value)).abs() < 1e-12, "{empty:?} {total}");
        }
    }
}
