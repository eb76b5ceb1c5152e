//! Appends records in groups: a group counts as done when it is on the disk, and not before.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use emomm_dataset::FolderLock;

use super::diff::differences;
use super::error::RunError;
use super::folder::{LOG_FILE, final_records};
use super::header::RunHeader;
use super::lock::lock_run;
use super::log_file::{DiskFile, LogFile};
use super::reader;
use super::record::{Record, RecordError, RecordStatus};

/// The only writer of a run's log. It holds the lock of the folder.
pub struct LogWriter {
    path: PathBuf,
    file: Box<dyn LogFile>,
    /// Length of what is acknowledged.
    safe_bytes: u64,
    acknowledged: usize,
    /// After a failed sync nobody knows what is on the disk: nothing more is written.
    is_broken: bool,
    lock: Option<FolderLock>,
}

impl std::fmt::Debug for LogWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogWriter")
            .field("path", &self.path)
            .field("safe_bytes", &self.safe_bytes)
            .finish_non_exhaustive()
    }
}

impl LogWriter {
    /// Begins a run in a folder, which is made if need be.
    ///
    /// # Errors
    /// A log that is there already, or another writer.
    pub fn create(folder: &Path, header: &RunHeader) -> Result<Self, RunError> {
        let path = folder.join(LOG_FILE);
        fs::create_dir_all(folder).map_err(|e| RunError::io(folder, e))?;
        let lock = lock_run(folder)?;
        if path.exists() {
            return Err(RunError::Exists { path });
        }
        Self::begin(&path, header, Some(lock))
    }

    /// Begins a run, or continues the one that is there: gives the final records that the plan can use.
    ///
    /// A torn end is cut off. A plan that differs from the log's is refused unless `accept_changes`; then a further
    /// header says from where on it holds.
    pub fn resume(
        folder: &Path,
        header: &RunHeader,
        accept_changes: bool,
    ) -> Result<(Self, Vec<Record>), RunError> {
        Self::resume_selected(folder, header, accept_changes, &|_| true)
    }

    /// As [`LogWriter::resume`]; records that `is_selected` does not hold of, which an earlier plan asked for, are no part of the
    /// run any more. They stay in the log, and a further header names them.
    pub fn resume_selected(
        folder: &Path,
        header: &RunHeader,
        accept_changes: bool,
        is_selected: &dyn Fn(&Record) -> bool,
    ) -> Result<(Self, Vec<Record>), RunError> {
        let path = folder.join(LOG_FILE);
        fs::create_dir_all(folder).map_err(|e| RunError::io(folder, e))?;
        let lock = lock_run(folder)?;
        let content = if path.exists() { reader::read(&path)? } else { reader::LogContent::default() };
        let Some(last) = content.headers.last() else {
            return Ok((Self::begin(&path, header, Some(lock))?, Vec::new()));
        };
        let diff = differences(&last.plan, &header.plan);
        if !diff.is_empty() && !accept_changes {
            return Err(RunError::PlanChanged { path, diff });
        }
        let mut header = header.clone();
        if diff.is_empty() {
            header.left_out.clone_from(&last.left_out);
        }
        let mut writer = Self::at_end(path, &content, lock)?;
        let (selected, others): (Vec<Record>, Vec<Record>) =
            content.records.into_iter().partition(is_selected);
        let records = final_records(selected, &header);
        header.left_out.extend(final_records(others, &header).into_iter().map(|record| record.key));
        if *last != header {
            writer.write(&line(&header)?, 0)?;
        }
        Ok((writer, records))
    }

    /// Continues a run under its own plan.
    pub fn reopen(folder: &Path) -> Result<(Self, RunHeader, Vec<Record>), RunError> {
        let path = folder.join(LOG_FILE);
        if !path.is_file() {
            return Err(RunError::NoRun { path: folder.to_owned() });
        }
        let lock = lock_run(folder)?;
        let content = reader::read(&path)?;
        let Some(header) = content.headers.last().cloned() else {
            return Err(RunError::NoRun { path: folder.to_owned() });
        };
        let writer = Self::at_end(path, &content, lock)?;
        let records = final_records(content.records, &header);
        Ok((writer, header, records))
    }

