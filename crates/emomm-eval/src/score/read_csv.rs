//! Predictions in CSV: a header, then one row for each answer. Quotes, CRLF and a byte order mark are allowed.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::error::ScoreFileError;
use super::table::{Row, Table};

/// Takes the text of a file apart.
pub(super) fn read(path: &Path, text: &str, delimiter: u8) -> Result<Table, ScoreFileError> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut table = Table::default();
    let mut number = 0;
    let (mut line, mut counted) = (1, 0);
    while advance(&mut reader, &mut record, path)? {
        let start = record_start(text, record.position().map_or(0, |p| p.byte() as usize));
        line += text.as_bytes()[counted..start].iter().map(|b| usize::from(*b == b'\n')).sum::<usize>();
        counted = start;
        if table.columns.is_empty() {
            table.columns = record.iter().map(|c| c.trim().to_owned()).collect();
            check_delimiter(path, &table.columns)?;
            continue;
        }
        number += 1;
        let mut row = Row { number, line, cells: Vec::new() };
        if record.len() == table.columns.len() {
            row.cells = record.iter().map(|c| c.trim().to_owned()).collect();
            table.rows.push(row);
        } else {
            let message =
                format!("found {} fields, expected {} as in the header", record.len(), table.columns.len());
            table.faults.push(row.fault(None, message, "put cells with a comma or a line break in quotes"));
        }
    }
    Ok(table)
}

/// Where a record begins. The reader stops before the second half of a CRLF and before blank lines, so that its own
/// count of lines is not an editor's.
fn record_start(text: &str, position: usize) -> usize {
    let breaks = text.as_bytes()[position..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    position + breaks
}

fn advance(
    reader: &mut csv::Reader<&[u8]>,
    record: &mut StringRecord,
    path: &Path,
) -> Result<bool, ScoreFileError> {
    reader
        .read_record(record)
        .map_err(|e| ScoreFileError::Unreadable { path: path.to_owned(), reason: e.to_string() })
}

/// A header that is one word with semicolons or tabs in it was written with another separator.
fn check_delimiter(path: &Path, columns: &[String]) -> Result<(), ScoreFileError> {
    let [only] = columns else { return Ok(()) };
    let (found, hint) = if only.contains(';') {
        (
            "columns separated by semicolons",
            "separate the columns by commas: pandas `to_csv(file, sep=\",\")`",
        )
    } else if only.contains('\t') {
        ("columns separated by tabs", "name the file `.tsv`, or separate the columns by commas")
    } else {
        return Ok(());
    };
    let found = found.to_owned();
    Err(ScoreFileError::Format {
        path: path.to_owned(),
        found,
        expected: "columns separated by commas",
        hint,
    })
}
