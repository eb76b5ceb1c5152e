//! The first sheet of an XLSX file as a table, in bounded memory.
//!
//! A spreadsheet is a ZIP archive: half a megabyte can unpack to half a gigabyte, and one cell in the last corner can
//! make a dense range of 17 billion. So the archive is unpacked into nothing once and counted, and cells are taken
//! one by one.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, copy, sink};
use std::path::Path;

use calamine::{DataRef, Reader, Xlsx};
use zip::ZipArchive;

use super::table::{Cell, MAX_COLUMNS, Row, Table};
use super::text_file::{digest_of_bytes, read_bytes};
use crate::error::DatasetError;

/// Most bytes that an archive may unpack to. The reader holds shared strings, at worst fifty bytes for five unpacked
/// ones; a sheet of 2,000 clips with fifteen votes has 3 MB.
const MAX_UNPACKED: u64 = 32 << 20;

/// Most bytes that the styles may unpack to, of which the reader holds 150 for five. A sheet that people made has 0.1 MB.
const MAX_STYLES: u64 = 2 << 20;

/// Most files in an archive.
const MAX_FILES: usize = 1000;

/// Most cells that are held, gaps before a cell included.
const MAX_CELLS: usize = 2_000_000;

/// Reads the first sheet; its first row that is not empty names the columns.
pub(crate) fn read_xlsx(path: &Path, file: &str) -> Result<Table, DatasetError> {
    let bytes = read_bytes(path)?;
    check_size(path, &bytes)?;
    let digest = digest_of_bytes(&bytes);
    let failed = |error: calamine::XlsxError| DatasetError::Spreadsheet {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(failed)?;
    let name = book
        .sheet_names()
        .first()
        .cloned()
        .ok_or_else(|| DatasetError::Spreadsheet { path: path.to_owned(), message: "no sheet".to_owned() })?;
    let mut rows: BTreeMap<u32, Vec<Cell>> = BTreeMap::new();
    let mut held = 0;
    let mut cells = book.worksheet_cells_reader(&name).map_err(failed)?;
    while let Some(cell) = cells.next_cell().map_err(failed)? {
        let value = cell_of(cell.get_value());
        if value == Cell::Empty {
            continue;
        }
        let (row, column) = cell.get_position();
        let column = column as usize;
        if column >= MAX_COLUMNS {
            let limit = MAX_COLUMNS as u64;
            return Err(DatasetError::TooLarge { path: path.to_owned(), what: "columns", limit });
        }
        let row = rows.entry(row).or_default();
        if row.len() <= column {
            held += column + 1 - row.len();
            if held > MAX_CELLS {
                let limit = MAX_CELLS as u64;
                return Err(DatasetError::TooLarge { path: path.to_owned(), what: "cells", limit });
            }
            row.resize(column + 1, Cell::Empty);
        }
        row[column] = value;
    }
    let columns = rows
        .pop_first()
        .map(|(_, header)| header.iter().map(|c| c.text().trim().to_owned()).collect())
        .unwrap_or_default();
    let rows = rows.into_iter().map(|(number, cells)| Row { number: u64::from(number) + 1, cells }).collect();
    Ok(Table { file: file.to_owned(), columns, rows, findings: Vec::new(), digest })
}

fn cell_of(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty | DataRef::Error(_) => Cell::Empty,
        DataRef::Int(number) => Cell::Number(number.to_string()),
        DataRef::Float(number) => Cell::Number(number.to_string()),
        DataRef::Bool(flag) => Cell::Text(flag.to_string()),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            Cell::Text(text.clone())
        }
        DataRef::SharedString(text) => Cell::Text((*text).to_owned()),
        DataRef::DateTime(date) => Cell::Number(date.as_f64().to_string()),
    }
}

/// Unpacks every file of the archive into nothing and counts. Sizes that the archive declares are not believed.
fn check_size(path: &Path, bytes: &[u8]) -> Result<(), DatasetError> {
    let failed = |message: String| DatasetError::Spreadsheet { path: path.to_owned(), message };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| failed(e.to_string()))?;
    if archive.len() > MAX_FILES {
        return Err(DatasetError::TooLarge { path: path.to_owned(), what: "files", limit: MAX_FILES as u64 });
    }
    let mut left = MAX_UNPACKED;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|e| failed(e.to_string()))?;
        let is_styles = file.name_raw().to_ascii_lowercase().ends_with(b"styles.xml");
        let unpacked = copy(&mut file.take(left + 1), &mut sink()).map_err(|e| failed(e.to_string()))?;
        if is_styles && unpacked > MAX_STYLES {
            let limit = MAX_STYLES;
            return Err(DatasetError::TooLarge { path: path.to_owned(), what: "bytes of styles", limit });
        }
        left = left.checked_sub(unpacked).ok_or_else(|| DatasetError::TooLarge {
            path: path.to_owned(),
            what: "unpacked bytes",
            limit: MAX_UNPACKED,
        })?;
    }
    Ok(())
}
