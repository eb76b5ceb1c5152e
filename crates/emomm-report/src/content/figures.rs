//! The figures of a report: the paper's Figures 3, 9, 10 and 11, and confusion matrices.

use emomm_dataset::{Modality, ModalitySet};

use super::attention_figures::{attention_pairs, attention_three};
use super::percent;
use crate::analysis::{
    Analysis, CoalitionAccuracy, Condition, Coupling, FEW_POINTS, PartConfusion, RunAnalysis, RunDeltaV,
    flips,
};
use crate::benchmark_figures::{CLASSES, file_word};
use crate::chart::palette::Ink;
use crate::chart::{
    Bar, BarSeries, Bars, Flow, HeatCell, HeatMap, Mark, Panel, Point, Scatter, ShareRow, Shares, Unit,
    mark_of,
};
use crate::figure::Figure;
use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};
use emomm_eval::score::{GtarFigures, Interval, PsmvFigures};

/// Runs that have figures of their own; the tables hold all.
const MAX_RUNS: usize = 3;

/// All figures: those of the first run, of the others, and of runs together.
pub fn figures(study: &Study, analysis: &Analysis) -> Vec<Figure> {
    let mut figures = Vec::new();
    for run in analysis.runs.iter().take(MAX_RUNS) {
        let Some(of) = study.runs.get(run.run) else { continue };
        let suffix = if run.run == 0 { String::new() } else { format!("-{}", file_word(&of.name)) };
        let words = if study.runs.len() > 1 { format!(", {}", of.name) } else { String::new() };
        figures.extend(of_run(run, &suffix, &words));
    }
    let deltas: Vec<&RunDeltaV> =
        analysis.runs.iter().filter_map(|r| r.delta_v.as_ref()).take(2 * MAX_RUNS).collect();
    figures.extend(delta_v(&deltas));
    if let Some((first, others)) = study.runs.split_first() {
        figures.extend(others.iter().take(MAX_RUNS).map(|other| flow(study, first, other)));
    }
    figures
}

fn of_run(run: &RunAnalysis, suffix: &str, words: &str) -> Vec<Figure> {
    let mut figures = Vec::new();
    figures.extend(coalitions(&run.coalitions, suffix, words));
    figures.extend(psmv(run, suffix, words));
    figures.extend(gtar(run, suffix, words));
    figures.extend(run.coupling.first().map(|c| coupling(c, suffix, words)));
    let full = run.profile(Condition::Conflict(ModalitySet::FULL));
    figures.extend(full.map(|p| attention_three(p, suffix, words)));
    figures.extend(attention_pairs(run, suffix, words));
    figures.extend(super::spatial::figure(run, suffix, words));
    figures.extend(confusion(&run.confusions, suffix, words));
    figures
}

/// A bar of an interval.
pub(crate) fn bar(interval: Option<Interval>) -> Bar {
    Bar {
        value: interval.map(|i| i.value),
        interval: interval.and_then(|i| i.low.zip(i.high)),
        reference: None,
    }
}

pub(crate) fn data(name: &str, title: &str, keys: &[&str], form: Form) -> Table {
    let mut columns: Vec<Column> = keys.iter().map(|key| Column::plain(key, key)).collect();
    columns.push(Column::interval("value", "Value", form));
    Table::new(name, title, columns)
}

pub(crate) fn row(keys: &[&str], interval: Option<Interval>) -> Vec<Cell> {
    let mut cells: Vec<Cell> = keys.iter().map(|key| Cell::text(*key)).collect();
    cells.push(super::tables::interval_cell(interval));
    cells
}

