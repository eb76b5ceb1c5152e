//! The rows of a file, understood: which clip, which coalition, which answer, which labels.

use std::path::Path;

use emomm_dataset::{Corpus, GridScore, ModalitySet, PerModality, Sentiment};
use emomm_metrics::SourceLabels;
use serde::{Deserialize, Serialize};

use super::cell::{self, Label, OffGrid, Written};
use super::clip;
use super::columns::{AnswerColumn, Columns};
use super::error::{Fault, ScoreFileError};
use super::subset::{self, RowSubset};
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
    fn of(name: &str) -> Self {
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
    /// Line of the file on which it begins.
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
    pub labels: SourceLabels,
    /// The true score; `None` where only a class is known.
    pub truth_score: Option<GridScore>,
    /// Speaker or video, the clip's id where none is given.
    pub group: String,
    /// The narrowest subset, [`RowSubset::All`] where none is known.
    pub subset: RowSubset,
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

/// Reads a file.
pub fn read(path: &Path, options: &ReadOptions) -> Result<Answers, ScoreFileError> {
    let mut table = table::read(path)?;
    if table.rows.is_empty() && table.faults.is_empty() {
        return Err(ScoreFileError::Empty { path: path.to_owned() });
    }
    let columns = Columns::of(path, &table, options.answer)?;
    let mut faults = std::mem::take(&mut table.faults);
    faults.extend(mixed_numbers(&table, &columns, options));
    let mut rows = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        match (Reading { columns: &columns, options, row }).understand() {
            Ok(read) => rows.push(read),
            Err(found) => faults.extend(found),
        }
    }
    rows.sort_by(|a, b| clip::key(a).cmp(&clip::key(b)).then(a.row.cmp(&b.row)));
    let contradictions = clip::settle(&mut rows);
    let bad: Vec<usize> = contradictions.iter().map(|f| f.row).collect();
    rows.retain(|row| !bad.contains(&row.row));
    faults.extend(contradictions);
    faults.sort_by_key(|f| f.row);
    let fatal = faults.iter().any(|f| !f.skippable);
    if !faults.is_empty() && (fatal || options.on_bad_row == OnBadRow::Error || rows.is_empty()) {
        return Err(ScoreFileError::Rows { path: path.to_owned(), faults });
    }
    let mut notes = notes(&columns, &rows);
    let contradicted = rows.iter_mut().filter_map(|row| place(row).then_some(row.row)).count();
    if contradicted > 0 {
        notes.push(format!(
            "{contradicted} rows state a subset that their labels contradict; the stated one is used"
        ));
    }
    Ok(Answers { rows, skipped: faults, answer_column: columns.answer_name, notes })
}

/// Makes the subset of a row as narrow as its labels allow; true if they contradict it.
fn place(row: &mut AnswerRow) -> bool {
    let stated = (row.subset != RowSubset::All).then_some(row.subset);
    let computed = RowSubset::of(row.labels, row.coalition);
    row.subset = subset::narrowest(stated, row.labels, row.coalition);
    // On a masked copy a clip may state the subset of the whole clip.
    let comparable = |s: RowSubset| s.is_missing() != (row.coalition == ModalitySet::FULL);
    matches!((stated, computed), (Some(s), Some(c)) if comparable(s) && !c.is_within(s) && !s.is_within(c))
}

fn notes(columns: &Columns, rows: &[AnswerRow]) -> Vec<String> {
    let mut notes = Vec::new();
    if columns.answer_name != "label" {
        notes.push(format!("answers are read from the column {}", columns.answer_name));
    }
    if !columns.unknown.is_empty() {
        notes.push(format!("columns that are not read: {}", columns.unknown.join(", ")));
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
    std::iter::once(columns.ground_truth).chain(columns.labels.into_iter().flatten())
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
                "found `{}`, a class, and `{}` in row {} (line {}), a score; expected numbers of one kind",
                index.cells[at], score.cells[at], score.number, score.line
            );
            let hint = "write scores with a decimal point (1.0, not 1), or classes as words or letters";
            faults.push(Fault { skippable: false, ..index.fault(Some(&table.columns[at]), message, hint) });
        }
    }
    faults
}

/// One row that is being read.
struct Reading<'a> {
    columns: &'a Columns,
    options: &'a ReadOptions,
    row: &'a Row,
}

