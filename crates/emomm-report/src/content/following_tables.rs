//! Tables of which modality is followed and where the attention goes: Figures 3 right, 9 and 10.

use emomm_dataset::Modality;

use super::readings::conflicting;
use super::tables::{SHARE, interval_cell, name};
use crate::analysis::{Analysis, paper};
use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};

pub(super) fn gtar(study: &Study, analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("subset", "Subset"),
        Column::plain("modality", "Modality"),
        Column::plain("numerator", "Followed"),
        Column::plain("denominator", "Right"),
        Column::interval("gtar", "GTAR", Form::Decimals(3)),
        Column::number("paper", "In the paper", Form::Decimals(3)),
    ];
    let note = format!(
        "GTAR (Eq. 4) over samples in which {} shown modality contradicts the ground truth, by polarity: of those in which \
         the modality is right, the share in which the model is right too. The paper states T and V (App. C.1).",
        conflicting(&analysis.options)
    );
    let mut table = Table::new("gtar", "Which modality is followed (Figure 9a)", columns).with_note(note);
    for run in &analysis.runs {
        for ((subset, figures), stated) in run.gtar().into_iter().zip(paper::GTAR) {
            let Some(figures) = figures else { continue };
            for m in Modality::ALL {
                let stated = match m {
                    Modality::Text => Some(stated[0]),
                    Modality::Video => Some(stated[1]),
                    Modality::Audio => None,
                };
                table.push(vec![
                    Cell::text(name(study, run)),
                    Cell::text(subset),
                    Cell::text(m.name()),
                    Cell::Count(*figures.numerators.get(m)),
                    Cell::Count(*figures.denominators.get(m)),
                    interval_cell(*figures.rates.get(m)),
                    Cell::number(stated),
                ]);
            }
        }
    }
    table
}

pub(super) fn attention(study: &Study, analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("coalition", "Coalition"),
        Column::plain("subset", "Subset"),
        Column::plain("n", "n"),
        Column::plain("layer", "Layer"),
        Column::plain("modality", "Modality"),
        Column::interval("share", "Share of nMAS %", SHARE),
        Column::number("nmas", "nMAS", Form::Decimals(6)),
        Column::number("mass", "Mass %", Form::Percent(2)),
    ];
    let note = "Share: nMAS (Eq. 5) renormalised over the modalities shown, mean over heads, then over samples. nMAS: attention per \
                token. Mass: its sum over the modality's tokens; what is missing to 100 % goes to tokens of no modality.";
    let mut table =
        Table::new("attention", "Attention by layer (Figures 9b and 10)", columns).with_note(note);
    for run in &analysis.runs {
        for profile in &run.attention {
            for layer in &profile.layers {
                for m in profile.condition.coalition().iter() {
                    table.push(vec![
                        Cell::text(name(study, run)),
                        Cell::text(profile.condition.coalition().to_string()),
                        Cell::text(profile.condition.subset()),
                        Cell::Count(profile.n),
                        Cell::Count(layer.layer),
                        Cell::text(m.name()),
                        interval_cell(*layer.share.get(m)),
                        Cell::number(*layer.nmas.get(m)),
                        Cell::number(*layer.mass.get(m)),
                    ]);
                }
            }
        }
    }
    table
}

pub(super) fn coupling(study: &Study, analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("layers", "Layers"),
        Column::plain("points", "Points"),
        Column::interval("spearman", "Spearman ρ", Form::Decimals(3)),
        Column::interval("pearson", "Pearson r", Form::Decimals(3)),
    ];
    let note = "Correlation of nMAS and GTAR over points modality × missing pattern × corpus. Intervals draw whole groups and \
                compute all points again. Points share clips, so they are not independent.";
    let mut table =
        Table::new("coupling", "Does attention per token go with being followed? (Figure 3, right)", columns)
            .with_note(note);
    for run in &analysis.runs {
        for c in &run.coupling {
            table.push(vec![
                Cell::text(name(study, run)),
                Cell::text(c.band.name()),
                Cell::Count(c.points.len()),
                interval_cell(c.spearman),
                interval_cell(c.pearson),
            ]);
        }
    }
    table
}
