//! A folder that belongs to one process: an advisory lock of the operating system on a file in it, which ends with its
//! process however that dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Held as long as this lives. The file stays behind when the lock is given up; only the lock on it counts.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

/// Why a folder could not be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{}: held by {holder}", path.display())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// What the file says of its holder, for example `process 123`.
        holder: String,
    },
    /// The operating system refused the file.
    #[error("{}: {source}", path.display())]
    File {
        /// The lock's file.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// The file is there and cannot be locked, for example on a file system that knows no locks.
    #[error("{}: {source}", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// The answer of the operating system.
        source: io::Error,
    },
}

impl FolderLock {
    /// Takes the lock of a folder on the file `name` in it, or says who holds it.
    ///
    /// # Errors
    /// [`LockError::Held`] at once where another holds it: nothing is waited for.
    pub fn take(folder: &Path, name: &str) -> Result<Self, LockError> {
        let path = folder.join(name);
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = match opened {
            Ok(file) => file,
            Err(source) => return Err(LockError::File { path, source }),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { holder: holder(&file), path }),
            Err(TryLockError::Error(source)) => return Err(LockError::Lock { path, source }),
        }
        let name = format!("process {}\n", std::process::id());
        let written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(name.as_bytes()));
        let lock = Self { file };
        match written {
            Ok(()) => Ok(lock),
            Err(source) => Err(LockError::File { path, source }),
        }
    }
}

/// What the file of a lock says of its holder, who may not have written its name yet.
fn holder(file: &File) -> String {
    let mut holder = String::new();
    let _ = file.take(200).read_to_string(&mut holder);
    match holder.trim() {
        "" => "a process that left no name".to_owned(),
        holder => holder.to_owned(),
    }
}

impl Drop for FolderLock {
    /// The name goes first, so that nobody takes the next holder for this one. Closing the file is not enough: a child process that is just being started still has a copy of it.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "test.lock";

    #[test]
    fn a_second_taker_learns_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path(), NAME).unwrap();
        let error = FolderLock::take(folder.path(), NAME).unwrap_err();
        let LockError::Held { path, holder } = error else { panic!("{error}") };
        assert_eq!(path, folder.path().join(NAME));
        assert_eq!(holder, format!("process {}", std::process::id()));
        // Another name in the same folder is another lock.
        FolderLock::take(folder.path(), "other.lock").unwrap();
        drop(first);
        assert_eq!(std::fs::read_to_string(folder.path().join(NAME)).unwrap(), "");
        FolderLock::take(folder.path(), NAME).unwrap();
    }

    #[test]
    fn a_holder_that_has_not_written_its_name_is_a_holder() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join(NAME)).unwrap();
        file.try_lock().unwrap();
        let error = FolderLock::take(folder.path(), NAME).unwrap_err();
        assert!(error.to_string().contains("held by a process that left no name"), "{error}");
    }

    #[test]
    fn a_copy_of_the_file_in_a_child_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::take(folder.path(), NAME).unwrap();
        let copy = first.file.try_clone().unwrap();
        drop(first);
        FolderLock::take(folder.path(), NAME).unwrap();
        drop(copy);
    }

    /// A name that is longer than that of whoever comes next leaves nothing behind.
    #[test]
    fn the_name_of_an_earlier_holder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), "process 123456789012345678901234567890\n").unwrap();
        let _first = FolderLock::take(folder.path(), NAME).unwrap();
        let text = std::fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert_eq!(text, format!("process {}\n", std::process::id()));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = FolderLock::take(&folder.path().join("none"), NAME).unwrap_err();
        assert!(matches!(error, LockError::File { .. }), "{error}");
    }
}
