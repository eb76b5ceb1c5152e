//! `manifest.parquet`, `manifest.json` and `roots.json`: written once all of them are ready, read with a check of
//! version and digest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::columns::{columns_of, rows_of};
use super::header::{FORMAT_VERSION, ManifestHeader};
use super::row::ManifestRow;
use crate::error::DatasetError;
use crate::parquet_file;
use crate::readers::text_file::{digest_of_bytes, read_bytes};

/// The rows.
pub const PARQUET_FILE: &str = "manifest.parquet";
/// The header.
pub const HEADER_FILE: &str = "manifest.json";
/// Folders of the named roots on this machine.
pub const ROOTS_FILE: &str = "roots.json";

/// Header and rows of a benchmark.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// What it was made from, and how.
    pub header: ManifestHeader,
    /// Sorted by corpus, video and clip; each clip is followed by its masked copies.
    pub rows: Vec<ManifestRow>,
}

impl Manifest {
    /// Writes the three files into `folder`, which is made if need be. Each is written beside its place and then
    /// renamed, the header last, so that a header never stands beside rows of another build.
    pub fn write(&self, folder: &Path, roots: &BTreeMap<String, PathBuf>) -> Result<(), DatasetError> {
        fs::create_dir_all(folder).map_err(|source| DatasetError::Io { path: folder.to_owned(), source })?;
        let parquet = folder.join(PARQUET_FILE);
        let bytes = parquet_file::write(&parquet, &columns_of(&self.rows))?;
        let header = ManifestHeader { parquet_sha256: digest_of_bytes(&bytes), ..self.header.clone() };
        replace(&parquet, &bytes)?;
        replace(&folder.join(ROOTS_FILE), &json(folder, roots)?)?;
        replace(&folder.join(HEADER_FILE), &json(folder, &header)?)
    }

    /// Reads a benchmark's folder.
    ///
    /// # Errors
    /// Besides unreadable files: another format version, or rows whose digest is not the header's.
    pub fn read(folder: &Path) -> Result<Self, DatasetError> {
        let path = folder.join(HEADER_FILE);
        let text = read_bytes(&path)?;
        let failed =
            |error: serde_json::Error| DatasetError::Json { path: path.clone(), message: error.to_string() };
        // The version first: other versions may have other fields.
        let version: Version = serde_json::from_slice(&text).map_err(failed)?;
        if version.format_version != FORMAT_VERSION {
            let found = version.format_version;
            return Err(DatasetError::Version { path, found, expected: FORMAT_VERSION });
        }
        let header: ManifestHeader = serde_json::from_slice(&text).map_err(failed)?;
        let path = folder.join(PARQUET_FILE);
        let bytes = read_bytes(&path)?;
        let digest = digest_of_bytes(&bytes);
        if digest != header.parquet_sha256 {
            let message = format!("digest {digest}, {HEADER_FILE} says {}", header.parquet_sha256);
            return Err(DatasetError::Parquet { path, message });
        }
        let rows = rows_of(&path, parquet_file::read(&path, bytes)?)?;
        Ok(Self { header, rows })
    }

    /// The folders of the named roots, as the machine that built the benchmark knew them.
    pub fn read_roots(folder: &Path) -> Result<BTreeMap<String, PathBuf>, DatasetError> {
        let path = folder.join(ROOTS_FILE);
        let text = read_bytes(&path)?;
        serde_json::from_slice(&text).map_err(|error| DatasetError::Json { path, message: error.to_string() })
    }
}

#[derive(serde::Deserialize)]
struct Version {
    format_version: u32,
}

fn json(folder: &Path, value: &impl serde::Serialize) -> Result<Vec<u8>, DatasetError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| DatasetError::Json { path: folder.to_owned(), message: error.to_string() })?;
    text.push(b'\n');
    Ok(text)
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), DatasetError> {
    let beside = path.with_extension("part");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|source| DatasetError::Io { path: path.to_owned(), source })
}
