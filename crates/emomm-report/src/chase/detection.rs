//! Table 6: does the router find conflicts, and does its gate point to a modality that is right?
//!
//! A true conflict is a sample of which a shown modality has another class than the ground truth (p* of Sec. 5.1). The target
//! is any modality whose class is the ground truth's; samples without one are counted apart. The paper does not say over what
//! its shares are taken, so three readings are given: over samples by the gate's mean over the steered layers, over samples by
//! the majority of the steered layers, and over pairs of sample and layer.

use emomm_dataset::{Modality, ModalitySet, PerModality};
use emomm_eval::run::SteeringTrace;

use super::is_steered;
use crate::analysis::paper;
use crate::study::{Study, StudyClip};
use crate::table::{Cell, Column, Form, Table};

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    conflicts: usize,
    triggered: usize,
    without_target: usize,
    /// Triggered and with a target.
    judged: usize,
    by_mean: usize,
    by_majority: usize,
    pairs: usize,
    pairs_right: usize,
}

/// The table: every steered run, each split, over full clips.
pub fn detections(study: &Study) -> Table {
    let columns = vec![
        Column::plain("variant", "Variant"),
        Column::plain("split", "Split"),
        Column::plain("n", "n"),
        Column::plain("without_target", "None right"),
        Column::number("recall", "Conflict detection recall", Form::Decimals(4)),
        Column::number("top1", "Target top-1, mean gate", Form::Decimals(4)),
        Column::number("top1_majority", "Target top-1, majority", Form::Decimals(4)),
        Column::number("top1_pairs", "Target top-1, by layer", Form::Decimals(4)),
        Column::number("joint", "Joint success", Form::Decimals(4)),
    ];
    let note = "True conflicts: a modality's class differs from the ground truth's. Recall: some layer was steered. Target: any \
                modality whose class is right; samples without one enter the recall only. Joint: steered, and the mean gate \
                points to a target, over conflicts that have one. Rows paper, Table 6: of the paper at τ = 0.7.";
    let title = "Conflict detection and target modality (Table 6)";
    let mut table = Table::new("chase-detection", title, columns).with_note(note);
    for run in study.runs.iter().filter(|r| is_steered(r)) {
        for split in ["train", "valid", "test"] {
            let mut counts = Counts::default();
            for (index, clip) in study.clips.iter().enumerate().filter(|(_, c)| c.split == split) {
                let trace = run.record(index, ModalitySet::FULL).and_then(|r| r.steering.as_ref());
                if let Some(trace) = trace {
                    counts.add(clip, trace);
                }
            }
            if counts.conflicts > 0 {
                table.push(counts.row(&run.name, split));
            }
        }
    }
    if !table.rows.is_empty() {
        for (split, [recall, top1, joint]) in paper::TABLE_6 {
            let mut cells = vec![Cell::text("paper, Table 6"), Cell::text(split), Cell::Absent, Cell::Absent];
            cells.extend([Some(recall), Some(top1), None, None, Some(joint)].map(Cell::number));
            table.push(cells);
        }
    }
    table
}

impl Counts {
    fn add(&mut self, clip: &StudyClip, trace: &SteeringTrace) {
        let truth = clip.labels.ground_truth;
        let is_right = |m: Modality| *clip.labels.modalities.get(m) == Some(truth);
        let differs = |m: Modality| clip.labels.modalities.get(m).is_some_and(|class| class != truth);
        if !Modality::ALL.into_iter().any(differs) {
            return;
        }
        self.conflicts += 1;
        let has_target = Modality::ALL.into_iter().any(is_right);
        self.without_target += usize::from(!has_target);
        let gates: Vec<&PerModality<Option<f64>>> =
            trace.layers.iter().filter(|l| l.steered).map(|l| &l.gate).collect();
        if gates.is_empty() {
            return;
        }
        self.triggered += 1;
        if !has_target {
            return;
        }
        self.judged += 1;
        let mean = PerModality::from_fn(|m| {
            let values: Vec<f64> = gates.iter().filter_map(|g| *g.get(m)).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        });
        self.by_mean += usize::from(greatest(&mean).is_some_and(is_right));
        let right = gates.iter().filter(|g| greatest(g).is_some_and(is_right)).count();
        self.pairs += gates.len();
        self.pairs_right += right;
        self.by_majority += usize::from(2 * right > gates.len());
    }

    fn row(&self, variant: &str, split: &str) -> Vec<Cell> {
        let share = |a: usize, b: usize| Cell::number((b > 0).then(|| a as f64 / b as f64));
        vec![
            Cell::text(variant),
            Cell::text(split),
            Cell::Count(self.conflicts),
            Cell::Count(self.without_target),
            share(self.triggered, self.conflicts),
            share(self.by_mean, self.judged),
            share(self.by_majority, self.judged),
            share(self.pairs_right, self.pairs),
            share(self.by_mean, self.conflicts - self.without_target),
        ]
    }
}

/// The modality with the greatest gate, the earlier one of equals.
fn greatest(gate: &PerModality<Option<f64>>) -> Option<Modality> {
    let mut best: Option<(Modality, f64)> = None;
    for m in Modality::ALL {
        if let Some(value) = *gate.get(m)
            && best.is_none_or(|(_, b)| value > b)
        {
            best = Some((m, value));
        }
    }
    best.map(|(m, _)| m)
}
