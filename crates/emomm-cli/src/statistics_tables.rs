//! Statistics of a benchmark as tables: Table 3, Table 4, subsets, Missing by pair of modalities, splits.

use emomm_dataset::Source;
use emomm_metrics::Statistics;

use crate::table_writers::{Cell, Table};

/// Column heads of Table 3.
const CLASSES: [&str; 5] = ["N", "WN", "Neu", "WP", "P"];

/// The tables of every corpus, one corpus after the other.
pub(crate) fn tables(statistics: &[(String, Statistics)]) -> Vec<Table> {
    statistics.iter().flat_map(|(corpus, s)| of_corpus(corpus, s)).collect()
}

fn of_corpus(corpus: &str, s: &Statistics) -> [Table; 5] {
    let table = |name: &'static str, caption: &str, columns: Vec<String>, rows: Vec<(String, Vec<Cell>)>| {
        Table { corpus: corpus.to_owned(), name, caption: format!("{caption}, {corpus}"), columns, rows }
    };
    let classes = Source::ALL.map(|source| {
        let cells = match s.classes.get(source) {
            Some(counts) => counts.map(Cell::Count).to_vec(),
            None => vec![Cell::Absent; CLASSES.len()],
        };
        (source.to_string(), cells)
    });
    let consistency = Source::ALL.map(|i| {
        let cell = |j| s.consistency.get(i, j).map_or(Cell::Absent, |figure| Cell::Coefficient(figure.value));
        (i.to_string(), Source::ALL.map(cell).to_vec())
    });
    let subsets = s.subsets.entries().map(|(word, n)| (word.to_owned(), vec![Cell::Count(n)]));
    let missing = s.missing.iter().map(|(pair, counts)| {
        let cells = [counts.missing_align, counts.missing_conflict, counts.missing_unknown];
        (pair.clone(), cells.map(Cell::Count).to_vec())
    });
    let mut splits: Vec<(String, Vec<Cell>)> = ["train", "valid", "test"]
        .iter()
        .filter_map(|split| s.splits.get(*split).map(|n| ((*split).to_owned(), vec![Cell::Count(*n)])))
        .collect();
    splits.push(("all".to_owned(), vec![Cell::Count(s.n)]));
    let owned = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<String>>();
    [
        table(
            "classes",
            &format!("Clips by class (N = {}, {} groups)", s.n, s.groups),
            owned(&CLASSES),
            classes.to_vec(),
        ),
        table(
            "consistency",
            "Consistency of labels",
            Source::ALL.map(|source| source.to_string()).to_vec(),
            consistency.to_vec(),
        ),
        table("subsets", "Clips and masked copies by subset", owned(&["n"]), subsets.to_vec()),
        table(
            "missing",
            "Masked copies by what they show",
            owned(&["missing-align", "missing-conflict", "missing-unknown"]),
            missing.collect(),
        ),
        table("splits", "Clips by split", owned(&["n"]), splits),
    ]
}
