//! Figures of accuracy by what is shown: Figure 3 left and middle, Figure 11.

use emomm_dataset::Modality;
use emomm_eval::score::{Interval, PsmvFigures, ScoreOptions};

use super::figures::{bar, data, row, stated_row};
use super::percent;
use super::readings::{coalitions_of_psmv, without_evidence};
use crate::analysis::{CoalitionAccuracy, RunAnalysis, RunDeltaV, paper};
use crate::chart::palette::Ink;
use crate::chart::{Bar, BarSeries, Bars, ShareRow, Shares, Unit};
use crate::figure::Figure;
use crate::table::Form;

/// What a modality alone loses from Align to Conflict in the paper.
fn stated_drop(found: &CoalitionAccuracy) -> Option<f64> {
    let alone = found.coalition.iter().next().filter(|_| found.coalition.len() == 1);
    alone.map(|m| paper::share(paper::DROP_OF_SINGLES[m.index()]))
}

pub(super) fn coalitions(found: &[CoalitionAccuracy], suffix: &str, words: &str) -> Option<Figure> {
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
        if let Some(stated) = stated_drop(c) {
            table.push(stated_row(&[&word, "drop in the paper"], stated));
        }
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
            bars: singles.iter().map(|c| Bar { reference: stated_drop(c), ..bar(c.drop) }).collect(),
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

pub(super) fn psmv(run: &RunAnalysis, options: &ScoreOptions, suffix: &str, words: &str) -> Option<Figure> {
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
            "Figure 3, middle. PSMV (Eq. 2): mean gain in accuracy by adding the modality, over all orders, from {} clip{} with \
             {}. {} Shares exist only where all three values are positive. In the paper the video's share falls from 33.3 % to \
             20.8 %.",
            report.all.n,
            if report.all.n == 1 { "" } else { "s" },
            coalitions_of_psmv(options),
            without_evidence(options)
        ),
        panels: vec![values.panel(), shares.panel()],
        data: table,
    })
}

fn all_three(figures: &PsmvFigures) -> Option<[Interval; 3]> {
    let [t, a, v] = Modality::ALL.map(|m| *figures.shares.get(m));
    Some([t?, a?, v?])
}

/// ΔV of all runs that have one.
pub(super) fn delta_v(found: &[&RunDeltaV]) -> Option<Figure> {
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
