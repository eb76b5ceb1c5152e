//! Figures of answers: confusion of classes, and what another run changed.

use super::percent;
use crate::analysis::{PartConfusion, flips};
use crate::benchmark_figures::CLASSES;
use crate::chart::palette::Ink;
use crate::chart::{Flow, HeatCell, HeatMap};
use crate::figure::Figure;
use crate::study::{Study, StudyRun};
use crate::table::{Cell, Column, Table};

pub(super) fn confusion(found: &[PartConfusion], suffix: &str, words: &str) -> Option<Figure> {
    let wanted: Vec<&PartConfusion> =
        found.iter().filter(|m| m.part == "align" || m.part == "conflict").collect();
    let wanted = if wanted.is_empty() { found.iter().take(1).collect() } else { wanted };
    if wanted.is_empty() {
        return None;
    }
    let name = format!("confusion-matrix{suffix}");
    let title = format!("Answers by true class{words}");
    let columns = ["subset", "truth", "answer", "n"].map(|key| Column::plain(key, key)).to_vec();
    let mut table = Table::new(&name, title.clone(), columns);
    let mut panels = Vec::new();
    for matrix in &wanted {
        let has_none = matrix.counts.iter().any(|row| row[5] > 0);
        let width = if has_none { 6 } else { 5 };
        let mut heads: Vec<String> = CLASSES.map(str::to_owned).to_vec();
        heads.push("none".to_owned());
        heads.truncate(width);
        let cells = matrix.counts.map(|row| {
            let total: usize = row.iter().sum();
            row[..width]
                .iter()
                .map(|n| {
                    (total > 0).then(|| HeatCell {
                        share: *n as f64 / total as f64,
                        words: n.to_string(),
                        title: format!("{n} of {total}, {}", percent(*n as f64 / total as f64)),
                    })
                })
                .collect::<Vec<Option<HeatCell>>>()
        });
        for (class, counts) in CLASSES.iter().zip(matrix.counts) {
            for (answer, n) in heads.iter().zip(counts) {
                table.push(vec![
                    Cell::text(matrix.part),
                    Cell::text(*class),
                    Cell::text(answer),
                    Cell::Count(n),
                ]);
            }
        }
        let map = HeatMap {
            title: capitalised(matrix.part),
            rows: CLASSES.map(str::to_owned).to_vec(),
            columns: heads,
            cells: cells.to_vec(),
            row_label: "True class".to_owned(),
            column_label: "Answer".to_owned(),
            scale: None,
            cell: (58.0, 42.0),
        };
        panels.push(map.panel());
    }
    Some(Figure {
        name,
        title,
        alt: "Numbers of samples by true class and answered class; the table beside it holds them."
            .to_owned(),
        note: "Numbers of samples; the colour is the share of the true class.".to_owned(),
        panels,
        data: table,
    })
}

/// What became of the answers of `first`; `word` stands for the second run in the names of files.
pub(super) fn flow(study: &Study, first: &StudyRun, second: &StudyRun, word: &str) -> Figure {
    let counts = flips(study, first, second);
    let name = format!("flips-{word}");
    let title = format!("Answers that changed: {} to {}", first.name, second.name);
    let columns = ["first", "second", "n"].map(|key| Column::plain(key, key)).to_vec();
    let mut table = Table::new(&name, title.clone(), columns);
    let words = ["right", "wrong"];
    for (a, row) in words.iter().zip(counts) {
        for (b, n) in words.iter().zip(row) {
            table.push(vec![Cell::text(*a), Cell::text(*b), Cell::Count(n)]);
        }
    }
    let chart = Flow {
        title: String::new(),
        heads: [first.name.clone(), second.name.clone()],
        classes: vec![("right".to_owned(), Ink::Right), ("wrong".to_owned(), Ink::Wrong)],
        counts: counts.map(|row| row.to_vec()).to_vec(),
        width: 460.0,
        height: 220.0,
    };
    Figure {
        name,
        title,
        alt: format!(
            "{} samples went from wrong to right, {} from right to wrong; {} stayed right, {} wrong.",
            counts[1][0], counts[0][1], counts[0][0], counts[1][1]
        ),
        note: "Full clips and their pairs that both runs answered or failed.".to_owned(),
        panels: vec![chart.panel()],
        data: table,
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |c| c.to_uppercase().collect::<String>() + letters.as_str())
}
