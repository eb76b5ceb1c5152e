//! The confusion matrix, and all that is computed from it: accuracy, precision, recall, F1 and their averages.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::figure::{Figure, Unparsed};

/// Counts of true class × predicted class over `K` classes.
///
/// Beside the matrix there are two columns. `outside` counts answers that are none of the `K` classes, such as
/// "neutral" where positive is told from negative: they are always wrong. `unparsed` counts samples without an
/// answer: [`Unparsed`] says whether they are wrong or left out.
///
/// Adding a sample is O(1), every figure O(K²). Two matrices of different samples add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confusion<const K: usize> {
    counts: [[usize; K]; K],
    outside: [usize; K],
    unparsed: [usize; K],
}

/// What a model said about one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// One of the classes, by index.
    Class(usize),
    /// An answer, but none of the classes.
    Outside,
    /// No answer.
    Unparsed,
}

/// Precision, recall and F1 of one class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// True samples of the class that entered.
    pub support: usize,
    /// Answers with this class.
    pub predicted: usize,
    /// TP / answers with the class; `None` where there is none.
    pub precision: Option<f64>,
    /// TP / support; `None` without support.
    pub recall: Option<f64>,
    /// 2 TP / (support + answers); `None` where the class occurs neither in truth nor in answers.
    pub f1: Option<f64>,
}

/// An average over classes, with the classes that could not enter it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassAverage {
    /// The average.
    pub value: f64,
    /// Samples that entered.
    pub n: usize,
    /// Classes that were averaged.
    pub n_classes: usize,
    /// Indices of the classes that no sample truly has. A figure with such classes is not comparable with one
    /// without.
    pub absent: Vec<usize>,
}

impl ClassAverage {
    /// The average as a figure, without the classes.
    pub fn figure(&self) -> Figure {
        Figure { value: self.value, n: self.n }
    }
}

impl<const K: usize> Default for Confusion<K> {
    fn default() -> Self {
        Self { counts: [[0; K]; K], outside: [0; K], unparsed: [0; K] }
    }
}

impl<const K: usize> Confusion<K> {
    /// Adds one sample.
    ///
    /// # Panics
    /// If a class index is not below `K`.
    pub fn add(&mut self, truth: usize, answer: Answer) {
        self.add_many(truth, answer, 1);
    }

    /// Adds `count` samples with the same truth and the same answer.
    ///
    /// # Panics
    /// If a class index is not below `K`.
    pub fn add_many(&mut self, truth: usize, answer: Answer, count: usize) {
        match answer {
            Answer::Class(predicted) => self.counts[truth][predicted] += count,
            Answer::Outside => self.outside[truth] += count,
            Answer::Unparsed => self.unparsed[truth] += count,
        }
    }

    /// The counts, `[true class][predicted class]`.
    pub fn counts(&self) -> &[[usize; K]; K] {
        &self.counts
    }

    /// Answers outside the classes, by true class.
    pub fn outside(&self) -> &[usize; K] {
        &self.outside
    }

    /// Samples without an answer, by true class.
    pub fn unparsed(&self) -> &[usize; K] {
        &self.unparsed
    }

    /// All samples.
    pub fn n(&self) -> usize {
        self.n_parsed() + self.unparsed.iter().sum::<usize>()
    }

    /// Samples with an answer.
    pub fn n_parsed(&self) -> usize {
        self.counts.iter().flatten().chain(&self.outside).sum()
    }

    /// Indices of the classes that no sample truly has, samples without an answer included.
    pub fn absent(&self) -> Vec<usize> {
        (0..K).filter(|c| self.support(*c, Unparsed::Wrong) == 0).collect()
    }

    /// Acc: the share of right answers, in [0, 1].
    pub fn accuracy(&self, unparsed: Unparsed) -> Option<Figure> {
        let right: usize = (0..K).map(|c| self.counts[c][c]).sum();
        Figure::mean(right as f64, self.entering(unparsed))
    }

    /// Precision, recall and F1 of a class.
    ///
    /// # Panics
    /// If the class index is not below `K`.
    pub fn class_score(&self, class: usize, unparsed: Unparsed) -> ClassScore {
        let right = self.counts[class][class] as f64;
        let support = self.support(class, unparsed);
        let predicted: usize = self.counts.iter().map(|row| row[class]).sum();
        let share = |numerator: f64, n: usize| (n > 0).then(|| numerator / n as f64);
        ClassScore {
            support,
            predicted,
            precision: share(right, predicted),
            recall: share(right, support),
            f1: share(2.0 * right, support + predicted),
        }
    }

    /// Macro F1: the unweighted mean of the F1 of the classes that occur in truth or in answers, in [0, 1].
    ///
    /// A class that occurs in neither has no F1 and is left out; one that is answered but never true has F1 = 0.
    /// This is scikit-learn's `f1_score(average="macro")` without `labels`.
    pub fn macro_f1(&self, unparsed: Unparsed) -> Option<ClassAverage> {
        self.average(unparsed, |score| score.f1.map(|f1| (f1, 1.0)))
    }

    /// Weighted F1: the mean of the F1 of the classes, weighted by their true samples, in [0, 1].
    pub fn weighted_f1(&self, unparsed: Unparsed) -> Option<ClassAverage> {
        self.average(unparsed, |score| {
            score.f1.filter(|_| score.support > 0).map(|f1| (f1, score.support as f64))
        })
    }

    /// UAR, unweighted average recall: the mean recall of the classes that have true samples, in [0, 1].
    ///
    /// This is scikit-learn's `balanced_accuracy_score`.
    pub fn uar(&self, unparsed: Unparsed) -> Option<ClassAverage> {
        self.average(unparsed, |score| score.recall.map(|recall| (recall, 1.0)))
    }

