//! Files on the disk that are named by what decides their content: computed once, whatever the run.
//!
//! A name is a digest of a file's content and of words that say what was done with it. Entries are written aside and renamed, so
//! that several processes may share a folder. It is bounded: the entries that were used least recently go first.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use emomm_eval::run::hex;
use sha2::{Digest, Sha256};

/// Entries are cut down to this share of the limit, so that not every new one has to make room.
const LEFT_AFTER_EVICTION: f64 = 0.8;

const ENTRY: &str = "safetensors";

/// Digits of the folder that an entry lies in.
const SHELF_DIGITS: usize = 2;

/// Distinguishes the unfinished files of one process.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Size and time of change: while they stay, so does the content.
type FileState = (u64, Option<SystemTime>);

/// A folder of entries.
#[derive(Debug)]
pub struct ContentStore {
    folder: PathBuf,
    limit_bytes: u64,
    /// Bytes of the entries, as far as this process knows.
    used: AtomicU64,
    /// Digests of files that this process has read.
    digests: Mutex<BTreeMap<PathBuf, (FileState, [u8; 32])>>,
}

impl ContentStore {
    /// Opens a folder, which is made if need be.
    pub fn open(folder: &Path, limit_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let store = Self {
            folder: folder.to_owned(),
            limit_bytes,
            used: AtomicU64::new(0),
            digests: Mutex::default(),
        };
        let used = store.entries().iter().map(|e| e.bytes).sum();
        store.used.store(used, Ordering::Relaxed);
        store.make_room();
        Ok(store)
    }

    /// The place of what `words` say was made of a file.
    pub fn path(&self, file: &Path, words: &[&str]) -> io::Result<PathBuf> {
        let mut hasher = Sha256::new();
        for word in words {
            hasher.update((word.len() as u64).to_le_bytes());
            hasher.update(word.as_bytes());
        }
        hasher.update(self.digest(file)?);
        let name = hex(&hasher.finalize());
        let (shelf, name) = name.split_at(SHELF_DIGITS);
        Ok(self.folder.join(shelf).join(name).with_extension(ENTRY))
    }

    /// Of a file's content; read once by a process while it does not change.
    fn digest(&self, file: &Path) -> io::Result<[u8; 32]> {
        let metadata = fs::metadata(file)?;
        let state = (metadata.len(), metadata.modified().ok());
        let known = self.digests.lock().ok().and_then(|d| d.get(file).copied());
        if let Some((_, digest)) = known.filter(|(then, _)| *then == state && state.1.is_some()) {
            return Ok(digest);
        }
        let mut hasher = Sha256::new();
        let mut open = File::open(file)?;
        let mut block = vec![0; 1 << 18];
        loop {
            let n = open.read(&mut block)?;
            if n == 0 {
                break;
            }
            hasher.update(&block[..n]);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        if let Ok(mut digests) = self.digests.lock() {
            digests.insert(file.to_owned(), (state, digest));
        }
        Ok(digest)
    }

    /// The bytes of an entry, which is the last to go now; `None` where there is none.
    pub fn read(path: &Path) -> Option<Vec<u8>> {
        let bytes = fs::read(path).ok()?;
        let _ = File::options().append(true).open(path).and_then(|f| f.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Writes an entry and makes room if need be. A folder that cannot be written costs time, not an answer: then nothing is
    /// kept.
    pub fn write(&self, path: &Path, bytes: &[u8]) {
        if let Some(folder) = path.parent()
            && fs::create_dir_all(folder).is_err()
        {
            return;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unfinished = path.with_extension(format!("{}-{number}.part", std::process::id()));
        if fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, path)).is_err() {
            // Half a file on a full disk is in the way of others.
            let _ = fs::remove_file(&unfinished);
            return;
        }
        let n = bytes.len() as u64;
        if self.used.fetch_add(n, Ordering::Relaxed) + n > self.limit_bytes {
            self.make_room();
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let list = |folder: &Path| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let is_shelf =
            |e: &fs::DirEntry| e.file_name().len() == SHELF_DIGITS && e.file_type().is_ok_and(|t| t.is_dir());
        let mut entries = Vec::new();
        for shelf in list(&self.folder).filter(is_shelf) {
            for entry in list(&shelf.path()) {
                let path = entry.path();
                let Ok(metadata) = entry.metadata() else { continue };
                if path.extension().is_some_and(|e| e == ENTRY) {
                    let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    entries.push(Entry { path, bytes: metadata.len(), used });
                }
            }
        }
        entries
    }

    /// Removes the entries that were used least recently. Another process may do the same at the same time.
    fn make_room(&self) {
        let mut entries = self.entries();
        let mut used: u64 = entries.iter().map(|e| e.bytes).sum();
        if used > self.limit_bytes {
            let wanted = (self.limit_bytes as f64 * LEFT_AFTER_EVICTION) as u64;
            entries.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
            for entry in entries {
                if used <= wanted {
                    break;
                }
                let is_gone = match fs::remove_file(&entry.path) {
                    Ok(()) => true,
                    Err(e) => e.kind() == io::ErrorKind::NotFound,
                };
                if is_gone {
                    used -= entry.bytes;
                }
            }
        }
        self.used.store(used, Ordering::Relaxed);
    }
}

/// A file of the store.
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) used: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_content_and_words_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, same) = (folder.path().join("a.mp4"), folder.path().join("b.mp4"));
        fs::write(&file, "one").unwrap();
        fs::write(&same, "one").unwrap();
        let store = ContentStore::open(&folder.path().join("store"), 1 << 20).unwrap();
        let path = |file: &Path, words: &[&str]| store.path(file, words).unwrap();
        assert_eq!(path(&file, &["x", "y"]), path(&same, &["x", "y"]));
        assert_ne!(path(&file, &["x", "y"]), path(&file, &["xy", ""]));
        let before = path(&file, &["x"]);
        // Another content of another size is noticed by the process that knew the old one.
        fs::write(&file, "another").unwrap();
        assert_ne!(path(&file, &["x"]), before);
        assert!(store.path(&folder.path().join("none"), &[]).is_err());
    }
}
