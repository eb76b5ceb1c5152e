//! Figures of which modality is followed: GTAR (Figure 9a), and GTAR against attention per token (Figure 3, right).

use emomm_dataset::Modality;
use emomm_eval::score::{GtarFigures, ScoreOptions};

use super::figures::{bar, data, row, stated_row};
use super::readings::conflicting;
use crate::analysis::{Coupling, FEW_POINTS, RunAnalysis};
use crate::chart::palette::Ink;
use crate::chart::{Bar, BarSeries, Bars, Panel, Point, Scatter, Unit, mark_of};
use crate::figure::Figure;
use crate::table::{Cell, Column, Form, Table};

pub(super) fn gtar(run: &RunAnalysis, options: &ScoreOptions, suffix: &str, words: &str) -> Option<Figure> {
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
    // The paper states text and video.
    let stated_of = |stated: &[f64; 2], m: Modality| match m {
        Modality::Text => Some(stated[0]),
        Modality::Video => Some(stated[1]),
        Modality::Audio => None,
    };
    for (part, fields, stated) in &parts {
        for m in Modality::ALL {
            table.push(row(&[&part.to_lowercase(), m.name()], *fields.rates.get(m)));
            if let Some(value) = stated_of(stated, m) {
                let subset = format!("{} in the paper", part.to_lowercase());
                table.push(stated_row(&[&subset, m.name()], value));
            }
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
                        .map(|m| Bar { reference: stated_of(stated, m), ..bar(*fields.rates.get(m)) })
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
        note: format!(
            "Figure 9a. GTAR (Eq. 4): where {} shown modality contradicts the ground truth, how often the model is right while \
             this modality is. n: samples in which it is right.",
            conflicting(options)
        ),
        panels,
        data: table,
    })
}

pub(super) fn coupling(found: &Coupling, suffix: &str, words: &str) -> Figure {
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
