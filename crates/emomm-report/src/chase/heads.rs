//! The heads that were chosen: a map of layers and heads.

use std::collections::BTreeMap;

use emomm_dataset::ModalitySet;

use super::variants::VariantKind;
use crate::chart::HeatMap;
use crate::figure::Figure;
use crate::study::{Study, StudyRun};
use crate::table::{Cell, Column, Form, Table};

/// Panels side by side at most.
const MOST_PANELS: usize = 3;

/// How often each head was steered, over the full clips in which its layer was; up to three forms of the method.
pub fn chosen_heads(study: &Study) -> Option<Figure> {
    let counted: Vec<(&StudyRun, Counts)> = study
        .runs
        .iter()
        .filter(|r| VariantKind::of_run(r) == VariantKind::Method)
        .map(|r| (r, Counts::of(r)))
        .filter(|(_, c)| !c.layers.is_empty())
        .take(MOST_PANELS)
        .collect();
    let n_heads = counted.iter().map(|(_, c)| c.n_heads).max().filter(|n| *n > 0)?;
    let mut data = Table::new(
        "chase-heads",
        "Heads that were steered",
        vec![
            Column::plain("variant", "Variant"),
            Column::plain("layer", "Layer"),
            Column::plain("head", "Head"),
            Column::plain("n", "Steered"),
            Column::number("share", "Share %", Form::Percent(1)),
        ],
    );
    let (mut panels, mut told) = (Vec::new(), Vec::new());
    for (run, counts) in &counted {
        let (mut values, mut rows) = (Vec::new(), Vec::new());
        let mut most = (0.0, 0, 0);
        for (layer, (n, heads)) in &counts.layers {
            let share = |head: usize| heads.get(&head).copied().unwrap_or(0) as f64 / *n as f64;
            rows.push(layer.to_string());
            values.push((0..n_heads).map(|h| Some(share(h))).collect::<Vec<Option<f64>>>());
            for head in 0..n_heads {
                if share(head) > most.0 {
                    most = (share(head), *layer, head);
                }
                data.push(vec![
                    Cell::text(&run.name),
                    Cell::Count(*layer),
                    Cell::Count(head),
                    Cell::Count(heads.get(&head).copied().unwrap_or(0)),
                    Cell::number(Some(share(head))),
                ]);
            }
        }
        told.push(format!(
            "{}: most often head {} of layer {}, in {:.0} % of the clips steered there",
            run.name,
            most.2,
            most.1,
            100.0 * most.0
        ));
        let mut map = HeatMap::of_values(&values, (0.0, 1.0), 1);
        map.title.clone_from(&run.name);
        map.rows = rows;
        map.columns = (0..n_heads).map(|h| h.to_string()).collect();
        (map.row_label, map.column_label) = ("layer".to_owned(), "head".to_owned());
        map.cell = if n_heads > 16 { (24.0, 24.0) } else { (34.0, 30.0) };
        panels.push(map.panel());
    }
    Some(Figure {
        name: "chase-heads".to_owned(),
        title: "Heads that were steered".to_owned(),
        alt: told.join("; ") + ".",
        note: "Share of the full clips steered in a layer in which the head was among the chosen. Layers are counted from 1, \
               heads from 0."
            .to_owned(),
        panels,
        data,
    })
}

/// By layer the clips that were steered there, and how often each head was chosen.
#[derive(Default)]
struct Counts {
    layers: BTreeMap<usize, (usize, BTreeMap<usize, usize>)>,
    n_heads: usize,
}

impl Counts {
    fn of(run: &StudyRun) -> Self {
        let mut counts = Self::default();
        let records = run.run.records().iter().filter(|r| r.coalition == ModalitySet::FULL);
        for layer in records.filter_map(|r| r.steering.as_ref()).flat_map(|s| &s.layers) {
            if !layer.steered || layer.heads.is_empty() {
                continue;
            }
            let (n, heads) = counts.layers.entry(layer.layer).or_default();
            *n += 1;
            for head in &layer.heads {
                *heads.entry(*head).or_default() += 1;
                counts.n_heads = counts.n_heads.max(head + 1);
            }
        }
        counts
    }
}
