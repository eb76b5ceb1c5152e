//! What lies beside the variants: caveats of `emomm chase eval` (`chase.json`), sweeps (`sweep*.json`), knock-out traces (`trace*.json`), learning curves
//! (`curve*.json`) and diagnoses (`diagnose*.json`) of other commands, and frames of clips, where they may be shown.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::ReportError;
use crate::inputs::CHASE_FILE;

/// The files of a folder of variants, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beside {
    /// What `emomm chase sweep --out` wrote.
    pub sweeps: Vec<(String, Value)>,
    /// What `emomm chase trace --out` wrote.
    pub traces: Vec<(String, Value)>,
    /// What `emomm chase train --curve-out` wrote.
    pub learning: Vec<(String, Value)>,
    /// What `emomm chase diagnose --out` wrote.
    pub diagnoses: Vec<(String, Value)>,
    /// What `emomm chase eval` says of splits that the router or settings were made on.
    pub caveats: Vec<String>,
    /// Some frames of clips by id, evenly spaced, as data URLs.
    pub frames: BTreeMap<String, Vec<String>>,
}

impl Beside {
    /// Reads them; a folder without any has none.
    ///
    /// # Errors
    /// A file of such a name is not JSON.
    pub fn read(folder: &Path) -> Result<Self, ReportError> {
        let failed = |path: &Path, source| ReportError::Io { path: path.to_owned(), source };
        let mut found = Self::default();
        if !folder.is_dir() {
            return Ok(found);
        }
        let entries = fs::read_dir(folder).map_err(|e| failed(folder, e))?;
        let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "json") && p.is_file()) {
            let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let read = || -> Result<Value, ReportError> {
                let bytes = fs::read(path).map_err(|e| failed(path, e))?;
                serde_json::from_slice(&bytes).map_err(|e| failed(path, e.into()))
            };
            if path.file_name().is_some_and(|n| n == CHASE_FILE) {
                let index = read()?;
                let told = index["caveats"].as_array().into_iter().flatten();
                found.caveats = told.filter_map(|c| c.as_str().map(str::to_owned)).collect();
                continue;
            }
            let list = if name.starts_with("sweep") {
                &mut found.sweeps
            } else if name.starts_with("trace") {
                &mut found.traces
            } else if name.starts_with("curve") {
                &mut found.learning
            } else if name.starts_with("diagnose") {
                &mut found.diagnoses
            } else {
                continue;
            };
            list.push((name, read()?));
        }
        Ok(found)
    }
}
