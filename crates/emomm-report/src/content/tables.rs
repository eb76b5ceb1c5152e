//! The tables of a report. Every one has the run in its first column, so that several runs share a table.

use std::collections::BTreeMap;

use emomm_eval::score::Interval;

use super::coalition_tables::{coalitions, delta_v, psmv};
use super::following_tables::{attention, coupling, gtar};
use super::readings::unanswered;
use super::score_tables::{confusion, scores, tests};
use crate::analysis::{Analysis, PairedFamily, RunAnalysis, capability, paper};
use crate::study::{Study, StudyRun};
use crate::table::{Cell, Column, Form, Table};

pub(super) const SHARE: Form = Form::Percent(1);
const PAPER: &str = "paper";
/// The table whose column `corpus` holds languages.
pub(crate) const BY_LANGUAGE: &str = "scores-by-language";
/// Of more runs only those that are not complete are named in every table.
const MAX_NAMED: usize = 3;

/// All tables, in the order of the pages.
pub fn tables(study: &Study, analysis: &Analysis) -> Vec<Table> {
    let mut tables = vec![table_1(study, analysis), runs(study), errors(study)];
    tables.push(coalitions(study, analysis));
    tables.push(scores(study, analysis, "scores", "Scores by corpus, coalition and subset", "Corpus", |r| {
        &r.scores.rows
    }));
    if analysis.runs.iter().any(|r| !r.languages.is_empty()) {
        let title = "Scores by language";
        tables.push(scores(study, analysis, BY_LANGUAGE, title, "Language", |r| &r.languages));
    }
    tables.push(psmv(study, analysis));
    tables.push(gtar(study, analysis));
    tables.push(attention(study, analysis));
    tables.push(super::spatial::table(study, analysis));
    tables.push(coupling(study, analysis));
    tables.push(delta_v(analysis));
    tables.push(confusion(study, analysis));
    let families: Vec<&PairedFamily> =
        analysis.runs.iter().filter_map(|r| r.against_others.as_ref()).collect();
    let options = &analysis.options;
    tables.push(tests("tests-coalitions", "TAV against each other coalition, paired", &families, options));
    tables.push(tests(
        "tests-runs",
        "Runs against the first, paired",
        &Vec::from_iter(&analysis.against_first),
        options,
    ));
    tables.push(super::compared::figures(analysis));
    tables.push(super::compared::subtitles(analysis));
    tables.retain(|t| !t.rows.is_empty());
    state_coverage(study, &mut tables);
    tables.push(capability::capabilities());
    tables
}

/// What an interval without width means.
const NO_WIDTH: &str = "An interval without width says that every resample gives the same value, which few samples do by chance.";

/// Every table says n of N, and what its intervals without width mean.
pub(crate) fn state_coverage(study: &Study, tables: &mut [Table]) {
    let coverage = coverage(study);
    for table in tables {
        if table.rows.iter().flatten().any(Cell::has_no_width) {
            if !table.note.is_empty() {
                table.note.push(' ');
            }
            table.note.push_str(NO_WIDTH);
        }
        if !table.note.is_empty() {
            table.note.push(' ');
        }
        table.note.push_str(&coverage);
    }
}

/// n of N of every run that the tables are made from.
fn coverage(study: &Study) -> String {
    let of = |run: &StudyRun| (run.run.records().len(), run.n_planned());
    let complete = study.runs.iter().all(|run| of(run).0 == of(run).1);
    if complete && study.runs.len() > MAX_NAMED {
        let n: usize = study.runs.iter().map(|run| of(run).0).sum();
        return format!("Records: {n} of {n}, all {} runs complete.", study.runs.len());
    }
    let told: Vec<String> = study
        .runs
        .iter()
        .filter(|run| study.runs.len() <= MAX_NAMED || of(run).0 != of(run).1)
        .map(|run| {
            let (n, planned) = of(run);
            let name = if study.runs.len() > 1 { format!(" ({})", run.name) } else { String::new() };
            let rest = if n < planned { ", not complete" } else { "" };
            format!("{n} of {planned}{rest}{name}")
        })
        .collect();
    format!("Records: {}.", told.join("; "))
}

pub(super) fn name<'a>(study: &'a Study, run: &RunAnalysis) -> &'a str {
    study.runs.get(run.run).map_or("", |r| &r.name)
}

pub(crate) fn interval_cell(interval: Option<Interval>) -> Cell {
    Cell::interval(interval.map(|i| i.value), interval.and_then(|i| i.low), interval.and_then(|i| i.high))
}

