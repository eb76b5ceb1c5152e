//! What a cell may say: a label in one of its forms, a score, a coalition, a subset.

use emomm_dataset::{Corpus, GridScore, Sentiment};
use serde::{Deserialize, Serialize};

/// How far a score may lie from a point of the 0.2 grid to be that point: room for rounding, no more.
const GRID_TOLERANCE: f64 = 1e-6;

/// What becomes of a true score between two points of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OffGrid {
    /// It is a fault of its row.
    #[default]
    Error,
    /// It becomes the nearest point, ties to the even number of steps.
    Snap,
}

/// A label as it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Written {
    /// A letter or the name of a class.
    Class(Sentiment),
    /// A whole number 0 to 4.
    Index(Sentiment),
    /// A number with a decimal point, an exponent or a sign.
    Score(f64),
}

/// A label of a source: its class and, where it was written as a score, the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) class: Sentiment,
    pub(super) score: Option<GridScore>,
}

/// Reads an answer: letter, class word or 0 to 4; a whole number may carry `.0`, as pandas writes it beside gaps.
pub(super) fn answer(text: &str) -> Option<Sentiment> {
    match written(text)? {
        Written::Class(class) | Written::Index(class) => Some(class),
        Written::Score(_) => text.strip_suffix(".0").and_then(index),
    }
}

/// Reads a label in any of its forms.
pub(super) fn written(text: &str) -> Option<Written> {
    if let Some(class) = class(text) {
        return Some(Written::Class(class));
    }
    if let Some(class) = index(text) {
        return Some(Written::Index(class));
    }
    let is_plain = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.contains(|c: char| "+-.eE".contains(c));
    let number: f64 = text.parse().ok().filter(|_| is_plain)?;
    number.is_finite().then_some(Written::Score(number))
}

/// Puts a written label on the grid and into a class.
pub(super) fn label(written: Written, map: Corpus, off_grid: OffGrid) -> Result<Label, String> {
    match written {
        Written::Class(class) | Written::Index(class) => Ok(Label { class, score: None }),
        Written::Score(score) => {
            let score = grid_score(score, off_grid)?;
            Ok(Label { class: map.class_of(score), score: Some(score) })
        }
    }
}

/// The point of the grid, or what is wrong with the number.
fn grid_score(score: f64, off_grid: OffGrid) -> Result<GridScore, String> {
    let steps = score * 5.0;
    let nearest = steps.round_ties_even();
    if !(-1.0 - GRID_TOLERANCE..=1.0 + GRID_TOLERANCE).contains(&score) {
        return Err(format!("found the score {score}, expected a score from -1 to 1"));
    }
    if off_grid == OffGrid::Error && (steps - nearest).abs() > 5.0 * GRID_TOLERANCE {
        return Err(format!("found the score {score}, expected a point of the grid -1.0, -0.8, …, 1.0"));
    }
    GridScore::from_steps(nearest as i8).ok_or_else(|| format!("found the score {score}"))
}

/// Reads a stated score in [−1, 1].
pub(super) fn stated_score(text: &str) -> Option<f64> {
    let plain = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    text.parse().ok().filter(|score: &f64| plain && (-1.0..=1.0).contains(score))
}

/// A letter in either case, or the name of a class: `weakly-negative`, `Weakly Negative`, `weakly_negative`.
fn class(text: &str) -> Option<Sentiment> {
    let mut letters = text.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        return Sentiment::from_letter(letter.to_ascii_uppercase());
    }
    let name = text.to_ascii_lowercase().replace([' ', '_'], "-");
    Sentiment::ALL.into_iter().find(|s| s.name() == name)
}

fn index(text: &str) -> Option<Sentiment> {
    let [digit @ b'0'..=b'9'] = text.as_bytes() else { return None };
    Sentiment::from_index(usize::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Sentiment::{Negative, Neutral, Positive, WeaklyNegative, WeaklyPositive};

    #[test]
    fn the_forms_of_a_label() {
        for (text, expected) in [
            ("A", Written::Class(Negative)),
            ("e", Written::Class(Positive)),
            ("Weakly Negative", Written::Class(WeaklyNegative)),
            ("weakly_positive", Written::Class(WeaklyPositive)),
            ("0", Written::Index(Negative)),
            ("4", Written::Index(Positive)),
            ("0.0", Written::Score(0.0)),
            ("-1", Written::Score(-1.0)),
            ("+.4", Written::Score(0.4)),
            ("2e-1", Written::Score(0.2)),
        ] {
            assert_eq!(written(text), Some(expected), "{text}");
        }
        for text in ["", "F", "5", "12", "nan", "inf", "None", "0,8", "[1]", "true", "1.0.0", "-"] {
            assert_eq!(written(text), None, "{text}");
        }
    }

    #[test]
    fn an_answer_is_no_score() {
        assert_eq!(answer("2.0"), Some(Neutral));
        assert_eq!(answer("2"), Some(Neutral));
        for text in ["0.4", "-1", "5.0", "-0.0", "2.00001", "1e0"] {
            assert_eq!(answer(text), None, "{text}");
        }
    }

    /// ±0.6 is weak in CH-SIMS and strong in CMU-MOSI.
    #[test]
    fn scores_follow_the_map_of_their_corpus() {
        let class = |corpus| label(Written::Score(0.6), corpus, OffGrid::Error).unwrap().class;
        assert_eq!(class(Corpus::ChSims), WeaklyPositive);
        assert_eq!(class(Corpus::CmuMosi), Positive);
    }

    #[test]
    fn scores_off_the_grid_are_refused_or_snapped_to_even_steps() {
        let steps = |x, rule| grid_score(x, rule).map(GridScore::steps);
        assert!(steps(0.3, OffGrid::Error).is_err());
        assert_eq!(steps(0.3, OffGrid::Snap), Ok(2));
        assert_eq!(steps(0.5, OffGrid::Snap), Ok(2));
        assert_eq!(steps(-0.7, OffGrid::Snap), Ok(-4));
        assert_eq!(steps(0.1 + 0.7, OffGrid::Error), Ok(4));
        for x in [1.2, -3.0] {
            assert!(steps(x, OffGrid::Snap).unwrap_err().contains("from -1 to 1"));
        }
    }

    #[test]
    fn a_stated_score_is_a_number_between_minus_one_and_one() {
        assert_eq!(stated_score("-0.37"), Some(-0.37));
        assert_eq!(stated_score("1"), Some(1.0));
        for text in ["1.1", "nan", "", "D"] {
            assert_eq!(stated_score(text), None, "{text}");
        }
    }
}
