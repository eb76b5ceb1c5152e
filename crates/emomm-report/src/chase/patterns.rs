//! Gain by conflict pattern: which modalities contradict the ground truth, and what each variant changes there.

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::score::ScoreOptions;

use super::difference::{Difference, Samples, difference};
use crate::content::{interval_cell, unanswered_in_pairs};
use crate::error::ReportError;
use crate::study::{Study, StudyClip};
use crate::table::{Cell, Column, Form, Table};

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
            let samples = Samples::of(ModalitySet::FULL, move |clip, _| {
                clip.is_conflict().is_some() && differing(clip) == pattern
            });
            let found = difference(study, (first, other), &samples, options.bootstrap)?;
            if let Some(Difference { acc, delta, .. }) = found {
                table.push(vec![
                    Cell::text(&other.name),
                    Cell::text(pattern.to_string()),
                    Cell::Count(delta.n),
                    Cell::number(Some(acc[0])),
                    Cell::number(Some(acc[1])),
                    interval_cell(Some(delta)),
                ]);
            }
        }
    }
    Ok(table)
}

fn differing(clip: &StudyClip) -> ModalitySet {
    Modality::ALL
        .into_iter()
        .filter(|m| clip.labels.is_aligned(*m, ModalitySet::FULL) == Some(false))
        .collect()
}