fn coalitions(found: &[CoalitionAccuracy], suffix: &str, words: &str) -> Option<Figure> {
    let first = found.first()?;
    let _ = first.align.or(first.conflict)?;
    let name = format!("fig3-left{suffix}");
    let title = format!("Accuracy by what is shown{words}");
    let mut table = data(&name, &title, &["coalition", "subset"], Form::Percent(1));
    for c in found {
        let word = c.coalition.to_string();
        table.push(row(&[&word, "align"], c.align));
        table.push(row(&[&word, "conflict"], c.conflict));
        table.push(row(&[&word, "drop"], c.drop));
    }
    let series = |name: &str, ink, hatched, value: fn(&CoalitionAccuracy) -> Option<Interval>| BarSeries {
        name: name.to_owned(),
        ink,
        hatched,
        bars: found.iter().map(|c| bar(value(c))).collect(),
    };
    let accuracy = Bars {
        title: "Accuracy".to_owned(),
        label: "Accuracy".to_owned(),
        unit: Unit::Percent,
        values: Some(0),
        greatest: Some(1.0),
        groups: found.iter().map(|c| c.coalition.to_string()).collect(),
        series: vec![
            series("Align", Ink::GroundTruth, false, |c| c.align),
            series("Conflict", Ink::Run(1), false, |c| c.conflict),
        ],
        width: 560.0,
        height: 240.0,
        ..Bars::default()
    };
    let singles: Vec<&CoalitionAccuracy> = found.iter().filter(|c| c.coalition.len() == 1).collect();
    let drop = Bars {
        title: "Lost from Align to Conflict".to_owned(),
        label: "Points".to_owned(),
        unit: Unit::Percent,
        values: Some(1),
        groups: singles.iter().map(|c| c.coalition.to_string()).collect(),
        series: vec![BarSeries {
            name: "Drop".to_owned(),
            ink: Ink::Text,
            hatched: false,
            bars: singles
                .iter()
                .map(|c| Bar {
                    reference: c
                        .coalition
                        .iter()
                        .next()
                        .map(|m| crate::analysis::paper::DROP_OF_SINGLES[m.index()] / 100.0),
                    ..bar(c.drop)
                })
                .collect(),
        }],
        group_inks: singles.iter().filter_map(|c| c.coalition.iter().next().map(Ink::Of)).collect(),
        reference: "in the paper".to_owned(),
        greatest: None,
        width: 300.0,
        height: 212.0,
    };
    let told: Vec<String> = found
        .iter()
        .filter_map(|c| {
            Some(format!("{} {} and {}", c.coalition, percent(c.align?.value), percent(c.conflict?.value)))
        })
        .collect();
    let mut panels = vec![accuracy.panel()];
    if singles.iter().any(|c| c.drop.is_some()) {
        panels.push(drop.panel());
    }
    Some(Figure {
        name,
        title,
        alt: format!("Accuracy on Align and on Conflict by coalition: {}.", told.join("; ")),
        note: "Figure 3, left. Align and Conflict are those of the whole clip, so every coalition is judged on the same clips. \
               Lines: 95 % cluster bootstrap intervals."
            .to_owned(),
        panels,
        data: table,
    })
}

fn psmv(run: &RunAnalysis, suffix: &str, words: &str) -> Option<Figure> {
    let report = run.scores.psmv.as_ref()?;
    let parts: Vec<(&str, &PsmvFigures)> = [
        ("Align", report.subsets.align.as_ref()),
        ("Conflict", report.subsets.conflict.as_ref()),
        ("All", Some(&report.all)),
    ]
    .into_iter()
    .filter_map(|(part, figures)| Some((part, figures?)))
    .collect();
    let name = format!("fig3-middle{suffix}");
    let title = format!("What each modality contributes{words}");
    let mut table = data(&name, &title, &["subset", "modality", "figure"], Form::Percent(1));
    for (part, figures) in &parts {
        let part = part.to_lowercase();
        for m in Modality::ALL {
            table.push(row(&[&part, m.name(), "psmv"], *figures.values.get(m)));
            table.push(row(&[&part, m.name(), "share"], *figures.shares.get(m)));
            table.push(row(&[&part, m.name(), "positive_share"], *figures.positive_shares.get(m)));
        }
    }
    let letters = || Modality::ALL.map(|m| (m.letter().to_string(), Ink::Of(m)));
    let values = Bars {
        title: "PSMV".to_owned(),
        label: "Points of accuracy".to_owned(),
        unit: Unit::Percent,
        values: Some(1),
        groups: parts.iter().map(|(part, _)| (*part).to_owned()).collect(),
        series: Modality::ALL
            .map(|m| BarSeries {
                name: m.letter().to_string(),
                ink: Ink::Of(m),
                hatched: false,
                bars: parts.iter().map(|(_, f)| bar(*f.values.get(m))).collect(),
            })
            .to_vec(),
        width: 420.0,
        height: 200.0,
        ..Bars::default()
    };
    let shares = Shares {
        title: "Share of PSMV".to_owned(),
        parts: letters().to_vec(),
        rows: parts
            .iter()
            .map(|(part, f)| ShareRow {
                name: (*part).to_owned(),
                shares: all_three(f).map(|s| s.map(|i| i.value).to_vec()),
                why_none: "no shares: a value is not positive".to_owned(),
            })
            .collect(),
        width: 420.0,
    };
    let told: Vec<String> = parts
        .iter()
        .map(|(part, f)| {
            let of = |m: Modality| {
                f.values.get(m).map_or("none".to_owned(), |i| format!("{:.1}", 100.0 * i.value))
            };
            let [t, a, v] = Modality::ALL.map(of);
            format!("{part}: T {t}, A {a}, V {v} points")
        })
        .collect();
    Some(Figure {
        name,
        title,
        alt: format!("PSMV by modality. {}.", told.join(". ")),
        note: format!(
            "Figure 3, middle. PSMV (Eq. 2): mean gain in accuracy by adding the modality, over all orders, from {} clips with all \
             eight coalitions. Shares exist only where all three values are positive. In the paper the video's share falls from \
             33.3 % to 20.8 %.",
            report.all.n
        ),
        panels: vec![values.panel(), shares.panel()],
        data: table,
    })
}

