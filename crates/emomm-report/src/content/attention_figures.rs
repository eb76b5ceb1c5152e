//! Figures 9b and 10: shares of attention by layer.

use emomm_dataset::{Modality, ModalitySet};

use super::figures::{data, row};
use crate::analysis::{AttentionProfile, Condition, RunAnalysis};
use crate::chart::palette::Ink;
use crate::chart::{Line, Lines, Panel, Unit, mark_of};
use crate::figure::Figure;
use crate::table::{Form, Table};

/// Figure 9b: three modalities on Conflict.
pub(super) fn attention_three(profile: &AttentionProfile, suffix: &str, words: &str) -> Figure {
    let name = format!("fig9b{suffix}");
    let title = format!("Share of attention per token by layer, on Conflict{words}");
    let mut table = data(&name, &title, &["coalition", "layer", "modality"], Form::Percent(1));
    push(&mut table, profile);
    Figure {
        name,
        title,
        alt: told(profile),
        note: format!(
            "Figure 9b. nMAS (Eq. 5) of the decision row renormalised over the modalities shown; mean over heads, then over {} \
             samples. Bands: 95 % cluster bootstrap intervals.",
            profile.n
        ),
        panels: vec![panel(profile, "", 560.0)],
        data: table,
    }
}

/// Figure 10: each pair on Missing-Conflict.
pub(super) fn attention_pairs(run: &RunAnalysis, suffix: &str, words: &str) -> Option<Figure> {
    let pairs = ["TA", "TV", "AV"].iter().filter_map(|word| word.parse::<ModalitySet>().ok());
    let profiles: Vec<&AttentionProfile> =
        pairs.filter_map(|s| run.profile(Condition::Conflict(s))).collect();
    if profiles.is_empty() {
        return None;
    }
    let name = format!("fig10{suffix}");
    let title = format!("Share of attention per token by layer, on Missing-Conflict{words}");
    let mut table = data(&name, &title, &["coalition", "layer", "modality"], Form::Percent(1));
    let mut panels = Vec::new();
    for profile in &profiles {
        push(&mut table, profile);
        let title = format!("{}, n = {}", profile.condition.coalition(), profile.n);
        panels.push(panel(profile, &title, 350.0));
    }
    Some(Figure {
        name,
        title,
        alt: profiles.iter().map(|p| told(p)).collect::<Vec<String>>().join(" "),
        note: "Figure 10. As Figure 9b, for each pair of modalities.".to_owned(),
        panels,
        data: table,
    })
}

fn push(table: &mut Table, profile: &AttentionProfile) {
    let coalition = profile.condition.coalition().to_string();
    for layer in &profile.layers {
        for m in profile.condition.coalition().iter() {
            table.push(row(&[&coalition, &layer.layer.to_string(), m.name()], *layer.share.get(m)));
        }
    }
}

fn panel(profile: &AttentionProfile, title: &str, width: f64) -> Panel {
    let lines = profile.condition.coalition().iter().map(|m| Line {
        name: m.letter().to_string(),
        ink: Ink::Of(m),
        mark: mark_of(m),
        dashes: dashes(m),
        points: profile
            .layers
            .iter()
            .map(|layer| {
                let share = layer.share.get(m);
                (layer.layer as f64, share.map(|i| i.value), share.and_then(|i| i.low.zip(i.high)))
            })
            .collect(),
    });
    Lines {
        title: title.to_owned(),
        x_label: "Layer".to_owned(),
        y_label: "Share of nMAS".to_owned(),
        unit: Unit::Percent,
        range: Some((0.0, 1.0)),
        lines: lines.collect(),
        width,
        height: 240.0,
    }
    .panel()
}

/// A third sign beside colour and mark.
fn dashes(modality: Modality) -> &'static str {
    match modality {
        Modality::Text => "",
        Modality::Audio => "7 3",
        Modality::Video => "2 3",
    }
}

/// The mean over layers and the last layer.
fn told(profile: &AttentionProfile) -> String {
    let of = |m: Modality| {
        let values: Vec<f64> =
            profile.layers.iter().filter_map(|l| Some(l.share.get(m).as_ref()?.value)).collect();
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let last = values.last().copied().unwrap_or_default();
        format!("{} {:.0} % on average, {:.0} % in the last layer", m.letter(), 100.0 * mean, 100.0 * last)
    };
    let told: Vec<String> = profile.condition.coalition().iter().map(of).collect();
    format!(
        "Under {} over {} layers: {}.",
        profile.condition.coalition(),
        profile.layers.len(),
        told.join("; ")
    )
}
