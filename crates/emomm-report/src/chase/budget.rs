//! The attention budget before and after steering, by layer: π of the paper, mean over heads, then over records.

use std::collections::BTreeMap;

use emomm_dataset::{Modality, ModalitySet, PerModality};
use emomm_eval::run::SteeredLayer;

use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    before: [f64; 3],
    after: [f64; 3],
    n: usize,
    n_steered: usize,
    /// Over steered layers: greatest |γ b|, greatest mass of one modality in a steered head, each with its number.
    bias: (f64, usize),
    mass: (f64, usize),
    /// Steered heads with significant tokens, and those of them below the target mass.
    heads: (usize, usize),
}

/// Whose preference is averaged. The paper does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetHeads {
    /// All heads of a layer.
    All,
    /// The heads that were steered, of the records in which the layer was steered.
    Steered,
}

impl BudgetHeads {
    fn of(self, layer: &SteeredLayer) -> Option<[[f64; 3]; 2]> {
        let (before, after) = match self {
            Self::All => (layer.preference_before, layer.preference_after),
            Self::Steered => (layer.steered_heads_before?, layer.steered_heads_after?),
        };
        Some([complete(&before)?, complete(&after)?])
    }
}

/// The table, over full clips.
pub fn budgets(study: &Study, heads: BudgetHeads) -> Table {
    let mut columns =
        vec![Column::plain("variant", "Variant"), Column::plain("layer", "Layer"), Column::plain("n", "n")];
    columns.push(Column::number("steered", "Steered %", Form::Percent(1)));
    for m in Modality::ALL {
        for (key, head) in [("before", "before"), ("after", "after")] {
            let letter = m.letter();
            columns.push(Column::number(
                &format!("{}_{key}", m.name()),
                &format!("{letter} {head} %"),
                Form::Percent(1),
            ));
        }
    }
    columns.push(Column::number("bias", "Greatest |γ b|", Form::Decimals(2)));
    columns.push(Column::number("mass", "Greatest mass after %", Form::Percent(1)));
    columns.push(Column::number("below_target", "Heads below ψ̂ %", Form::Percent(1)));
    let (name, title, whose) = match heads {
        BudgetHeads::All => (
            "chase-budget",
            "Attention budget before and after steering",
            "mean over heads, then over full clips that the router read",
        ),
        BudgetHeads::Steered => (
            "chase-budget-steered",
            "Attention budget of the steered heads",
            "mean over the steered heads alone, then over full clips in which the layer was steered",
        ),
    };
    let note = format!(
        "Preference π over the modalities, {whose}. The last three are of steered heads: means over clips of the greatest bias \
         between modalities and of the greatest share of attention that one modality has after steering, and the share of heads \
         in which the bias inside the video acts."
    );
    let mut table = Table::new(name, title, columns).with_note(note);
    for run in &study.runs {
        let mut layers: BTreeMap<usize, Sum> = BTreeMap::new();
        let records = run.run.records().iter().filter(|r| r.coalition == ModalitySet::FULL);
        for layer in records.filter_map(|r| r.steering.as_ref()).flat_map(|s| &s.layers) {
            let Some([before, after]) = heads.of(layer) else { continue };
            let sum = layers.entry(layer.layer).or_default();
            sum.n += 1;
            sum.n_steered += usize::from(layer.steered);
            for (sum, value) in
                [(&mut sum.bias, layer.greatest_bias), (&mut sum.mass, layer.greatest_mass_after)]
            {
                if let Some(value) = value {
                    *sum = (sum.0 + value, sum.1 + 1);
                }
            }
            if let Some(below) = layer.heads_below_target {
                sum.heads = (sum.heads.0 + layer.heads.len(), sum.heads.1 + below);
            }
            for i in 0..3 {
                sum.before[i] += before[i];
                sum.after[i] += after[i];
            }
        }
        for (layer, sum) in layers {
            let n = sum.n as f64;
            let mut cells = vec![Cell::text(&run.name), Cell::Count(layer), Cell::Count(sum.n)];
            cells.push(Cell::number(Some(sum.n_steered as f64 / n)));
            for i in 0..3 {
                cells.push(Cell::number(Some(sum.before[i] / n)));
                cells.push(Cell::number(Some(sum.after[i] / n)));
            }
            for (sum, n) in [sum.bias, sum.mass] {
                cells.push(Cell::number((n > 0).then(|| sum / n as f64)));
            }
            let (heads, below) = sum.heads;
            cells.push(Cell::number((heads > 0).then(|| below as f64 / heads as f64)));
            table.push(cells);
        }
    }
    table
}

fn complete(values: &PerModality<Option<f64>>) -> Option<[f64; 3]> {
    Some([values.text?, values.audio?, values.video?])
}
