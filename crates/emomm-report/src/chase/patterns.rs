//! Gain by conflict pattern: which modalities contradict the ground truth, and what each variant changes there.

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::score::ScoreOptions;
use emomm_metrics::Figure;

use crate::analysis::{ByCluster, add_fields, intervals};
use crate::content::{interval_cell, unanswered_in_pairs};
use crate::error::ReportError;
use crate::study::{Study, is_right};
use crate::table::{Cell, Column, Form, Table};

#[derive(Debug, Default, Clone, Copy)]
struct Pair {
    /// Right in the first run and in the other.
    right: [usize; 2],
    n: [usize; 1],
}

add_fields!(Pair, right, n);

/// The table: every run after the first, over full clips.
pub fn patterns(study: &Study, options: &ScoreOptions) -> Result<Table, ReportError> {
    let columns = vec![
        Column::plain("variant", "Variant"),
        Column::plain("pattern", "Contradicts the truth"),
        Column::plain("n", "n"),
        Column::number("first", "First run Acc %", Form::Percent(1)),
        Column::number("second", "Variant Acc %", Form::Percent(1)),
        Column::interval("delta", "Gain in points", Form::Percent(1)),
    ];
    let note = format!(
        "Full clips by the modalities whose polarity differs from the ground truth's; none: Align.{}",
        unanswered_in_pairs(options)
    );
    let mut table = Table::new("chase-patterns", "Gain by conflict pattern", columns).with_note(note);
    let Some((first, others)) = study.runs.split_first() else { return Ok(table) };
    for other in others {
        for pattern in ModalitySet::ALL {
            let mut sums: ByCluster<'_, Pair> = ByCluster::default();
            let mut all = Pair::default();
            for (index, clip) in study.clips.iter().enumerate() {
                if clip.is_conflict().is_none() || differing(clip) != pattern {
                    continue;
                }
                let full = ModalitySet::FULL;
                let (Some(a), Some(b)) = (first.record(index, full), other.record(index, full)) else {
                    continue;
                };
                let here = Pair { right: [is_right(clip, a), is_right(clip, b)].map(usize::from), n: [1] };
                *sums.of(clip) += &here;
                all += &here;
            }
            if all.n[0] == 0 {
                continue;
            }
            let [delta] =
                intervals(&sums.into_sums(), options.bootstrap, "gain by conflict pattern", |p: &Pair| {
                    let value = (p.right[1] as f64 - p.right[0] as f64) / p.n[0] as f64;
                    [(p.n[0] > 0).then_some(Figure { value, n: p.n[0] })]
                })?;
            let share = |right: usize| Cell::number(Some(right as f64 / all.n[0] as f64));
            table.push(vec![
                Cell::text(&other.name),
                Cell::text(pattern.to_string()),
                Cell::Count(all.n[0]),
                share(all.right[0]),
                share(all.right[1]),
                interval_cell(delta),
            ]);
        }
    }
    Ok(table)
}

fn differing(clip: &crate::study::StudyClip) -> ModalitySet {
    Modality::ALL
        .into_iter()
        .filter(|m| clip.labels.is_aligned(*m, ModalitySet::FULL) == Some(false))
        .collect()
}