    /// A writer into any file, which is empty. For tests of disks that fail.
    pub fn over(path: &Path, file: Box<dyn LogFile>, header: &RunHeader) -> Result<Self, RunError> {
        let path = path.to_owned();
        let mut writer = Self { path, file, safe_bytes: 0, acknowledged: 0, is_broken: false, lock: None };
        writer.write(&line(header)?, 0)?;
        Ok(writer)
    }

    fn begin(path: &Path, header: &RunHeader, lock: Option<FolderLock>) -> Result<Self, RunError> {
        let failed = |e: io::Error| RunError::io(path, e);
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        let mut writer = Self::over(path, Box::new(DiskFile(file)), header)?;
        sync_folder(path).map_err(failed)?;
        writer.lock = lock;
        Ok(writer)
    }

    fn at_end(path: PathBuf, content: &reader::LogContent, lock: FolderLock) -> Result<Self, RunError> {
        let failed = |e: io::Error| RunError::io(&path, e);
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        let mut file = DiskFile(file);
        if content.is_torn {
            file.cut(content.whole_bytes).map_err(failed)?;
        }
        Ok(Self {
            path,
            file: Box::new(file),
            safe_bytes: content.whole_bytes,
            acknowledged: 0,
            is_broken: false,
            lock: Some(lock),
        })
    }

    /// Appends a group and returns when it is on the disk: then, and only then, its records count as done.
    ///
    /// # Errors
    /// The disk is full or fails. What was acknowledged before stays; the log is cut back to it as far as the disk
    /// allows, and this writer writes nothing more.
    pub fn append(&mut self, group: &[Record]) -> Result<(), RunError> {
        let mut bytes = Vec::with_capacity(group.len() * 512);
        for record in group {
            bytes.extend_from_slice(&readable(record)?);
        }
        self.write(&bytes, group.len())
    }

    fn write(&mut self, bytes: &[u8], n_records: usize) -> Result<(), RunError> {
        let failed =
            |source, acknowledged| RunError::Append { path: self.path.clone(), source, acknowledged };
        if self.is_broken {
            return Err(failed(io::Error::other("an earlier group could not be written"), self.acknowledged));
        }
        if let Err(error) = self.file.append(bytes).and_then(|()| self.file.sync()) {
            self.is_broken = true;
            // Where this fails too, the torn end is cut when the run is resumed.
            let _ = self.file.cut(self.safe_bytes);
            return Err(failed(error, self.acknowledged));
        }
        self.safe_bytes += bytes.len() as u64;
        self.acknowledged += n_records;
        Ok(())
    }

    /// Records that this writer has acknowledged.
    pub fn n_acknowledged(&self) -> usize {
        self.acknowledged
    }
}

/// The line of a record. What could not be read back (a number that is not finite) is replaced by an error.
fn readable(record: &Record) -> Result<Vec<u8>, RunError> {
    let bytes = line(record)?;
    if serde_json::from_slice::<Record>(&bytes).is_ok() {
        return Ok(bytes);
    }
    let message = "the record holds a number that is not finite";
    line(&Record::failed(
        record.key.clone(),
        record.sample.clone(),
        record.coalition,
        RecordStatus::Error,
        RecordError::new("not_finite", message),
    ))
}

fn line(value: &impl serde::Serialize) -> Result<Vec<u8>, RunError> {
    let mut bytes = serde_json::to_vec(value).map_err(|e| RunError::Io {
        path: LOG_FILE.into(),
        source: io::Error::new(io::ErrorKind::InvalidData, e),
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Makes the name of a new file last.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|_| cfg!(unix)) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
