//! The rows of a file, understood: which clip, which coalition, which answer, which labels.

use std::collections::BTreeSet;
use std::path::Path;

use emomm_dataset::{Corpus, GridScore, Labels, ModalitySet, Sentiment, Subset};
use serde::{Deserialize, Serialize};

use super::bench::BenchTruth;
use super::cell::{self, OffGrid, Written};
use super::clip;
use super::columns::{AnswerColumn, Columns};
use super::error::{self, Fault, ScoreFileError};
use super::reading::Reading;
use super::subset;
use super::table::{self, Row, Table};

/// What becomes of a row that cannot be read or contradicts another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnBadRow {
    /// Nothing is scored.
    #[default]
    Error,
    /// It is left out and reported. Of rows that contradict each other all are left out.
    Skip,
}

/// How to read a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Corpus of rows that name none.
    pub corpus: String,
    /// Where the answers stand.
    pub answer: AnswerColumn,
    /// What becomes of bad rows.
    pub on_bad_row: OnBadRow,
    /// What becomes of true scores off the grid.
    pub off_grid: OffGrid,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            corpus: Corpus::ChSims.name().to_owned(),
            answer: AnswerColumn::Auto,
            on_bad_row: OnBadRow::Error,
            off_grid: OffGrid::Error,
        }
    }
}

/// The name of a corpus and the five-class map of its scores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CorpusName {
    /// The name.
    pub name: String,
    /// The map: its own, or that of CH-SIMS for a corpus that is not known.
    pub map: Corpus,
}

impl CorpusName {
    /// Letter case does not matter in the names of known corpora.
    pub(super) fn of(name: &str) -> Self {
        match name.to_ascii_lowercase().parse::<Corpus>() {
            Ok(map) => Self { name: map.name().to_owned(), map },
            Err(_) => Self { name: name.to_owned(), map: Corpus::ChSims },
        }
    }

    fn is_known(&self) -> bool {
        self.name == self.map.name()
    }
}

/// One answer with all that is known of its clip.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerRow {
    /// Number of the row, counted from 1 without the header.
    pub row: usize,
    /// Line of the file on which it begins; 0 where a file has no lines.
    pub line: usize,
    /// The corpus of the clip.
    pub corpus: CorpusName,
    /// The clip.
    pub id: String,
    /// What the model was shown.
    pub coalition: ModalitySet,
    /// The answer; `None` where there is none.
    pub answer: Option<Sentiment>,
    /// The score that the model stated.
    pub stated: Option<f64>,
    /// The labels.
    pub labels: Labels<Sentiment>,
    /// The true score; `None` where only a class is known.
    pub truth_score: Option<GridScore>,
    /// Speaker or video, the clip's id where none is given.
    pub group: String,
    /// The narrowest subset of what was shown; `None` where none is known.
    pub subset: Option<Subset>,
    /// The narrowest subset of the whole clip; `None` where none is known.
    pub clip_subset: Option<Subset>,
}

impl AnswerRow {
    /// Whether what was shown belongs to a subset.
    pub fn is_in(&self, subset: Subset) -> bool {
        self.subset.is_some_and(|own| own.is_within(subset))
    }
}

/// A file of predictions, understood. Rows stand in the order of corpus, id and coalition, whatever the file's was.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The rows to score.
    pub rows: Vec<AnswerRow>,
    /// Rows that were left out, in the order of the file.
    pub skipped: Vec<Fault>,
    /// The column of the answers: `label`, `letter` or `reply_letter`.
    pub answer_column: &'static str,
    /// What the reader should know: unknown columns, unknown corpora, contradicted subsets.
    pub notes: Vec<String>,
}

/// Reads a file that holds the labels beside the answers.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Answers, ScoreFileError> {
    read_table(path, options, None)
}

/// Reads a file of answers; labels, groups and subsets are the benchmark's. Columns that state them are not read.
pub fn read_beside(
    path: &Path,
    options: &ReadOptions,
    truth: &BenchTruth,
) -> Result<Answers, ScoreFileError> {
    read_table(path, options, Some(truth))
}

fn read_table(
    path: &Path,
    options: &ReadOptions,
    truth: Option<&BenchTruth>,
) -> Result<Answers, ScoreFileError> {
    let mut table = table::read(path)?;
    if table.rows.is_empty() && table.faults.is_empty() {
        return Err(ScoreFileError::Empty { path: path.to_owned() });
    }
    let columns = Columns::of(path, &table, options.answer, truth.is_some())?;
    let mut faults = std::mem::take(&mut table.faults);
    faults.extend(mixed_numbers(&table, &columns, options));
    let mut rows = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        match (Reading { columns: &columns, options, truth, row }).understand() {
            Ok(read) => rows.push(read),
            Err(found) => faults.extend(found),
        }
    }
    let mut answers = settled(path, rows, faults, columns.answer_name, options.on_bad_row)?;
    answers.notes = notes(&columns, &answers.rows, truth);
    if truth.is_none() {
        let mut contradicted = 0;
        for clip in answers.rows.chunk_by_mut(|a, b| clip::clip_key(a) == clip::clip_key(b)) {
            // What one row says of the whole clip holds for those that say nothing of it.
            let of_clip = clip.iter().find_map(|row| row.subset.filter(|s| !s.is_missing()));
            contradicted += clip.iter_mut().filter_map(|row| place(row, of_clip).then_some(())).count();
        }
        if contradicted > 0 {
            answers.notes.push(format!(
                "{contradicted} rows state a subset that their labels contradict; the stated one is used"
            ));
        }
    }
    Ok(answers)
}

