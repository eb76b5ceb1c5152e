//! Signs that labels may not be what they should be: gold items, drift, haste, straight-lining.
//!
//! They are for a talk with the annotator. Nothing here blocks anybody, changes a label or touches pay.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::Serialize;

use crate::error::AnnotateError;
use crate::settings::Settings;
use crate::view::View;

/// One annotator in one modality.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// The pseudonym.
    pub annotator: String,
    /// What was judged.
    pub modality: View,
    /// Labels of main work.
    pub n: usize,
    /// Gold items that were answered.
    pub n_gold: usize,
    /// Those that equal the gold label.
    pub n_gold_right: usize,
    /// The same over the earlier half of the gold items and over the later: their difference is drift.
    pub gold_halves: [Option<f64>; 2],
    /// Mean label as a score over the earlier and the later half of the labels.
    pub mean_halves: [Option<f64>; 2],
    /// Median milliseconds over the earlier and the later half.
    pub median_ms_halves: [Option<i64>; 2],
    /// Labels given sooner than the setting says.
    pub n_too_fast: usize,
    /// Most equal labels in a row.
    pub longest_run: usize,
    /// Whether that is as many as the setting calls straight-lining.
    pub is_straight: bool,
    /// "Cannot judge".
    pub n_cannot_judge: usize,
}

struct Row {
    label: Option<i8>,
    ms: i64,
    gold: Option<i8>,
}

/// All annotators and modalities that have answers.
pub fn quality(connection: &Connection, settings: &Settings) -> Result<Vec<Quality>, AnnotateError> {
    let mut statement = connection.prepare(
        "SELECT a.pseudonym, i.view, r.label, max(r.total_ms - r.hidden_ms, 0), \
         CASE WHEN f.is_gold THEN f.label END \
         FROM answer r JOIN assignment s ON s.id = r.assignment JOIN account a ON a.id = s.account \
         JOIN item i ON i.id = s.item LEFT JOIN reference f ON f.item = i.id \
         WHERE s.phase = 'main' ORDER BY a.id, r.id",
    )?;
    let mut rows = statement.query([])?;
    let mut order: Vec<String> = Vec::new();
    let mut groups: BTreeMap<(usize, View), Vec<Row>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let annotator: String = row.get(0)?;
        if order.last() != Some(&annotator) {
            order.push(annotator);
        }
        groups.entry((order.len() - 1, row.get(1)?)).or_default().push(Row {
            label: row.get(2)?,
            ms: row.get(3)?,
            gold: row.get(4)?,
        });
    }
    Ok(groups
        .into_iter()
        .map(|((annotator, view), rows)| of_rows(&order[annotator], view, &rows, settings))
        .collect())
}

fn of_rows(annotator: &str, modality: View, rows: &[Row], settings: &Settings) -> Quality {
    let labelled: Vec<(i8, &Row)> = rows.iter().filter_map(|r| Some((r.label?, r))).collect();
    let gold: Vec<bool> = labelled.iter().filter_map(|(label, r)| Some(*label == r.gold?)).collect();
    let longest_run = longest_run(&labelled.iter().map(|(label, _)| *label).collect::<Vec<_>>());
    Quality {
        annotator: annotator.to_owned(),
        modality,
        n: labelled.len(),
        n_gold: gold.len(),
        n_gold_right: gold.iter().filter(|right| **right).count(),
        gold_halves: halves(&gold).map(|half| mean(half.iter().map(|right| f64::from(u8::from(*right))))),
        mean_halves: halves(&labelled)
            .map(|half| mean(half.iter().map(|(label, _)| f64::from(settings.scheme.steps(*label)) / 5.0))),
        median_ms_halves: halves(rows).map(|half| median(half.iter().map(|r| r.ms).collect())),
        n_too_fast: labelled.iter().filter(|(_, r)| r.ms < settings.too_fast_ms).count(),
        longest_run,
        is_straight: longest_run >= settings.straight_run,
        n_cannot_judge: rows.len() - labelled.len(),
    }
}

fn halves<T>(list: &[T]) -> [&[T]; 2] {
    let (first, second) = list.split_at(list.len() / 2);
    [first, second]
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0_usize, 0.0), |(n, sum), v| (n + 1, sum + v));
    (n > 0).then(|| sum / n as f64)
}

fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

fn longest_run(labels: &[i8]) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for (i, label) in labels.iter().enumerate() {
        run = if i > 0 && labels[i - 1] == *label { run + 1 } else { 1 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn haste_runs_and_gold_are_counted() {
        let row = |label: Option<i8>, ms, gold| Row { label, ms, gold };
        let rows = [
            row(Some(1), 500, Some(1)),
            row(Some(1), 3000, None),
            row(None, 2000, None),
            row(Some(1), 4000, Some(-1)),
            row(Some(0), 4000, None),
        ];
        let settings = Settings { straight_run: 3, too_fast_ms: 1000, ..Settings::default() };
        let quality = of_rows("A1", View::Text, &rows, &settings);
        assert_eq!((quality.n, quality.n_gold, quality.n_gold_right), (4, 2, 1));
        assert_eq!(quality.gold_halves, [Some(1.0), Some(0.0)]);
        assert_eq!((quality.n_too_fast, quality.longest_run, quality.is_straight), (1, 3, true));
        assert_eq!((quality.n_cannot_judge, quality.mean_halves), (1, [Some(1.0), Some(0.5)]));
        assert_eq!(of_rows("A1", View::Text, &[], &settings).gold_halves, [None, None]);
    }
}
