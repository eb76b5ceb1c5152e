//! One writer for a run folder.

use std::path::Path;

use emomm_dataset::{FolderLock, LockError};

use super::error::RunError;

/// The lock's file.
pub const LOCK_FILE: &str = "run.lock";

/// Takes the lock of a run's folder.
///
/// # Errors
/// [`RunError::Locked`] with the name of its holder.
pub fn lock_run(folder: &Path) -> Result<FolderLock, RunError> {
    FolderLock::take(folder, LOCK_FILE).map_err(|error| match error {
        LockError::Held { path, holder } => RunError::Locked { path, holder },
        LockError::File { path, source } | LockError::Lock { path, source } => RunError::io(&path, source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_learns_who_writes() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock_run(folder.path()).unwrap();
        let error = lock_run(folder.path()).unwrap_err();
        assert!(matches!(error, RunError::Locked { .. }));
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        lock_run(folder.path()).unwrap();
    }
}
