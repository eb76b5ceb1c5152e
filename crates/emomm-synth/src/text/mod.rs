//! The sentence of a clip: a grammar whose wording states the score.
//!
//! A sentence has a clause about something, whose words have a [`Force`], and perhaps a neutral clause before or after it.
//! A neutral sentence has neutral clauses only. Words of feeling are strong or weak; intensifiers and downtoners grade
//! them; "not" turns a weak word into its slight opposite. Every grade has words that no other grade uses, or uses them
//! with another grading word, so that counting words and pairs of words suffices to read the score.

mod chinese;
mod english;

use emomm_dataset::{Corpus, GridScore};

use crate::draw::Draw;

/// How forcefully a feeling is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    /// A weak word toned down, or a weak word of the opposite negated.
    Slight,
    /// A weak word.
    Weak,
    /// A weak word, graded up.
    Quite,
    /// A strong word.
    Strong,
    /// A strong word, graded up.
    Very,
    /// A strong word, graded up as far as it goes.
    Extreme,
}

impl Force {
    /// The force of a score; `None` for a neutral one. Strong words begin at the corpus's strong class.
    fn of(corpus: Corpus, score: GridScore) -> Option<Self> {
        let by_step = match corpus {
            Corpus::ChSims => [Self::Slight, Self::Weak, Self::Quite, Self::Strong, Self::Extreme],
            Corpus::CmuMosi => [Self::Slight, Self::Weak, Self::Strong, Self::Very, Self::Extreme],
        };
        usize::from(score.steps().unsigned_abs()).checked_sub(1).map(|n| by_step[n])
    }
}

/// The transcript of clip `index`.
pub(crate) fn sentence(seed: u64, corpus: Corpus, index: u64, score: GridScore) -> String {
    let mut draw = Draw::named(seed, &format!("{corpus}/text"), index);
    let force = Force::of(corpus, score);
    let is_positive = score.steps() > 0;
    match corpus {
        Corpus::ChSims => chinese::sentence(&mut draw, force, is_positive),
        Corpus::CmuMosi => english::sentence(&mut draw, force, is_positive),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all_of(corpus: Corpus, steps: i8) -> BTreeSet<String> {
        let score = GridScore::from_steps(steps).unwrap();
        (0..400).map(|i| sentence(0, corpus, i, score)).collect()
    }

    /// The same sentence never states two scores.
    #[test]
    fn a_sentence_states_one_score() {
        for corpus in Corpus::ALL {
            let by_score: Vec<BTreeSet<String>> = (-5..=5).map(|s| all_of(corpus, s)).collect();
            for (i, here) in by_score.iter().enumerate() {
                assert!(here.len() > 150, "{corpus} {i}: {} sentences", here.len());
                for there in &by_score[..i] {
                    assert!(here.is_disjoint(there), "{:?}", here.intersection(there).next());
                }
            }
        }
    }

    #[test]
    fn sentences_are_of_readable_length_and_some_hold_commas() {
        for corpus in Corpus::ALL {
            let all: Vec<String> = (-5..=5).flat_map(|s| all_of(corpus, s)).collect();
            let commas = all.iter().filter(|s| s.contains(',')).count();
            assert!(commas * 20 > all.len() && commas < all.len(), "{commas} of {}", all.len());
            for s in &all {
                assert!((3..=90).contains(&s.chars().count()) && s.trim() == s && !s.contains("  "), "{s}");
            }
        }
    }
}
