//! Tables of scores, of confusion, and of paired tests.

use emomm_eval::score::{ScoreOptions, ScoreRow};

use super::readings::unanswered_in_pairs;
use super::tables::{SHARE, interval_cell, name};
use crate::analysis::paired::{ALPHA, POWER};
use crate::analysis::{Analysis, PairedFamily, RunAnalysis, subset_word};
use crate::benchmark_figures::CLASSES;
use crate::study::Study;
use crate::table::{Cell, Column, Form, Table};

/// Rows of scores; `by` is the head of the column `corpus`: what that of a row holds.
pub(super) fn scores(
    study: &Study,
    analysis: &Analysis,
    table_name: &str,
    title: &str,
    by: &str,
    rows: impl Fn(&RunAnalysis) -> &Vec<ScoreRow>,
) -> Table {
    let mut columns: Vec<Column> =
        [("run", "Run"), ("corpus", by), ("coalition", "Coalition"), ("subset", "Subset")]
            .map(|(key, head)| Column::plain(key, head))
            .to_vec();
    columns.extend(
        [("n", "n"), ("n_parsed", "Answered"), ("n_clusters", "Groups")].map(|(k, h)| Column::plain(k, h)),
    );
    let percents =
        [("acc", "Acc %"), ("macro_f1", "Macro F1 %"), ("weighted_f1", "Weighted F1 %"), ("uar", "UAR %")];
    columns.extend(percents.map(|(key, head)| Column::interval(key, head, SHARE)));
    columns.extend(
        [("acc2", "ACC-2 %"), ("acc3", "ACC-3 %")].map(|(key, head)| Column::interval(key, head, SHARE)),
    );
    let plain =
        [("mae", "MAE"), ("mae_reply", "MAE, stated"), ("pearson", "r"), ("pearson_reply", "r, stated")];
    columns.extend(plain.map(|(key, head)| Column::interval(key, head, Form::Decimals(3))));
    columns.push(Column::plain("n_stated", "Stated"));
    let note = "Coalition overall pools the full clip and its pairs. Under one coalition, align and conflict are those of the \
                whole clip, whatever is shown of it. MAE and r take class centres; \"stated\" takes the score \
                that the model wrote where it agrees with its letter.";
    let mut table = Table::new(table_name, title, columns).with_note(note);
    for run in &analysis.runs {
        for row in rows(run) {
            let mut cells = vec![
                Cell::text(name(study, run)),
                Cell::text(&row.corpus),
                Cell::text(&row.coalition),
                Cell::text(subset_word(row)),
                Cell::Count(row.n),
                Cell::Count(row.n_parsed),
                Cell::Count(row.n_clusters),
            ];
            let figures = [
                row.acc,
                row.macro_f1,
                row.weighted_f1,
                row.uar,
                row.acc2,
                row.acc3,
                row.mae,
                row.mae_reply,
                row.pearson,
                row.pearson_reply,
            ];
            cells.extend(figures.map(interval_cell));
            cells.push(Cell::Count(row.n_stated));
            table.push(cells);
        }
    }
    table
}

pub(super) fn confusion(study: &Study, analysis: &Analysis) -> Table {
    let mut columns =
        vec![Column::plain("run", "Run"), Column::plain("subset", "Subset"), Column::plain("truth", "Truth")];
    columns.extend(CLASSES.map(|class| Column::plain(class, &format!("Answered {class}"))));
    columns.push(Column::plain("none", "No answer"));
    let mut table = Table::new("confusion", "Confusion of classes", columns);
    for run in &analysis.runs {
        for matrix in &run.confusions {
            for (class, counts) in CLASSES.iter().zip(matrix.counts) {
                let mut cells =
                    vec![Cell::text(name(study, run)), Cell::text(matrix.part), Cell::text(*class)];
                cells.extend(counts.map(Cell::Count));
                table.push(cells);
            }
        }
    }
    table
}

/// The columns of a paired difference in accuracy; `heads` are those of its two accuracies.
pub(super) fn paired_columns([first, second]: [&str; 2]) -> [Column; 8] {
    [
        Column::plain("n", "n"),
        Column::number("first_acc", first, SHARE),
        Column::number("second_acc", second, SHARE),
        Column::interval("delta", "Difference in points", SHARE),
        Column::plain("wrong_to_right", "Wrong to right"),
        Column::plain("right_to_wrong", "Right to wrong"),
        Column::number("p", "p", Form::PValue),
        Column::number("p_holm", "p, Holm", Form::PValue),
    ]
}

pub(super) fn tests(
    table_name: &str,
    title: &str,
    families: &[&PairedFamily],
    options: &ScoreOptions,
) -> Table {
    let mut columns = vec![
        Column::plain("family", "Family"),
        Column::plain("subset", "Subset"),
        Column::plain("first", "First"),
        Column::plain("second", "Second"),
    ];
    columns.extend(paired_columns(["First Acc %", "Second Acc %"]));
    columns.extend([
        Column::number("detectable", "Detectable in points", SHARE),
        Column::plain("verdict", "Verdict"),
    ]);
    let note = format!(
        "Second less first on the same samples; sign-flip permutation test by group; Holm's correction within the family. \
         Detectable: the smallest difference that so many samples show with power {POWER} at level {ALPHA}. \
         \"Underpowered\": it is greater than the difference found.{}",
        unanswered_in_pairs(options)
    );
    let mut table = Table::new(table_name, title, columns).with_note(note);
    for family in families {
        for c in &family.comparisons {
            table.push(vec![
                Cell::text(&family.name),
                Cell::text(&c.subset),
                Cell::text(&c.first),
                Cell::text(&c.second),
                Cell::Count(c.n),
                Cell::number(Some(c.first_acc)),
                Cell::number(Some(c.second_acc)),
                interval_cell(c.delta),
                Cell::Count(c.flips.wrong_to_right),
                Cell::Count(c.flips.right_to_wrong),
                Cell::number(c.p),
                Cell::number(c.p_holm),
                Cell::number(c.detectable),
                Cell::text(c.verdict()),
            ]);
        }
    }
    table
}
