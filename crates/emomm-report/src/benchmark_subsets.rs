//! Figure 2, left: sizes of the subsets of a benchmark, by corpus.

use emomm_metrics::{ALL_CORPORA, Statistics, SubsetCounts};

use crate::chart::palette::Ink;
use crate::chart::{Bar, BarSeries, Bars, Unit};
use crate::figure::Figure;
use crate::table::{Cell, Column, Form, Table};

/// The parts that make up a benchmark; none of them is part of another.
const SUBSETS: [(&str, Count); 5] = [
    ("Align, equal", |s| s.equal),
    ("Align, same polarity", |s| s.same_polarity),
    ("Conflict", |s| s.conflict),
    ("Missing-Align", |s| s.missing_align),
    ("Missing-Conflict", |s| s.missing_conflict),
];

type Count = fn(&SubsetCounts) -> usize;

/// One drawing for the whole benchmark: a bar for each corpus, or for all clips where there is but one.
pub fn figure(statistics: &[(String, Statistics)]) -> Figure {
    let is_corpus = |(name, _): &&(String, Statistics)| name != ALL_CORPORA;
    let n_corpora = statistics.iter().filter(is_corpus).count();
    let shown: Vec<&(String, Statistics)> =
        statistics.iter().filter(|entry| is_corpus(entry) || n_corpora == 0).collect();
    let series = shown.iter().enumerate().map(|(index, (name, s))| BarSeries {
        name: name.clone(),
        ink: Ink::Run(index),
        hatched: false,
        bars: SUBSETS.iter().map(|(_, count)| Bar::of(count(&s.subsets) as f64)).collect(),
    });
    let columns = vec![
        Column::plain("corpus", "Corpus"),
        Column::plain("subset", "Subset"),
        Column::number("n", "n", Form::Plain),
    ];
    let title = "Sizes of the subsets".to_owned();
    let mut data = Table::new("fig2", title.clone(), columns);
    let mut words = Vec::new();
    for (name, s) in &shown {
        for (subset, count) in SUBSETS {
            let n = count(&s.subsets);
            data.push(vec![Cell::text(name.as_str()), Cell::text(subset), Cell::Count(n)]);
            words.push(format!("{name}, {subset}: {n}"));
        }
    }
    let unknown: usize = shown.iter().map(|(_, s)| s.subsets.unknown + s.subsets.missing_unknown).sum();
    let left_out = if unknown > 0 {
        format!(" {unknown} clips and copies have no labels of modalities and are left out.")
    } else {
        String::new()
    };
    let bars = Bars {
        title: title.clone(),
        label: "Clips or masked copies".to_owned(),
        unit: Unit::Plain,
        values: Some(0),
        groups: SUBSETS.map(|(subset, _)| subset.to_owned()).to_vec(),
        series: series.collect(),
        width: 760.0,
        height: 260.0,
        ..Bars::default()
    };
    Figure {
        name: "fig2".to_owned(),
        title,
        alt: format!("{}.", words.join("; ")),
        note: format!(
            "Full clips are in Align or Conflict; each has three masked copies, which are in Missing.{left_out}"
        ),
        panels: vec![bars.panel()],
        data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(name: &str, subsets: SubsetCounts) -> (String, Statistics) {
        (name.to_owned(), Statistics { subsets, ..Statistics::of([], &["train"]) })
    }

    #[test]
    fn corpora_stand_beside_each_other_and_their_sum_is_left_out() {
        let of = |equal, conflict| SubsetCounts { equal, conflict, unknown: 4, ..SubsetCounts::default() };
        let entries =
            [statistics("ch-sims", of(7, 2)), statistics("cmu-mosi", of(1, 5)), statistics("all", of(8, 7))];
        let found = figure(&entries);
        let csv = found.data.csv();
        assert_eq!(csv.lines().count(), 1 + 2 * SUBSETS.len(), "{csv}");
        assert!(
            csv.contains("ch-sims,\"Align, equal\",7\n") && csv.contains("cmu-mosi,Conflict,5\n"),
            "{csv}"
        );
        assert!(found.note.contains("8 clips and copies have no labels"), "{}", found.note);
        assert!(found.alt.contains("cmu-mosi, Conflict: 5"), "{}", found.alt);
        let alone = figure(&entries[2..]);
        assert!(alone.data.csv().contains("all,Conflict,7\n"));
        assert!(alone.svg().contains("<svg "));
    }
}
