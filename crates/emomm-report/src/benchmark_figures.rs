//! Figures 6 to 8: distributions of the five classes by source, and C_ij between sources, of a benchmark.

use std::collections::BTreeSet;
use std::fmt::Write;

use emomm_dataset::Source;
use emomm_metrics::{ALL_CORPORA, Statistics};

use crate::chart::palette::Ink;
use crate::chart::{Bar, BarSeries, Bars, HeatMap, Unit};
use crate::figure::Figure;
use crate::table::{Cell, Column, Form, Table};

/// The five classes as the paper abbreviates them.
pub const CLASSES: [&str; 5] = ["N", "WN", "Neu", "WP", "P"];

/// One figure for all corpora together (Figure 6) and one for each of several corpora (Figures 7 and 8).
pub fn figures(statistics: &[(String, Statistics)]) -> Vec<Figure> {
    let n_corpora = statistics.iter().filter(|(name, _)| name != ALL_CORPORA).count();
    let words = file_words(statistics.iter().map(|(name, _)| name.as_str()));
    let named = || statistics.iter().zip(&words);
    let all_first = named().filter(|((name, _), _)| name == ALL_CORPORA);
    let corpora = named().filter(|((name, _), _)| name != ALL_CORPORA && n_corpora > 1);
    all_first.chain(corpora).map(|((name, s), word)| figure(name, word, s)).collect()
}

fn figure(corpus: &str, word: &str, statistics: &Statistics) -> Figure {
    let (number, words) = match corpus {
        ALL_CORPORA => (Some(6), "All corpora".to_owned()),
        "cmu-mosi" => (Some(7), "CMU-MOSI".to_owned()),
        "ch-sims" => (Some(8), "CH-SIMS v2.0".to_owned()),
        other => (None, other.to_owned()),
    };
    let name = number.map_or_else(|| format!("corpus-{word}"), |n| format!("fig{n}"));
    Figure {
        name: name.clone(),
        title: format!("{words}: labels by class and their agreement"),
        alt: alt(&words, statistics),
        note: format!("{} clips in {} groups. {}", statistics.n, statistics.groups, NOTE),
        panels: vec![distributions(&words, statistics).panel(), agreement(statistics).panel()],
        data: data(&name, &words, statistics),
    }
}

const NOTE: &str = "Left: clips by class, for the multimodal label (GT) and for text (T), audio (A) and video (V) alone. \
                    Right: C_ij (Eq. 1), 1 for equal labels.";

fn distributions(words: &str, statistics: &Statistics) -> Bars {
    let series = Source::ALL.into_iter().filter_map(|source| {
        let counts = statistics.classes.get(source)?;
        Some(BarSeries {
            name: source.to_string(),
            ink: Ink::of_source(source),
            hatched: false,
            bars: counts.iter().map(|n| Bar::of(*n as f64)).collect(),
        })
    });
    Bars {
        title: format!("{words}, n = {}", statistics.n),
        label: "Clips".to_owned(),
        unit: Unit::Plain,
        groups: CLASSES.map(str::to_owned).to_vec(),
        series: series.collect(),
        width: 500.0,
        height: 260.0,
        ..Bars::default()
    }
}

fn agreement(statistics: &Statistics) -> HeatMap {
    let values: Vec<Vec<Option<f64>>> = Source::ALL
        .into_iter()
        .map(|i| Source::ALL.map(|j| statistics.consistency.get(i, j).map(|f| f.value)).to_vec())
        .collect();
    let least = values.iter().flatten().flatten().copied().fold(1.0, f64::min);
    // The ramp begins on a tenth, so that figures of different corpora often share it.
    let low = if least < 0.6 { 0.0 } else { 0.6 };
    HeatMap {
        title: "C_ij".to_owned(),
        rows: Source::ALL.map(|s| s.to_string()).to_vec(),
        columns: Source::ALL.map(|s| s.to_string()).to_vec(),
        cell: (74.0, 58.0),
        ..HeatMap::of_values(&values, (low, 1.0), 4)
    }
}

fn data(name: &str, words: &str, statistics: &Statistics) -> Table {
    let columns = vec![
        Column::plain("panel", "Panel"),
        Column::plain("row", "Row"),
        Column::plain("column", "Column"),
        Column::number("value", "Value", Form::Decimals(4)),
    ];
    let mut table = Table::new(name, format!("{words}: labels by class and C_ij"), columns);
    let mut push = |panel: &str, row: &str, column: &str, value: Cell| {
        table.push(vec![Cell::text(panel), Cell::text(row), Cell::text(column), value]);
    };
    for source in Source::ALL {
        let counts = statistics.classes.get(source);
        for (index, class) in CLASSES.iter().enumerate() {
            push(
                "classes",
                &source.to_string(),
                class,
                counts.map_or(Cell::Absent, |c| Cell::Count(c[index])),
            );
        }
    }
    for i in Source::ALL {
        for j in Source::ALL {
            let value = Cell::number(statistics.consistency.get(i, j).map(|f| f.value));
            push("consistency", &i.to_string(), &j.to_string(), value);
        }
    }
    table
}

