//! Tables of runs against each other: macro F1 and MAE, and what hiding subtitles changes.

use emomm_eval::score::{ComparedPart, Difference};
use emomm_metrics::Family;

use super::score_tables::paired_columns;
use crate::analysis::{Analysis, ComparedRuns};
use crate::table::{Cell, Column, Form, Table};

/// A figure of a part of the rows.
type ValueOf = fn(&ComparedPart) -> Option<Difference>;

/// Macro F1 and MAE of every run against the first.
pub(super) fn figures(analysis: &Analysis) -> Table {
    let columns = vec![
        Column::plain("figure", "Figure"),
        Column::plain("subset", "Subset"),
        Column::plain("first", "First"),
        Column::plain("second", "Second"),
        Column::plain("n", "n"),
        Column::number("first_value", "First", Form::Decimals(4)),
        Column::number("second_value", "Second", Form::Decimals(4)),
        Column::interval("delta", "Difference", Form::Decimals(4)),
        Column::number("p", "p", Form::PValue),
        Column::number("p_holm", "p, Holm", Form::PValue),
    ];
    let note = "Second less first on the samples that both runs have; less MAE is better. MAE is of the rows that both answered, \
                with the stated score where it was used. p swaps the answers of whole groups; Holm's correction over the subsets \
                of a figure and a pair of runs. Accuracy is in the table of paired runs.";
    let title = "Runs against the first in macro F1 and MAE, paired";
    let mut table = Table::new("tests-runs-figures", title, columns).with_note(note);
    for compared in &analysis.compared {
        let report = &compared.report;
        let of: [(&str, &Family, ValueOf); 2] = [
            ("macro_f1", &report.holm_macro_f1, |part| part.macro_f1),
            ("mae", &report.holm_mae, |part| part.mae),
        ];
        for (figure, family, value) in of {
            push(&mut table, compared, (figure, report.rows), value(&report.top), None);
            for (subset, part) in &report.subsets {
                let name = format!("{subset}, {figure}");
                let adjusted = family.comparisons.iter().find(|c| c.name == name).map(|c| c.adjusted);
                push(&mut table, compared, (figure, subset), value(part), adjusted);
            }
        }
    }
    table
}

fn push(
    table: &mut Table,
    runs: &ComparedRuns,
    (figure, subset): (&str, &str),
    found: Option<Difference>,
    adjusted: Option<f64>,
) {
    let Some(found) = found else { return };
    table.push(vec![
        Cell::text(figure),
        Cell::text(subset),
        Cell::text(&runs.first),
        Cell::text(&runs.second),
        Cell::Count(found.n),
        Cell::number(Some(found.a)),
        Cell::number(Some(found.b)),
        Cell::interval(Some(found.delta), found.low, found.high),
        Cell::number(found.p),
        Cell::number(adjusted),
    ]);
}

/// What hiding the band of subtitles changes.
pub(super) fn subtitles(analysis: &Analysis) -> Table {
    let mut columns = vec![
        Column::plain("first", "As it is"),
        Column::plain("second", "Band treated"),
        Column::plain("treatment", "Treatment"),
        Column::plain("coalition", "Coalition"),
    ];
    columns.extend(paired_columns(["Acc % as it is", "Acc % treated"]));
    let note = "Two runs that differ in --subtitle-band alone, on the samples of both. A clip may carry its transcript in the \
                picture; where the picture without the band is less often right, part of what it gave lay in the band: text, or \
                whatever else was there. p swaps the answers of whole groups; Holm's correction over the coalitions.";
    let mut table =
        Table::new("subtitles", "What hiding subtitles in the picture changes", columns).with_note(note);
    for change in &analysis.subtitles {
        let acc = change.acc;
        table.push(vec![
            Cell::text(&change.first),
            Cell::text(&change.second),
            Cell::text(&change.treatment),
            Cell::text(change.coalition.to_string()),
            Cell::Count(change.n),
            Cell::number(acc.map(|d| d.a)),
            Cell::number(acc.map(|d| d.b)),
            Cell::interval(acc.map(|d| d.delta), acc.and_then(|d| d.low), acc.and_then(|d| d.high)),
            Cell::Count(change.flips[0]),
            Cell::Count(change.flips[1]),
            Cell::number(acc.and_then(|d| d.p)),
            Cell::number(change.p_holm),
        ]);
    }
    table
}
