//! A run that is written in one go: it is there as a whole or not at all.

use std::fs;
use std::path::Path;

use super::error::RunError;
use super::folder::LOG_FILE;
use super::lock::lock_run;
use super::writer::sync_folder;

/// Folder within the run where its log grows before it moves to its place. Nobody else calls a folder so.
const GROWING_FOLDER: &str = ".emomm-growing";

/// Lets `write` make a log in a folder of its own within `out`, and puts it in its place when it is whole. What an attempt that
/// was cut off has left there is removed first.
///
/// # Errors
/// A log that is there already, another writer, and what `write` gives.
pub fn write_whole<T, E: From<RunError>>(
    out: &Path,
    write: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    fs::create_dir_all(out).map_err(|e| RunError::io(out, e))?;
    let _lock = lock_run(out)?;
    let (log, growing) = (out.join(LOG_FILE), out.join(GROWING_FOLDER));
    if log.exists() {
        return Err(RunError::Exists { path: log }.into());
    }
    if growing.exists() {
        fs::remove_dir_all(&growing).map_err(|e| RunError::io(&growing, e))?;
    }
    let written = write(&growing);
    if written.is_ok() {
        fs::rename(growing.join(LOG_FILE), &log)
            .and_then(|()| sync_folder(&log))
            .map_err(|e| RunError::io(&log, e))?;
    }
    // What cannot be removed now is removed by the next attempt.
    let _ = fs::remove_dir_all(&growing);
    written
}
