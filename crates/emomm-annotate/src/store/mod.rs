//! The database: one thread writes, several connections read, both in WAL mode.
//!
//! A write is a closure over a transaction that began with `BEGIN IMMEDIATE`; its result is handed back only after the
//! commit has reached the disk (`synchronous=FULL`). So what the server acknowledges is there after a crash, and a
//! reader that turns into a writer, which SQLite would refuse at once, cannot be written down.

pub mod schema;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::error::AnnotateError;

/// How long another process may hold the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Writes that may wait; more are refused, so that a stuck disk does not fill memory.
const MAX_WAITING: usize = 512;
/// Connections that read.
const N_READERS: usize = 4;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The database of a project. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    path: Arc<PathBuf>,
    writer: SyncSender<Job>,
    readers: Arc<Readers>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a database where there is none.
    pub fn create(path: &Path) -> Result<Self, AnnotateError> {
        Self::start(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens a database and brings it to the newest version.
    pub fn open(path: &Path) -> Result<Self, AnnotateError> {
        Self::start(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn start(path: &Path, flags: OpenFlags) -> Result<Self, AnnotateError> {
        let mut connection = connect(path, flags)?;
        schema::migrate(&mut connection, path)?;
        let readers = Readers::open(path)?;
        let (writer, jobs) = sync_channel::<Job>(MAX_WAITING);
        thread::Builder::new()
            .name("annotate-writer".to_owned())
            .spawn(move || {
                for job in jobs {
                    // A job that panics is rolled back and answered as failed; those behind it are done all the same.
                    let _ = catch_unwind(AssertUnwindSafe(|| job(&mut connection)));
                }
            })
            .map_err(|source| AnnotateError::Io { path: path.to_owned(), source })?;
        Ok(Self { path: Arc::new(path.to_owned()), writer, readers: Arc::new(readers) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes and waits for it, off the async runtime.
    pub fn write_now<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, AnnotateError> + Send + 'static,
    ) -> Result<T, AnnotateError> {
        let (answer, receiver) = std::sync::mpsc::channel();
        self.send(work, move |result| drop(answer.send(result)))?;
        receiver.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Writes. The result comes after the commit.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, AnnotateError> + Send + 'static,
    ) -> Result<T, AnnotateError> {
        let (answer, receiver) = oneshot::channel();
        // The one who asked may be gone; what was committed stays.
        self.send(work, move |result| drop(answer.send(result)))?;
        receiver.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Brings all that was written into the database file and empties the log beside it, so that nothing of what was
    /// deleted is left there.
    ///
    /// # Errors
    /// Where readers hold the log for longer than writers wait.
    pub fn settle_now(&self) -> Result<(), AnnotateError> {
        let (answer, receiver) = std::sync::mpsc::channel();
        self.queue(Box::new(move |connection: &mut Connection| drop(answer.send(settled(connection)))))?;
        receiver.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// As [`settle_now`](Self::settle_now), for handlers.
    pub async fn settle(&self) -> Result<(), AnnotateError> {
        let (answer, receiver) = oneshot::channel();
        self.queue(Box::new(move |connection: &mut Connection| drop(answer.send(settled(connection)))))?;
        receiver.await.unwrap_or_else(|_| Err(gone()))
    }

    fn send<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, AnnotateError> + Send + 'static,
        answer: impl FnOnce(Result<T, AnnotateError>) + Send + 'static,
    ) -> Result<(), AnnotateError> {
        self.queue(Box::new(move |connection: &mut Connection| answer(committed(connection, work))))
    }

    fn queue(&self, job: Job) -> Result<(), AnnotateError> {
        match self.writer.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                Err(AnnotateError::Storage { message: format!("{MAX_WAITING} writes are waiting") })
            }
            Err(TrySendError::Disconnected(_)) => Err(gone()),
        }
    }

    /// Reads in one consistent snapshot, on the calling thread.
    pub fn read_now<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, AnnotateError>,
    ) -> Result<T, AnnotateError> {
        let mut lent = self.readers.take();
        let transaction = lent.connection()?.transaction()?;
        work(&transaction)
    }

    /// Reads on a thread of the blocking pool.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, AnnotateError> + Send + 'static,
    ) -> Result<T, AnnotateError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.read_now(work)).await.unwrap_or_else(|_| Err(gone()))
    }
}

