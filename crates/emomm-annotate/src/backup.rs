//! Backup and restore: one folder with a consistent copy of the database and the derivatives.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::error::AnnotateError;
use crate::project::{BLOBS, DATABASE, Project, keep_private};
use crate::verify::{Check, verify};

/// Says that a folder is a backup, and of what.
pub const BACKUP_FILE: &str = "backup.json";

/// The content of [`BACKUP_FILE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupInfo {
    /// Version of this file.
    pub format_version: u32,
    /// Program and version that made it.
    pub created_by: String,
    /// When.
    pub created_at: String,
    /// Events of the audit trail.
    pub events: i64,
    /// Hash of the last one.
    pub head: String,
    /// Derivatives in it.
    pub blobs: usize,
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> AnnotateError + '_ {
    |source| AnnotateError::Io { path: path.to_owned(), source }
}

fn must_be_free(folder: &Path) -> Result<(), AnnotateError> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        return Err(AnnotateError::Option {
            option: "the folder".to_owned(),
            found: format!("{}, where something is", folder.display()),
            expected: "a new or an empty one".to_owned(),
        });
    }
    Ok(())
}

/// Copies a project that may be in use: the database by `VACUUM INTO`, which sees one consistent state.
///
/// # Errors
/// A folder in which something is, or where nothing can be written.
pub fn backup(project: &Project, folder: &Path) -> Result<BackupInfo, AnnotateError> {
    must_be_free(folder)?;
    let blobs = folder.join(BLOBS);
    fs::create_dir_all(&blobs).map_err(io(&blobs))?;
    keep_private(folder).map_err(io(folder))?;
    let database = folder.join(DATABASE);
    let source = Connection::open_with_flags(project.store().path(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    source.busy_timeout(std::time::Duration::from_secs(10))?;
    source.execute("VACUUM INTO ?1", [database.to_string_lossy()])?;
    let names = blob_names(&database)?;
    for name in &names {
        let (from, to) = (project.blob_path(name), blobs.join(name));
        fs::copy(&from, &to).map_err(io(&from))?;
    }
    let copy = Connection::open_with_flags(&database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let (events, head) = crate::audit::head(&copy)?;
    let info = BackupInfo {
        format_version: 1,
        created_by: concat!("emomm ", env!("CARGO_PKG_VERSION")).to_owned(),
        created_at: clock::iso(clock::now()),
        events,
        head,
        blobs: names.len(),
    };
    let path = folder.join(BACKUP_FILE);
    let text = serde_json::to_string_pretty(&info).unwrap_or_default() + "\n";
    // Last, so that a backup that was cut short is none.
    fs::write(&path, text).map_err(io(&path))?;
    for file in [&path, &database] {
        fs::File::open(file).and_then(|f| f.sync_all()).map_err(io(file))?;
    }
    Ok(info)
}

/// Makes a project from a backup, and checks it.
///
/// # Errors
/// A folder that is no whole backup, a target in which something is.
pub fn restore(backup: &Path, folder: &Path) -> Result<(Project, Vec<Check>), AnnotateError> {
    let path = backup.join(BACKUP_FILE);
    let text = fs::read(&path).map_err(|_| AnnotateError::Project {
        path: backup.to_owned(),
        found: format!("no {BACKUP_FILE}"),
        expected: "a folder that `emomm annotate backup` has finished".to_owned(),
    })?;
    let info: BackupInfo = serde_json::from_slice(&text).map_err(|e| AnnotateError::Project {
        path: path.clone(),
        found: e.to_string(),
        expected: "the description of a backup".to_owned(),
    })?;
    must_be_free(folder)?;
    let blobs = folder.join(BLOBS);
    fs::create_dir_all(&blobs).map_err(io(&blobs))?;
    keep_private(folder).map_err(io(folder))?;
    let (from, to) = (backup.join(DATABASE), folder.join(DATABASE));
    fs::copy(&from, &to).map_err(io(&from))?;
    for name in blob_names(&to)? {
        let from: PathBuf = backup.join(BLOBS).join(&name);
        fs::copy(&from, blobs.join(&name)).map_err(io(&from))?;
    }
    let project = Project::open(folder)?;
    let head = project.store().read_now(crate::audit::head)?;
    if head != (info.events, info.head.clone()) {
        return Err(AnnotateError::Project {
            path: backup.to_owned(),
            found: format!("an audit trail with head {}", head.1),
            expected: format!("head {}, as {BACKUP_FILE} says", info.head),
        });
    }
    // Whoever had a session at the time of the backup signs in again.
    project.store().write_now(|t| Ok(t.execute("DELETE FROM session", [])?))?;
    let checks = verify(&project)?;
    Ok((project, checks))
}

fn blob_names(database: &Path) -> Result<Vec<String>, AnnotateError> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut statement = connection.prepare("SELECT blob FROM item WHERE blob IS NOT NULL ORDER BY blob")?;
    let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    // Names come from a file that anybody may have written.
    if let Some(bad) = names.iter().find(|n| n.contains(['/', '\\']) || n.starts_with('.')) {
        return Err(AnnotateError::Project {
            path: database.to_owned(),
            found: format!("the file name {bad}"),
            expected: "plain names".to_owned(),
        });
    }
    Ok(names)
}
