//! One writer for the folder of a world: an advisory lock of the operating system, which ends with its process however
//! that dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use crate::error::SynthError;
use crate::world::io;

/// The lock's file. It stays behind when the lock is given up; only the lock on it counts.
pub(crate) const LOCK_FILE: &str = "world.lock";

/// Held as long as this lives.
#[derive(Debug)]
pub(crate) struct WorldLock {
    file: File,
}

impl WorldLock {
    /// Takes the lock of a folder, or says who holds it.
    pub(crate) fn take(folder: &Path) -> Result<Self, SynthError> {
        let path = folder.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder may not have written its name yet.
                let _ = file.take(200).read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "a process that left no name" } else { holder };
                return Err(SynthError::Busy { folder: folder.to_owned(), holder: holder.to_owned() });
            }
            Err(TryLockError::Error(e)) => return Err(io("lock", &path)(e)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "process {}", std::process::id()))
            .map_err(io("write", &path))?;
        Ok(Self { file })
    }
}

impl Drop for WorldLock {
    /// Closing the file is not enough: a child process that is just being started still has a copy of it.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}
