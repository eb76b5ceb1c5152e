//! Proof that a project is whole: database, audit trail, answers, derivatives, blinding.

use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;

use crate::audit;
use crate::error::AnnotateError;
use crate::opaque::{digest, hex};
use crate::project::Project;
use crate::work::{Answer, content_digest};

/// Violations that are named; all are counted.
const MAX_NAMED: usize = 20;

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What holds.
    pub name: &'static str,
    /// Things that were looked at.
    pub checked: usize,
    /// Those for which it does not hold.
    pub failed: usize,
    /// The first of them.
    pub violations: Vec<String>,
}

impl Check {
    fn of(name: &'static str, checked: usize, violations: Vec<String>) -> Self {
        let failed = violations.len();
        Self { name, checked, failed, violations: violations.into_iter().take(MAX_NAMED).collect() }
    }
}

/// Runs all checks.
///
/// # Errors
/// Where the database cannot be read at all; what is wrong with its content is a failed check.
pub fn verify(project: &Project) -> Result<Vec<Check>, AnnotateError> {
    project.store().read_now(|connection| {
        let mut checks = vec![
            integrity(connection)?,
            foreign_keys(connection)?,
            trail(connection)?,
            answers_in_trail(connection)?,
        ];
        for (name, sql, count) in RULES {
            checks.push(rule(connection, name, sql, count)?);
        }
        checks.push(derivatives(connection, project)?);
        Ok(checks)
    })
}

/// Rules that one query each proves: it lists what breaks them.
const RULES: [(&str, &str, &str); 6] = [
    (
        "every answered item has one answer that counts",
        "SELECT s.public_id FROM assignment s JOIN account a ON a.id = s.account \
         WHERE s.state = 'done' AND (SELECT count(*) FROM answer r WHERE r.assignment = s.id) <> 1",
        "SELECT count(*) FROM assignment WHERE state = 'done'",
    ),
    (
        "no answer is without an item that was done",
        "SELECT r.id FROM answer r JOIN assignment s ON s.id = r.assignment \
         WHERE s.state NOT IN ('done', 'revoked')",
        "SELECT count(*) FROM answer",
    ),
    (
        "nobody has two items open",
        "SELECT account FROM assignment WHERE state = 'open' GROUP BY account HAVING count(*) > 1",
        "SELECT count(*) FROM assignment WHERE state = 'open'",
    ),
    (
        "what is open belongs to the pass that is on",
        "SELECT s.public_id FROM assignment s JOIN item i ON i.id = s.item \
         JOIN pass p ON p.account = s.account AND p.number = s.pass \
         WHERE s.state = 'open' AND (p.view <> i.view OR p.stage <> s.phase)",
        "SELECT count(*) FROM assignment WHERE state = 'open'",
    ),
    (
        "no item of a pass that was not reached has been opened",
        "SELECT s.public_id FROM assignment s JOIN pass p ON p.account = s.account AND p.number = s.pass \
         WHERE p.stage = 'closed' AND s.opened_at IS NOT NULL",
        "SELECT count(*) FROM assignment",
    ),
    (
        "who withdrew cannot sign in and is not named",
        "SELECT a.pseudonym FROM account a WHERE a.state = 'withdrawn' AND (a.password IS NOT NULL \
         OR EXISTS (SELECT 1 FROM identity WHERE account = a.id) OR EXISTS (SELECT 1 FROM session WHERE account = a.id))",
        "SELECT count(*) FROM account WHERE state = 'withdrawn'",
    ),
];

fn rule(connection: &Connection, name: &'static str, sql: &str, count: &str) -> Result<Check, AnnotateError> {
    let checked: i64 = connection.query_row(count, [], |row| row.get(0))?;
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(n) => n.to_string(),
            value => value.as_str().unwrap_or("?").to_owned(),
        })
    })?;
    Ok(Check::of(name, usize::try_from(checked).unwrap_or(0), rows.collect::<Result<_, _>>()?))
}

fn integrity(connection: &Connection) -> Result<Check, AnnotateError> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let violations = lines.into_iter().filter(|line| line != "ok").collect();
    Ok(Check::of("the database is sound", 1, violations))
}

fn foreign_keys(connection: &Connection) -> Result<Check, AnnotateError> {
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    Ok(Check::of("rows refer to rows that are there", 1, rows.collect::<Result<_, _>>()?))
}

fn trail(connection: &Connection) -> Result<Check, AnnotateError> {
    let (count, broken) = audit::check(connection)?;
    let violations = broken.map(|n| format!("event {n}")).into_iter().collect();
    Ok(Check::of("the audit trail is unbroken", usize::try_from(count).unwrap_or(0), violations))
}

/// Every answer is as the trail says, and every answer of the trail is there unless its annotator's were purged.
fn answers_in_trail(connection: &Connection) -> Result<Check, AnnotateError> {
    let mut recorded: BTreeMap<i64, (String, String)> = BTreeMap::new();
    let mut purged: Vec<String> = Vec::new();
    audit::events(connection, |event| {
        let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
        if event.action == "label.submitted" {
            if let (Some(id), Some(digest)) = (detail["response"].as_i64(), detail["digest"].as_str()) {
                recorded.insert(id, (digest.to_owned(), event.actor));
            }
        } else if event.action == "account.withdrawn" && detail["how"] == "purge" {
            purged.extend(detail["account"].as_str().map(str::to_owned));
        }
        Ok(())
    })?;
    let mut violations = Vec::new();
    let mut checked = 0;
    let mut statement = connection
        .prepare("SELECT id, label, cannot_judge, comment, privacy, salt FROM response ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        checked += 1;
        let id: i64 = row.get(0)?;
        let label: Option<i8> = row.get(1)?;
        let reason: Option<String> = row.get(2)?;
        let answer = match (label, reason.and_then(|r| r.parse().ok())) {
            (Some(code), None) => Some(Answer::Label(code)),
            (None, Some(reason)) => Some(Answer::CannotJudge(reason)),
            _ => None,
        };
        let (comment, privacy, salt): (String, bool, String) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let found = answer.map(|answer| content_digest(&salt, answer, &comment, privacy));
        match recorded.remove(&id) {
            Some((digest, _)) if Some(&digest) == found.as_ref() => {}
            Some(_) => violations.push(format!("answer {id} is not what was recorded")),
            None => violations.push(format!("answer {id} was not recorded")),
        }
    }
    for (id, (_, actor)) in recorded {
        if !purged.contains(&actor) {
            violations.push(format!("answer {id} of {actor} is gone"));
        }
    }
    Ok(Check::of("answers are as the audit trail recorded them", checked, violations))
}

/// Derivatives are there and are what was imported.
fn derivatives(connection: &Connection, project: &Project) -> Result<Check, AnnotateError> {
    let mut statement =
        connection.prepare("SELECT blob, sha256 FROM item WHERE blob IS NOT NULL ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut violations = Vec::new();
    let mut checked = 0;
    for row in rows {
        let (blob, expected) = row?;
        checked += 1;
        match fs::read(project.blob_path(&blob)) {
            Ok(bytes) if hex(&digest(&bytes)) == expected => {}
            Ok(_) => violations.push(format!("{blob} has changed")),
            Err(error) => violations.push(format!("{blob}: {error}")),
        }
    }
    Ok(Check::of("derivatives are as imported", checked, violations))
}
