//! Digests of large files, remembered by path, size and time of change, so that a checkpoint is not read through at every start.
//!
//! A file that was changed without another size or time is not noticed. So a file that changed within two seconds before its
//! digest was taken is not remembered: a change right after could leave the time as it is.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The coarsest clock of a file system in use.
const CLOCK: Duration = Duration::from_secs(2);

/// Files that are remembered; more than this is not a cache of checkpoints.
const MOST_FILES: usize = 4096;

/// What a file was when its digest was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    bytes: u64,
    /// Nanoseconds since 1970.
    changed: u128,
    sha256: String,
}

/// A file of digests. What it holds is a shortcut: without it, or where it is damaged, files are read.
#[derive(Debug)]
pub struct DigestMemo {
    path: PathBuf,
    known: Mutex<BTreeMap<String, Known>>,
}

impl DigestMemo {
    /// Reads the file, if there is one.
    pub fn open(path: &Path) -> Self {
        let known = fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path: path.to_owned(), known: Mutex::new(known.unwrap_or_default()) }
    }

    /// The digest of a file that is as it was.
    pub(super) fn get(&self, file: &Path) -> Option<String> {
        let (bytes, changed) = state(&fs::metadata(file).ok()?)?;
        let known = self.known.lock().ok()?;
        let found = known.get(&name(file)?)?;
        (found.bytes == bytes && found.changed == changed).then(|| found.sha256.clone())
    }

    /// Remembers a digest that was taken between `began` and now of a file that was `before`.
    pub(super) fn put(&self, file: &Path, before: &Metadata, began: SystemTime, sha256: &str) {
        let (Some((bytes, changed)), Some(name)) = (state(before), name(file)) else { return };
        let is_settled = before.modified().is_ok_and(|t| t + CLOCK < began);
        let is_same = fs::metadata(file).ok().and_then(|now| state(&now)) == Some((bytes, changed));
        if let (true, Ok(mut known)) = (is_settled && is_same, self.known.lock()) {
            known.insert(name, Known { bytes, changed, sha256: sha256.to_owned() });
        }
    }

    /// Writes what is known, aside and then in its place; with what another process has written meanwhile. A folder that cannot
    /// be written costs time at the next start.
    pub(super) fn save(&self) {
        let Ok(known) = self.known.lock() else { return };
        let mut all = Self::open(&self.path).known.into_inner().unwrap_or_default();
        if known.iter().all(|(name, found)| all.get(name) == Some(found)) {
            return;
        }
        all.extend(known.iter().map(|(name, found)| (name.clone(), found.clone())));
        if all.len() > MOST_FILES {
            all.clone_from(&known);
        }
        let aside = self.path.with_extension(format!("{}.part", std::process::id()));
        let folder = self.path.parent().map_or(Ok(()), fs::create_dir_all);
        let json = serde_json::to_vec_pretty(&all).unwrap_or_default();
        let written =
            folder.and_then(|()| fs::write(&aside, json)).and_then(|()| fs::rename(&aside, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
    }
}

fn state(metadata: &Metadata) -> Option<(u64, u128)> {
    let changed = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some((metadata.len(), changed.as_nanos()))
}

/// The file's own place, whatever links lead to it.
fn name(file: &Path) -> Option<String> {
    file.canonicalize().ok()?.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (file, at) = (folder.path().join("model.safetensors"), folder.path().join("memo.json"));
        fs::write(&file, "weights").unwrap();
        let old = SystemTime::now() - Duration::from_mins(1);
        fs::File::options().append(true).open(&file).unwrap().set_modified(old).unwrap();
        let memo = DigestMemo::open(&at);
        assert_eq!(memo.get(&file), None);
        memo.put(&file, &fs::metadata(&file).unwrap(), SystemTime::now(), "abc");
        memo.save();
        assert_eq!(DigestMemo::open(&at).get(&file).as_deref(), Some("abc"));
        // Two processes add to one file.
        let other = folder.path().join("other.safetensors");
        fs::copy(&file, &other).unwrap();
        fs::File::options().append(true).open(&other).unwrap().set_modified(old).unwrap();
        let second = DigestMemo { path: at.clone(), known: Mutex::default() };
        second.put(&other, &fs::metadata(&other).unwrap(), SystemTime::now(), "def");
        second.save();
        let both = DigestMemo::open(&at);
        assert_eq!((both.get(&file).as_deref(), both.get(&other).as_deref()), (Some("abc"), Some("def")));
        // Another size, another time.
        fs::write(&file, "Weights!").unwrap();
        assert_eq!(DigestMemo::open(&at).get(&file), None);
        fs::write(&other, "Weights").unwrap();
        assert_eq!(DigestMemo::open(&at).get(&other), None);
    }

    #[test]
    fn a_file_that_was_just_written_and_a_damaged_memo_are_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, at) = (folder.path().join("a.safetensors"), folder.path().join("memo.json"));
        fs::write(&file, "weights").unwrap();
        let memo = DigestMemo::open(&at);
        memo.put(&file, &fs::metadata(&file).unwrap(), SystemTime::now(), "abc");
        assert_eq!(memo.get(&file), None);
        fs::write(&at, "{ no json").unwrap();
        assert_eq!(DigestMemo::open(&at).get(&file), None);
    }
}
