//! Acc, F1 and UAR over the five classes, ACC-3 over polarities, ACC-2 in its three readings (Sec. 6.1, App. C.2).
//!
//! All take pairs (true class, answer), `None` where the model gave no answer, and go over them once.

use emomm_dataset::{Polarity, Sentiment};
use serde::{Deserialize, Serialize};

use crate::confusion::{Answer, Confusion};
use crate::figure::{Figure, Unparsed};

/// The confusion matrix of the five classes, in the order N, WN, Neu, WP, P.
///
/// ```
/// use emomm_dataset::Sentiment::{Negative, Neutral, Positive};
/// use emomm_metrics::{Unparsed, five_class};
///
/// let matrix = five_class([(Negative, Some(Negative)), (Neutral, Some(Positive)), (Positive, None)]);
/// let acc = matrix.accuracy(Unparsed::Excluded).unwrap();
/// assert_eq!((acc.value, acc.n), (0.5, 2));
/// ```
pub fn five_class(pairs: impl IntoIterator<Item = (Sentiment, Option<Sentiment>)>) -> Confusion<5> {
    let mut matrix = Confusion::default();
    for (truth, predicted) in pairs {
        let (row, answer) = in_five(truth, predicted);
        matrix.add(row, answer);
    }
    matrix
}

fn in_five(truth: Sentiment, predicted: Option<Sentiment>) -> (usize, Answer) {
    (truth.index(), predicted.map_or(Answer::Unparsed, |p| Answer::Class(p.index())))
}

/// The confusion matrix of ACC-3: negative, neutral, positive.
pub fn polarity(pairs: impl IntoIterator<Item = (Sentiment, Option<Sentiment>)>) -> Confusion<3> {
    let mut matrix = Confusion::default();
    for (truth, predicted) in pairs {
        let (row, answer) = in_three(truth, predicted);
        matrix.add(row, answer);
    }
    matrix
}

fn in_three(truth: Sentiment, predicted: Option<Sentiment>) -> (usize, Answer) {
    let index = |s: Sentiment| s.polarity() as usize;
    (index(truth), predicted.map_or(Answer::Unparsed, |p| Answer::Class(index(p))))
}

/// The readings of ACC-2. The paper does not say which it uses; they differ by several points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acc2 {
    /// Negative against positive. Samples whose truth is neutral are left out; the answer "neutral" to one of the
    /// others is wrong. The default.
    #[default]
    NegativePositive,
    /// As in the literature on sentiment regression ("non-zero"): samples whose truth is neutral are left out;
    /// the answer "neutral" counts as negative, because it is not above zero.
    NonZero,
    /// "Has zero": negative against non-negative, over all samples.
    HasZero,
}

/// The confusion matrix of ACC-2: class 0 is negative, class 1 is positive (non-negative under [`Acc2::HasZero`]).
///
/// [`Confusion::absent`] flags a truth that has only one of the two.
///
/// ```
/// use emomm_dataset::Sentiment::{Negative, Neutral, Positive};
/// use emomm_metrics::{Acc2, Unparsed, binary};
///
/// let pairs = [(Negative, Some(Neutral)), (Neutral, Some(Positive)), (Positive, Some(Positive))];
/// let acc2 = |reading| binary(pairs, reading).accuracy(Unparsed::Wrong).map(|f| (f.value, f.n));
/// assert_eq!(acc2(Acc2::NegativePositive), Some((0.5, 2)));
/// assert_eq!(acc2(Acc2::NonZero), Some((1.0, 2)));
/// assert_eq!(acc2(Acc2::HasZero), Some((2.0 / 3.0, 3)));
/// ```
pub fn binary(
    pairs: impl IntoIterator<Item = (Sentiment, Option<Sentiment>)>,
    reading: Acc2,
) -> Confusion<2> {
    let mut matrix = Confusion::default();
    for (truth, predicted) in pairs {
        if let Some((row, answer)) = in_two(truth, predicted, reading) {
            matrix.add(row, answer);
        }
    }
    matrix
}

/// `None` for a sample that the reading leaves out.
fn in_two(truth: Sentiment, predicted: Option<Sentiment>, reading: Acc2) -> Option<(usize, Answer)> {
    let truth = match (truth.polarity(), reading) {
        (Polarity::Negative, _) => 0,
        (Polarity::Positive, _) | (Polarity::Neutral, Acc2::HasZero) => 1,
        (Polarity::Neutral, _) => return None,
    };
    let answer = match (predicted.map(Sentiment::polarity), reading) {
        (None, _) => Answer::Unparsed,
        (Some(Polarity::Negative), _) | (Some(Polarity::Neutral), Acc2::NonZero) => Answer::Class(0),
        (Some(Polarity::Positive), _) | (Some(Polarity::Neutral), Acc2::HasZero) => Answer::Class(1),
        (Some(Polarity::Neutral), Acc2::NegativePositive) => Answer::Outside,
    };
    Some((truth, answer))
}

