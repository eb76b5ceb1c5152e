//! Which column of a file is which, by its name.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::ScoreFileError;
use super::table::{Row, Table};

/// Where the answers stand. The records of this tool hold two: the letter of the greatest logit, and the reply's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerColumn {
    /// The first of the three below that holds an answer in some row.
    #[default]
    Auto,
    /// `label`.
    Label,
    /// `letter`.
    Letter,
    /// `reply_letter`.
    ReplyLetter,
}

/// The answers' columns in the order in which they are looked for.
const ANSWERS: [(AnswerColumn, &str); 3] = [
    (AnswerColumn::Label, "label"),
    (AnswerColumn::Letter, "letter"),
    (AnswerColumn::ReplyLetter, "reply_letter"),
];

/// Keys of this tool's own records that hold nothing to be scored.
const SILENT: [&str; 17] = [
    "label",
    "letter",
    "reply_letter",
    "score",
    "reply_score",
    "key",
    "status",
    "letter_logits",
    "tokens",
    "ms",
    "media",
    "reply",
    "reply_notes",
    "nmas",
    "mass",
    "grid_thw",
    "centre_score",
];

/// Whether a column of this name is ever read.
pub(super) fn is_read(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let others = ["id", "sample", "coalition", "corpus", "score", "reply_score"];
    // Of logs that are imported.
    let of_logs =
        ["reply", "response", "completion", "status", "file_name", "clip", "prediction", "answer", "epoch"];
    ANSWERS.iter().any(|(_, answer)| *answer == name)
        || OF_BENCH.contains(&name.as_str())
        || others.contains(&name.as_str())
        || of_logs.contains(&name.as_str())
}

/// Columns that a benchmark makes superfluous.
const OF_BENCH: [&str; 6] = ["ground_truth", "label_t", "label_a", "label_v", "group", "subset"];

/// Positions of the columns that are read.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) id: usize,
    pub(super) answer: usize,
    pub(super) answer_name: &'static str,
    /// None where a benchmark gives the labels.
    pub(super) ground_truth: Option<usize>,
    pub(super) coalition: Option<usize>,
    pub(super) score: Option<usize>,
    /// Of T, A and V.
    pub(super) labels: [Option<usize>; 3],
    pub(super) group: Option<usize>,
    pub(super) subset: Option<usize>,
    pub(super) corpus: Option<usize>,
    /// Columns that are not read, as the file names them.
    pub(super) unknown: Vec<String>,
    /// Columns that say what a benchmark says, as the file names them.
    pub(super) overruled: Vec<String>,
}

impl Columns {
    /// Finds the columns; letter case does not matter. Beside a benchmark no column of labels is needed, nor read.
    pub(super) fn of(
        path: &Path,
        table: &Table,
        wanted: AnswerColumn,
        beside_bench: bool,
    ) -> Result<Self, ScoreFileError> {
        let names: Vec<String> = table.columns.iter().map(|c| c.to_ascii_lowercase()).collect();
        let refuse = |problem: String, hint: &'static str| ScoreFileError::Columns {
            path: path.to_owned(),
            problem,
            columns: table.columns.clone(),
            hint,
        };
        let at = |name: &str| names.iter().position(|n| n == name);
        let first = |candidates: &[&str]| candidates.iter().find_map(|name| at(name));
        let (answer_name, answer) = answer(table, wanted, at).ok_or_else(|| {
            refuse(
                "no column holds the answers".to_owned(),
                "name the column of the answers `label`: a letter A to E, a class word or 0 to 4, empty where \
                 there is no answer",
            )
        })?;
        let of_file = |name: &str| at(name).filter(|_| !beside_bench);
        let columns = Self {
            id: first(&["id", "sample"]).ok_or_else(|| {
                refuse("no column `id`".to_owned(), "add a column `id` that names the clip of each row")
            })?,
            answer,
            answer_name,
            ground_truth: of_file("ground_truth"),
            coalition: at("coalition"),
            score: if answer_name == "label" {
                first(&["score", "reply_score"])
            } else {
                first(&["reply_score", "score"])
            },
            labels: ["label_t", "label_a", "label_v"].map(of_file),
            group: of_file("group"),
            subset: of_file("subset"),
            corpus: at("corpus"),
            unknown: Vec::new(),
            overruled: Vec::new(),
        };
        if columns.ground_truth.is_none() && !beside_bench {
            let hint = "add a column `ground_truth`: a letter A to E, a class word, 0 to 4, or a score; \
                        or give --bench if the ids are those of a benchmark";
            return Err(refuse("no column `ground_truth`".to_owned(), hint));
        }
        let read = columns.read();
        if let Some(twice) = read.iter().find(|i| names.iter().filter(|n| **n == names[**i]).count() > 1) {
            let problem = format!("two columns are named `{}`", table.columns[*twice]);
            return Err(refuse(problem, "rename or remove one of them"));
        }
        let is_known = |i: &usize| OF_BENCH.contains(&names[*i].as_str());
        let rest = (0..names.len()).filter(|i| !read.contains(i) && !SILENT.contains(&names[*i].as_str()));
        let (overruled, unknown): (Vec<usize>, Vec<usize>) = rest.partition(|i| beside_bench && is_known(i));
        let named = |indices: Vec<usize>| indices.into_iter().map(|i| table.columns[i].clone()).collect();
        Ok(Self { unknown: named(unknown), overruled: named(overruled), ..columns })
    }

    fn read(&self) -> Vec<usize> {
        let [t, a, v] = self.labels;
        let optional =
            [self.ground_truth, self.coalition, self.score, t, a, v, self.group, self.subset, self.corpus];
        [self.id, self.answer].into_iter().chain(optional.into_iter().flatten()).collect()
    }

    /// The text of an optional column, empty where there is none.
    pub(super) fn text(row: &Row, column: Option<usize>) -> &str {
        column.map_or("", |at| row.cells[at].as_str())
    }
}

/// The column of the answers. Rows of one file are never read from different columns.
fn answer(
    table: &Table,
    wanted: AnswerColumn,
    at: impl Fn(&str) -> Option<usize>,
) -> Option<(&'static str, usize)> {
    let candidates: Vec<(&'static str, usize)> = ANSWERS
        .iter()
        .filter(|(column, _)| wanted == AnswerColumn::Auto || *column == wanted)
        .filter_map(|(_, name)| at(name).map(|at| (*name, at)))
        .collect();
    let filled = |at: usize| table.rows.iter().any(|row| !row.cells[at].is_empty());
    candidates.iter().find(|(_, at)| filled(*at)).or(candidates.first()).copied()
}
