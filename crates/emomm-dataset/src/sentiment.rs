//! The five ordered sentiment classes, their letters, their polarity and the 0.2 grid of scores.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the five ordered classes, y ∈ {0, …, 4} of Eq. (1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sentiment {
    /// N, letter A.
    Negative,
    /// WN, letter B.
    WeaklyNegative,
    /// Neu, letter C.
    Neutral,
    /// WP, letter D.
    WeaklyPositive,
    /// P, letter E.
    Positive,
}

impl Sentiment {
    /// All five, from negative to positive.
    pub const ALL: [Self; 5] =
        [Self::Negative, Self::WeaklyNegative, Self::Neutral, Self::WeaklyPositive, Self::Positive];

    /// The ordinal label 0 to 4.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The class of an ordinal label, `None` above 4.
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// The answer letter A to E of the prompt (App. E), the candidate set 𝓛 of Eq. (22).
    pub fn letter(self) -> char {
        char::from(b'A' + self.index() as u8)
    }

    /// The class of an answer letter; upper case only, since the prompt asks for upper case.
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.letter() == letter)
    }

    /// The name as the prompt spells it, for example `Weakly Negative`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Negative => "Negative",
            Self::WeaklyNegative => "Weakly Negative",
            Self::Neutral => "Neutral",
            Self::WeaklyPositive => "Weakly Positive",
            Self::Positive => "Positive",
        }
    }

    /// The word used in JSON and on the command line, for example `weakly-negative`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::WeaklyNegative => "weakly-negative",
            Self::Neutral => "neutral",
            Self::WeaklyPositive => "weakly-positive",
            Self::Positive => "positive",
        }
    }

    /// Sign of the class; Neutral is a polarity of its own.
    pub fn polarity(self) -> Polarity {
        match self {
            Self::Negative | Self::WeaklyNegative => Polarity::Negative,
            Self::Neutral => Polarity::Neutral,
            Self::WeaklyPositive | Self::Positive => Polarity::Positive,
        }
    }
}

impl fmt::Display for Sentiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// z ∈ {−, 0, +} of Eq. (3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Polarity {
    /// −
    Negative,
    /// 0
    Neutral,
    /// +
    Positive,
}

impl Polarity {
    /// All three, from negative to positive.
    pub const ALL: [Self; 3] = [Self::Negative, Self::Neutral, Self::Positive];

    /// The word used in JSON: `negative`, `neutral` or `positive`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::Neutral => "neutral",
            Self::Positive => "positive",
        }
    }
}

/// A score on the grid −1.0, −0.8, …, 1.0, held as the integer number of 0.2 steps (−5 to 5).
///
/// Integer steps make equality, sums and class borders exact; a float only appears when it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GridScore(i8);

impl GridScore {
    /// The score of `steps` × 0.2, `None` outside −5 to 5.
    pub fn from_steps(steps: i8) -> Option<Self> {
        (-5..=5).contains(&steps).then_some(Self(steps))
    }

    /// The number of 0.2 steps from zero.
    pub fn steps(self) -> i8 {
        self.0
    }

    /// The score as a number in [−1, 1].
    pub fn value(self) -> f64 {
        f64::from(self.0) / 5.0
    }
}

impl fmt::Display for GridScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_follow_the_order_of_the_classes() {
        let letters: String = Sentiment::ALL.iter().map(|s| s.letter()).collect();
        assert_eq!(letters, "ABCDE");
        for s in Sentiment::ALL {
            assert_eq!(Sentiment::from_letter(s.letter()), Some(s));
            assert_eq!(Sentiment::from_index(s.index()), Some(s));
        }
        assert_eq!(Sentiment::from_letter('a'), None);
        assert_eq!(Sentiment::from_index(5), None);
    }

    /// Eq. (3): weak and strong classes of one sign share a polarity, Neutral has its own.
    #[test]
    fn polarity_is_the_sign_of_the_class() {
        use Polarity::{Negative, Neutral, Positive};
        assert_eq!(
            Sentiment::ALL.map(Sentiment::polarity),
            [Negative, Negative, Neutral, Positive, Positive]
        );
    }

    #[test]
    fn json_words_are_kebab_case() {
        for s in Sentiment::ALL {
            assert_eq!(serde_json::to_string(&s).unwrap(), format!("\"{}\"", s.name()));
        }
    }

    #[test]
    fn grid_scores_print_with_one_decimal() {
        assert_eq!(GridScore::from_steps(-4).unwrap().to_string(), "-0.8");
        assert_eq!(GridScore::from_steps(0).unwrap().to_string(), "0.0");
        assert_eq!(GridScore::from_steps(6), None);
    }
}