fn alt(words: &str, statistics: &Statistics) -> String {
    let mut out = format!("{words}, {} clips.", statistics.n);
    for source in Source::ALL {
        if let Some(counts) = statistics.classes.get(source) {
            let listed: Vec<String> =
                CLASSES.iter().zip(counts).map(|(class, n)| format!("{class} {n}")).collect();
            let _ = write!(out, " {source}: {}.", listed.join(", "));
        }
    }
    let pairs: Vec<String> = statistics
        .consistency
        .pairs()
        .filter_map(|(name, figure)| Some(format!("{} {:.4}", name.replace('_', " and "), figure?.value)))
        .collect();
    if !pairs.is_empty() {
        let _ = write!(out, " Agreement C_ij: {}.", pairs.join(", "));
    }
    out
}

/// A name as part of a file's name: letters, digits, `-` and `_` stay, all else becomes `-`.
fn file_word(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let word: String = name.chars().map(safe).take(60).collect();
    if word.is_empty() { "unnamed".to_owned() } else { word }
}

/// Names as parts of names of files that lie in one folder: each of them once, whatever the case of its letters.
pub(crate) fn file_words<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    names
        .into_iter()
        .map(|name| {
            let word = file_word(name);
            let numbered = (2..).map(|n: usize| format!("{word}-{n}"));
            let mut free = std::iter::once(word.clone()).chain(numbered);
            free.find(|word| taken.insert(word.to_lowercase())).unwrap_or_default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use emomm_dataset::{Labels, ModalitySet, PerModality, Sentiment};
    use emomm_metrics::DescribedSample;

    fn sample(corpus: &'static str, truth: Sentiment, text: Option<Sentiment>) -> DescribedSample<'static> {
        DescribedSample {
            corpus,
            coalition: ModalitySet::FULL,
            labels: Labels {
                ground_truth: truth,
                modalities: PerModality { text, audio: None, video: Some(truth) },
            },
            subset: None,
            agreement: None,
            split: "train",
            group: "g",
        }
    }

    fn of(samples: &[DescribedSample<'_>]) -> Vec<Figure> {
        figures(&Statistics::by_corpus(samples, &["train"]))
    }

    #[test]
    fn each_corpus_and_all_have_their_figure() {
        let samples = [
            sample("ch-sims", Sentiment::Positive, Some(Sentiment::Negative)),
            sample("cmu-mosi", Sentiment::Neutral, Some(Sentiment::Neutral)),
            sample("own & <corpus>", Sentiment::Neutral, None),
        ];
        let names: Vec<String> = of(&samples).into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["fig6", "fig8", "fig7", "corpus-own----corpus-"]);
        let names: Vec<String> = of(&samples[..1]).into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["fig6"], "one corpus alone is all corpora");
    }

    #[test]
    fn drawing_and_data_hold_the_counts_and_c_ij() {
        let figure = of(&[
            sample("ch-sims", Sentiment::Positive, Some(Sentiment::Negative)),
            sample("ch-sims", Sentiment::Positive, Some(Sentiment::Positive)),
        ])
        .remove(0);
        let csv = figure.data.csv();
        assert!(csv.contains("classes,GT,P,2\n") && csv.contains("classes,A,P,\n"), "{csv}");
        assert!(csv.contains("consistency,GT,T,0.5\n") && csv.contains("consistency,GT,A,\n"), "{csv}");
        let svg = figure.svg();
        assert!(svg.contains("<title>P, GT: 2.0000</title>") && svg.contains(">0.5000</text>"), "{svg}");
        assert!(!svg.contains("P, A:"), "an unlabelled source has no bars");
        assert!(figure.alt.contains("gt and text 0.5000"), "{}", figure.alt);
        assert!(!svg.contains("http://") || svg.matches("http").count() == 1, "only the namespace");
    }

    #[test]
    fn names_of_corpora_are_escaped() {
        let samples =
            [sample("a", Sentiment::Neutral, None), sample("<b onload=\"x\">", Sentiment::Neutral, None)];
        let svg = of(&samples)[1].svg();
        assert!(!svg.contains("<b ") && svg.contains("&lt;b onload"), "{svg}");
    }

    #[test]
    fn files_of_names_that_look_alike_are_kept_apart() {
        let names = ["a b", "a+b", "A-b", "a-b-2", "\u{6f22}", "\u{5b57}", "c"];
        assert_eq!(file_words(names), ["a-b", "a-b-2", "A-b-3", "a-b-2-2", "-", "--2", "c"]);
    }
}