/// Table 1 with the paper's rows as a reference.
fn table_1(study: &Study, analysis: &Analysis) -> Table {
    let mut columns = vec![Column::plain("source", "Source"), Column::plain("model", "Model")];
    for (key, head) in
        [("overall", "Overall"), ("align", "Align"), ("conflict", "Conflict"), ("missing", "Missing")]
    {
        columns.push(Column::plain(&format!("{key}_n"), &format!("{head} n")));
        columns.push(Column::interval(&format!("{key}_acc"), &format!("{head} Acc %"), Form::Percent(2)));
        columns.push(Column::interval(&format!("{key}_f1"), &format!("{head} F1 %"), Form::Percent(2)));
        columns.push(Column::interval(&format!("{key}_mae"), &format!("{head} MAE"), Form::Decimals(3)));
    }
    let note = format!(
        "Overall pools the full clip and its three masked copies; Missing pools the copies. F1 is macro F1 over the classes that \
         occur as truth or as answer; MAE takes the centre of the answered class. In brackets 95 % cluster bootstrap intervals. {} Rows of the paper are its Table 1: \
         other clips, other weights; a reference, not a target.",
        unanswered(&analysis.options)
    );
    let mut table = Table::new("table1", "Main results (Table 1)", columns).with_note(note);
    for run in &analysis.runs {
        let mut cells = vec![Cell::text("this report"), Cell::text(name(study, run))];
        let rows = [
            run.row("all", "overall", "all"),
            run.row("all", "TAV", "align"),
            run.row("all", "TAV", "conflict"),
            run.missing.as_ref(),
        ];
        for row in rows {
            cells.push(row.map_or(Cell::Absent, |r| Cell::Count(r.n)));
            cells.push(interval_cell(row.and_then(|r| r.acc)));
            cells.push(interval_cell(row.and_then(|r| r.macro_f1)));
            cells.push(interval_cell(row.and_then(|r| r.mae)));
        }
        table.push(cells);
    }
    for row in paper::TABLE_1 {
        let mut cells = vec![Cell::text(PAPER), Cell::text(row.model)];
        for [acc, f1, mae] in row.figures {
            cells.push(Cell::Absent);
            cells.push(Cell::interval(Some(paper::share(acc)), None, None));
            cells.push(Cell::interval(Some(paper::share(f1)), None, None));
            cells.push(Cell::interval(Some(mae), None, None));
        }
        table.push(cells);
    }
    table
}

fn runs(study: &Study) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("model", "Model"),
        Column::plain("model_type", "Architecture"),
        Column::plain("dtype", "Type"),
        Column::plain("device", "Device"),
        Column::plain("prompt", "Prompt"),
        Column::plain("answers", "Answers from"),
        Column::plain("steering", "Steering"),
        Column::plain("clips", "Clips"),
        Column::plain("n", "n"),
        Column::plain("planned", "of N"),
        Column::plain("ok", "Answered"),
        Column::number("answered_share", "Answered %", SHARE),
        Column::number("ms", "ms a record", Form::Decimals(1)),
    ];
    let mut table = Table::new("runs", "What was run", columns);
    for run in &study.runs {
        let plan = &run.run.header().plan;
        let model = &plan.settings.model;
        let records = run.run.records();
        let n = records.len();
        let ok = run.n_answered();
        let ms: f64 = records.iter().map(|r| r.ms).sum();
        let share = |value: f64| (n > 0).then(|| value / n as f64);
        table.push(vec![
            Cell::text(&run.name),
            Cell::text(&model.name),
            Cell::text(&model.model_type),
            Cell::text(&model.dtype),
            Cell::text(&model.device),
            Cell::text(&plan.settings.prompt),
            Cell::text(run.source().name()),
            Cell::text(if plan.settings.steering.is_some() { "CHASE" } else { "none" }),
            Cell::Count(plan.n_clips),
            Cell::Count(n),
            Cell::Count(run.n_planned()),
            Cell::Count(ok),
            Cell::number(share(ok as f64)),
            Cell::number(share(ms)),
        ]);
    }
    table
}

fn errors(study: &Study) -> Table {
    let columns = vec![
        Column::plain("run", "Run"),
        Column::plain("status", "Status"),
        Column::plain("kind", "Kind"),
        Column::plain("n", "n"),
        Column::plain("example", "First message"),
    ];
    let mut table = Table::new("errors", "Records without an answer", columns);
    for run in &study.runs {
        let mut kinds: BTreeMap<(&str, &str), (usize, &str)> = BTreeMap::new();
        for record in run.run.records().iter().filter(|r| r.status.name() != "ok") {
            let (kind, message) =
                record.error.as_ref().map_or(("", ""), |e| (e.kind.as_str(), e.message.as_str()));
            kinds.entry((record.status.name(), kind)).or_insert((0, message)).0 += 1;
        }
        for ((status, kind), (n, message)) in kinds {
            let message: String = message.chars().take(300).collect();
            table.push(vec![
                Cell::text(&run.name),
                Cell::text(status),
                Cell::text(kind),
                Cell::Count(n),
                Cell::text(message),
            ]);
        }
    }
    table
}
