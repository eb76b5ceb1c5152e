//! Scores predictions made anywhere: a CSV, JSONL or Parquet file in, the paper's figures with their intervals out.
//!
//! The way of a file: `table` takes it apart (`read_csv`, `read_jsonl`, `read_parquet`), `columns` names the columns,
//! `cell` understands a cell, `reading` a row, `clip` what the rows of a clip say together, `subset` where they
//! belong; `bench` gives labels, groups and subsets where a manifest knows them. The way of the figures: `tally` sums rows, `interval` draws clusters, `rows`, `modality_values`
//! (PSMV) and `aligned_rates` (GTAR) make the report.
//!
//! Rows are sorted first and sums are whole numbers, so the order of the file changes nothing.

mod aligned_rates;
mod answers;
mod bench;
mod cell;
mod clip;
mod columns;
mod compare;
mod error;
mod interval;
mod modality_values;
mod of_run;
mod read_csv;
mod read_jsonl;
mod read_parquet;
mod reading;
mod rows;
mod subset;
mod table;
mod tally;

use emomm_metrics::{Acc2, BootstrapOptions, ConflictReading, MetricError, Unparsed};
use serde::Serialize;

pub use aligned_rates::{GtarBySubset, GtarFigures, GtarReport};
pub use answers::{AnswerRow, Answers, CorpusName, OnBadRow, ReadOptions, read, read_beside};
pub use bench::{BenchTruth, GivenAnswer, join};
pub use cell::OffGrid;
pub use columns::AnswerColumn;
pub use compare::{
    CompareError, CompareOptions, CompareReport, ComparedPart, Difference, FlipCounts, FlippedRow, compare,
};
pub use error::{Fault, ScoreFileError};
pub use interval::{ClusterBy, Interval, intervals};
pub use modality_values::{EmptyValue, PsmvBySubset, PsmvFigures, PsmvReport};
pub use of_run::{RecordColumn, of_run};
pub use rows::ScoreRow;

/// Number and texts of each row of a file.
pub(crate) type NumberedRows = Vec<(usize, Vec<String>)>;

/// The cells of a CSV, JSONL or Parquet file: the columns' names, and each row's number and texts.
pub(crate) fn table_cells(path: &std::path::Path) -> Result<(Vec<String>, NumberedRows), ScoreFileError> {
    let table = table::read(path)?;
    if !table.faults.is_empty() {
        return Err(ScoreFileError::Rows { path: path.to_owned(), faults: table.faults });
    }
    Ok((table.columns, table.rows.into_iter().map(|row| (row.number, row.cells)).collect()))
}

/// An answer as tables write it: a letter, a class or 0 to 4.
pub(crate) fn answer_of(text: &str) -> Option<emomm_dataset::Sentiment> {
    cell::answer(text.trim())
}

/// The word for all corpora together.
const ALL_CORPORA: &str = "all";

/// What the figures leave open.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct ScoreOptions {
    /// Whether samples without an answer are wrong or left out.
    pub unparsed: Unparsed,
    /// Which ACC-2.
    pub acc2: Acc2,
    /// Which samples GTAR takes for conflicts.
    pub gtar: ConflictReading,
    /// What V(∅) of PSMV is.
    pub empty_value: EmptyValue,
    /// What is drawn when resampling.
    pub cluster: ClusterBy,
    /// How often, how wide, from which seed.
    #[serde(flatten)]
    pub bootstrap: BootstrapOptions,
}

/// What `emomm score --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreReport {
    /// Rows of the file that were scored.
    pub n: usize,
    /// Rows with an answer.
    pub n_parsed: usize,
    /// Rows that could not be read and were left out.
    pub n_skipped: usize,
    /// The column of the answers.
    pub answer_column: &'static str,
    /// The choices behind the figures.
    pub options: ScoreOptions,
    /// The figures by corpus, coalition and subset.
    pub rows: Vec<ScoreRow>,
    /// PSMV; null where no clip was shown under all eight coalitions.
    pub psmv: Option<PsmvReport>,
    /// GTAR; null where no row has the labels of the modalities that it shows.
    pub gtar: Option<GtarReport>,
    /// Why a figure is missing, and what it leaves out. Not part of the JSON.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// Computes the report of what [`read`] returned.
///
/// ```
/// use emomm_eval::score::{ReadOptions, ScoreOptions, read, score};
///
/// let file = std::env::temp_dir().join("emomm-score-example.csv");
/// std::fs::write(&file, "id,label,ground_truth\nc1,A,A\nc2,positive,E\nc3,,neutral\n").unwrap();
/// let answers = read(&file, &ReadOptions::default()).unwrap();
/// let report = score(&answers, &ScoreOptions::default()).unwrap();
/// assert_eq!((report.n, report.n_parsed), (3, 2));
/// assert_eq!(report.rows[0].acc.unwrap().value, 2.0 / 3.0);
/// ```
pub fn score(answers: &Answers, options: &ScoreOptions) -> Result<ScoreReport, MetricError> {
    let rows = rows::rows(&answers.rows, options)?;
    let (psmv, mut notes) = modality_values::report(&answers.rows, options);
    let (gtar, of_gtar) = aligned_rates::report(&answers.rows, options)?;
    notes.extend(of_gtar);
    let disagreeing: usize =
        answers.rows.iter().map(tally::Tally::of).fold(0, |sum, t| sum + t.n_offered() - t.n_stated());
    if disagreeing > 0 {
        notes.push(format!(
            "mae_reply takes the class centre for {disagreeing} scores that are off the grid or of another class"
        ));
    }
    Ok(ScoreReport {
        n: answers.rows.len(),
        n_parsed: answers.rows.iter().filter(|row| row.answer.is_some()).count(),
        n_skipped: answers.skipped.len(),
        answer_column: answers.answer_column,
        options: *options,
        rows,
        psmv,
        gtar,
        notes,
    })
}

/// The corpora of sorted rows, each once.
fn corpora(rows: &[AnswerRow]) -> Vec<&str> {
    let mut names: Vec<&str> = rows.iter().map(|row| row.corpus.name.as_str()).collect();
    names.dedup();
    names
}
