//! Sec. 4.3 as a table and a figure: how the attention on video is spread over the picture.

use super::figures::{data, row};
use super::tables::interval_cell;
use crate::analysis::{Analysis, Condition, RegionFigures, RunAnalysis, SpatialLayer, SpatialProfile};
use crate::chart::palette::Ink;
use crate::chart::{Line, Lines, Mark, Panel, Unit};
use crate::figure::Figure;
use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};
use emomm_dataset::ModalitySet;
use emomm_eval::score::Interval;

const SHARE: Form = Form::Percent(1);

/// All profiles of all runs.
pub(super) fn table(study: &Study, analysis: &Analysis) -> Table {
    let mut columns = vec![
        Column::plain("run", "Run"),
        Column::plain("coalition", "Coalition"),
        Column::plain("subset", "Subset"),
        Column::plain("n", "n"),
        Column::number("tokens", "Visual tokens", Form::Decimals(0)),
        Column::interval("entropy", "Entropy of attention", Form::Decimals(3)),
        Column::interval("importance_entropy", "Entropy of importance", Form::Decimals(3)),
    ];
    for (key, head) in [("person", "Person"), ("face", "Face")] {
        columns.push(Column::interval(&format!("{key}_tokens"), &format!("{head}: of tokens %"), SHARE));
        columns.push(Column::interval(
            &format!("{key}_attention"),
            &format!("{head}: of attention %"),
            SHARE,
        ));
        columns.push(Column::interval(
            &format!("{key}_importance"),
            &format!("{head}: of importance %"),
            SHARE,
        ));
    }
    let note = "Entropy over the visual tokens, divided by that of an even spread: 1 is even, 0 is all on one token; of the mean \
                over heads, then mean over layers and samples. A region that takes more of the attention than of the tokens is \
                looked at more than by chance. Importance: Gradient × Input (Eq. 25). In brackets 95 % cluster bootstrap \
                intervals.";
    let title = "Where in the picture the attention lies (Sec. 4.3)";
    let mut table = Table::new("spatial", title, columns).with_note(note);
    for run in &analysis.runs {
        for profile in &run.spatial {
            let mut cells = vec![
                Cell::text(study.runs.get(run.run).map_or("", |r| r.name.as_str())),
                Cell::text(profile.condition.coalition().to_string()),
                Cell::text(profile.condition.subset()),
                Cell::Count(profile.n),
                Cell::number(Some(profile.tokens)),
                interval_cell(profile.entropy),
                interval_cell(profile.importance_entropy),
            ];
            for region in [profile.person, profile.face] {
                let of = |value: fn(RegionFigures) -> Option<Interval>| interval_cell(region.and_then(value));
                cells.extend([of(|r| r.tokens), of(|r| r.attention), of(|r| r.importance)]);
            }
            table.push(cells);
        }
    }
    table
}

/// By layer, Align against Conflict.
pub(super) fn figure(run: &RunAnalysis, suffix: &str, words: &str) -> Option<Figure> {
    let of = |condition| run.spatial.iter().find(|p| p.condition == condition);
    let full = ModalitySet::FULL;
    let mut profiles: Vec<(&str, &SpatialProfile)> = Vec::new();
    profiles.extend(of(Condition::Align(full)).map(|p| ("Align", p)));
    profiles.extend(of(Condition::Conflict(full)).map(|p| ("Conflict", p)));
    if profiles.is_empty() {
        profiles.extend(run.spatial.first().map(|p| ("All", p)));
    }
    let (_, first) = profiles.first()?;
    let coalition = first.condition.coalition();
    let name = format!("spatial{suffix}");
    let title = format!("Where in the picture the attention lies{words}");
    let mut table = data(&name, &title, &["subset", "layer", "figure"], Form::Decimals(4));
    for (_, profile) in &profiles {
        for layer in &profile.layers {
            let number = layer.layer.to_string();
            for (figure, value) in
                [("entropy", layer.entropy), ("person", layer.person), ("face", layer.face)]
            {
                if value.is_some() {
                    table.push(row(&[profile.condition.subset(), &number, figure], value));
                }
            }
        }
    }
    let mut panels =
        vec![panel("Evenness", "Entropy, 1 = even", &profiles, Unit::Plain, |l| l.entropy, None)];
    let person: Vec<(&str, &SpatialProfile)> =
        profiles.iter().copied().filter(|(_, p)| p.person.is_some()).collect();
    if !person.is_empty() {
        let chance: Option<fn(&SpatialProfile) -> Option<Interval>> = Some(|p| p.person?.tokens);
        panels.push(panel(
            "On the person",
            "Share of video attention",
            &person,
            Unit::Percent,
            |l| l.person,
            chance,
        ));
    }
    let told: Vec<String> = profiles.iter().map(|(word, p)| told(word, p)).collect();
    Some(Figure {
        name,
        title,
        alt: told.join(" "),
        note: format!(
            "Sec. 4.3, under {coalition}: {}. Entropy of the attention over visual tokens, divided by that of an even spread, by \
             layer. Dashed: the person's share of the tokens, which an even spread would give it. Bands: 95 % cluster bootstrap \
             intervals.",
            profiles
                .iter()
                .map(|(word, p)| format!("{word} n = {}", p.n))
                .collect::<Vec<String>>()
                .join(", ")
        ),
        panels,
        data: table,
    })
}

fn told(word: &str, profile: &SpatialProfile) -> String {
    let entropy = profile.entropy.map_or("none".to_owned(), |i| format!("{:.3}", i.value));
    let person = profile.person.and_then(|p| p.tokens.zip(p.attention)).map_or(
        String::new(),
        |(tokens, attention)| {
            format!(
                ", the person takes {} of the attention with {} of the tokens",
                super::percent(attention.value),
                super::percent(tokens.value)
            )
        },
    );
    format!("{word}: relative entropy {entropy}{person}.")
}

fn panel(
    title: &str,
    label: &str,
    profiles: &[(&str, &SpatialProfile)],
    unit: Unit,
    value: fn(&SpatialLayer) -> Option<Interval>,
    chance: Option<fn(&SpatialProfile) -> Option<Interval>>,
) -> Panel {
    let ink = |word: &str| if word == "Conflict" { Ink::Run(1) } else { Ink::GroundTruth };
    let mut lines: Vec<Line> = profiles
        .iter()
        .map(|(word, profile)| Line {
            name: (*word).to_owned(),
            ink: ink(word),
            mark: if *word == "Conflict" { Mark::Triangle } else { Mark::Disc },
            dashes: "",
            points: profile
                .layers
                .iter()
                .map(|layer| {
                    let found = value(layer);
                    (layer.layer as f64, found.map(|i| i.value), found.and_then(|i| i.low.zip(i.high)))
                })
                .collect(),
        })
        .collect();
    for (word, profile) in profiles {
        let Some(level) = chance.and_then(|of| of(profile)) else { continue };
        let ends = [1.0, profile.layers.len() as f64];
        lines.push(Line {
            name: format!("{word}, tokens"),
            ink: ink(word),
            mark: Mark::Square,
            dashes: "4 4",
            points: ends.iter().map(|x| (*x, Some(level.value), None)).collect(),
        });
    }
    Lines {
        title: title.to_owned(),
        x_label: "Layer".to_owned(),
        y_label: label.to_owned(),
        unit,
        range: Some((0.0, 1.0)),
        lines,
        width: 440.0,
        height: 240.0,
    }
    .panel()
}
