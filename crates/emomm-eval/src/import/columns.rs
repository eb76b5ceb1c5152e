//! Answers in the columns of a table.

use std::path::Path;

use emomm_dataset::ModalitySet;

use super::{ImportError, ImportedRow};
use crate::run::{FORMULA_MARKS, RecordStatus};
use crate::score::table_cells;

/// Names of a column, the first that is there counts.
pub(super) const IDS: [&str; 4] = ["id", "sample", "clip", "file_name"];
const REPLIES: [&str; 3] = ["reply", "response", "completion"];
const ANSWERS: [&str; 5] = ["label", "letter", "reply_letter", "prediction", "answer"];
const SCORES: [&str; 2] = ["reply_score", "score"];

/// Reads a CSV, JSONL or Parquet file.
pub(super) fn read(path: &Path) -> Result<Vec<ImportedRow>, ImportError> {
    let (names, rows) = table_cells(path)?;
    let names: Vec<String> = names.iter().map(|n| n.to_ascii_lowercase()).collect();
    let column = |wanted: &[&str]| wanted.iter().find_map(|w| names.iter().position(|n| n == w));
    let Some(id) = column(&IDS) else {
        let message = format!("found the columns {}, expected one of {}", names.join(", "), IDS.join(", "));
        return Err(ImportError::unreadable(path, &message));
    };
    let (reply, score) = (column(&REPLIES), column(&SCORES));
    let answers: Vec<usize> = ANSWERS.iter().filter_map(|w| names.iter().position(|n| n == w)).collect();
    let (coalition, status, epoch) =
        (column(&["coalition"]), column(&["status"]), column(&["epoch", "repeat"]));
    if reply.is_none() && answers.is_empty() {
        let message = format!("found the columns {}, expected a reply or a label", names.join(", "));
        return Err(ImportError::unreadable(path, &message));
    }
    // Of tables for spreadsheets a text that would be a formula has a mark before it; see the export.
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let is_sheet = ["csv", "tsv"].contains(&extension.as_str());
    let unmarked = |text: &String| match text.strip_prefix('\'') {
        Some(bare) if is_sheet && bare.starts_with(FORMULA_MARKS) => bare.to_owned(),
        _ => text.clone(),
    };
    let mut all = Vec::with_capacity(rows.len());
    for (number, cells) in rows {
        let cell =
            |at: Option<usize>| at.and_then(|i| cells.get(i)).map(|c| c.trim()).filter(|c| !c.is_empty());
        let fault = |message: String| ImportError::row(path, number, message);
        let parse_coalition = |word: &str| word.parse::<ModalitySet>().map_err(|e| fault(e.to_string()));
        let mut row = ImportedRow {
            row: number,
            id: cell(Some(id)).ok_or_else(|| fault("found no id".to_owned()))?.to_owned(),
            coalition: cell(coalition).map(parse_coalition).transpose()?,
            reply: reply.and_then(|i| cells.get(i)).filter(|c| !c.trim().is_empty()).map(unmarked),
            ..ImportedRow::default()
        };
        row.status =
            cell(status).map(|w| w.parse::<RecordStatus>().map_err(|e| fault(e.to_string()))).transpose()?;
        for at in &answers {
            let Some(text) = cell(Some(*at)) else { continue };
            row.answer = crate::score::answer_of(text);
            if row.answer.is_none() {
                return Err(fault(format!(
                    "found the answer `{text}`, expected a letter A to E, a class or 0 to 4"
                )));
            }
            break;
        }
        if let Some(text) = cell(score) {
            let number: f64 =
                text.parse().map_err(|_| fault(format!("found the score `{text}`, expected a number")))?;
            row.score = (number.is_finite() && number.abs() <= 1.0).then_some(number);
        }
        row.epoch = match cell(epoch) {
            None => 1,
            // Tables with gaps have their whole numbers as 2.0.
            Some(text) => text
                .strip_suffix(".0")
                .unwrap_or(text)
                .parse()
                .map_err(|_| fault(format!("found the epoch `{text}`, expected a whole number")))?,
        };
        all.push(row);
    }
    Ok(all)
}
