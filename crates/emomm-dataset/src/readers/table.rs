//! Rows under named columns, wherever they come from: CSV, JSON lines, Parquet or a spreadsheet.
//!
//! A cell remembers whether its file held it as a number, because an id that was a number may have lost its zeros.

use std::path::Path;

use super::text_file::read_text;
use crate::error::DatasetError;
use crate::finding::{Action, Finding, FindingKind};

/// Most rows that a table may have. The manifest of 100,000 clips is the aim; this is twenty times as much.
pub(crate) const MAX_ROWS: u64 = 2_000_000;

/// Most columns that a table may have.
pub(crate) const MAX_COLUMNS: usize = 256;

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Cell {
    #[default]
    Empty,
    Text(String),
    /// Its shortest decimal text.
    Number(String),
}

impl Cell {
    /// Text of the cell; empty if there is none.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Empty => "",
            Self::Text(text) | Self::Number(text) => text,
        }
    }

    fn from_text(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text.to_owned()) }
    }
}

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Line or row of the file, counted from 1, the header included.
    pub(crate) number: u64,
    pub(crate) cells: Vec<Cell>,
}

impl Row {
    /// The cell under a column; empty if the column is not there.
    pub(crate) fn cell(&self, column: Option<usize>) -> &Cell {
        const EMPTY: &Cell = &Cell::Empty;
        column.and_then(|c| self.cells.get(c)).unwrap_or(EMPTY)
    }
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    /// Path relative to the root of the corpus, for findings.
    pub(crate) file: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
    /// What was noticed while the table was read.
    pub(crate) findings: Vec<Finding>,
    /// Digest of the source.
    pub(crate) digest: String,
}

impl Table {
    /// Position of a column, by its exact name.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }

    /// Reports every column that is not in `known`.
    pub(crate) fn report_unknown_columns(&mut self, known: &[&str]) {
        for (index, column) in self.columns.iter().enumerate() {
            let repeated = self.columns[..index].contains(column);
            if repeated || !known.contains(&column.as_str()) {
                let found = if repeated { format!("{column}, a second time") } else { column.clone() };
                self.findings.push(Finding {
                    kind: FindingKind::UnknownColumn,
                    file: self.file.clone(),
                    row: None,
                    clip: None,
                    found,
                    action: Action::Kept,
                });
            }
        }
    }

    /// Fails unless all of `needed` are there.
    pub(crate) fn need_columns(&self, path: &Path, needed: &[&str]) -> Result<(), DatasetError> {
        let missing: Vec<String> =
            needed.iter().filter(|n| self.column(n).is_none()).map(|n| (*n).to_owned()).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(DatasetError::Columns { path: path.to_owned(), missing })
        }
    }
}

/// Reads a CSV file.
///
/// `names` are the columns of a file without a header; `has_header` decides from the first record whether it is
/// one. Rows of another length than the header, and values that span lines (a quote that was never closed), are
/// reported and left out.
pub(crate) fn read_csv(
    path: &Path,
    file: &str,
    names: &[&str],
    has_header: impl Fn(&[&str]) -> bool,
) -> Result<Table, DatasetError> {
    read_separated(path, file, names, has_header, Separated { separator: b',', may_span: false })
}

/// How values are told apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Separated {
    /// Between two values.
    pub(crate) separator: u8,
    /// Whether a value in quotes may span lines; where it may not, a quote that was never closed is noticed.
    pub(crate) may_span: bool,
}

/// Reads a file of separated values with a header, as [`read_csv`] does.
pub(crate) fn read_with_header(path: &Path, file: &str, form: Separated) -> Result<Table, DatasetError> {
    read_separated(path, file, &[], |_| true, form)
}

