//! What is true of a clip: scores, the rule of truth, and where person and face are in each frame.

use emomm_dataset::{Corpus, GridScore, Modality, PerModality, Polarity, Sentiment};
use serde::{Deserialize, Serialize};

use crate::draw::Draw;
use crate::parameters::{CONFLICT_CLASSES, EQUAL_CLASSES, EXCEPTION_RATE, SAME_POLARITY_CLASSES};

/// How the modalities of a clip relate to its ground truth; the words of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stratum {
    /// Some modality has another polarity.
    Conflict,
    /// All classes are the ground truth's.
    Equal,
    /// All polarities are, some class is not.
    SamePolarity,
}

impl Stratum {
    /// All three, in the order of [`crate::parameters::DEFAULT_MIX`].
    pub const ALL: [Self; 3] = [Self::Conflict, Self::Equal, Self::SamePolarity];

    /// The stratum of given scores.
    pub fn of(corpus: Corpus, scores: &PerModality<GridScore>, ground_truth: GridScore) -> Self {
        let truth = corpus.class_of(ground_truth);
        let all = |holds: &dyn Fn(Sentiment) -> bool| scores.iter().all(|(_, s)| holds(corpus.class_of(*s)));
        if all(&|class| class == truth) {
            Self::Equal
        } else if all(&|class| class.polarity() == truth.polarity()) {
            Self::SamePolarity
        } else {
            Self::Conflict
        }
    }

    fn class_weights(self) -> [f64; 5] {
        match self {
            Self::Conflict => CONFLICT_CLASSES,
            Self::Equal => EQUAL_CLASSES,
            Self::SamePolarity => SAME_POLARITY_CLASSES,
        }
    }
}

/// The three scores and what follows from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truth {
    /// Score of each modality alone.
    pub scores: PerModality<GridScore>,
    /// The modality whose score is the ground truth.
    pub followed: Modality,
    /// Whether that is not the one that the rule names.
    pub is_exception: bool,
}

impl Truth {
    /// The multimodal score.
    pub fn ground_truth(&self) -> GridScore {
        *self.scores.get(self.followed)
    }

    /// Draws scores that lie in `stratum`.
    pub(crate) fn draw(draw: &mut Draw, corpus: Corpus, stratum: Stratum) -> Self {
        let class = Sentiment::ALL[draw.weighted(&stratum.class_weights())];
        let is_exception = draw.chance(EXCEPTION_RATE);
        loop {
            let scores = match stratum {
                Stratum::Conflict => PerModality::from_fn(|_| any_score(draw)),
                Stratum::Equal => PerModality::from_fn(|_| *draw.pick(&corpus.score_set(class))),
                Stratum::SamePolarity => PerModality::from_fn(|_| polar_score(draw, class.polarity())),
            };
            let ruled = followed(&scores);
            let others: Vec<Modality> = Modality::ALL.into_iter().filter(|m| *m != ruled).collect();
            let followed = if is_exception { *draw.pick(&others) } else { ruled };
            let truth = Self { scores, followed, is_exception };
            let found = truth.ground_truth();
            let is_in = Stratum::of(corpus, &scores, found) == stratum;
            // An exception may have any class of its stratum, or conflicts would never be neutral.
            if is_in && (is_exception || corpus.class_of(found) == class) {
                return truth;
            }
        }
    }
}

/// The rule: the greatest intensity; ties go to audio before video before text.
pub fn followed(scores: &PerModality<GridScore>) -> Modality {
    let intensity = |m: Modality| scores.get(m).steps().unsigned_abs();
    [Modality::Audio, Modality::Video, Modality::Text]
        .into_iter()
        .reduce(|best, m| if intensity(m) > intensity(best) { m } else { best })
        .unwrap_or(Modality::Audio)
}

fn any_score(draw: &mut Draw) -> GridScore {
    score(draw.below(11) as i8 - 5)
}

fn polar_score(draw: &mut Draw, polarity: Polarity) -> GridScore {
    let size = 1 + draw.below(5) as i8;
    match polarity {
        Polarity::Negative => score(-size),
        Polarity::Neutral => score(0),
        Polarity::Positive => score(size),
    }
}

fn score(steps: i8) -> GridScore {
    GridScore::from_steps(steps.clamp(-5, 5)).unwrap_or_else(|| unreachable!("clamped to the grid"))
}

