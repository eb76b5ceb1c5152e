//! The audit trail: every event, appended and chained by hashes.
//!
//! Whoever changes or removes an event changes every later hash; [`check`] finds the first that does not hold. Events at
//! the end can be cut off unseen only by someone who knows no later hash: note the head that `annotate verify` prints.
//!
//! An answer is recorded by the digest of its content with a random salt, not by its content, so that a label may be
//! purged when an annotator withdraws while the chain holds.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;
use serde_json::Value;

use crate::clock::{self, Millis};
use crate::error::AnnotateError;
use crate::opaque::{digest, hex};

/// The hash before the first event.
const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Somebody at the machine, by the command line.
    Machine,
    /// An account, by its pseudonym.
    Account(String),
}

impl Actor {
    fn name(&self) -> &str {
        match self {
            Self::Machine => "machine",
            Self::Account(pseudonym) => pseudonym,
        }
    }
}

/// One event as exported.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// From 1.
    pub number: i64,
    /// When.
    pub at: Millis,
    /// The pseudonym, or `machine`.
    pub actor: String,
    /// What, for example `label.submitted`.
    pub action: String,
    /// JSON.
    pub detail: String,
    /// Of this event and all before it.
    pub hash: String,
}

fn chained(before: &str, number: i64, at: Millis, actor: &str, action: &str, detail: &str) -> String {
    // Lengths first, so that no two events have the same bytes.
    let text = format!(
        "{before}\n{number}\n{at}\n{}:{actor}\n{}:{action}\n{}:{detail}",
        actor.len(),
        action.len(),
        detail.len()
    );
    hex(&digest(text.as_bytes()))
}

/// Appends an event to the trail.
pub(crate) fn append(
    transaction: &Transaction<'_>,
    actor: &Actor,
    action: &str,
    detail: &Value,
) -> Result<(), AnnotateError> {
    let (number, before) = head(transaction)?;
    let (number, at, detail) = (number + 1, clock::now(), detail.to_string());
    let hash = chained(&before, number, at, actor.name(), action, &detail);
    transaction
        .prepare_cached(
            "INSERT INTO audit (number, at, actor, action, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![number, at, actor.name(), action, detail, hash])?;
    Ok(())
}

/// Number and hash of the last event.
pub fn head(connection: &Connection) -> Result<(i64, String), AnnotateError> {
    Ok(connection
        .prepare_cached("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .unwrap_or((0, ORIGIN.to_owned())))
}

/// Hands every event to `take`, in order.
pub fn events(
    connection: &Connection,
    mut take: impl FnMut(Event) -> Result<(), AnnotateError>,
) -> Result<(), AnnotateError> {
    let mut statement =
        connection.prepare("SELECT number, at, actor, action, detail, hash FROM audit ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(Event {
            number: row.get(0)?,
            at: row.get(1)?,
            actor: row.get(2)?,
            action: row.get(3)?,
            detail: row.get(4)?,
            hash: row.get(5)?,
        })?;
    }
    Ok(())
}

/// The number of events, and the first that is not where or what it should be.
pub fn check(connection: &Connection) -> Result<(i64, Option<i64>), AnnotateError> {
    let mut before = ORIGIN.to_owned();
    let mut count = 0;
    let mut broken = None;
    events(connection, |event| {
        count += 1;
        let hash = chained(&before, count, event.at, &event.actor, &event.action, &event.detail);
        if broken.is_none() && (event.number != count || event.hash != hash) {
            broken = Some(count);
        }
        before = event.hash;
        Ok(())
    })?;
    Ok((count, broken))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn store_with_events(n: usize) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("a.db")).unwrap();
        for i in 0..n {
            store
                .write_now(move |t| append(t, &Actor::Machine, "test", &serde_json::json!({ "i": i })))
                .unwrap();
        }
        (folder, store)
    }

    #[test]
    fn an_untouched_chain_holds() {
        let (_folder, store) = store_with_events(5);
        assert_eq!(store.read_now(check).unwrap(), (5, None));
        let (_folder, store) = store_with_events(0);
        assert_eq!(store.read_now(check).unwrap(), (0, None));
    }

    /// The triggers are dropped first: somebody with the file can do that.
    #[test]
    fn a_changed_or_removed_event_is_found() {
        for (tampering, expected) in [
            ("UPDATE audit SET detail = '{\"i\":9}' WHERE number = 3", (5, Some(3))),
            ("UPDATE audit SET at = at + 1 WHERE number = 5", (5, Some(5))),
            ("DELETE FROM audit WHERE number = 2", (4, Some(2))),
            ("DELETE FROM audit WHERE number = 1", (4, Some(1))),
        ] {
            let (_folder, store) = store_with_events(5);
            let connection = Connection::open(store.path()).unwrap();
            assert!(connection.execute(tampering, []).is_err(), "the triggers refuse: {tampering}");
            connection.execute_batch("DROP TRIGGER audit_is_kept; DROP TRIGGER audit_stays;").unwrap();
            connection.execute(tampering, []).unwrap();
            assert_eq!(store.read_now(check).unwrap(), expected, "{tampering}");
        }
    }
}
