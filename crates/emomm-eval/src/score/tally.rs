//! The counts and sums from which every figure of a row follows, so that whole clusters can be added up.
//!
//! Class centres and grid scores are whole tenths, so all sums are exact and no figure depends on the order of rows.

use std::ops::AddAssign;

use emomm_dataset::{GridScore, Sentiment};
use emomm_metrics::{Acc2, Classification, Figure, ScoredAnswer, Unparsed};

use super::answers::AnswerRow;

/// Sums over samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// True class × answer; the last column counts samples without an answer.
    counts: [[u32; 6]; 5],
    /// Samples with an answer.
    n_parsed: i64,
    /// Samples whose stated score agrees with its class.
    n_stated: i64,
    /// Samples with an answer and a stated score, whether it agrees or not.
    n_offered: i64,
    /// True scores x of samples with an answer: Σx, Σx².
    x: i64,
    xx: i64,
    centre: Predicted,
    reply: Predicted,
}

/// Sums over predicted scores y in one reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Predicted {
    y: i64,
    yy: i64,
    xy: i64,
    /// Σ|x − y|.
    error: i64,
}

/// Scores per tenth: the unit of the sums.
const TENTHS: f64 = 10.0;

fn tenths(score: f64) -> i64 {
    (score * TENTHS).round() as i64
}

impl Tally {
    /// One row.
    pub(super) fn of(row: &AnswerRow) -> Self {
        let mut tally = Self::default();
        let truth = row.labels.ground_truth;
        tally.counts[truth.index()][row.answer.map_or(5, Sentiment::index)] = 1;
        let true_score = row.truth_score.map_or_else(|| row.corpus.map.centre_score(truth), GridScore::value);
        let answer =
            ScoredAnswer { truth: true_score, corpus: row.corpus.map, class: row.answer, stated: row.stated };
        let Some(centre) = answer.centre() else { return tally };
        let agreeing = answer.agreeing_score();
        let x = tenths(true_score);
        let predicted = |score: f64| {
            let y = tenths(score);
            Predicted { y, yy: y * y, xy: x * y, error: (x - y).abs() }
        };
        Self {
            n_parsed: 1,
            n_stated: i64::from(agreeing.is_some()),
            n_offered: i64::from(row.stated.is_some()),
            x,
            xx: x * x,
            centre: predicted(centre),
            reply: predicted(agreeing.unwrap_or(centre)),
            ..tally
        }
    }

    pub(super) fn n_stated(&self) -> usize {
        self.n_stated as usize
    }

    pub(super) fn n_offered(&self) -> usize {
        self.n_offered as usize
    }

    /// All figures that need classes only.
    pub(super) fn classification(&self, unparsed: Unparsed, acc2: Acc2) -> Classification {
        let cells = Sentiment::ALL.into_iter().flat_map(|truth| {
            let row = self.counts[truth.index()];
            (0..6).map(move |column| (truth, Sentiment::from_index(column), row[column] as usize))
        });
        Classification::of_counts(cells, unparsed, acc2)
    }

    /// MAE with class centres.
    pub(super) fn mae(&self) -> Option<Figure> {
        self.mean_error(&self.centre)
    }

    /// MAE with the stated score where it agrees with its class, else the centre.
    pub(super) fn mae_reply(&self) -> Option<Figure> {
        self.mean_error(&self.reply)
    }

    /// Pearson's r between true scores and class centres.
    pub(super) fn pearson(&self) -> Option<Figure> {
        self.correlation(&self.centre)
    }

    /// Pearson's r between true scores and the scores of `mae_reply`.
    pub(super) fn pearson_reply(&self) -> Option<Figure> {
        self.correlation(&self.reply)
    }

    fn mean_error(&self, predicted: &Predicted) -> Option<Figure> {
        let n = self.n_parsed as usize;
        (n > 0).then(|| Figure { value: predicted.error as f64 / (TENTHS * n as f64), n })
    }

    /// From whole numbers: n Σxy − Σx Σy and its like are exact, so nothing cancels.
    fn correlation(&self, predicted: &Predicted) -> Option<Figure> {
        let n = self.n_parsed;
        let spread = |sum: i64, squares: i64| n * squares - sum * sum;
        let (x, y) = (spread(self.x, self.xx), spread(predicted.y, predicted.yy));
        let both = n * predicted.xy - self.x * predicted.y;
        (n >= 2 && x > 0 && y > 0).then(|| Figure {
            value: (both as f64 / (x as f64).sqrt() / (y as f64).sqrt()).clamp(-1.0, 1.0),
            n: n as usize,
        })
    }
}

impl AddAssign<&Tally> for Tally {
    fn add_assign(&mut self, other: &Self) {
        for (sum, counts) in self.counts.iter_mut().zip(&other.counts) {
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        self.n_parsed += other.n_parsed;
        self.n_stated += other.n_stated;
        self.n_offered += other.n_offered;
        self.x += other.x;
        self.xx += other.xx;
        self.centre += &other.centre;
        self.reply += &other.reply;
    }
}

impl AddAssign<&Predicted> for Predicted {
    fn add_assign(&mut self, other: &Self) {
        self.y += other.y;
        self.yy += other.yy;
        self.xy += other.xy;
        self.error += other.error;
    }
}
