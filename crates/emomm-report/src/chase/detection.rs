//! Table 6: does the router find conflicts, and does its gate point to a modality that is right?
//!
//! A true conflict is a sample of which a shown modality has another class than the ground truth (p* of Sec. 5.1), or another
//! polarity, as the subsets of the benchmark go: both stand side by side, since by class far more clips are conflicts. The
//! target is any modality that agrees; samples without one are counted apart. The paper does not say over what
//! its shares are taken, so three readings are given: over samples by the gate's mean over the steered layers, over samples by
//! the majority of the steered layers, and over pairs of sample and layer.

use emomm_dataset::{Modality, ModalitySet, PerModality, Sentiment};
use emomm_eval::run::SteeringTrace;

use super::is_steered;
use crate::analysis::paper;
use crate::study::{Study, StudyClip};
use crate::table::{Cell, Column, Form, Table};

/// What must be equal for a modality to agree with the ground truth.
#[derive(Debug, Clone, Copy)]
enum Level {
    Class,
    Polarity,
}

impl Level {
    const ALL: [Self; 2] = [Self::Class, Self::Polarity];

    fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Polarity => "polarity",
        }
    }

    fn agree(self, a: Sentiment, b: Sentiment) -> bool {
        match self {
            Self::Class => a == b,
            Self::Polarity => a.polarity() == b.polarity(),
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    conflicts: usize,
    triggered: usize,
    /// Samples without conflict, and those of them that were steered.
    others: usize,
    false_alarms: usize,
    without_target: usize,
    /// Triggered and with a target.
    judged: usize,
    by_mean: usize,
    by_majority: usize,
    /// Of conflicts with a target: layers read, layers steered, steered layers that point to a target.
    pairs_read: usize,
    pairs: usize,
    pairs_right: usize,
}

/// The table: every steered run, each split, over full clips, under both levels of labels.
pub fn detections(study: &Study) -> Table {
    let columns = vec![
        Column::plain("variant", "Variant"),
        Column::plain("split", "Split"),
        Column::plain("labels", "Labels"),
        Column::plain("n", "Conflicts"),
        Column::plain("without_target", "None right"),
        Column::plain("others", "Others"),
        Column::number("recall", "Conflict detection recall", Form::Decimals(4)),
        Column::number("false_positive_rate", "False-positive rate", Form::Decimals(4)),
        Column::number("top1", "Target top-1, mean gate", Form::Decimals(4)),
        Column::number("top1_majority", "Target top-1, majority", Form::Decimals(4)),
        Column::number("top1_pairs", "Target top-1, by layer", Form::Decimals(4)),
        Column::number("joint", "Joint, mean gate", Form::Decimals(4)),
        Column::number("joint_majority", "Joint, majority", Form::Decimals(4)),
        Column::number("joint_pairs", "Joint, by layer", Form::Decimals(4)),
    ];
    let note = "True conflicts: a modality's class, or its polarity, differs from the ground truth's; others are the clips without \
                one. Recall and false-positive rate: some layer was steered. Target: any modality that agrees; conflicts without one \
                enter the recall only. Joint: steered and pointing to a target, over conflicts that have one; by layer over all \
                layers that the router read. Rows paper, Table 6: of the paper at τ = 0.7, whose labels are by class.";
    let title = "Conflict detection and target modality (Table 6)";
    let mut table = Table::new("chase-detection", title, columns).with_note(note);
    for run in study.runs.iter().filter(|r| is_steered(r)) {
        for split in ["train", "valid", "test"] {
            for level in Level::ALL {
                let mut counts = Counts::default();
                for (index, clip) in study.clips.iter().enumerate().filter(|(_, c)| c.split == split) {
                    let trace = run.record(index, ModalitySet::FULL).and_then(|r| r.steering.as_ref());
                    if let Some(trace) = trace {
                        counts.add(clip, trace, level);
                    }
                }
                if counts.conflicts > 0 {
                    table.push(counts.row(&run.name, split, level));
                }
            }
        }
    }
    if !table.rows.is_empty() {
        for (split, [recall, top1, joint]) in paper::TABLE_6 {
            let mut cells =
                vec![Cell::text("paper, Table 6"), Cell::text(split), Cell::text(Level::Class.name())];
            cells.extend(std::array::from_fn::<Cell, 3, _>(|_| Cell::Absent));
            cells.extend(
                [Some(recall), None, Some(top1), None, None, Some(joint), None, None].map(Cell::number),
            );
            table.push(cells);
        }
    }
    table
}

impl Counts {
    fn add(&mut self, clip: &StudyClip, trace: &SteeringTrace, level: Level) {
        let truth = clip.labels.ground_truth;
        let agrees = |m: Modality| clip.labels.modalities.get(m).map(|class| level.agree(class, truth));
        let is_right = |m: Modality| agrees(m) == Some(true);
        let gates: Vec<&PerModality<Option<f64>>> =
            trace.layers.iter().filter(|l| l.steered).map(|l| &l.gate).collect();
        if !Modality::ALL.into_iter().any(|m| agrees(m) == Some(false)) {
            self.others += 1;
            self.false_alarms += usize::from(!gates.is_empty());
            return;
        }
        self.conflicts += 1;
        self.triggered += usize::from(!gates.is_empty());
        if !Modality::ALL.into_iter().any(is_right) {
            self.without_target += 1;
            return;
        }
        self.pairs_read += trace.layers.len();
        if gates.is_empty() {
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

    fn row(&self, variant: &str, split: &str, level: Level) -> Vec<Cell> {
        let share = |a: usize, b: usize| Cell::number((b > 0).then(|| a as f64 / b as f64));
        let with_target = self.conflicts - self.without_target;
        vec![
            Cell::text(variant),
            Cell::text(split),
            Cell::text(level.name()),
            Cell::Count(self.conflicts),
            Cell::Count(self.without_target),
            Cell::Count(self.others),
            share(self.triggered, self.conflicts),
            share(self.false_alarms, self.others),
            share(self.by_mean, self.judged),
            share(self.by_majority, self.judged),
            share(self.pairs_right, self.pairs),
            share(self.by_mean, with_target),
            share(self.by_majority, with_target),
            share(self.pairs_right, self.pairs_read),
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
