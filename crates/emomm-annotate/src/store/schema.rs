//! The versions of the schema, and the way from an older one to the newest.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::AnnotateError;

/// Every released version in order. `user_version` of the database counts those applied.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001.sql")];

/// The newest version.
pub const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Brings a database to the newest version, each step whole or not at all.
///
/// # Errors
/// A database of a newer version is refused.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), AnnotateError> {
    migrate_to(connection, path, NEWEST)
}

/// Brings a database to `version`; for tests of migrations.
pub(crate) fn migrate_to(
    connection: &mut Connection,
    path: &Path,
    version: i64,
) -> Result<(), AnnotateError> {
    let found = version_of(connection)?;
    if found > NEWEST {
        return Err(AnnotateError::Version { path: path.to_owned(), found, expected: NEWEST });
    }
    for next in found..version {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(MIGRATIONS[usize::try_from(next).unwrap_or(0)])?;
        transaction.pragma_update(None, "user_version", next + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The version that a database has.
pub(crate) fn version_of(connection: &Connection) -> Result<i64, AnnotateError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of every kind that a released version can hold.
    const ROWS: &str = "\
        INSERT INTO meta VALUES ('settings', '{}');
        INSERT INTO clip VALUES (1, 1, 'cmu-mosi', 'cmu-mosi', 'v', '1', 'en', 'main');
        INSERT INTO item VALUES (1, 'l1', 1, 'text', 'words', NULL, NULL, NULL, NULL, 'plain', NULL);
        INSERT INTO reference VALUES (1, -1, '', 1, 'lead', 5);
        INSERT INTO account VALUES (1, 'A1', 'annotator', 'active', 'hash', 'en', '{}', 1, 2, NULL, NULL, 'q', 1);
        INSERT INTO identity VALUES (1, 'kim');
        INSERT INTO pass VALUES (1, 1, 'text', 'main', 1, NULL);
        INSERT INTO assignment VALUES (1, 'p1', 1, 1, 1, 'main', 1, 1000, 'plain', 'done', 3, 4);
        INSERT INTO response VALUES (1, 1, 1, 1, -1, NULL, '', 0, 1, 10, 20, 0, 'en', 'key-12345', 'salt', 4);
        INSERT INTO adjudication VALUES (1, 1, 0, 'mixed', '', 1, 6);
        INSERT INTO work_span VALUES (1, 1, 3, 4);
        INSERT INTO audit VALUES (1, 4, 'A1', 'label.submitted', '{}', 'h');";

    #[test]
    fn every_released_version_comes_to_the_newest_with_its_rows() {
        for version in 1..=NEWEST {
            let mut connection = Connection::open_in_memory().unwrap();
            let path = Path::new("m.db");
            migrate_to(&mut connection, path, version).unwrap();
            assert_eq!(version_of(&connection).unwrap(), version);
            connection.execute_batch(ROWS).unwrap();
            migrate(&mut connection, path).unwrap();
            // Twice is as once.
            migrate(&mut connection, path).unwrap();
            assert_eq!(version_of(&connection).unwrap(), NEWEST);
            let label: i64 = connection.query_row("SELECT label FROM answer", [], |row| row.get(0)).unwrap();
            assert_eq!(label, -1);
            let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(sound, "ok");
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE clip (id INTEGER)").unwrap();
        assert!(migrate(&mut connection, Path::new("m.db")).is_err());
        assert_eq!(version_of(&connection).unwrap(), 0);
        let n: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(n, 1);
    }

    #[test]
    fn what_was_answered_cannot_be_changed_or_deleted() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, Path::new("m.db")).unwrap();
        connection.execute_batch(ROWS).unwrap();
        for statement in [
            "UPDATE response SET label = 1",
            "DELETE FROM response",
            "UPDATE adjudication SET label = 1",
            "DELETE FROM adjudication",
            "DELETE FROM audit",
            "INSERT INTO assignment VALUES (2, 'p2', 1, 1, 1, 'main', 1, 2, 'plain', 'open', 1, NULL), \
             (3, 'p3', 1, 1, 1, 'main', 1, 3, 'plain', 'open', 1, NULL)",
        ] {
            assert!(connection.execute_batch(statement).is_err(), "{statement}");
        }
        connection.execute_batch("UPDATE account SET state = 'withdrawn'; DELETE FROM response").unwrap();
    }
}
