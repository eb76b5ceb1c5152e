//! The rows of a data set in its order: what the numbers of documents mean in logs that keep no documents.

use std::path::Path;

use emomm_dataset::ModalitySet;

use super::ImportError;
use super::columns::IDS;
use crate::score::table_cells;

/// Ids and coalitions, row by row.
#[derive(Debug)]
pub(super) struct Documents(Vec<(String, Option<ModalitySet>)>);

impl Documents {
    /// Reads a CSV, JSONL or Parquet file with a column of ids, and perhaps `coalition`.
    pub(super) fn read(path: &Path) -> Result<Self, ImportError> {
        let (names, rows) = table_cells(path)?;
        let names: Vec<String> = names.iter().map(|n| n.to_ascii_lowercase()).collect();
        let column = |wanted: &[&str]| wanted.iter().find_map(|w| names.iter().position(|n| n == w));
        let Some(id) = column(&IDS) else {
            let message =
                format!("found the columns {}, expected one of {}", names.join(", "), IDS.join(", "));
            return Err(ImportError::unreadable(path, &message));
        };
        let coalition = column(&["coalition"]);
        let read = |(number, cells): (usize, Vec<String>)| {
            let cell = |at: usize| cells.get(at).map(|c| c.trim()).filter(|c| !c.is_empty());
            let fault = |message: String| ImportError::row(path, number, message);
            let id = cell(id).ok_or_else(|| fault("found no id".to_owned()))?.to_owned();
            let word = coalition.and_then(cell);
            let shown =
                word.map(|w| w.parse::<ModalitySet>().map_err(|e| fault(e.to_string()))).transpose()?;
            Ok((id, shown))
        };
        rows.into_iter().map(read).collect::<Result<_, ImportError>>().map(Self)
    }

    /// The document of a number, counted from 0.
    pub(super) fn of(&self, number: usize) -> Result<(&str, Option<ModalitySet>), String> {
        let row = self.0.get(number).map(|(id, coalition)| (id.as_str(), *coalition));
        row.ok_or_else(|| {
            format!("found document {number}, expected one of the {} rows of --docs", self.0.len())
        })
    }
}