fn committed<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, AnnotateError>,
) -> Result<T, AnnotateError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Dropped without a commit it is rolled back.
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

fn settled(connection: &Connection) -> Result<(), AnnotateError> {
    // The first column is 1 where a reader was in the way.
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 {
        Ok(())
    } else {
        Err(AnnotateError::Storage { message: "readers hold the log beside the database".to_owned() })
    }
}

fn gone() -> AnnotateError {
    AnnotateError::Storage { message: "the writing thread has ended".to_owned() }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, AnnotateError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    if flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // What is deleted is overwritten: labels of those who withdraw.
        connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    }
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// A fixed number of reading connections.
struct Readers {
    path: PathBuf,
    free: Mutex<Vec<Reader>>,
    returned: Condvar,
}

/// A reader that is opened when it is first used.
struct Reader {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Reader {
    fn connection(&mut self) -> Result<&mut Connection, AnnotateError> {
        if self.connection.is_none() {
            self.connection = Some(connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?);
        }
        self.connection.as_mut().ok_or_else(gone)
    }
}

impl Readers {
    fn open(path: &Path) -> Result<Self, AnnotateError> {
        let reader = || Reader { path: path.to_owned(), connection: None };
        let mut first = reader();
        first.connection()?;
        let mut free = vec![first];
        free.extend((1..N_READERS).map(|_| reader()));
        Ok(Self { path: path.to_owned(), free: Mutex::new(free), returned: Condvar::new() })
    }

    fn take(&self) -> Lent<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(reader) = free.pop() {
                return Lent { readers: self, reader: Some(reader) };
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, reader: Reader) {
        debug_assert_eq!(reader.path, self.path);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        self.returned.notify_one();
    }
}

/// A reader that goes back when it is no longer used, also after a panic.
struct Lent<'a> {
    readers: &'a Readers,
    reader: Option<Reader>,
}

impl Lent<'_> {
    fn connection(&mut self) -> Result<&mut Connection, AnnotateError> {
        self.reader.as_mut().ok_or_else(gone)?.connection()
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.readers.put(reader);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_one_job_and_no_reader() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("s.db")).unwrap();
        let put = "INSERT INTO meta (key, value) VALUES ('k', 'v')";
        let failed: Result<(), _> = store.write_now(move |t| {
            t.execute(put, [])?;
            panic!("on purpose");
        });
        assert!(failed.is_err());
        for _ in 0..2 * N_READERS {
            let read = || store.read_now(|_| -> Result<(), AnnotateError> { panic!("on purpose") });
            assert!(catch_unwind(AssertUnwindSafe(read)).is_err());
        }
        let count =
            || store.read_now(|c| Ok(c.query_row("SELECT count(*) FROM meta", [], |r| r.get::<_, i64>(0))?));
        assert_eq!(count().unwrap(), 0, "rolled back");
        store.write_now(move |t| Ok(t.execute(put, [])?)).unwrap();
        assert_eq!(count().unwrap(), 1);
    }

    /// What is deleted is not to be found in the files.
    #[test]
    fn deleted_rows_are_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let store = Store::create(&path).unwrap();
        let secret = "SECRET".repeat(300);
        let value = secret.clone();
        store
            .write_now(move |t| Ok(t.execute("INSERT INTO meta (key, value) VALUES ('k', ?1)", [value])?))
            .unwrap();
        let is_there = || {
            ["s.db", "s.db-wal"].iter().any(|name| {
                let bytes = std::fs::read(folder.path().join(name)).unwrap_or_default();
                bytes.windows(12).any(|w| w == b"SECRETSECRET")
            })
        };
        assert!(is_there());
        store.write_now(|t| Ok(t.execute("DELETE FROM meta WHERE key = 'k'", [])?)).unwrap();
        store.settle_now().unwrap();
        assert!(!is_there());
    }
}
