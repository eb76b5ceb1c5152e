//! One writer for a run folder: an advisory lock of the operating system, which ends with its process however that dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::error::RunError;

/// The lock's file. It stays behind when the lock is given up; only the lock on it counts.
pub const LOCK_FILE: &str = "run.lock";

/// Held as long as this lives.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Takes the lock of a folder, or says who holds it.
    pub fn take(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| RunError::io(&path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder may not have written its name yet.
                let _ = file.take(200).read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "it left no name" } else { holder };
                return Err(RunError::Locked { path, holder: holder.to_owned() });
            }
            Err(TryLockError::Error(e)) => return Err(RunError::io(&path, e)),
        }
        let name = format!("process {}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(name.as_bytes()))
            .map_err(|e| RunError::io(&path, e))?;
        Ok(Self { file })
    }
}

impl Drop for RunLock {
    /// Closing the file is not enough: a child process that is just being started still has a copy of it.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_learns_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunLock::take(folder.path()).unwrap();
        let error = RunLock::take(folder.path()).unwrap_err();
        assert!(matches!(error, RunError::Locked { .. }));
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        RunLock::take(folder.path()).unwrap();
    }

    #[test]
    fn a_copy_of_the_file_in_a_child_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunLock::take(folder.path()).unwrap();
        let copy = first.file.try_clone().unwrap();
        drop(first);
        RunLock::take(folder.path()).unwrap();
        drop(copy);
    }
}
