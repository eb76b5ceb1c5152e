//! The figures of a report, in the order of the pages, and what they have in common.

use emomm_dataset::ModalitySet;
use emomm_eval::score::{Interval, ScoreOptions};

use super::answer_figures::{confusion, flow};
use super::attention_figures::{attention_pairs, attention_three};
use super::coalition_figures::{coalitions, delta_v, psmv};
use super::following_figures::{coupling, gtar};
use crate::analysis::{Analysis, Condition, RunAnalysis, RunDeltaV};
use crate::benchmark_figures::file_words;
use crate::chart::Bar;
use crate::figure::Figure;
use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};

/// Runs that have figures of their own; the tables hold all.
const MAX_RUNS: usize = 3;

/// All figures: those of the first run, of the others, and of runs together.
pub fn figures(study: &Study, analysis: &Analysis) -> Vec<Figure> {
    let mut figures = Vec::new();
    let words_of_files = file_words(study.runs.iter().map(|run| run.name.as_str()));
    for run in analysis.runs.iter().take(MAX_RUNS) {
        let Some(of) = study.runs.get(run.run) else { continue };
        let suffix = if run.run == 0 { String::new() } else { format!("-{}", words_of_files[run.run]) };
        let words = if study.runs.len() > 1 { format!(", {}", of.name) } else { String::new() };
        figures.extend(of_run(run, &analysis.options, &suffix, &words));
    }
    let deltas: Vec<&RunDeltaV> =
        analysis.runs.iter().filter_map(|r| r.delta_v.as_ref()).take(2 * MAX_RUNS).collect();
    figures.extend(delta_v(&deltas));
    if let Some((first, others)) = study.runs.split_first() {
        let others = others.iter().zip(words_of_files.iter().skip(1)).take(MAX_RUNS);
        figures.extend(others.map(|(other, word)| flow(study, first, other, word)));
    }
    figures
}

fn of_run(run: &RunAnalysis, options: &ScoreOptions, suffix: &str, words: &str) -> Vec<Figure> {
    let mut figures = Vec::new();
    figures.extend(coalitions(&run.coalitions, suffix, words));
    figures.extend(psmv(run, options, suffix, words));
    figures.extend(gtar(run, options, suffix, words));
    figures.extend(run.coupling.first().map(|c| coupling(c, suffix, words)));
    let full = run.profile(Condition::Conflict(ModalitySet::FULL));
    figures.extend(full.map(|p| attention_three(p, suffix, words)));
    figures.extend(attention_pairs(run, suffix, words));
    figures.extend(super::spatial::figure(run, suffix, words));
    figures.extend(confusion(&run.confusions, suffix, words));
    figures
}

/// A bar of an interval.
pub(crate) fn bar(interval: Option<Interval>) -> Bar {
    Bar {
        value: interval.map(|i| i.value),
        interval: interval.and_then(|i| i.low.zip(i.high)),
        reference: None,
    }
}

pub(crate) fn data(name: &str, title: &str, keys: &[&str], form: Form) -> Table {
    let mut columns: Vec<Column> = keys.iter().map(|key| Column::plain(key, key)).collect();
    columns.push(Column::interval("value", "Value", form));
    Table::new(name, title, columns)
}

/// A row of what the paper states.
pub(super) fn stated_row(keys: &[&str], value: f64) -> Vec<Cell> {
    let mut cells: Vec<Cell> = keys.iter().map(|key| Cell::text(*key)).collect();
    cells.push(Cell::interval(Some(value), None, None));
    cells
}

pub(crate) fn row(keys: &[&str], interval: Option<Interval>) -> Vec<Cell> {
    let mut cells: Vec<Cell> = keys.iter().map(|key| Cell::text(*key)).collect();
    cells.push(super::tables::interval_cell(interval));
    cells
}
