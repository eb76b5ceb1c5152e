//! p and g by true case: what the router says of full clips, by the modalities whose class is the ground truth's.

use std::collections::BTreeMap;

use emomm_dataset::{Modality, ModalitySet, PerModality};

use crate::study::{Study, StudyClip, StudyRun};
use crate::table::{Cell, Column, Form, Table};

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    n: usize,
    p: f64,
    gate: [f64; 3],
    top_is_right: usize,
}

/// The table, from the first run whose records hold what the router read: the clean step of the baseline, where there is
/// one.
pub fn outputs(study: &Study) -> Table {
    let mut columns = vec![
        Column::plain("right", "Right alone"),
        Column::plain("n", "n"),
        Column::number("p", "p", Form::Decimals(3)),
    ];
    for m in Modality::ALL {
        columns.push(Column::number(
            &format!("g_{}", m.name()),
            &format!("g {}", m.letter()),
            Form::Decimals(3),
        ));
    }
    columns.push(Column::number("top1", "Greatest g is right %", Form::Percent(1)));
    let mut table = Table::new("chase-outputs", "The router's p and g by true case", columns);
    let Some(run) = study.runs.iter().find(|r| reads(r)) else { return table };
    let mut sums: BTreeMap<ModalitySet, Sum> = BTreeMap::new();
    for (index, clip) in study.clips.iter().enumerate() {
        let trace = run.record(index, ModalitySet::FULL).and_then(|r| r.steering.as_ref());
        let Some(layers) = trace.map(|t| &t.layers) else { continue };
        let read: Vec<(f64, [f64; 3])> =
            layers.iter().filter_map(|l| Some((l.conflict_prob?, complete(&l.gate)?))).collect();
        if read.is_empty() {
            continue;
        }
        let n = read.len() as f64;
        let p = read.iter().map(|(p, _)| p).sum::<f64>() / n;
        let gate: [f64; 3] = std::array::from_fn(|m| read.iter().map(|(_, g)| g[m]).sum::<f64>() / n);
        let right = right_alone(clip);
        let top = Modality::ALL
            .into_iter()
            .fold(Modality::Text, |best, m| if gate[m.index()] > gate[best.index()] { m } else { best });
        let sum = sums.entry(right).or_default();
        sum.n += 1;
        sum.p += p;
        (0..3).for_each(|m| sum.gate[m] += gate[m]);
        sum.top_is_right += usize::from(right.contains(top));
    }
    for right in ModalitySet::ALL {
        let Some(sum) = sums.get(&right) else { continue };
        let n = sum.n as f64;
        let mut cells =
            vec![Cell::text(right.to_string()), Cell::Count(sum.n), Cell::number(Some(sum.p / n))];
        cells.extend(sum.gate.map(|g| Cell::number(Some(g / n))));
        cells.push(if right.is_empty() {
            Cell::Absent
        } else {
            Cell::number(Some(sum.top_is_right as f64 / n))
        });
        table.push(cells);
    }
    let note = format!(
        "Full clips of {}, means over the layers that the router read. Right alone: modalities whose class is the ground \
         truth's; TAV: all three, no conflict by class.",
        run.name
    );
    table.with_note(note)
}

fn reads(run: &StudyRun) -> bool {
    let has = |r: &emomm_eval::run::Record| {
        r.steering.as_ref().is_some_and(|s| s.layers.iter().any(|l| l.conflict_prob.is_some()))
    };
    run.run.records().iter().any(has)
}

fn right_alone(clip: &StudyClip) -> ModalitySet {
    let truth = clip.labels.ground_truth;
    Modality::ALL.into_iter().filter(|m| *clip.labels.modalities.get(*m) == Some(truth)).collect()
}

fn complete(values: &PerModality<Option<f64>>) -> Option<[f64; 3]> {
    Some([values.text?, values.audio?, values.video?])
}