    fn average(
        &self,
        unparsed: Unparsed,
        value_and_weight: impl Fn(&ClassScore) -> Option<(f64, f64)>,
    ) -> Option<ClassAverage> {
        let scores: Vec<ClassScore> = (0..K).map(|c| self.class_score(c, unparsed)).collect();
        let terms: Vec<(f64, f64)> = scores.iter().filter_map(value_and_weight).collect();
        let weight: f64 = terms.iter().map(|(_, w)| w).sum();
        let n = self.entering(unparsed);
        (n > 0 && weight > 0.0).then(|| ClassAverage {
            value: terms.iter().map(|(v, w)| v * w).sum::<f64>() / weight,
            n,
            n_classes: terms.len(),
            absent: (0..K).filter(|c| scores[*c].support == 0).collect(),
        })
    }

    fn support(&self, class: usize, unparsed: Unparsed) -> usize {
        let answered: usize = self.counts[class].iter().sum::<usize>() + self.outside[class];
        match unparsed {
            Unparsed::Wrong => answered + self.unparsed[class],
            Unparsed::Excluded => answered,
        }
    }

    fn entering(&self, unparsed: Unparsed) -> usize {
        match unparsed {
            Unparsed::Wrong => self.n(),
            Unparsed::Excluded => self.n_parsed(),
        }
    }
}

impl<const K: usize> std::ops::AddAssign for Confusion<K> {
    fn add_assign(&mut self, other: Self) {
        for class in 0..K {
            for predicted in 0..K {
                self.counts[class][predicted] += other.counts[class][predicted];
            }
            self.outside[class] += other.outside[class];
            self.unparsed[class] += other.unparsed[class];
        }
    }
}

/// As an object with the keys `counts` (rows are true classes), `outside` and `unparsed`.
impl<const K: usize> Serialize for Confusion<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<&[usize]> = self.counts.iter().map(|row| &row[..]).collect();
        let mut object = serializer.serialize_struct("Confusion", 3)?;
        object.serialize_field("counts", &rows)?;
        object.serialize_field("outside", &self.outside[..])?;
        object.serialize_field("unparsed", &self.unparsed[..])?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Class 0: right, right, called 1. Class 1: right, no answer. Class 2 does not occur.
    fn small() -> Confusion<3> {
        let mut matrix = Confusion::default();
        for (truth, answer) in [
            (0, Answer::Class(0)),
            (0, Answer::Class(0)),
            (0, Answer::Class(1)),
            (1, Answer::Class(1)),
            (1, Answer::Unparsed),
        ] {
            matrix.add(truth, answer);
        }
        matrix
    }

    #[test]
    fn a_missing_answer_is_wrong_or_left_out() {
        let matrix = small();
        assert_eq!((matrix.n(), matrix.n_parsed()), (5, 4));
        assert_eq!(matrix.accuracy(Unparsed::Wrong), Some(Figure { value: 0.6, n: 5 }));
        assert_eq!(matrix.accuracy(Unparsed::Excluded), Some(Figure { value: 0.75, n: 4 }));
    }

    /// F1 of class 0: 2·2/(3+2) = 0.8; of class 1: 2·1/(2+2) = 0.5. Recall 2/3 and 1/2.
    #[test]
    fn averages_by_hand() {
        let matrix = small();
        let macro_f1 = matrix.macro_f1(Unparsed::Wrong).unwrap();
        assert!((macro_f1.value - 0.65).abs() < 1e-15);
        assert_eq!((macro_f1.n, macro_f1.n_classes, macro_f1.absent), (5, 2, vec![2]));
        let weighted = matrix.weighted_f1(Unparsed::Wrong).unwrap();
        assert!((weighted.value - (0.8 * 3.0 + 0.5 * 2.0) / 5.0).abs() < 1e-15);
        let uar = matrix.uar(Unparsed::Wrong).unwrap();
        assert!((uar.value - 7.0 / 12.0).abs() < 1e-15);
    }

    #[test]
    fn a_class_that_is_answered_but_never_true_has_f1_zero() {
        let mut matrix = small();
        matrix.add(0, Answer::Class(2));
        let score = matrix.class_score(2, Unparsed::Wrong);
        assert_eq!((score.recall, score.precision, score.f1), (None, Some(0.0), Some(0.0)));
        assert_eq!(matrix.macro_f1(Unparsed::Wrong).unwrap().n_classes, 3);
        assert_eq!(matrix.uar(Unparsed::Wrong).unwrap().n_classes, 2);
        assert_eq!(matrix.weighted_f1(Unparsed::Wrong).unwrap().n_classes, 2);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the numbers are exact in binary")]
    fn nothing_gives_nothing() {
        let mut matrix = Confusion::<5>::default();
        assert_eq!(matrix.accuracy(Unparsed::Wrong), None);
        assert_eq!(matrix.macro_f1(Unparsed::Wrong), None);
        matrix.add(0, Answer::Unparsed);
        assert_eq!(matrix.accuracy(Unparsed::Excluded), None);
        assert_eq!(matrix.weighted_f1(Unparsed::Excluded), None);
        assert_eq!(matrix.uar(Unparsed::Wrong).unwrap().value, 0.0);
        assert_eq!(matrix.absent(), [1, 2, 3, 4]);
    }

    #[test]
    fn matrices_add_up_and_print_as_rows() {
        let mut twice = small();
        twice += small();
        assert_eq!(twice.n(), 10);
        assert_eq!(
            serde_json::to_string(&small()).unwrap(),
            r#"{"counts":[[2,1,0],[0,1,0],[0,0,0]],"outside":[0,0,0],"unparsed":[0,1,0]}"#
        );
    }
}
