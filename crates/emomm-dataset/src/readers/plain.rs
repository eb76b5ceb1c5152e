//! Any table as texts, for readers outside of this crate: comma- or tab-separated, or the first sheet of an XLSX file.

use std::path::Path;

use super::spreadsheet::read_xlsx;
use super::table::{Separated, Table, read_with_header};
use crate::error::DatasetError;
use crate::finding::FindingKind;

/// A table whose cells are texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainTable {
    /// Names of the columns, white space around them taken off.
    pub columns: Vec<String>,
    /// The rows below the header.
    pub rows: Vec<PlainRow>,
}

/// A row of a [`PlainTable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainRow {
    /// Line or row of the file, counted from 1, the header included.
    pub number: u64,
    cells: Vec<String>,
}

impl PlainRow {
    /// The cell under the column at `index`, white space around it taken off; empty where there is none.
    pub fn cell(&self, index: usize) -> &str {
        self.cells.get(index).map_or("", String::as_str)
    }
}

/// Reads a table by the ending of its name: `.xlsx`, `.tsv`, anything else as CSV.
///
/// # Errors
/// An unreadable file, one beyond the limits on size, and a row of another length than the header.
pub fn read_plain(path: &Path) -> Result<PlainTable, DatasetError> {
    // Comments may have several lines.
    let table = read_by_ending(path, "table", true)?;
    if let Some(finding) = table.findings.into_iter().find(|f| f.kind == FindingKind::MalformedRow) {
        return Err(DatasetError::Table {
            path: path.to_owned(),
            row: finding.row.unwrap_or_default(),
            expected: "a value for each column".to_owned(),
            found: finding.found,
        });
    }
    let plain = |text: &str| text.trim().to_owned();
    Ok(PlainTable {
        columns: table.columns.iter().map(|name| plain(name)).collect(),
        rows: table
            .rows
            .iter()
            .map(|row| PlainRow {
                number: row.number,
                cells: row.cells.iter().map(|cell| plain(cell.text())).collect(),
            })
            .collect(),
    })
}

/// The table of a file with a header; `file` is its name in findings. See [`Separated`] for `may_span`.
pub(super) fn read_by_ending(path: &Path, file: &str, may_span: bool) -> Result<Table, DatasetError> {
    let ends_with = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    if ends_with("xlsx") {
        return read_xlsx(path, file);
    }
    let separator = if ends_with("tsv") { b'\t' } else { b',' };
    read_with_header(path, file, Separated { separator, may_span })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Result<PlainTable, DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read_plain(&path)
    }

    #[test]
    fn three_forms_say_the_same() {
        let comma = read("t.csv", b"\xef\xbb\xbfclip, T_1\nv_1, -1 \nv_2,\n").unwrap();
        assert_eq!(comma.columns, ["clip", "T_1"]);
        assert_eq!((comma.rows[0].number, comma.rows[0].cell(1), comma.rows[1].cell(1)), (2, "-1", ""));
        assert_eq!(comma.rows[0].cell(9), "");
        let long = read("t.csv", b"clip,comment\nv_1,\"two\nlines\"\nv_2,\n").unwrap();
        assert_eq!((long.rows[0].cell(1), long.rows[1].number), ("two\nlines", 4));
        assert_eq!(read("t.TSV", b"clip\tT_1\nv_1\t-1\nv_2\t\n").unwrap(), comma);
        let sheet = read("t.xlsx", include_bytes!("../../tests/fixtures/votes.xlsx")).unwrap();
        assert!(sheet.columns.contains(&"T_1".to_owned()), "{:?}", sheet.columns);
        assert!(!sheet.rows.is_empty() && sheet.rows[0].number == 2);
    }

    #[test]
    fn a_row_of_another_length_is_refused_with_its_number() {
        let error = read("t.csv", b"a,b\n1,2\n3\n").unwrap_err();
        assert!(matches!(error, DatasetError::Table { row: 3, .. }), "{error}");
        assert!(read("t.xlsx", b"no archive").is_err());
    }
}
