//! What lies beside the variants: caveats of `emomm chase eval` (`chase.json`), sweeps (`sweep*.json`), knock-out traces (`trace*.json`), learning curves
//! (`curve*.json`) and diagnoses (`diagnose*.json`) of other commands, and frames of clips, where they may be shown.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use emomm_eval::run::LOG_FILE;
use serde_json::Value;

use crate::error::ReportError;
use crate::inputs::{CHASE_FILE, folder_of};

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
    /// Reads what lies in the first of the folders that were given, and the caveats of all of them: of folders of variants, and
    /// of the folders that runs of variants lie in, each caveat once. A folder without such files has none.
    ///
    /// # Errors
    /// A file of such a name is not JSON.
    pub fn read<P: AsRef<Path>>(given: &[P]) -> Result<Self, ReportError> {
        let mut found = Self { caveats: caveats(given)?, ..Self::default() };
        let Some(folder) = given.first().map(AsRef::as_ref).filter(|folder| folder.is_dir()) else {
            return Ok(found);
        };
        let entries = fs::read_dir(folder).map_err(|e| failed(folder, e))?;
        let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "json") && p.is_file()) {
            let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
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
            list.push((name, json(path)?));
        }
        Ok(found)
    }
}

/// The caveats of the folders of variants that were given and of those that given runs lie in, in this order, each once.
fn caveats<P: AsRef<Path>>(given: &[P]) -> Result<Vec<String>, ReportError> {
    let mut found: Vec<String> = Vec::new();
    for folder in given.iter().map(|path| folder_of(path.as_ref())) {
        let of_run = folder.parent().filter(|_| folder.join(LOG_FILE).is_file()).map(|p| p.join(CHASE_FILE));
        let indices = [Some(folder.join(CHASE_FILE)), of_run];
        for path in indices.into_iter().flatten().filter(|path| path.is_file()) {
            let index = json(&path)?;
            for caveat in index["caveats"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !found.iter().any(|known| known == caveat) {
                    found.push(caveat.to_owned());
                }
            }
        }
    }
    Ok(found)
}

fn json(path: &Path) -> Result<Value, ReportError> {
    let bytes = fs::read(path).map_err(|e| failed(path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| failed(path, e.into()))
}

fn failed(path: &Path, source: io::Error) -> ReportError {
    ReportError::Io { path: path.to_owned(), source }
}