fn read_separated(
    path: &Path,
    file: &str,
    names: &[&str],
    has_header: impl Fn(&[&str]) -> bool,
    form: Separated,
) -> Result<Table, DatasetError> {
    let source = read_text(path)?;
    let mut findings = Vec::new();
    if let Some(encoding) = source.decoded_from {
        findings.push(encoding_finding(file, encoding));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(form.separator)
        .from_reader(source.text.as_bytes());
    let mut columns: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let more = reader.read_record(&mut record).map_err(|error| DatasetError::Table {
            path: path.to_owned(),
            row: error.position().map_or(0, csv::Position::line),
            expected: "values with separators between them".to_owned(),
            found: error.to_string(),
        })?;
        if !more {
            break;
        }
        let number = record.position().map_or(0, |p| line_of(&source.text, p));
        if columns.is_empty() {
            let fields: Vec<&str> = record.iter().collect();
            if fields.len() > MAX_COLUMNS {
                return Err(DatasetError::TooLarge {
                    path: path.to_owned(),
                    what: "columns",
                    limit: MAX_COLUMNS as u64,
                });
            }
            if has_header(&fields) {
                columns = fields.iter().map(|f| f.trim().to_owned()).collect();
                continue;
            }
            columns = names.iter().map(|n| (*n).to_owned()).collect();
        }
        let problem = if record.len() == columns.len() {
            lines_of(&record)
                .filter(|_| !form.may_span)
                .map(|n| format!("a value that spans {n} lines; is a quote left open?"))
        } else {
            let swallowed = lines_of(&record).map(|n| format!(" on {n} lines; is a quote left open?"));
            let swallowed = swallowed.unwrap_or_default();
            Some(format!("{} values under {} columns{swallowed}", record.len(), columns.len()))
        };
        if let Some(found) = problem {
            findings.push(malformed(file, number, found));
            continue;
        }
        if rows.len() as u64 == MAX_ROWS {
            return Err(DatasetError::TooLarge { path: path.to_owned(), what: "rows", limit: MAX_ROWS });
        }
        rows.push(Row { number, cells: record.iter().map(Cell::from_text).collect() });
    }
    Ok(Table { file: file.to_owned(), columns, rows, findings, digest: source.digest })
}

/// How many lines the longest value of a record spans, if more than one.
fn lines_of(record: &csv::StringRecord) -> Option<usize> {
    let lines = record.iter().map(|field| 1 + field.matches('\n').count()).max()?;
    (lines > 1).then_some(lines)
}

/// Line on which a record begins. The parser's position is before the line break of the record above where that has
/// two characters, and before blank lines.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    let breaks = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count();
    position.line() + breaks as u64
}

/// The finding of a file that is not plain UTF-8.
pub(crate) fn encoding_finding(file: &str, encoding: &str) -> Finding {
    Finding {
        kind: FindingKind::Encoding,
        file: file.to_owned(),
        row: None,
        clip: None,
        found: encoding.to_owned(),
        action: Action::Kept,
    }
}

/// The finding of a row that is left out because it is no clip.
pub(crate) fn malformed(file: &str, row: u64, found: String) -> Finding {
    Finding {
        kind: FindingKind::MalformedRow,
        file: file.to_owned(),
        row: Some(row),
        clip: None,
        found,
        action: Action::Dropped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(content: &str) -> Table {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, content).unwrap();
        read_csv(&path, "t.csv", &["a", "b"], |fields| fields.contains(&"a")).unwrap()
    }

    #[test]
    fn lines_end_either_way_and_quotes_hold_commas() {
        let table = table("a,b\r\n007,\"x, y\"\r\n1,\n");
        assert_eq!(table.rows[0].cells, [Cell::Text("007".into()), Cell::Text("x, y".into())]);
        assert_eq!(table.rows[1].cells, [Cell::Text("1".into()), Cell::Empty]);
        assert_eq!((table.rows[0].number, table.rows[1].number), (2, 3));
    }

    #[test]
    fn a_file_without_header_gets_the_given_names() {
        let table = table("1,2\n3,4\n");
        assert_eq!(table.columns, ["a", "b"]);
        assert_eq!(table.rows.len(), 2);
    }

    #[test]
    fn rows_of_another_length_and_open_quotes_are_reported() {
        let table = table("a,b\n1,2,3\n4,5\n6,\"7\n8,9\n");
        assert_eq!(table.rows.len(), 1);
        let found: Vec<_> = table.findings.iter().map(|f| (f.row, f.kind)).collect();
        assert_eq!(found, [(Some(2), FindingKind::MalformedRow), (Some(4), FindingKind::MalformedRow)]);
    }

    #[test]
    fn unknown_and_repeated_columns_are_reported() {
        let mut table = table("a,c,a\n");
        table.report_unknown_columns(&["a", "b"]);
        let found: Vec<_> = table.findings.iter().map(|f| f.found.as_str()).collect();
        assert_eq!(found, ["c", "a, a second time"]);
        assert!(table.need_columns(Path::new("t.csv"), &["a", "b"]).is_err());
    }
}