/// The figures of one row of a results table that need classes only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classification {
    /// Samples.
    pub n: usize,
    /// Samples with an answer.
    pub n_parsed: usize,
    /// Whether samples without an answer are wrong or left out, in all figures below.
    pub unparsed: Unparsed,
    /// Acc over the five classes.
    pub acc: Option<Figure>,
    /// Macro F1 over the five classes.
    pub macro_f1: Option<Figure>,
    /// Weighted F1 over the five classes.
    pub weighted_f1: Option<Figure>,
    /// Unweighted average recall over the five classes.
    pub uar: Option<Figure>,
    /// ACC-3.
    pub acc3: Option<Figure>,
    /// ACC-2 in the reading `acc2_reading`.
    pub acc2: Option<Figure>,
    /// Which ACC-2.
    pub acc2_reading: Acc2,
    /// Classes that no sample truly has.
    pub absent: Vec<Sentiment>,
    /// The five-class matrix.
    pub confusion: Confusion<5>,
}

impl Classification {
    /// Computes the row.
    pub fn of(pairs: &[(Sentiment, Option<Sentiment>)], unparsed: Unparsed, acc2_reading: Acc2) -> Self {
        Self::of_counts(
            pairs.iter().map(|(truth, predicted)| (*truth, *predicted, 1)),
            unparsed,
            acc2_reading,
        )
    }

    /// Computes the row from how often each pair of truth and answer occurs.
    ///
    /// Resampling whole clusters needs no more than the sum of their counts.
    pub fn of_counts(
        counts: impl IntoIterator<Item = (Sentiment, Option<Sentiment>, usize)>,
        unparsed: Unparsed,
        acc2_reading: Acc2,
    ) -> Self {
        let (mut five, mut three, mut two) =
            (Confusion::<5>::default(), Confusion::<3>::default(), Confusion::<2>::default());
        for (truth, predicted, count) in counts {
            let (row, answer) = in_five(truth, predicted);
            five.add_many(row, answer, count);
            let (row, answer) = in_three(truth, predicted);
            three.add_many(row, answer, count);
            if let Some((row, answer)) = in_two(truth, predicted, acc2_reading) {
                two.add_many(row, answer, count);
            }
        }
        Self {
            n: five.n(),
            n_parsed: five.n_parsed(),
            unparsed,
            acc: five.accuracy(unparsed),
            macro_f1: five.macro_f1(unparsed).map(|a| a.figure()),
            weighted_f1: five.weighted_f1(unparsed).map(|a| a.figure()),
            uar: five.uar(unparsed).map(|a| a.figure()),
            acc3: three.accuracy(unparsed),
            acc2: two.accuracy(unparsed),
            acc2_reading,
            absent: five.absent().into_iter().filter_map(Sentiment::from_index).collect(),
            confusion: five,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sentiment::{Negative, Neutral, Positive, WeaklyNegative, WeaklyPositive};

    /// Five samples: one right class, two right polarities, one neutral, one without an answer.
    const PAIRS: [(Sentiment, Option<Sentiment>); 5] = [
        (Negative, Some(Negative)),
        (WeaklyNegative, Some(Negative)),
        (Neutral, Some(WeaklyPositive)),
        (Positive, Some(Neutral)),
        (Positive, None),
    ];

    #[test]
    fn acc_acc3_and_acc2_by_hand() {
        let row = Classification::of(&PAIRS, Unparsed::Wrong, Acc2::NegativePositive);
        assert_eq!((row.n, row.n_parsed), (5, 4));
        assert_eq!(row.acc, Some(Figure { value: 0.2, n: 5 }));
        assert_eq!(row.acc3, Some(Figure { value: 0.4, n: 5 }));
        assert_eq!(row.acc2, Some(Figure { value: 0.5, n: 4 }));
        assert_eq!(row.absent, [WeaklyPositive]);
    }

    #[test]
    fn neutral_answers_stay_in_the_denominator_when_unparsed_ones_are_left_out() {
        let row = Classification::of(&PAIRS, Unparsed::Excluded, Acc2::NegativePositive);
        assert_eq!(row.acc2, Some(Figure { value: 2.0 / 3.0, n: 3 }));
    }

    #[test]
    fn a_truth_of_one_sign_is_flagged() {
        let matrix = binary([(Negative, Some(Negative)), (Neutral, None)], Acc2::NegativePositive);
        assert_eq!(matrix.absent(), [1]);
        assert_eq!(binary([(Neutral, None)], Acc2::NonZero).accuracy(Unparsed::Wrong), None);
    }

    #[test]
    fn a_row_has_the_contract_s_keys() {
        let row = Classification::of(&PAIRS, Unparsed::Wrong, Acc2::NonZero);
        let json = serde_json::to_value(&row).unwrap();
        for key in ["n", "n_parsed", "acc", "macro_f1", "acc2", "acc3"] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(json["acc"], serde_json::json!({"value": 0.2, "n": 5}));
        assert_eq!(json["acc2_reading"], "non-zero");
        assert_eq!(json["absent"], serde_json::json!(["weakly-positive"]));
    }

    #[test]
    fn an_empty_row_has_no_figures() {
        let row = Classification::of(&[], Unparsed::Wrong, Acc2::HasZero);
        assert_eq!((row.n, row.acc, row.macro_f1, row.acc2), (0, None, None, None));
        assert_eq!(row.absent.len(), 5);
    }
}