/// Sorts rows, lets the rows of a clip agree, and decides about faults.
pub(super) fn settled(
    path: &Path,
    mut rows: Vec<AnswerRow>,
    mut faults: Vec<Fault>,
    answer_column: &'static str,
    on_bad_row: OnBadRow,
) -> Result<Answers, ScoreFileError> {
    rows.sort_by(|a, b| clip::key(a).cmp(&clip::key(b)).then(a.row.cmp(&b.row)));
    let contradictions = clip::settle(&mut rows);
    let bad: BTreeSet<usize> = contradictions.iter().map(|f| f.row).collect();
    rows.retain(|row| !bad.contains(&row.row));
    faults.extend(contradictions);
    faults.sort_by_key(|f| f.row);
    let fatal = faults.iter().any(|f| !f.skippable);
    if !faults.is_empty() && (fatal || on_bad_row == OnBadRow::Error || rows.is_empty()) {
        return Err(ScoreFileError::Rows { path: path.to_owned(), faults });
    }
    Ok(Answers { rows, skipped: faults, answer_column, notes: Vec::new() })
}

/// Makes the subset of a row as narrow as its labels allow; true if they contradict it. `of_clip` is what another row says of the
/// whole clip.
fn place(row: &mut AnswerRow, of_clip: Option<Subset>) -> bool {
    let is_full = row.coalition == ModalitySet::FULL;
    let stated = row.subset.or(of_clip.filter(|_| is_full));
    let computed = subset::computed(row.labels, row.coalition);
    row.subset = subset::narrowest(stated, row.labels, row.coalition);
    let of_clip = stated.filter(|s| !s.is_missing()).or(of_clip);
    row.clip_subset = subset::narrowest(of_clip, row.labels, ModalitySet::FULL);
    // On a masked copy a clip may state the subset of the whole clip.
    let comparable = |s: Subset| s.is_missing() != is_full;
    matches!((stated, computed), (Some(s), Some(c)) if comparable(s) && !c.is_within(s) && !s.is_within(c))
}

fn notes(columns: &Columns, rows: &[AnswerRow], truth: Option<&BenchTruth>) -> Vec<String> {
    let mut notes = truth.map(|truth| truth.notes(rows)).unwrap_or_default();
    if columns.answer_name != "label" {
        notes.push(format!("answers are read from the column {}", columns.answer_name));
    }
    if !columns.unknown.is_empty() {
        notes.push(format!("columns that are not read: {}", columns.unknown.join(", ")));
    }
    if !columns.overruled.is_empty() {
        let names = columns.overruled.join(", ");
        notes.push(format!("columns that are not read, because the benchmark says what they say: {names}"));
    }
    if truth.is_some() {
        return notes;
    }
    let mut unknown: Vec<&str> =
        rows.iter().filter(|r| !r.corpus.is_known()).map(|r| r.corpus.name.as_str()).collect();
    unknown.dedup();
    if !unknown.is_empty() {
        let names = unknown.join(", ");
        notes.push(format!(
            "corpus {names} is neither ch-sims nor cmu-mosi: the class map of ch-sims is used"
        ));
    }
    notes
}

/// The columns in which a number may be a class or a score.
fn label_columns(columns: &Columns) -> impl Iterator<Item = usize> {
    columns.ground_truth.into_iter().chain(columns.labels.into_iter().flatten())
}

/// `1` is a class and `-0.8` a score. A column that holds both was meant in one way, and nobody knows in which.
fn mixed_numbers(table: &Table, columns: &Columns, options: &ReadOptions) -> Vec<Fault> {
    let mut faults = Vec::new();
    let corpus = |row: &Row| match Columns::text(row, columns.corpus) {
        "" => options.corpus.to_ascii_lowercase(),
        name => name.to_ascii_lowercase(),
    };
    for at in label_columns(columns) {
        let mut seen: Vec<(String, Option<&Row>, Option<&Row>)> = Vec::new();
        for row in &table.rows {
            let name = corpus(row);
            let place = seen.iter().position(|(n, ..)| *n == name).unwrap_or_else(|| {
                seen.push((name, None, None));
                seen.len() - 1
            });
            match cell::written(&row.cells[at]) {
                Some(Written::Index(_)) => _ = seen[place].1.get_or_insert(row),
                Some(Written::Score(_)) => _ = seen[place].2.get_or_insert(row),
                _ => {}
            }
        }
        for (_, index, score) in seen {
            let (Some(index), Some(score)) = (index, score) else { continue };
            let message = format!(
                "found `{}`, a class, and `{}` in {}, a score; expected numbers of one kind",
                index.cells[at],
                score.cells[at],
                error::place(score.number, score.line)
            );
            let hint = "write scores with a decimal point (1.0, not 1), or classes as words or letters";
            faults.push(Fault { skippable: false, ..index.fault(Some(&table.columns[at]), message, hint) });
        }
    }
    faults
}
