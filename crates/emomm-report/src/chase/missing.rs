//! Gain by missing pattern: masked copies, by what is left and whether that contradicts the ground truth.

use emomm_dataset::ModalitySet;
use emomm_eval::score::ScoreOptions;

use super::difference::{Difference, Samples, difference};
use crate::content::{interval_cell, unanswered_in_pairs};
use crate::error::ReportError;
use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};

/// The table: every run after the first.
pub fn missing_patterns(study: &Study, options: &ScoreOptions) -> Result<Table, ReportError> {
    let columns = vec![
        Column::plain("variant", "Variant"),
        Column::plain("shown", "Shown"),
        Column::plain("subset", "Subset"),
        Column::plain("n", "n"),
        Column::number("first", "First run Acc %", Form::Percent(1)),
        Column::number("second", "Variant Acc %", Form::Percent(1)),
        Column::interval("delta", "Gain in points", Form::Percent(1)),
    ];
    let mut table = Table::new("chase-missing", "Gain by missing pattern", columns)
        .with_note(format!("Masked copies by the modalities that are left.{}", unanswered_in_pairs(options)));
    let Some((first, others)) = study.runs.split_first() else { return Ok(table) };
    for other in others {
        for coalition in ModalitySet::ALL.into_iter().filter(|c| c.len() == 2) {
            for (name, is_conflict) in [("missing-align", false), ("missing-conflict", true)] {
                let samples = Samples::missing(coalition, is_conflict);
                let found = difference(study, (first, other), &samples, options.bootstrap)?;
                if let Some(Difference { acc, delta, .. }) = found {
                    table.push(vec![
                        Cell::text(&other.name),
                        Cell::text(coalition.to_string()),
                        Cell::text(name),
                        Cell::Count(delta.n),
                        Cell::number(Some(acc[0])),
                        Cell::number(Some(acc[1])),
                        interval_cell(Some(delta)),
                    ]);
                }
            }
        }
    }
    Ok(table)
}
