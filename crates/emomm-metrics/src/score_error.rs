//! MAE between predicted and true scores, in its two readings (Sec. 6.1; App. E, "Score policy").
//!
//! A letter alone stands for the centre of its class; a reply may state a score of its own. Which of the two the
//! paper used it does not say, so both are given, with the number of scores that were really stated.

use emomm_dataset::{Corpus, GridScore, Sentiment};
use serde::{Deserialize, Serialize};

use crate::error::MetricError;
use crate::figure::Figure;

/// How far a stated score may lie from a point of the 0.2 grid to count as that point: room for rounding, no more.
const GRID_TOLERANCE: f64 = 1e-6;

/// Mean absolute error of pairs (truth, prediction). On scores in [−1, 1] it lies in [0, 2].
///
/// `None` without pairs; refused where a number is not finite.
pub fn mae(pairs: &[(f64, f64)]) -> Result<Option<Figure>, MetricError> {
    let mut sum = 0.0;
    for (index, (truth, predicted)) in pairs.iter().enumerate() {
        let error = (truth - predicted).abs();
        if !error.is_finite() {
            let found = if truth.is_finite() { *predicted } else { *truth };
            return Err(MetricError::NotFinite { what: "score", index, found });
        }
        sum += error;
    }
    Ok(Figure::mean(sum, pairs.len()))
}

/// One answer with a score, or with a letter that stands for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredAnswer {
    /// The true score in [−1, 1].
    pub truth: f64,
    /// Decides the class centres and which scores belong to a letter.
    pub corpus: Corpus,
    /// The class of the answered letter; `None` where there is no answer.
    pub class: Option<Sentiment>,
    /// The score that the reply stated; `None` where it stated none.
    pub stated: Option<f64>,
}

impl ScoredAnswer {
    /// The centre of the class.
    pub fn centre(&self) -> Option<f64> {
        self.class.map(|class| self.corpus.centre_score(class))
    }

    /// The stated score, if it lies on the grid and belongs to the answered class.
    pub fn agreeing_score(&self) -> Option<f64> {
        let (class, stated) = (self.class?, self.stated?);
        let steps = (stated * 5.0).round();
        if !(steps.abs() <= 5.0 && (steps / 5.0 - stated).abs() <= GRID_TOLERANCE) {
            return None;
        }
        let score = GridScore::from_steps(steps as i8)?;
        (self.corpus.class_of(score) == class).then(|| score.value())
    }
}

/// MAE in both readings. Samples without an answer have no score and are left out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoreError {
    /// Samples.
    pub n: usize,
    /// Samples with an answer: those behind the two errors.
    pub n_parsed: usize,
    /// Samples whose stated score agrees with its letter.
    pub n_stated: usize,
    /// Every answer counts as its class centre.
    pub mae: Option<Figure>,
    /// The stated score where it agrees with its letter, else the class centre.
    pub mae_reply: Option<Figure>,
}

impl ScoreError {
    /// Computes both readings in one pass.
    ///
    /// ```
    /// use emomm_dataset::{Corpus, Sentiment};
    /// use emomm_metrics::{ScoreError, ScoredAnswer};
    ///
    /// let class = Some(Sentiment::Positive);
    /// let answer = ScoredAnswer { truth: 1.0, corpus: Corpus::ChSims, class, stated: Some(1.0) };
    /// let error = ScoreError::of(&[answer]).unwrap();
    /// assert!((error.mae.unwrap().value - 0.1).abs() < 1e-12); // centre of {0.8, 1.0}
    /// assert_eq!(error.mae_reply.unwrap().value, 0.0);
    /// ```
    pub fn of(answers: &[ScoredAnswer]) -> Result<Self, MetricError> {
        let mut centres = Vec::with_capacity(answers.len());
        let mut replies = Vec::with_capacity(answers.len());
        let mut n_stated = 0;
        for (index, answer) in answers.iter().enumerate() {
            if !answer.truth.is_finite() {
                return Err(MetricError::NotFinite { what: "true score", index, found: answer.truth });
            }
            let Some(centre) = answer.centre() else { continue };
            let stated = answer.agreeing_score();
            n_stated += usize::from(stated.is_some());
            centres.push((answer.truth, centre));
            replies.push((answer.truth, stated.unwrap_or(centre)));
        }
        Ok(Self {
            n: answers.len(),
            n_parsed: centres.len(),
            n_stated,
            mae: mae(&centres)?,
            mae_reply: mae(&replies)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(class: Option<Sentiment>, stated: Option<f64>) -> ScoredAnswer {
        ScoredAnswer { truth: 0.6, corpus: Corpus::CmuMosi, class, stated }
    }

    #[test]
    fn a_stated_score_counts_only_beside_its_letter() {
        let class = Some(Sentiment::WeaklyPositive);
        assert_eq!(answer(class, Some(0.4)).agreeing_score(), Some(0.4));
        assert_eq!(answer(class, Some(0.4 + 1e-9)).agreeing_score(), Some(0.4));
        // 0.6 is Positive in CMU-MOSI; 0.3 is off the grid.
        for stated in [Some(0.6), Some(0.3), Some(7.0), Some(f64::NAN), None] {
            assert_eq!(answer(class, stated).agreeing_score(), None, "{stated:?}");
        }
        assert_eq!(answer(None, Some(0.4)).agreeing_score(), None);
    }

    #[test]
    fn both_readings_by_hand() {
        let class = Some(Sentiment::WeaklyPositive);
        // Centre 0.3: errors 0.3 and 0.3; with the stated 0.4: 0.2 and 0.3.
        let error =
            ScoreError::of(&[answer(class, Some(0.4)), answer(class, Some(0.8)), answer(None, Some(0.6))])
                .unwrap();
        assert_eq!((error.n, error.n_parsed, error.n_stated), (3, 2, 1));
        assert!((error.mae.unwrap().value - 0.3).abs() < 1e-12);
        assert!((error.mae_reply.unwrap().value - 0.25).abs() < 1e-12);
    }

    #[test]
    fn nothing_gives_nothing_and_nan_is_refused() {
        assert_eq!(mae(&[]).unwrap(), None);
        assert_eq!(ScoreError::of(&[answer(None, None)]).unwrap().mae, None);
        let error = mae(&[(0.0, 0.0), (0.0, f64::INFINITY)]).unwrap_err();
        assert_eq!(error.to_string(), "score 1 is inf, expected a finite number");
        assert!(ScoreError::of(&[ScoredAnswer { truth: f64::NAN, ..answer(None, None) }]).is_err());
    }
}
