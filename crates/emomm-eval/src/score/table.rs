//! A file of predictions as columns and cells of text, whatever its format.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::{Fault, ScoreFileError};
use super::{read_csv, read_jsonl, read_parquet};

/// A larger file is refused: a prediction takes some hundred bytes, so this is millions of them.
const MAX_BYTES: u64 = 1 << 30;

const EXPECTED: &str = "CSV, JSONL or Parquet";

/// A file of predictions before its cells are understood.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Names of the columns, as the file has them.
    pub(super) columns: Vec<String>,
    /// The rows that could be taken apart.
    pub(super) rows: Vec<Row>,
    /// The rows that could not.
    pub(super) faults: Vec<Fault>,
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// Counted from 1, without the header.
    pub(super) number: usize,
    /// Line of the file on which the row begins, counted from 1; 0 where a file has no lines.
    pub(super) line: usize,
    /// One text for each column; empty where there is none.
    pub(super) cells: Vec<String>,
}

impl Row {
    /// A fault of this row that leaving the row out would mend.
    pub(super) fn fault(&self, column: Option<&str>, message: String, hint: &str) -> Fault {
        let column = column.map(str::to_owned);
        Fault { row: self.number, line: self.line, column, message, hint: hint.to_owned(), skippable: true }
    }
}

/// Reads a file by its extension: `csv`, `tsv`, `jsonl`, `ndjson`, `parquet`; any other by its content.
pub(super) fn read(path: &Path) -> Result<Table, ScoreFileError> {
    let bytes = read_bytes(path)?;
    let format = |found: &str, hint: &'static str| ScoreFileError::Format {
        path: path.to_owned(),
        found: found.to_owned(),
        expected: EXPECTED,
        hint,
    };
    let extension =
        path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).unwrap_or_default();
    if bytes.starts_with(b"PAR1") || extension == "parquet" {
        return read_parquet::read(path, bytes);
    }
    let utf8 = "write the file as UTF-8; `iconv -f GBK -t UTF-8` converts, with the encoding it has for GBK";
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(format("UTF-16", utf8));
    }
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(e) => {
            let line = bytes[..e.valid_up_to()].split(|b| *b == b'\n').count();
            return Err(format(&format!("bytes on line {line} that are not UTF-8"), utf8));
        }
    };
    if text.contains('\0') {
        return Err(format("a binary file", "give a text file with one prediction on each line"));
    }
    let first = text.trim_start().chars().next();
    match extension.as_str() {
        "jsonl" | "ndjson" => read_jsonl::read(path, text),
        "csv" => read_csv::read(path, text, b','),
        "tsv" => read_csv::read(path, text, b'\t'),
        _ if first == Some('{') => read_jsonl::read(path, text),
        _ if first == Some('[') => {
            let hint = "write one object on each line, for example with pandas: \
                        `to_json(file, orient=\"records\", lines=True)`";
            Err(format("a JSON array", hint))
        }
        _ => read_csv::read(path, text, b','),
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, ScoreFileError> {
    let unreadable = |reason: String| ScoreFileError::Unreadable { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|e| unreadable(e.to_string()))?;
    let metadata = file.metadata().map_err(|e| unreadable(e.to_string()))?;
    if metadata.is_dir() {
        return Err(unreadable("found a folder, expected a file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| unreadable(e.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(unreadable(format!("found more than {MAX_BYTES} bytes, expected predictions only")));
    }
    Ok(bytes)
}
