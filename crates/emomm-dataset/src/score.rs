//! From the text of a score to a step of the 0.2 grid (App. A.1), with a policy for scores off the grid.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::error::VocabularyError;
use crate::sentiment::{GridScore, Polarity};

/// What happens to a score that should lie on the 0.2 grid and does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OffGrid {
    /// The nearest step is taken, ties to even.
    #[default]
    Snap,
    /// The clip is left out.
    Drop,
    /// The build is refused.
    Error,
}

impl FromStr for OffGrid {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "snap" => Ok(Self::Snap),
            "drop" => Ok(Self::Drop),
            "error" => Ok(Self::Error),
            _ => Err(VocabularyError::new("off-grid policy", word, "snap, drop or error")),
        }
    }
}

/// The range in which a corpus states its scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreScale {
    /// [−1, 1] on the 0.2 grid, as in CH-SIMS.
    Unit,
    /// [−3, 3], divided by three and snapped to the grid, as in CMU-MOSI. Being off the grid is no fault here.
    Triple,
}

impl ScoreScale {
    /// Largest magnitude of a score.
    pub fn limit(self) -> u32 {
        match self {
            Self::Unit => 1,
            Self::Triple => 3,
        }
    }
}

/// A score as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoreReading {
    /// The nearest step of the grid, ties to even.
    pub score: GridScore,
    /// The sign of the number as it was written.
    pub sign: Polarity,
    /// False if the score should lie on the grid and does not.
    pub on_grid: bool,
    /// True if the text was the single-precision image of a short decimal, which was taken instead.
    pub single_precision: bool,
}

/// Why a text is no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreFault {
    /// Nothing but blanks.
    Absent,
    /// Not a finite decimal number.
    NotANumber,
    /// Beyond the limit of the scale.
    OutOfRange,
}

/// Reads the text of a score.
///
/// # Errors
/// Absent, not a number, or out of range. A score off the grid is no error: see [`ScoreReading::on_grid`].
pub fn read_score(text: &str, scale: ScoreScale) -> Result<ScoreReading, ScoreFault> {
    if text.trim().is_empty() {
        return Err(ScoreFault::Absent);
    }
    let written: Decimal = text.parse().map_err(|_| ScoreFault::NotANumber)?;
    let short = written.without_single_precision_error();
    let number = short.unwrap_or(written);
    if number.exceeds(scale.limit()) {
        return Err(ScoreFault::OutOfRange);
    }
    let (steps, exact) = number.steps(scale.limit());
    let score = i8::try_from(steps).ok().and_then(GridScore::from_steps).ok_or(ScoreFault::OutOfRange)?;
    let sign = match number.signum() {
        -1 => Polarity::Negative,
        0 => Polarity::Neutral,
        _ => Polarity::Positive,
    };
    Ok(ScoreReading {
        score,
        sign,
        on_grid: exact || scale == ScoreScale::Triple,
        single_precision: short.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Corpus;
    use crate::sentiment::Sentiment;

    #[test]
    fn the_grid_is_read_exactly() {
        for steps in -5..=5 {
            let score = GridScore::from_steps(steps).unwrap();
            let reading = read_score(&score.to_string(), ScoreScale::Unit).unwrap();
            let sign = Corpus::ChSims.class_of(score).polarity();
            assert_eq!(reading, ScoreReading { score, sign, on_grid: true, single_precision: false });
        }
    }

    #[test]
    fn off_the_grid_is_snapped_and_said() {
        let reading = read_score("-0.1", ScoreScale::Unit).unwrap();
        assert_eq!((reading.score.steps(), reading.on_grid), (0, false));
        assert_eq!(reading.sign, Polarity::Negative);
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(read_score("  ", ScoreScale::Unit), Err(ScoreFault::Absent));
        assert_eq!(read_score("n/a", ScoreScale::Unit), Err(ScoreFault::NotANumber));
        assert_eq!(read_score("1.2", ScoreScale::Unit), Err(ScoreFault::OutOfRange));
        assert_eq!(read_score("-3.2", ScoreScale::Triple), Err(ScoreFault::OutOfRange));
        assert!(read_score("-3", ScoreScale::Triple).is_ok());
    }

    /// Classes of every score that five annotators with half points can average to; made by Python's exact
    /// fractions: `round(Fraction(text) * 5 / 3)`, whose ties go to even.
    #[test]
    fn mosi_scores_fall_into_the_classes_of_the_paper() {
        let class =
            |text: &str| Corpus::CmuMosi.class_of(read_score(text, ScoreScale::Triple).unwrap().score);
        for (text, expected) in [
            ("-3.0", Sentiment::Negative),
            ("-1.6", Sentiment::Negative),
            ("-1.5", Sentiment::WeaklyNegative),
            ("-0.4", Sentiment::WeaklyNegative),
            ("-0.3", Sentiment::Neutral),
            ("0.2", Sentiment::Neutral),
            ("0.3", Sentiment::Neutral),
            ("0.4", Sentiment::WeaklyPositive),
            ("1.5", Sentiment::WeaklyPositive),
            ("1.6", Sentiment::Positive),
            ("3", Sentiment::Positive),
        ] {
            assert_eq!(class(text), expected, "{text}");
        }
    }
}