/// Where the person and the face are in one frame.
///
/// A box is `[left, top, right, bottom]` in pixels, right and bottom exclusive, or null if nothing of it is in the frame.
/// A mask is a grid of square cells of 4 pixels, 80 across and 60 down, in the order of reading. A cell is inside where
/// more than half of it is. The numbers are the lengths of runs, outside and inside by turns, beginning outside (perhaps
/// with 0); their sum is 4800.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameTruth {
    /// Box of the person: head, hair, body, hand.
    pub person_box: Option<[u16; 4]>,
    /// Box of the face without hair and ears.
    pub face_box: Option<[u16; 4]>,
    /// Mask of the person.
    pub person_mask: Vec<u16>,
    /// Mask of the face; hair that hangs over it belongs to it.
    pub face_mask: Vec<u16>,
}

impl FrameTruth {
    /// From the coverage of each pixel.
    pub(crate) fn of(width: usize, cell: usize, person: &[f32], face: &[f32]) -> Self {
        Self {
            person_box: box_of(width, person),
            face_box: box_of(width, face),
            person_mask: runs(width, cell, person),
            face_mask: runs(width, cell, face),
        }
    }
}

fn box_of(width: usize, cover: &[f32]) -> Option<[u16; 4]> {
    let mut found: Option<[usize; 4]> = None;
    for (at, _) in cover.iter().enumerate().filter(|(_, c)| **c > 0.5) {
        let (x, y) = (at % width, at / width);
        let [x0, y0, x1, y1] = found.unwrap_or([x, y, x, y]);
        found = Some([x0.min(x), y0.min(y), x1.max(x), y1.max(y)]);
    }
    found.map(|[x0, y0, x1, y1]| [x0, y0, x1 + 1, y1 + 1].map(|v| v as u16))
}

fn runs(width: usize, cell: usize, cover: &[f32]) -> Vec<u16> {
    let columns = width / cell;
    let rows = cover.len() / width / cell;
    let mut runs = vec![0];
    let mut inside = false;
    for row in 0..rows {
        for column in 0..columns {
            let sum: f32 = (0..cell)
                .map(|y| {
                    let from = (row * cell + y) * width + column * cell;
                    cover[from..from + cell].iter().sum::<f32>()
                })
                .sum();
            if (sum > 0.5 * (cell * cell) as f32) != inside {
                inside = !inside;
                runs.push(0);
            }
            if let Some(last) = runs.last_mut() {
                *last += 1;
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(steps: [i8; 3]) -> PerModality<GridScore> {
        PerModality { text: score(steps[0]), audio: score(steps[1]), video: score(steps[2]) }
    }

    #[test]
    fn the_greatest_intensity_wins_and_ties_go_to_audio_then_video() {
        assert_eq!(followed(&scores([-4, 3, 2])), Modality::Text);
        assert_eq!(followed(&scores([4, -4, 4])), Modality::Audio);
        assert_eq!(followed(&scores([4, 1, -4])), Modality::Video);
        assert_eq!(followed(&scores([0, 0, 0])), Modality::Audio);
    }

    #[test]
    fn drawn_truth_lies_in_its_stratum() {
        let mut draw = Draw::named(0, "truth", 0);
        for corpus in Corpus::ALL {
            for stratum in Stratum::ALL {
                let n = 2000;
                let all: Vec<Truth> = (0..n).map(|_| Truth::draw(&mut draw, corpus, stratum)).collect();
                assert!(all.iter().all(|t| Stratum::of(corpus, &t.scores, t.ground_truth()) == stratum));
                assert!(all.iter().all(|t| (t.followed == followed(&t.scores)) != t.is_exception));
                let share = all.iter().filter(|t| t.is_exception).count() as f64 / f64::from(n);
                assert!((share - EXCEPTION_RATE).abs() < 0.015, "{corpus} {stratum:?} {share}");
            }
        }
    }

    #[test]
    fn masks_are_runs_of_cells() {
        // 8 × 8 pixels, cells of 4: the lower right cell is covered, the lower left one by a quarter.
        let mut cover = vec![0.0; 64];
        for y in 4..8 {
            for x in 3..8 {
                cover[y * 8 + x] = 1.0;
            }
        }
        let frame = FrameTruth::of(8, 4, &cover, &[1.0; 64]);
        assert_eq!(frame.person_mask, [3, 1]);
        assert_eq!(frame.face_mask, [0, 4]);
        assert_eq!((frame.person_box, frame.face_box), (Some([3, 4, 8, 8]), Some([0, 0, 8, 8])));
        assert_eq!(box_of(8, &[0.0; 64]), None);
    }
}
