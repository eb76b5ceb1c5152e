//! The two corpora of the paper and their five-class maps (App. A.1, App. E "Score policy").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::VocabularyError;
use crate::sentiment::{GridScore, Sentiment};

/// A corpus with a five-class map of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Corpus {
    /// CH-SIMS v2.0: ±0.6 is weak.
    #[serde(rename = "ch-sims")]
    ChSims,
    /// CMU-MOSI: ±0.6 is strong.
    #[serde(rename = "cmu-mosi")]
    CmuMosi,
}

impl Corpus {
    /// Both corpora.
    pub const ALL: [Self; 2] = [Self::ChSims, Self::CmuMosi];

    /// The word used on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChSims => "ch-sims",
            Self::CmuMosi => "cmu-mosi",
        }
    }

    /// The scores of a class, ascending: the allowed set of its letter in the prompt.
    pub fn score_set(self, class: Sentiment) -> Vec<GridScore> {
        (-5..=5).filter_map(GridScore::from_steps).filter(|s| self.class_of(*s) == class).collect()
    }

    /// The class of a grid score.
    pub fn class_of(self, score: GridScore) -> Sentiment {
        // Largest magnitude, in 0.2 steps, that still counts as weak.
        let weak = match self {
            Self::ChSims => 3,
            Self::CmuMosi => 2,
        };
        match score.steps() {
            0 => Sentiment::Neutral,
            s if s < -weak => Sentiment::Negative,
            s if s < 0 => Sentiment::WeaklyNegative,
            s if s <= weak => Sentiment::WeaklyPositive,
            _ => Sentiment::Positive,
        }
    }

    /// Mean of the class's score set: the score given to an answer of which only the letter is known.
    pub fn centre_score(self, class: Sentiment) -> f64 {
        let set = self.score_set(class);
        let steps: i32 = set.iter().map(|s| i32::from(s.steps())).sum();
        // One division, so that the result is the double nearest to the decimal fraction.
        f64::from(steps) / (5 * set.len()) as f64
    }
}

impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Corpus {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|c| c.name() == word)
            .ok_or_else(|| VocabularyError::new("corpus", word, "ch-sims or cmu-mosi"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(corpus: Corpus) -> Vec<Vec<f64>> {
        Sentiment::ALL.iter().map(|c| corpus.score_set(*c).iter().map(|s| s.value()).collect()).collect()
    }

    /// App. E, "Score policy for CH-SIMSV2".
    #[test]
    fn ch_sims_map() {
        assert_eq!(
            sets(Corpus::ChSims),
            [vec![-1.0, -0.8], vec![-0.6, -0.4, -0.2], vec![0.0], vec![0.2, 0.4, 0.6], vec![0.8, 1.0]]
        );
    }

    /// App. E, "Score policy for CMU-MOSI".
    #[test]
    fn cmu_mosi_map() {
        assert_eq!(
            sets(Corpus::CmuMosi),
            [vec![-1.0, -0.8, -0.6], vec![-0.4, -0.2], vec![0.0], vec![0.2, 0.4], vec![0.6, 0.8, 1.0]]
        );
    }

    #[test]
    fn centres() {
        let centres = |c: Corpus| Sentiment::ALL.map(|s| c.centre_score(s).to_string());
        assert_eq!(centres(Corpus::ChSims), ["-0.9", "-0.4", "0", "0.4", "0.9"]);
        assert_eq!(centres(Corpus::CmuMosi), ["-0.8", "-0.3", "0", "0.3", "0.8"]);
    }

    #[test]
    fn names_round_trip() {
        for corpus in Corpus::ALL {
            assert_eq!(corpus.name().parse::<Corpus>().unwrap(), corpus);
            assert_eq!(serde_json::to_string(&corpus).unwrap(), format!("\"{corpus}\""));
        }
        assert!("mosi".parse::<Corpus>().is_err());
    }
}
