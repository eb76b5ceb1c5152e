//! Flat tables as Parquet files, for other crates of the workspace: they need no Parquet crate of their own.

use std::path::Path;

use crate::error::DatasetError;
use crate::parquet_file::{self, Values};

/// The values of a column, `None` where there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum TableColumn {
    /// Text.
    Text(Vec<Option<String>>),
    /// Numbers.
    Number(Vec<Option<f64>>),
}

/// Writes named columns of one length to `path`, beside its place until it is whole. The same columns give the same
/// bytes.
///
/// # Errors
/// Where nothing can be written, or the lengths differ.
pub fn write_table(path: &Path, columns: Vec<(&str, TableColumn)>) -> Result<(), DatasetError> {
    let length = |column: &TableColumn| match column {
        TableColumn::Text(values) => values.len(),
        TableColumn::Number(values) => values.len(),
    };
    let mut lengths = columns.iter().map(|(_, column)| length(column));
    let first = lengths.next().unwrap_or(0);
    if lengths.any(|n| n != first) {
        let message = "columns of unequal length".to_owned();
        return Err(DatasetError::Parquet { path: path.to_owned(), message });
    }
    let columns: Vec<(&str, Values)> = columns
        .into_iter()
        .map(|(name, column)| match column {
            TableColumn::Text(values) => (name, Values::Text(values)),
            TableColumn::Number(values) => (name, Values::Double(values)),
        })
        .collect();
    let bytes = parquet_file::write(path, &columns)?;
    let beside = path.with_extension("part");
    std::fs::write(&beside, bytes)
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|source| DatasetError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unequal_columns_are_refused_and_equal_ones_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let text = |n: usize| TableColumn::Text(vec![Some("x".to_owned()); n]);
        assert!(write_table(&path, vec![("a", text(1)), ("b", text(2))]).is_err());
        write_table(&path, vec![("a", text(2)), ("b", TableColumn::Number(vec![None, Some(1.5)]))]).unwrap();
        let columns = parquet_file::read(&path, std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(columns[1].values, Values::Double(vec![None, Some(1.5)]));
    }
}
