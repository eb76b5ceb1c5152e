//! Flat Parquet files: columns of optional text, numbers and flags, without the Arrow crates. The manifest is one, and
//! metadata, predictions and exported logs may be.
//!
//! The writer's output follows from its input alone (fixed creator, one row group a fixed number of rows, Snappy), so
//! that equal tables are equal files. The reader takes what pandas, polars and `datasets` write: nested columns are
//! named and skipped.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use crate::error::DatasetError;
use crate::quiet_panic::caught;

/// Rows of a row group.
const GROUP_ROWS: usize = 65_536;

/// Most rows that are read.
const MAX_ROWS: i64 = 5_000_000;

/// Most values over all columns: nulls take no byte in a file and twenty-four in memory.
const MAX_CELLS: usize = 25_000_000;

/// Most bytes of text that are read from one file: a dictionary can name one long text in very many rows.
const MAX_TEXT_BYTES: usize = 512 << 20;

/// Rows read at a time.
const BATCH_ROWS: usize = 4096;

/// Values of a column, `None` where there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// UTF-8.
    Text(Vec<Option<String>>),
    /// Single precision is read through its shortest text, so that 0.6 stays 0.6.
    Double(Vec<Option<f64>>),
    /// Whole numbers of either width.
    Integer(Vec<Option<i64>>),
    /// Truth values.
    Flag(Vec<Option<bool>>),
    /// A nested column, one of a type that no table here has, or one that was not asked for.
    Skipped,
}

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name; the parts of a nested one are joined by dots.
    pub name: String,
    /// What it holds.
    pub values: Values,
}

/// The bytes of a file with columns of text, numbers and flags, all of one length. `path` is named in errors.
pub fn write(path: &Path, columns: &[(&str, Values)]) -> Result<Vec<u8>, DatasetError> {
    encode(columns).map_err(|error| failed(path, &error))
}

