//! Predictions in Parquet: the flat columns of a file, as pandas, polars and `datasets` write them.

use std::path::Path;

use emomm_dataset::parquet_file::{self, Values};

use super::columns::is_read;
use super::error::ScoreFileError;
use super::table::{Row, Table};

/// Takes the bytes of a file apart. Floats keep a decimal point, so that `1.0` stays a score and `1` a class.
pub(super) fn read(path: &Path, bytes: Vec<u8>) -> Result<Table, ScoreFileError> {
    let columns = parquet_file::read_columns(path, bytes, is_read).map_err(|e| ScoreFileError::Format {
        path: path.to_owned(),
        found: format!("a Parquet file that cannot be read ({e})"),
        expected: "flat columns of text, numbers and truth values, uncompressed or in Snappy",
        hint: "write it again, for example with pandas: `to_parquet(file, compression=\"snappy\")`",
    })?;
    let mut table = Table::default();
    let n_rows = columns.iter().map(|c| length(&c.values)).max().unwrap_or(0);
    table.rows = (1..=n_rows).map(|number| Row { number, line: 0, cells: Vec::new() }).collect();
    for column in columns {
        let cells: Vec<String> = match column.values {
            Values::Text(values) => {
                values.into_iter().map(|v| v.unwrap_or_default().trim().to_owned()).collect()
            }
            Values::Double(values) => texts(values, |v| format!("{v:?}")),
            Values::Integer(values) => texts(values, |v| v.to_string()),
            Values::Flag(values) => texts(values, |v| v.to_string()),
            Values::Skipped if is_read(&column.name) => {
                return Err(ScoreFileError::Format {
                    path: path.to_owned(),
                    found: format!("column {} of a type that is not read", column.name),
                    expected: "text, a number or a truth value",
                    hint: "write the column as text or as a number",
                });
            }
            // Logits, tokens, columns that nobody asked for: they are named and empty.
            Values::Skipped => vec![String::new(); n_rows],
        };
        table.columns.push(column.name);
        for (row, cell) in table.rows.iter_mut().zip(cells) {
            row.cells.push(cell);
        }
    }
    let n_columns = table.columns.len();
    for row in &mut table.rows {
        row.cells.resize(n_columns, String::new());
    }
    Ok(table)
}

fn length(values: &Values) -> usize {
    match values {
        Values::Text(v) => v.len(),
        Values::Double(v) => v.len(),
        Values::Integer(v) => v.len(),
        Values::Flag(v) => v.len(),
        Values::Skipped => 0,
    }
}

fn texts<T>(values: Vec<Option<T>>, text: impl Fn(T) -> String) -> Vec<String> {
    values.into_iter().map(|v| v.map(&text).unwrap_or_default()).collect()
}