fn all_three(figures: &PsmvFigures) -> Option<[Interval; 3]> {
    let [t, a, v] = Modality::ALL.map(|m| *figures.shares.get(m));
    Some([t?, a?, v?])
}

fn gtar(run: &RunAnalysis, suffix: &str, words: &str) -> Option<Figure> {
    let titles = ["Missing-Conflict", "Conflict"];
    let parts: Vec<(&str, &GtarFigures, [f64; 2])> = run
        .gtar()
        .into_iter()
        .zip(titles)
        .zip(crate::analysis::paper::GTAR)
        .filter_map(|(((_, figures), title), stated)| Some((title, figures?, stated)))
        .collect();
    if parts.is_empty() {
        return None;
    }
    let name = format!("fig9a{suffix}");
    let title = format!("Which modality is followed when it is right{words}");
    let mut table = data(&name, &title, &["subset", "modality"], Form::Decimals(3));
    for (part, fields, _) in &parts {
        for m in Modality::ALL {
            table.push(row(&[&part.to_lowercase(), m.name()], *fields.rates.get(m)));
        }
    }
    let panels: Vec<Panel> = parts
        .iter()
        .map(|(part, fields, stated)| {
            let chart = Bars {
                title: (*part).to_owned(),
                label: "GTAR".to_owned(),
                unit: Unit::Plain,
                values: Some(3),
                groups: Modality::ALL
                    .map(|m| format!("{} (n = {})", m.letter(), fields.denominators.get(m)))
                    .to_vec(),
                series: vec![BarSeries {
                    name: "GTAR".to_owned(),
                    ink: Ink::Text,
                    hatched: false,
                    bars: Modality::ALL
                        .map(|m| Bar {
                            reference: match m {
                                Modality::Text => Some(stated[0]),
                                Modality::Video => Some(stated[1]),
                                Modality::Audio => None,
                            },
                            ..bar(*fields.rates.get(m))
                        })
                        .to_vec(),
                }],
                group_inks: Modality::ALL.map(Ink::Of).to_vec(),
                reference: "in the paper".to_owned(),
                greatest: Some(1.0),
                width: 380.0,
                height: 220.0,
            };
            chart.panel()
        })
        .collect();
    let told: Vec<String> = parts
        .iter()
        .map(|(part, fields, _)| {
            let of = |m: Modality| {
                let value = fields.rates.get(m).map_or("none".to_owned(), |i| format!("{:.3}", i.value));
                format!("{} {value}", m.letter())
            };
            format!("{part}: {}", Modality::ALL.map(of).join(", "))
        })
        .collect();
    Some(Figure {
        name,
        title,
        alt: format!("GTAR by modality. {}.", told.join(". ")),
        note: "Figure 9a. GTAR (Eq. 4): where exactly one shown modality contradicts the ground truth, how often the model is \
               right while this modality is. n: samples in which it is right."
            .to_owned(),
        panels,
        data: table,
    })
}

