//! Votes of annotators in {−1, 0, 1}, their average, and the map that turns the average into a class (Sec. 3.1).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::corpus::Corpus;
use crate::error::VocabularyError;
use crate::sentiment::GridScore;

/// The five-class map of averaged votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoteMap {
    /// The map of the corpus to which the clips belong.
    #[default]
    Own,
    /// The map of CH-SIMS.
    ChSims,
    /// The map of CMU-MOSI.
    CmuMosi,
}

impl VoteMap {
    /// The corpus whose map is used for clips of `own`.
    pub fn corpus(self, own: Corpus) -> Corpus {
        match self {
            Self::Own => own,
            Self::ChSims => Corpus::ChSims,
            Self::CmuMosi => Corpus::CmuMosi,
        }
    }
}

impl FromStr for VoteMap {
    type Err = VocabularyError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "own" => Ok(Self::Own),
            "ch-sims" => Ok(Self::ChSims),
            "cmu-mosi" => Ok(Self::CmuMosi),
            _ => Err(VocabularyError::new("vote map", word, "own, ch-sims or cmu-mosi")),
        }
    }
}

/// The average of votes on the 0.2 grid. Five votes lie on it; other numbers are snapped, ties to even.
///
/// `None` for no votes, or for a vote outside {−1, 0, 1}.
pub fn mean_of_votes(votes: &[i8]) -> Option<GridScore> {
    if votes.is_empty() || votes.iter().any(|v| !(-1..=1).contains(v)) {
        return None;
    }
    let n = votes.len() as i64;
    let fifths = 5 * votes.iter().map(|v| i64::from(*v)).sum::<i64>();
    let (floor, rest) = (fifths.div_euclid(n), fifths.rem_euclid(n));
    let up = match (2 * rest).cmp(&n) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => floor % 2 != 0,
    };
    GridScore::from_steps(i8::try_from(floor + i64::from(up)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentiment::Sentiment;

    #[test]
    fn five_votes_lie_on_the_grid() {
        assert_eq!(mean_of_votes(&[-1, -1, 0, 0, 0]).unwrap().steps(), -2);
        assert_eq!(mean_of_votes(&[1; 5]).unwrap().steps(), 5);
        assert_eq!(mean_of_votes(&[1, -1, 0, 0, 0]).unwrap().steps(), 0);
    }

    #[test]
    fn fewer_votes_are_snapped_with_ties_to_even() {
        // 1/2 is 2.5 steps, 1/4 is 1.25, 1/3 is 1.67.
        assert_eq!(mean_of_votes(&[1, 0]).unwrap().steps(), 2);
        assert_eq!(mean_of_votes(&[-1, 0]).unwrap().steps(), -2);
        assert_eq!(mean_of_votes(&[1, 0, 0, 0]).unwrap().steps(), 1);
        assert_eq!(mean_of_votes(&[1, 0, 0]).unwrap().steps(), 2);
    }

    #[test]
    fn other_votes_are_refused() {
        assert_eq!(mean_of_votes(&[]), None);
        assert_eq!(mean_of_votes(&[2, 0]), None);
    }

    #[test]
    fn the_map_decides_the_class_of_three_votes_of_five() {
        let score = mean_of_votes(&[1, 1, 1, 0, 0]).unwrap();
        let class = |map: VoteMap| map.corpus(Corpus::CmuMosi).class_of(score);
        assert_eq!(class(VoteMap::Own), Sentiment::Positive);
        assert_eq!(class(VoteMap::ChSims), Sentiment::WeaklyPositive);
    }
}
