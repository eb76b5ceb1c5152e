//! How a label is given: the paper's {−1, 0, 1}, five classes, or the eleven points of the 0.2 grid.
//!
//! Stored are codes, never words. For −1, 0, 1 the code is the label; for five classes −2 … 2; for the grid −5 … 5.

use std::fmt;
use std::str::FromStr;

use emomm_dataset::{GridScore, mean_of_votes};
use serde::{Deserialize, Serialize};

use crate::error::AnnotateError;

/// A way to give labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Scheme {
    /// −1, 0, 1 (App. A.2).
    #[default]
    #[serde(rename = "ternary")]
    Ternary,
    /// Negative to positive in five steps.
    #[serde(rename = "five-class")]
    FiveClass,
    /// −1.0, −0.8, … 1.0.
    #[serde(rename = "grid-11")]
    Grid11,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 3] = [Self::Ternary, Self::FiveClass, Self::Grid11];

    /// The word on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ternary => "ternary",
            Self::FiveClass => "five-class",
            Self::Grid11 => "grid-11",
        }
    }

    /// The largest code; the smallest is its opposite.
    pub fn greatest_code(self) -> i8 {
        match self {
            Self::Ternary => 1,
            Self::FiveClass => 2,
            Self::Grid11 => 5,
        }
    }

    /// All codes, ascending.
    pub fn codes(self) -> impl Iterator<Item = i8> {
        -self.greatest_code()..=self.greatest_code()
    }

    /// The code, if it is one of this scheme.
    pub fn code(self, code: i64) -> Option<i8> {
        let greatest = i64::from(self.greatest_code());
        // No absolute value: that of the smallest number is none.
        i8::try_from(code).ok().filter(|_| (-greatest..=greatest).contains(&code))
    }

    /// What a code says as a score in steps of 0.2. A weak class stands at ±0.4 and a strong one at ±1, which both
    /// corpora map back to the same class.
    pub fn steps(self, code: i8) -> i8 {
        match self {
            Self::Ternary => code * 5,
            Self::FiveClass => [-5, -2, 0, 2, 5][usize::try_from(code + 2).unwrap_or(2).min(4)],
            Self::Grid11 => code,
        }
    }

    /// The code nearest to a score in steps of 0.2, for references that a corpus brings along.
    pub fn code_of_score(self, score: GridScore) -> i8 {
        match self {
            Self::Ternary => score.steps().signum(),
            Self::FiveClass => match score.steps() {
                0 => 0,
                s if s.abs() >= 4 => 2 * s.signum(),
                s => s.signum(),
            },
            Self::Grid11 => score.steps(),
        }
    }

    /// The mean of codes on the 0.2 grid, ties to even; `None` without codes, or with one of another scheme.
    ///
    /// ```
    /// use emomm_annotate::Scheme;
    ///
    /// assert_eq!(Scheme::Ternary.mean(&[1, 1, 0, 0, 1]).unwrap().to_string(), "0.6");
    /// assert_eq!(Scheme::Grid11.mean(&[5, 4]).unwrap().to_string(), "0.8");
    /// ```
    pub fn mean(self, codes: &[i8]) -> Option<GridScore> {
        if codes.is_empty() || codes.iter().any(|c| self.code((*c).into()).is_none()) {
            return None;
        }
        if self == Self::Ternary {
            return mean_of_votes(codes);
        }
        let n = i64::try_from(codes.len()).ok()?;
        let sum: i64 = codes.iter().map(|c| i64::from(self.steps(*c))).sum();
        let (floor, rest) = (sum.div_euclid(n), sum.rem_euclid(n));
        let up = match (2 * rest).cmp(&n) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => floor % 2 != 0,
        };
        GridScore::from_steps(i8::try_from(floor + i64::from(up)).ok()?)
    }

    /// The code as people read it: `-1`, `+1`, `-0.6`.
    pub fn show(self, code: i8) -> String {
        match self {
            Self::Grid11 => {
                let sign = match code.signum() {
                    1 => "+",
                    -1 => "\u{2212}",
                    _ => "",
                };
                format!("{sign}{}.{}", code.abs() / 5, code.abs() % 5 * 2)
            }
            _ => match code {
                0 => "0".to_owned(),
                c if c < 0 => format!("\u{2212}{}", c.abs()),
                c => format!("+{c}"),
            },
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scheme {
    type Err = AnnotateError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|s| s.name() == word).ok_or_else(|| AnnotateError::Option {
            option: "scheme".to_owned(),
            found: word.to_owned(),
            expected: "ternary, five-class or grid-11".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use emomm_dataset::Corpus;

    use super::*;

    #[test]
    fn five_classes_come_back_from_both_corpora() {
        for corpus in Corpus::ALL {
            for code in Scheme::FiveClass.codes() {
                let score = GridScore::from_steps(Scheme::FiveClass.steps(code)).unwrap();
                assert_eq!(corpus.class_of(score).index() as i8 - 2, code, "{corpus} {code}");
            }
        }
    }

    #[test]
    fn codes_beyond_the_scheme_are_none() {
        for scheme in Scheme::ALL {
            let greatest = i64::from(scheme.greatest_code());
            for code in [i64::MIN, -129, -128, -greatest - 1, greatest + 1, 127, 128, i64::MAX] {
                assert_eq!(scheme.code(code), None, "{scheme} {code}");
            }
            assert_eq!(scheme.code(-greatest), Some(-scheme.greatest_code()));
            assert_eq!(scheme.mean(&[i8::MIN]), None);
        }
    }

    #[test]
    fn means_are_snapped_with_ties_to_even() {
        assert_eq!(Scheme::Grid11.mean(&[1, 2]).unwrap().steps(), 2);
        assert_eq!(Scheme::Grid11.mean(&[-1, 2]).unwrap().steps(), 0);
        assert_eq!(Scheme::Grid11.mean(&[-1, -2]).unwrap().steps(), -2);
        assert_eq!(Scheme::FiveClass.mean(&[2, 2, 2]).unwrap().steps(), 5);
        assert_eq!(Scheme::Ternary.mean(&[]), None);
        assert_eq!(Scheme::Ternary.mean(&[2]), None);
    }

    #[test]
    fn codes_are_shown_with_a_true_minus() {
        let shown: Vec<String> = Scheme::Grid11.codes().map(|c| Scheme::Grid11.show(c)).collect();
        assert_eq!(shown[0], "\u{2212}1.0");
        assert_eq!(
            (shown[4].as_str(), shown[5].as_str(), shown[10].as_str()),
            ("\u{2212}0.2", "0.0", "+1.0")
        );
    }
}
