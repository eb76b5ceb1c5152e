//! The identity of a checkpoint: a digest over the files that decide what it computes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::digest_memo::DigestMemo;
use super::header::{ModelId, hex};

/// Files that a loader may read. Others (a card, pictures) change nothing.
const EXTENSIONS: [&str; 6] = ["json", "safetensors", "txt", "jinja", "model", "npz"];

const BLOCK_BYTES: usize = 1 << 20;

impl ModelId {
    /// SHA-256 over the names and digests of a checkpoint's files, sorted by name. Large files are read by several
    /// threads.
    pub fn sha256_of(folder: &Path) -> io::Result<String> {
        Self::sha256_with(folder, None)
    }

    /// The same, where files that did not change since `memo` saw them are not read again.
    pub fn sha256_with(folder: &Path, memo: Option<&DigestMemo>) -> io::Result<String> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_read = path.extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.contains(&e));
            if is_read && path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        let mut all = Sha256::new();
        for (path, digest) in files.iter().zip(digests(&files, memo)?) {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            all.update((name.len() as u64).to_le_bytes());
            all.update(name.as_bytes());
            all.update(&digest);
        }
        if let Some(memo) = memo {
            memo.save();
        }
        Ok(hex(&all.finalize()))
    }
}

fn digests(files: &[PathBuf], memo: Option<&DigestMemo>) -> io::Result<Vec<Vec<u8>>> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(files.len().max(1));
    let mut found: Vec<(usize, io::Result<Vec<u8>>)> = thread::scope(|scope| {
        let share = |first: usize| {
            let mine = files.iter().enumerate().skip(first).step_by(threads);
            move || mine.map(|(i, path)| (i, remembered(path, memo))).collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(share(first))).collect();
        workers.into_iter().filter_map(|w| w.join().ok()).flatten().collect()
    });
    found.sort_by_key(|(i, _)| *i);
    found.into_iter().map(|(_, digest)| digest).collect()
}

fn remembered(path: &Path, memo: Option<&DigestMemo>) -> io::Result<Vec<u8>> {
    let Some(memo) = memo else { return digest(path) };
    if let Some(known) = memo.get(path).as_deref().and_then(unhex) {
        return Ok(known);
    }
    let (before, began) = (fs::metadata(path)?, SystemTime::now());
    let found = digest(path)?;
    memo.put(path, &before, began, &hex(&found));
    Ok(found)
}

/// The bytes of a digest in hex; `None` for anything else.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_digest = text.len() == 64 && text.is_ascii();
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
    if is_digest { (0..64).step_by(2).map(byte).collect() } else { None }
}

fn digest(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let n = file.read(&mut block)?;
        if n == 0 {
            return Ok(hasher.finalize().to_vec());
        }
        hasher.update(&block[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_contents_count_and_cards_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("config.json", "{}");
        put("model.safetensors", "weights");
        let first = ModelId::sha256_of(folder.path()).unwrap();
        put("README.md", "a card");
        assert_eq!(ModelId::sha256_of(folder.path()).unwrap(), first);
        put("model.safetensors", "Weights");
        let second = ModelId::sha256_of(folder.path()).unwrap();
        fs::rename(folder.path().join("config.json"), folder.path().join("other.json")).unwrap();
        let third = ModelId::sha256_of(folder.path()).unwrap();
        assert!(first != second && second != third && first.len() == 64);
    }

    #[test]
    fn what_is_remembered_is_what_would_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - std::time::Duration::from_mins(1);
        for (name, text) in [("config.json", "{}"), ("model.safetensors", "weights")] {
            fs::write(folder.path().join(name), text).unwrap();
            File::options().append(true).open(folder.path().join(name)).unwrap().set_modified(old).unwrap();
        }
        let memo = folder.path().join("beside").join("memo.json");
        let plain = ModelId::sha256_of(folder.path()).unwrap();
        for _ in 0..2 {
            let found = ModelId::sha256_with(folder.path(), Some(&DigestMemo::open(&memo))).unwrap();
            assert_eq!(found, plain);
        }
        // The memo is really used: a digest that it makes up is believed.
        let text = fs::read_to_string(&memo).unwrap();
        let real = hex(&digest(&folder.path().join("model.safetensors")).unwrap());
        fs::write(&memo, text.replace(&real, &"0".repeat(64))).unwrap();
        let believed = ModelId::sha256_with(folder.path(), Some(&DigestMemo::open(&memo))).unwrap();
        assert_ne!(believed, plain);
    }
}