fn encode(columns: &[(&str, Values)]) -> Result<Vec<u8>, ParquetError> {
    let fields = columns
        .iter()
        .map(|(name, values)| {
            let builder = match values {
                Values::Double(_) => Type::primitive_type_builder(name, PhysicalType::DOUBLE),
                Values::Integer(_) => Type::primitive_type_builder(name, PhysicalType::INT64),
                Values::Flag(_) => Type::primitive_type_builder(name, PhysicalType::BOOLEAN),
                _ => Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
                    .with_logical_type(Some(LogicalType::String)),
            };
            builder.with_repetition(Repetition::OPTIONAL).build().map(Arc::new)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
    let properties = WriterProperties::builder()
        .set_created_by("emomm".to_owned())
        .set_compression(Compression::SNAPPY)
        .build();
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let n_rows = columns.first().map_or(0, |(_, values)| match values {
        Values::Text(v) => v.len(),
        Values::Double(v) => v.len(),
        Values::Integer(v) => v.len(),
        Values::Flag(v) => v.len(),
        Values::Skipped => 0,
    });
    for start in (0..n_rows).step_by(GROUP_ROWS) {
        let end = n_rows.min(start + GROUP_ROWS);
        let mut group = file.next_row_group()?;
        for (_, values) in columns {
            let Some(mut column) = group.next_column()? else { break };
            match values {
                Values::Text(rows) => {
                    let texts =
                        rows[start..end].iter().map(|r| r.as_ref().map(|t| ByteArray::from(t.as_str())));
                    write_column::<ByteArrayType>(&mut column, texts)?;
                }
                Values::Double(rows) => {
                    write_column::<DoubleType>(&mut column, rows[start..end].iter().copied())?;
                }
                Values::Integer(rows) => {
                    write_column::<Int64Type>(&mut column, rows[start..end].iter().copied())?;
                }
                Values::Flag(rows) => {
                    write_column::<BoolType>(&mut column, rows[start..end].iter().copied())?;
                }
                Values::Skipped => {
                    return Err(ParquetError::General("a skipped column cannot be written".to_owned()));
                }
            }
            column.close()?;
        }
        group.close()?;
    }
    file.into_inner()
}

fn write_column<T: DataType>(
    column: &mut parquet::file::writer::SerializedColumnWriter<'_>,
    rows: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let mut values = Vec::new();
    let mut levels = Vec::new();
    for row in rows {
        levels.push(i16::from(row.is_some()));
        values.extend(row);
    }
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    Ok(())
}

/// The columns of a file. `path` is named in errors.
///
/// # Errors
/// A file that is damaged, or larger than what memory should hold.
pub fn read(path: &Path, bytes: Vec<u8>) -> Result<Vec<Column>, DatasetError> {
    read_columns(path, bytes, |_| true)
}

/// The columns of a file; those that are not wanted are named and skipped.
///
/// The reader of the parquet crate asserts what damaged pages break (a dictionary that never came, for one), so a panic
/// in it is caught here, unheard, and is an error of the file like any other.
///
/// # Errors
/// A file that is damaged, or of which the wanted columns are larger than what memory should hold.
pub fn read_columns(
    path: &Path,
    bytes: Vec<u8>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Column>, DatasetError> {
    caught(|| decode(path, bytes, &wanted))
        .unwrap_or_else(|| Err(failed(path, &ParquetError::General("damaged".to_owned()))))
}

fn decode(path: &Path, bytes: Vec<u8>, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Column>, DatasetError> {
    let n_bytes = bytes.len() as i64;
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(|error| failed(path, &error))?;
    check_places(&reader, n_bytes).map_err(|error| failed(path, &error))?;
    let metadata = reader.metadata().file_metadata();
    if metadata.num_rows() > MAX_ROWS {
        return Err(DatasetError::TooLarge { path: path.to_owned(), what: "rows", limit: MAX_ROWS as u64 });
    }
    let mut budget = Budget { rows: 0, cells: MAX_CELLS, text_bytes: MAX_TEXT_BYTES };
    let mut columns = Vec::new();
    for (index, column) in metadata.schema_descr().columns().iter().enumerate() {
        let parts = column.path().parts();
        let name = parts.join(".");
        let values = if parts.len() > 1 || column.max_rep_level() > 0 || !wanted(&name) {
            Values::Skipped
        } else {
            budget.rows = MAX_ROWS as usize;
            read_column(&reader, index, &mut budget).map_err(|error| match error {
                ReadError::Parquet(error) => failed(path, &error),
                ReadError::Limit(what, limit) => {
                    DatasetError::TooLarge { path: path.to_owned(), what, limit }
                }
            })?
        };
        columns.push(Column { name, values });
    }
    Ok(columns)
}

/// Checks that every column lies within the file: the reader takes that for granted, and asserts it.
fn check_places(reader: &SerializedFileReader<Bytes>, n_bytes: i64) -> Result<(), ParquetError> {
    for column in reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        let end = start.checked_add(column.compressed_size());
        let sizes = [start, column.data_page_offset(), column.compressed_size(), column.num_values()];
        if sizes.iter().any(|size| *size < 0) || end.is_none_or(|end| end > n_bytes) {
            return Err(ParquetError::General("a column lies outside the file".to_owned()));
        }
    }
    Ok(())
}

fn failed(path: &Path, error: &ParquetError) -> DatasetError {
    DatasetError::Parquet { path: path.to_owned(), message: error.to_string() }
}

/// What may still be read.
struct Budget {
    rows: usize,
    cells: usize,
    text_bytes: usize,
}

enum ReadError {
    Parquet(ParquetError),
    Limit(&'static str, u64),
}

impl From<ParquetError> for ReadError {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error)
    }
}

/// One column over all row groups.
fn read_column(
    reader: &SerializedFileReader<Bytes>,
    index: usize,
    budget: &mut Budget,
) -> Result<Values, ReadError> {
    let mut values: Option<Values> = None;
    for group in 0..reader.num_row_groups() {
        let next = match reader.get_row_group(group)?.get_column_reader(index)? {
            ColumnReader::ByteArrayColumnReader(column) => Values::Text(texts(column, budget)?),
            ColumnReader::DoubleColumnReader(column) => Values::Double(batches(column, budget, Ok)?),
            ColumnReader::FloatColumnReader(column) => {
                // Through text, so that 0.6_f32 is 0.6 and not 0.6000000238.
                Values::Double(batches(column, budget, |v| {
                    Ok(v.to_string().parse().unwrap_or(f64::from(v)))
                })?)
            }
            ColumnReader::Int32ColumnReader(column) => {
                Values::Integer(batches(column, budget, |v| Ok(i64::from(v)))?)
            }
            ColumnReader::Int64ColumnReader(column) => Values::Integer(batches(column, budget, Ok)?),
            ColumnReader::BoolColumnReader(column) => Values::Flag(batches(column, budget, Ok)?),
            _ => return Ok(Values::Skipped),
        };
        values = Some(match (values, next) {
            (None, next) => next,
            (Some(Values::Text(mut all)), Values::Text(next)) => {
                all.extend(next);
                Values::Text(all)
            }
            (Some(Values::Double(mut all)), Values::Double(next)) => {
                all.extend(next);
                Values::Double(all)
            }
            (Some(Values::Integer(mut all)), Values::Integer(next)) => {
                all.extend(next);
                Values::Integer(all)
            }
            (Some(Values::Flag(mut all)), Values::Flag(next)) => {
                all.extend(next);
                Values::Flag(all)
            }
            _ => return Ok(Values::Skipped),
        });
    }
    Ok(values.unwrap_or(Values::Text(Vec::new())))
}

fn texts(
    column: ColumnReaderImpl<ByteArrayType>,
    budget: &mut Budget,
) -> Result<Vec<Option<String>>, ReadError> {
    let mut left = budget.text_bytes;
    let texts = batches(column, budget, |value| {
        left =
            left.checked_sub(value.len()).ok_or(ReadError::Limit("bytes of text", MAX_TEXT_BYTES as u64))?;
        Ok(value.as_utf8()?.to_owned())
    })?;
    budget.text_bytes = left;
    Ok(texts)
}

fn batches<T: DataType, V: Clone>(
    mut column: ColumnReaderImpl<T>,
    budget: &mut Budget,
    mut convert: impl FnMut(T::T) -> Result<V, ReadError>,
) -> Result<Vec<Option<V>>, ReadError> {
    let mut rows = Vec::new();
    let mut levels = Vec::new();
    let mut values = Vec::new();
    loop {
        levels.clear();
        values.clear();
        let (read, _, _) = column.read_records(BATCH_ROWS, Some(&mut levels), None, &mut values)?;
        if read == 0 {
            return Ok(rows);
        }
        budget.rows = budget.rows.checked_sub(read).ok_or(ReadError::Limit("rows", MAX_ROWS as u64))?;
        budget.cells = budget.cells.checked_sub(read).ok_or(ReadError::Limit("cells", MAX_CELLS as u64))?;
        let mut values = values.drain(..);
        for row in 0..read {
            // A required column has no levels.
            let is_there = levels.get(row).is_none_or(|level| *level > 0);
            let value = if is_there { values.next() } else { None };
            rows.push(value.map(&mut convert).transpose()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<(&'static str, Values)> {
        vec![
            ("id", Values::Text(vec![Some("007".into()), Some("你".into()), None])),
            ("score", Values::Double(vec![Some(-0.6), None, Some(1.0)])),
            ("n", Values::Integer(vec![Some(-7), None, Some(i64::MAX)])),
            ("is", Values::Flag(vec![Some(true), Some(false), None])),
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = write(Path::new("t.parquet"), &columns()).unwrap();
        let read = read(Path::new("t.parquet"), bytes).unwrap();
        let expected: Vec<Column> =
            columns().into_iter().map(|(name, values)| Column { name: name.to_owned(), values }).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn columns_that_are_not_wanted_are_named_and_skipped() {
        let bytes = write(Path::new("t.parquet"), &columns()).unwrap();
        let read = read_columns(Path::new("t.parquet"), bytes, |name| name == "n").unwrap();
        let skipped = |c: &Column| c.values == Values::Skipped;
        assert_eq!(read.iter().map(skipped).collect::<Vec<_>>(), [true, true, false, true]);
        assert_eq!(read[0].name, "id");
    }

    /// A file of some kilobytes may hold any number of nulls.
    #[test]
    fn nulls_without_end_are_refused() {
        let n = 60_000;
        let names: Vec<String> = (0..=MAX_CELLS / n).map(|i| format!("c{i}")).collect();
        let columns: Vec<(&str, Values)> =
            names.iter().map(|name| (name.as_str(), Values::Flag(vec![None; n]))).collect();
        let bytes = write(Path::new("t"), &columns).unwrap();
        assert!(bytes.len() < 1 << 20, "{}", bytes.len());
        assert!(matches!(read(Path::new("t"), bytes), Err(DatasetError::TooLarge { what: "cells", .. })));
    }

    #[test]
    fn row_groups_are_joined() {
        let many: Vec<Option<String>> = (0..GROUP_ROWS + 3).map(|i| Some(i.to_string())).collect();
        let bytes = write(Path::new("t"), &[("n", Values::Text(many.clone()))]).unwrap();
        assert_eq!(read(Path::new("t"), bytes).unwrap()[0].values, Values::Text(many));
    }

    #[test]
    fn equal_tables_are_equal_files() {
        assert_eq!(write(Path::new("t"), &columns()).unwrap(), write(Path::new("t"), &columns()).unwrap());
    }

    #[test]
    fn an_empty_table_has_columns() {
        let bytes = write(Path::new("t"), &[("id", Values::Text(Vec::new()))]).unwrap();
        assert_eq!(read(Path::new("t"), bytes).unwrap()[0].values, Values::Text(Vec::new()));
    }

    /// Found by changing bytes of a file at random: a page whose dictionary is said to be elsewhere.
    #[test]
    fn a_page_without_its_dictionary_is_an_error() {
        let mut bytes = include_bytes!("../tests/fixtures/metadata.parquet").to_vec();
        bytes[872] = 212;
        assert!(matches!(read(Path::new("t"), bytes), Err(DatasetError::Parquet { .. })));
    }

    #[test]
    fn other_bytes_are_an_error() {
        assert!(read(Path::new("t"), b"PAR1 no PAR1".to_vec()).is_err());
        assert!(read(Path::new("t"), Vec::new()).is_err());
        let whole = write(Path::new("t"), &columns()).unwrap();
        assert!(read(Path::new("t"), whole[..whole.len() - 9].to_vec()).is_err());
    }
}