fn coupling(found: &Coupling, suffix: &str, words: &str) -> Figure {
    let name = format!("fig3-right{suffix}");
    let title = format!("Attention per token against being followed{words}");
    let columns = vec![
        Column::plain("corpus", "Corpus"),
        Column::plain("coalition", "Coalition"),
        Column::plain("modality", "Modality"),
        Column::number("nmas", "nMAS", Form::Decimals(6)),
        Column::number("gtar", "GTAR", Form::Decimals(3)),
        Column::plain("n", "n"),
        Column::plain("n_right", "n right"),
    ];
    let mut table = Table::new(&name, title.clone(), columns);
    for p in &found.points {
        table.push(vec![
            Cell::text(&p.corpus),
            Cell::text(p.coalition.to_string()),
            Cell::text(p.modality.name()),
            Cell::number(Some(p.nmas)),
            Cell::number(Some(p.gtar)),
            Cell::Count(p.n),
            Cell::Count(p.n_right),
        ]);
    }
    let rho = found.spearman.map_or("ρ is not defined".to_owned(), |i| {
        let words = |v: f64| Unit::Plain.words(v, 2);
        let ends = i
            .low
            .zip(i.high)
            .map_or(String::new(), |(low, high)| format!(" [{}, {}]", words(low), words(high)));
        format!("Spearman ρ = {}{ends}", words(i.value))
    });
    let warning = if found.points.len() < FEW_POINTS {
        format!(" Only {} points: too few to trust a correlation.", found.points.len())
    } else {
        String::new()
    };
    let chart = Scatter {
        title: String::new(),
        x_label: "nMAS, thousandths".to_owned(),
        y_label: "GTAR".to_owned(),
        points: found
            .points
            .iter()
            .map(|p| Point {
                x: 1000.0 * p.nmas,
                y: p.gtar,
                ink: Ink::Of(p.modality),
                mark: mark_of(p.modality),
                title: format!(
                    "{} of {}, {}: nMAS {:.6}, GTAR {:.3}, n = {}",
                    p.modality.letter(),
                    p.coalition,
                    p.corpus,
                    p.nmas,
                    p.gtar,
                    p.n
                ),
            })
            .collect(),
        legend: Modality::ALL.map(|m| (m.letter().to_string(), Ink::Of(m), mark_of(m))).to_vec(),
        fit: true,
        note: rho.clone(),
        width: 480.0,
        height: 280.0,
    };
    Figure {
        name,
        title,
        alt: format!("{} points, {rho}.", found.points.len()),
        note: format!(
            "Figure 3, right. One point for each modality, missing pattern and corpus; nMAS is the mean over all layers and heads, \
             both over the target-conflict samples. The interval draws whole groups.{warning}"
        ),
        panels: vec![chart.panel()],
        data: table,
    }
}

/// ΔV of all runs that have one.
fn delta_v(found: &[&RunDeltaV]) -> Option<Figure> {
    if found.is_empty() {
        return None;
    }
    let title = "What the picture adds on Conflict".to_owned();
    let mut table = data("fig11", &title, &["run", "picture", "figure"], Form::Percent(1));
    for d in found {
        for (figure, interval) in [("acc5", d.acc5), ("acc2", d.acc2), ("macro_f1", d.macro_f1)] {
            table.push(row(&[&d.run, &d.picture, figure], interval));
        }
    }
    let chart = Bars {
        title: String::new(),
        label: "ΔV in points".to_owned(),
        unit: Unit::Percent,
        values: Some(1),
        groups: ["ACC-5", "ACC-2", "F1"].map(str::to_owned).to_vec(),
        series: found
            .iter()
            .enumerate()
            .map(|(index, d)| BarSeries {
                name: format!("{} ({})", d.run, d.picture),
                ink: Ink::Run(index),
                hatched: d.picture != "original",
                bars: [d.acc5, d.acc2, d.macro_f1].map(bar).to_vec(),
            })
            .collect(),
        width: 460.0,
        height: 220.0,
        ..Bars::default()
    };
    let told: Vec<String> = found
        .iter()
        .filter_map(|d| {
            Some(format!("{} ({}): {:.1} points of accuracy", d.run, d.picture, 100.0 * d.acc5?.value))
        })
        .collect();
    Some(Figure {
        name: "fig11".to_owned(),
        title,
        alt: format!("ΔV. {}.", told.join("; ")),
        note: format!(
            "Figure 11. ΔV (Eq. 18): performance with TAV less that with TA on {} clips in Conflict.",
            found[0].n
        ),
        panels: vec![chart.panel()],
        data: table,
    })
}

fn confusion(found: &[PartConfusion], suffix: &str, words: &str) -> Option<Figure> {
    let wanted: Vec<&PartConfusion> =
        found.iter().filter(|m| m.part == "align" || m.part == "conflict").collect();
    let wanted = if wanted.is_empty() { found.iter().take(1).collect() } else { wanted };
    if wanted.is_empty() {
        return None;
    }
    let name = format!("confusion{suffix}");
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

fn flow(study: &Study, first: &crate::study::StudyRun, second: &crate::study::StudyRun) -> Figure {
    let counts = flips(study, first, second);
    let name = format!("flips-{}", file_word(&second.name));
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

/// The mark of a modality, for legends of other figures.
pub(crate) fn mark(modality: Modality) -> Mark {
    mark_of(modality)
}
