//! Stretches of work: when a break is due, when the day is over, and how many hours are to be paid.
//!
//! A stretch goes on while no two signs of work are further apart than [`PAUSE`]; time is counted, labels are not.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Step;
use crate::accounts::Account;
use crate::clock::{MINUTE, Millis};
use crate::error::AnnotateError;
use crate::settings::Settings;

/// Without a sign of work for so long, a stretch has ended with the last one.
const PAUSE: Millis = 4 * MINUTE;

/// What counts as one day's work, whatever the time zone and whoever works past midnight.
const WORKING_DAY: Millis = 16 * 60 * MINUTE;

/// A sign of work: an item was shown or answered.
pub(super) fn touch(transaction: &Transaction<'_>, account: i64, now: Millis) -> Result<(), AnnotateError> {
    let last: Option<(i64, Millis)> = transaction
        .prepare_cached("SELECT id, last_at FROM work_span WHERE account = ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([account], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match last {
        // A clock that was set back begins another stretch, so that hours go on to be counted.
        Some((id, last_at)) if (now - last_at).abs() <= PAUSE => {
            transaction
                .prepare_cached("UPDATE work_span SET last_at = max(last_at, ?2) WHERE id = ?1")?
                .execute(params![id, now])?;
        }
        _ => {
            transaction
                .prepare_cached("INSERT INTO work_span (account, started_at, last_at) VALUES (?1, ?2, ?2)")?
                .execute(params![account, now])?;
        }
    }
    Ok(())
}

/// A break or the end of the day, where one is due.
pub(super) fn due(
    connection: &Connection,
    settings: &Settings,
    account: &Account,
    now: Millis,
) -> Result<Option<Step>, AnnotateError> {
    if settings.daily_minutes > 0
        && worked(connection, account.id, now - WORKING_DAY)? >= Millis::from(settings.daily_minutes) * MINUTE
    {
        return Ok(Some(Step::DayDone));
    }
    if settings.break_after_minutes == 0 {
        return Ok(None);
    }
    let rest = Millis::from(settings.break_minutes) * MINUTE;
    let mut statement = connection.prepare_cached(
        "SELECT started_at, last_at FROM work_span WHERE account = ?1 AND last_at > ?2 ORDER BY last_at DESC",
    )?;
    let mut rows = statement.query(params![account.id, account.rested_at.unwrap_or(Millis::MIN)])?;
    let (mut since, mut latest, mut later) = (0, None, now);
    while let Some(row) = rows.next()? {
        let (started, last): (Millis, Millis) = (row.get(0)?, row.get(1)?);
        if later - last >= rest {
            break;
        }
        since += last - started.max(account.rested_at.unwrap_or(Millis::MIN));
        latest.get_or_insert(last);
        later = started;
    }
    let is_due = since >= Millis::from(settings.break_after_minutes) * MINUTE;
    Ok(is_due.then(|| Step::Break { minutes: since / MINUTE, until: latest.unwrap_or(now) + rest }))
}

/// Milliseconds of work since a moment.
pub fn worked(connection: &Connection, account: i64, since: Millis) -> Result<Millis, AnnotateError> {
    Ok(connection
        .prepare_cached(
            "SELECT coalesce(sum(last_at - max(started_at, ?2)), 0) FROM work_span \
             WHERE account = ?1 AND last_at > ?2",
        )?
        .query_row(params![account, since], |row| row.get(0))?)
}

/// Hours of work, all told.
pub fn hours(connection: &Connection, account: i64) -> Result<f64, AnnotateError> {
    Ok(worked(connection, account, 0)? as f64 / 3_600_000.0)
}
