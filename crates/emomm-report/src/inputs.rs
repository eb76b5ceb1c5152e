//! The runs that were named: folders of a run, or a folder of variants that `emomm chase eval` wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use emomm_dataset::manifest::Manifest;
use emomm_eval::run::{LOG_FILE, Run, RunError};
use serde_json::Value;

use crate::error::ReportError;
use crate::study::{Study, origin_of};

/// Names the variants of a folder.
pub(crate) const CHASE_FILE: &str = "chase.json";

/// Opens runs and joins them to their benchmark: `bench`, or the folder that the first run's log names.
pub fn open(paths: &[PathBuf], bench: Option<&Path>) -> Result<Study, ReportError> {
    let mut folders = Vec::new();
    for path in paths {
        folders.extend(runs_of(path)?);
    }
    let names = names(&folders);
    let mut runs = Vec::with_capacity(folders.len());
    for (name, folder) in names.into_iter().zip(&folders) {
        runs.push((name, Run::open(folder).map_err(ReportError::Run)?));
    }
    let of_log = runs.first().map(|(_, run)| run.header().places.bench.clone()).unwrap_or_default();
    let bench = bench.map_or(of_log, Path::to_owned);
    let manifest = Manifest::read(&bench).map_err(ReportError::Benchmark)?;
    Study::new(&manifest, runs, origin_of(&bench))
}

/// A run's own folder, or those of its variants with the baseline first.
fn runs_of(path: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let variants = path.join(CHASE_FILE);
    if !path.is_dir() || path.join(LOG_FILE).is_file() || !variants.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let text = fs::read(&variants).map_err(|source| ReportError::Io { path: variants.clone(), source })?;
    let value: Value = serde_json::from_slice(&text).unwrap_or(Value::Null);
    let mut named: Vec<String> = value["variants"].as_array().map_or_else(Vec::new, |list| {
        let word = |v: &Value| {
            v.as_str().or_else(|| v["folder"].as_str()).or_else(|| v["name"].as_str()).map(str::to_owned)
        };
        list.iter().filter_map(word).collect()
    });
    // A name that leads out of the folder is none.
    named.retain(|n| Path::new(n).components().all(|c| matches!(c, std::path::Component::Normal(_))));
    named.retain(|n| path.join(n).join(LOG_FILE).is_file());
    if named.is_empty() {
        named = subfolders(path).unwrap_or_default();
    }
    named.sort_by_key(|n| n != "baseline");
    if named.is_empty() {
        return Err(ReportError::Run(RunError::NoRun { path: path.to_owned() }));
    }
    Ok(named.into_iter().map(|n| path.join(n)).collect())
}

fn subfolders(path: &Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.path().join(LOG_FILE).is_file() {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// The folder of a run, or of variants, that was named itself or by its log.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    let is_log = path.file_name().is_some_and(|n| n == LOG_FILE);
    let folder = path.parent().filter(|_| is_log).unwrap_or(path);
    // `.` and the like have no name of their own.
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
}

/// The folders' own names; where two are equal, with their parents' names before them, and at last with a number.
fn names(folders: &[PathBuf]) -> Vec<String> {
    let own = |path: &Path| {
        let path = folder_of(path);
        let part = |p: Option<&Path>| {
            p.and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
        };
        (part(Some(&path)), part(path.parent()))
    };
    let parts: Vec<(String, String)> = folders.iter().map(|f| own(f)).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in &parts {
        *counts.entry(name).or_default() += 1;
    }
    let longer: Vec<String> = parts
        .iter()
        .map(|(name, parent)| {
            if name.is_empty() {
                "run".to_owned()
            } else if counts[name.as_str()] > 1 {
                format!("{parent}/{name}")
            } else {
                name.clone()
            }
        })
        .collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    longer
        .into_iter()
        .map(|name| {
            let n = seen.entry(name.clone()).or_default();
            *n += 1;
            if *n > 1 { format!("{name} ({n})") } else { name }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let folders = ["a/x", "b/x", "c/y", "c/y"].map(PathBuf::from);
        assert_eq!(names(&folders), ["a/x", "b/x", "c/y", "c/y (2)"]);
    }
}
