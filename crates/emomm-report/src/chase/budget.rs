//! The attention budget before and after steering, by layer: π of the paper, mean over heads, then over records.

use std::collections::BTreeMap;

use emomm_dataset::{Modality, ModalitySet, PerModality};

use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    before: [f64; 3],
    after: [f64; 3],
    n: usize,
    n_steered: usize,
}

/// The table, over full clips.
pub fn budgets(study: &Study) -> Table {
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
    let note =
        "Preference π over the modalities, mean over heads, then over full clips that the router read.";
    let mut table =
        Table::new("chase-budget", "Attention budget before and after steering", columns).with_note(note);
    for run in &study.runs {
        let mut layers: BTreeMap<usize, Sum> = BTreeMap::new();
        let records = run.run.records().iter().filter(|r| r.coalition == ModalitySet::FULL);
        for layer in records.filter_map(|r| r.steering.as_ref()).flat_map(|s| &s.layers) {
            let (Some(before), Some(after)) =
                (complete(&layer.preference_before), complete(&layer.preference_after))
            else {
                continue;
            };
            let sum = layers.entry(layer.layer).or_default();
            sum.n += 1;
            sum.n_steered += usize::from(layer.steered);
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
            table.push(cells);
        }
    }
    table
}

fn complete(values: &PerModality<Option<f64>>) -> Option<[f64; 3]> {
    Some([values.text?, values.audio?, values.video?])
}