impl Reading<'_> {
    fn understand(&self) -> Result<AnswerRow, Vec<Fault>> {
        let mut faults = Vec::new();
        let corpus = kept(self.corpus(), &mut faults);
        let map = corpus.as_ref().map_or(Corpus::ChSims, |c| c.map);
        let id = kept(self.id(), &mut faults);
        let coalition = kept(self.coalition(), &mut faults);
        let answer = kept(self.answer(), &mut faults).flatten();
        let stated = kept(self.stated(), &mut faults).flatten();
        let truth = kept(self.ground_truth(map), &mut faults);
        let [text, audio, video] = [0, 1, 2]
            .map(|m| kept(self.label(self.columns.labels[m], map), &mut faults).flatten().map(|l| l.class));
        let subset = kept(self.subset(coalition.unwrap_or(ModalitySet::FULL)), &mut faults);
        let (Some(corpus), Some(id), Some(coalition), Some(truth), Some(subset)) =
            (corpus, id, coalition, truth, subset)
        else {
            return Err(faults);
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(AnswerRow {
            row: self.row.number,
            line: self.row.line,
            corpus,
            id,
            coalition,
            answer,
            stated,
            labels: SourceLabels { ground_truth: truth.class, unimodal: PerModality { text, audio, video } },
            truth_score: truth.score,
            group: Columns::text(self.row, self.columns.group).to_owned(),
            subset,
        })
    }

    fn fault(&self, column: &str, message: String, hint: &str) -> Fault {
        self.row.fault(Some(column), message, hint)
    }

    fn corpus(&self) -> Result<CorpusName, Fault> {
        let corpus = match Columns::text(self.row, self.columns.corpus) {
            "" => CorpusName::of(&self.options.corpus),
            name => CorpusName::of(name),
        };
        if corpus.name.eq_ignore_ascii_case("all") {
            let message = "found `all`, expected the name of a corpus".to_owned();
            return Err(self.fault("corpus", message, "`all` stands for all corpora together; name another"));
        }
        Ok(corpus)
    }

    fn id(&self) -> Result<String, Fault> {
        let id = &self.row.cells[self.columns.id];
        if id.is_empty() {
            let message = "found nothing, expected the id of a clip".to_owned();
            return Err(self.fault("id", message, "name the clip of each row"));
        }
        Ok(id.clone())
    }

    fn coalition(&self) -> Result<ModalitySet, Fault> {
        match Columns::text(self.row, self.columns.coalition) {
            "" => Ok(ModalitySet::FULL),
            word => word.parse().map_err(|_| {
                let message = format!("found `{word}`, expected none, T, A, V, TA, TV, AV, TAV or nothing");
                self.fault(
                    "coalition",
                    message,
                    "name the modalities that the model was shown; nothing means TAV",
                )
            }),
        }
    }

    fn answer(&self) -> Result<Option<Sentiment>, Fault> {
        let text = self.row.cells[self.columns.answer].as_str();
        if text.is_empty() {
            return Ok(None);
        }
        cell::answer(text).map(Some).ok_or_else(|| {
            let message =
                format!("found `{text}`, expected a letter A to E, a class word, 0 to 4 or nothing");
            let hint =
                "leave the cell empty where the model gave no answer; scores go into the column `score`";
            self.fault(self.columns.answer_name, message, hint)
        })
    }

    fn stated(&self) -> Result<Option<f64>, Fault> {
        let text = Columns::text(self.row, self.columns.score);
        if text.is_empty() {
            return Ok(None);
        }
        cell::stated_score(text).map(Some).ok_or_else(|| {
            let message = format!("found `{text}`, expected a number from -1 to 1 or nothing");
            let hint = "divide scores of CMU-MOSI, which lie from -3 to 3, by 3; leave the cell empty without a score";
            self.fault("score", message, hint)
        })
    }

    fn ground_truth(&self, map: Corpus) -> Result<Label, Fault> {
        self.label(Some(self.columns.ground_truth), map)?.ok_or_else(|| {
            let message =
                "found nothing, expected a letter A to E, a class word, 0 to 4 or a score".to_owned();
            self.fault("ground_truth", message, "give the true label of every row")
        })
    }

    fn label(&self, column: Option<usize>, map: Corpus) -> Result<Option<Label>, Fault> {
        const NAMES: [&str; 4] = ["ground_truth", "label_T", "label_A", "label_V"];
        let text = Columns::text(self.row, column);
        if text.is_empty() {
            return Ok(None);
        }
        let name = || {
            let positions = label_positions(self.columns);
            NAMES[positions.iter().position(|p| *p == column).unwrap_or(0)]
        };
        let written = cell::written(text).ok_or_else(|| {
            let message = format!(
                "found `{text}`, expected a letter A to E, a class word, 0 to 4, or a score with a decimal point"
            );
            self.fault(name(), message, "write one of these; an unknown label of a modality is an empty cell")
        })?;
        cell::label(written, map, self.options.off_grid).map(Some).map_err(|message| {
            let hint = "divide scores of CMU-MOSI by 3; --off-grid snap takes the nearest point of the grid; \
                        numbers of classes have no decimal point";
            self.fault(name(), message, hint)
        })
    }

    fn subset(&self, coalition: ModalitySet) -> Result<RowSubset, Fault> {
        let text = Columns::text(self.row, self.columns.subset);
        if text.is_empty() {
            return Ok(RowSubset::All);
        }
        let hint = "leave the cell empty to have the subset computed from label_T, label_A and label_V";
        let stated = text
            .parse::<RowSubset>()
            .map_err(|expected| self.fault("subset", format!("found `{text}`, expected {expected}"), hint))?;
        if stated.is_missing() && coalition == ModalitySet::FULL {
            let message =
                format!("found `{text}` beside coalition TAV, expected a coalition that lacks a modality");
            return Err(self.fault("subset", message, hint));
        }
        Ok(stated)
    }
}

fn label_positions(columns: &Columns) -> [Option<usize>; 4] {
    let [t, a, v] = columns.labels;
    [Some(columns.ground_truth), t, a, v]
}

/// The value, or `None` with the fault noted.
fn kept<T>(result: Result<T, Fault>, faults: &mut Vec<Fault>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}
