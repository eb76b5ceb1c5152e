//! ΔV, what the picture adds to text and sound: Eq. (18), Figure 11.
//!
//! The figure compares ΔV with the original picture and with the person alone: compute it once for each.

use emomm_dataset::Sentiment;
use serde::{Deserialize, Serialize};

use crate::classification::{Acc2, binary, five_class};
use crate::error::MetricError;
use crate::figure::{Figure, Unparsed};

/// Perf(·) of Eq. (18) in the paper's three readings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// Accuracy over the five classes.
    pub acc5: Option<Figure>,
    /// Accuracy of negative against positive.
    pub acc2: Option<Figure>,
    /// Macro F1 over the five classes.
    pub macro_f1: Option<Figure>,
}

impl Performance {
    /// Computes all three from pairs (truth, answer) of one coalition.
    pub fn of(pairs: &[(Sentiment, Option<Sentiment>)], unparsed: Unparsed, acc2: Acc2) -> Self {
        let five = five_class(pairs.iter().copied());
        Self {
            acc5: five.accuracy(unparsed),
            acc2: binary(pairs.iter().copied(), acc2).accuracy(unparsed),
            macro_f1: five.macro_f1(unparsed).map(|a| a.figure()),
        }
    }
}

/// ΔV in the three readings of Perf, each in [−1, 1]; `None` where one side has no figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DeltaV {
    /// Of accuracy over the five classes.
    pub acc5: Option<Figure>,
    /// Of accuracy of negative against positive.
    pub acc2: Option<Figure>,
    /// Of macro F1 over the five classes.
    pub macro_f1: Option<Figure>,
}

impl DeltaV {
    /// Perf(TAV) − Perf(TA), Eq. (18).
    ///
    /// # Errors
    /// Both sides must come from equally many samples. Under [`Unparsed::Excluded`] that fails where the two
    /// coalitions left different replies unread: compare only samples that both answered, or count the others as
    /// wrong.
    pub fn of(tav: &Performance, ta: &Performance) -> Result<Self, MetricError> {
        let delta = |with: Option<Figure>, without: Option<Figure>| match (with, without) {
            (Some(with), Some(without)) => with.minus("Perf(TAV)", without, "Perf(TA)").map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            acc5: delta(tav.acc5, ta.acc5)?,
            acc2: delta(tav.acc2, ta.acc2)?,
            macro_f1: delta(tav.macro_f1, ta.macro_f1)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sentiment::{Negative, Neutral, Positive, WeaklyNegative};

    fn performance(answers: [Option<Sentiment>; 4], unparsed: Unparsed) -> Performance {
        let truth = [Negative, Negative, Neutral, Positive];
        let pairs: Vec<_> = truth.into_iter().zip(answers).collect();
        Performance::of(&pairs, unparsed, Acc2::NegativePositive)
    }

    /// Acc 3/4 − 2/4. ACC-2 over three samples: 3/3 − 1/3. F1 with the picture: N 2/3, WN 0, Neu 1, P 1; without:
    /// N 2/3, Neu 1, P 0 and the answer Neu to P: N 2·1/(2+1), Neu 2·1/(1+3), P 0.
    #[test]
    fn the_gain_of_the_picture_by_hand() {
        let tav = performance(
            [Some(Negative), Some(WeaklyNegative), Some(Neutral), Some(Positive)],
            Unparsed::Wrong,
        );
        let ta = performance([Some(Negative), Some(Neutral), Some(Neutral), Some(Neutral)], Unparsed::Wrong);
        let delta = DeltaV::of(&tav, &ta).unwrap();
        assert_eq!(delta.acc5, Some(Figure { value: 0.25, n: 4 }));
        assert!((delta.acc2.unwrap().value - 2.0 / 3.0).abs() < 1e-15);
        let by_hand = (2.0 / 3.0 + 0.0 + 1.0 + 1.0) / 4.0 - (2.0 / 3.0 + 0.5 + 0.0) / 3.0;
        assert!((delta.macro_f1.unwrap().value - by_hand).abs() < 1e-15);
    }

    #[test]
    fn different_samples_are_not_compared() {
        let all = performance([Some(Negative); 4], Unparsed::Excluded);
        let fewer = performance([Some(Negative), None, None, None], Unparsed::Excluded);
        assert!(DeltaV::of(&all, &fewer).unwrap_err().hint().is_some());
        let none = performance([None; 4], Unparsed::Excluded);
        assert_eq!(DeltaV::of(&all, &none).unwrap().acc5, None);
    }
}
