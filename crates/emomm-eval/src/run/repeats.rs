//! What asking the same question again shows: how often the answer flips, and how far the figures spread.

use std::collections::BTreeMap;

use emomm_dataset::{ModalitySet, Sentiment};
use serde::Serialize;

use super::record::{Record, RecordStatus};

/// The spread of one coalition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RepeatFigures {
    /// The coalition.
    pub coalition: ModalitySet,
    /// Records that were asked more than once.
    pub n: usize,
    /// Askings of each.
    pub repeats: usize,
    /// Mean over records of the share of pairs of askings whose letters differ.
    pub flip_rate: f64,
    /// Records whose letters are not all the same.
    pub n_flipped: usize,
    /// Accuracy of each asking, in order.
    pub acc: Vec<f64>,
    /// Their mean.
    pub acc_mean: f64,
    /// Their standard deviation, with n − 1.
    pub acc_sd: f64,
}

/// The figures of each coalition, in the order of [`ModalitySet::ALL`]; none where nothing was asked twice. A record
/// without all of its askings is left out; an asking without a letter is wrong.
pub fn repeat_figures(records: &[Record], truths: &BTreeMap<String, Sentiment>) -> Vec<RepeatFigures> {
    ModalitySet::ALL.into_iter().filter_map(|coalition| figures(records, truths, coalition)).collect()
}

fn figures(
    records: &[Record],
    truths: &BTreeMap<String, Sentiment>,
    coalition: ModalitySet,
) -> Option<RepeatFigures> {
    let letters = |record: &Record| -> Option<Vec<Option<char>>> {
        let served = record.served.as_ref().filter(|s| !s.repeats.is_empty())?;
        let first = record.reply_letter.filter(|_| record.status == RecordStatus::Ok);
        Some(std::iter::once(first).chain(served.repeats.iter().map(|r| r.reply_letter)).collect())
    };
    let of_coalition = records.iter().filter(|r| r.coalition == coalition);
    let all: Vec<(Vec<Option<char>>, Sentiment)> =
        of_coalition.filter_map(|r| Some((letters(r)?, *truths.get(&r.sample)?))).collect();
    let repeats = all.iter().map(|(letters, _)| letters.len()).max()?;
    let whole: Vec<&(Vec<Option<char>>, Sentiment)> =
        all.iter().filter(|(l, _)| l.len() == repeats).collect();
    let n = whole.len();
    let pairs = (repeats * (repeats - 1) / 2) as f64;
    let differing = |letters: &[Option<char>]| {
        (0..repeats).map(|i| letters[..i].iter().filter(|l| **l != letters[i]).count()).sum::<usize>()
    };
    let flips: Vec<usize> = whole.iter().map(|(letters, _)| differing(letters)).collect();
    let acc: Vec<f64> = (0..repeats)
        .map(|i| {
            let right = whole.iter().filter(|(letters, truth)| letters[i] == Some(truth.letter())).count();
            right as f64 / n as f64
        })
        .collect();
    let acc_mean = acc.iter().sum::<f64>() / repeats as f64;
    let squares: f64 = acc.iter().map(|a| (a - acc_mean).powi(2)).sum();
    Some(RepeatFigures {
        coalition,
        n,
        repeats,
        flip_rate: flips.iter().sum::<usize>() as f64 / (pairs * n as f64),
        n_flipped: flips.iter().filter(|f| **f > 0).count(),
        acc,
        acc_mean,
        acc_sd: (squares / (repeats - 1) as f64).sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RecordError;
    use crate::served::{Served, ServedRepeat};

    fn record(sample: &str, letters: [Option<char>; 3]) -> Record {
        let error = RecordError::new("test", "");
        let mut record =
            Record::failed(sample.to_owned(), sample.to_owned(), ModalitySet::FULL, RecordStatus::Ok, error);
        record.reply_letter = letters[0];
        let repeat = |letter| ServedRepeat { reply_letter: letter, ..ServedRepeat::default() };
        let repeats = letters[1..].iter().copied().map(repeat).collect();
        record.served = Some(Served { repeats, ..Served::default() });
        record
    }

    #[test]
    fn three_askings_of_two_clips_by_hand() {
        let records =
            [record("a", [Some('A'), Some('A'), Some('B')]), record("b", [Some('E'), Some('E'), Some('E')])];
        let truths =
            BTreeMap::from([("a".to_owned(), Sentiment::Negative), ("b".to_owned(), Sentiment::Positive)]);
        let figures = &repeat_figures(&records, &truths)[0];
        assert_eq!((figures.n, figures.repeats, figures.n_flipped), (2, 3, 1));
        // Two of the three pairs of `a` differ, none of `b`: (2 + 0) / 6.
        assert!((figures.flip_rate - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(figures.acc, [1.0, 1.0, 0.5]);
        // Mean 5/6; squares 1/36 + 1/36 + 4/36 over 2.
        assert!((figures.acc_sd - (6.0_f64 / 72.0).sqrt()).abs() < 1e-12);
        let single = Record { served: None, ..record("a", [Some('A'); 3]) };
        assert!(repeat_figures(&[single], &truths).is_empty());
    }
}
