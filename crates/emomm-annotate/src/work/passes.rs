//! Passes: one modality at a time, each with guide, training, calibration and main work, and the gates between them.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::json;

use super::Phase;
use super::plan::NewAssignment;
use crate::accounts::{self, Account, Role};
use crate::audit::{self, Actor};
use crate::clock::Millis;
use crate::error::AnnotateError;
use crate::opaque::seeded_key;
use crate::settings::{Gate, Settings};
use crate::view::View;

/// One modality of one annotator.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub(super) account: i64,
    pub(super) number: i64,
    pub(super) view: View,
    pub(super) stage: String,
    pub(super) attempt: i64,
}

/// The calibration round that is on; the other phases have one round only.
pub(super) fn attempt_of(pass: &Pass) -> i64 {
    if pass.stage == Phase::Calibration.name() { pass.attempt } else { 1 }
}

/// The first pass that is not done.
pub(super) fn current(connection: &Connection, account: i64) -> Result<Option<Pass>, AnnotateError> {
    Ok(connection
        .prepare_cached(
            "SELECT number, view, stage, attempt FROM pass \
             WHERE account = ?1 AND stage <> 'done' ORDER BY number LIMIT 1",
        )?
        .query_row([account], |row| {
            Ok(Pass {
                account,
                number: row.get(0)?,
                view: row.get(1)?,
                stage: row.get(2)?,
                attempt: row.get(3)?,
            })
        })
        .optional()?)
}

/// Whether the gate lets a closed pass open by itself. The passes before it are done.
pub(super) fn may_open(
    connection: &Connection,
    settings: &Settings,
    pass: &Pass,
) -> Result<bool, AnnotateError> {
    if pass.number == 1 {
        return Ok(true);
    }
    match settings.gate {
        Gate::OwnDone => Ok(true),
        Gate::Lead => Ok(false),
        Gate::AllDone => Ok(connection.query_row(
            "SELECT count(*) = 0 FROM assignment s JOIN account a ON a.id = s.account \
             WHERE s.pass < ?1 AND s.state IN ('waiting', 'open') AND a.state IN ('invited', 'active')",
            [pass.number],
            |row| row.get(0),
        )?),
    }
}

pub(super) fn set_stage(
    transaction: &Transaction<'_>,
    account: &Account,
    pass: &Pass,
    stage: &str,
) -> Result<(), AnnotateError> {
    transaction.execute(
        "UPDATE pass SET stage = ?3 WHERE account = ?1 AND number = ?2",
        params![pass.account, pass.number, stage],
    )?;
    audit::append(
        transaction,
        &Actor::Account(account.pseudonym.clone()),
        "pass.stage",
        &json!({ "modality": pass.view.name(), "stage": stage, "attempt": pass.attempt }),
    )
}

/// The guide was read: training begins, or after a calibration round that was not passed the next round.
pub(crate) fn read_guide(transaction: &Transaction<'_>, account: &Account) -> Result<(), AnnotateError> {
    match current(transaction, account.id)? {
        Some(pass) if pass.stage == "guide" => set_stage(transaction, account, &pass, "training"),
        _ => Ok(()),
    }
}

pub(super) fn n_waiting(
    connection: &Connection,
    account: i64,
    pass: &Pass,
    phase: Phase,
) -> Result<i64, AnnotateError> {
    Ok(connection
        .prepare_cached(
            "SELECT count(*) FROM assignment WHERE account = ?1 AND pass = ?2 AND phase = ?3 AND attempt = ?4 \
             AND state IN ('waiting', 'open')",
        )?
        .query_row(params![account, pass.number, phase.name(), attempt_of(pass)], |row| row.get(0))?)
}

/// What may be opened.
pub(super) enum Next {
    Assignment(i64),
    NotBefore(Millis),
}

/// The next waiting item whose clip this annotator has not met in another view too recently.
pub(super) fn next_waiting(
    connection: &Connection,
    settings: &Settings,
    account: i64,
    pass: &Pass,
    phase: Phase,
    now: Millis,
) -> Result<Next, AnnotateError> {
    // Practice clips are met again on purpose: the same few serve every modality.
    let gap = if phase == Phase::Main { settings.min_gap() } else { 0 };
    let mut statement = connection.prepare_cached(
        "SELECT s.id, (SELECT max(o.done_at) FROM assignment o JOIN item oi ON oi.id = o.item \
                       WHERE o.account = ?1 AND oi.clip = i.clip AND o.pass <> ?2 AND o.done_at IS NOT NULL) \
         FROM assignment s JOIN item i ON i.id = s.item \
         WHERE s.account = ?1 AND s.pass = ?2 AND s.phase = ?3 AND s.attempt = ?4 AND s.state = 'waiting' \
         ORDER BY s.position",
    )?;
    let mut rows = statement.query(params![account, pass.number, phase.name(), attempt_of(pass)])?;
    let mut not_before = Millis::MAX;
    while let Some(row) = rows.next()? {
        let last: Option<Millis> = row.get(1)?;
        // After a clock was set back, what seems to lie ahead counts as now.
        let free_at = last.map_or(Millis::MIN, |at| at.min(now).saturating_add(gap));
        if free_at <= now {
            return Ok(Next::Assignment(row.get(0)?));
        }
        not_before = not_before.min(free_at);
    }
    Ok(Next::NotBefore(not_before))
}

/// Ends a round: on to the next one, or by the pass rule to another calibration round or to the lead.
pub(super) fn finish(
    transaction: &Transaction<'_>,
    settings: &Settings,
    account: &Account,
    pass: &Pass,
    phase: Phase,
    now: Millis,
) -> Result<(), AnnotateError> {
    match phase {
        Phase::Training => set_stage(transaction, account, pass, "calibration"),
        Phase::Main => {
            transaction.execute(
                "UPDATE pass SET done_at = ?3 WHERE account = ?1 AND number = ?2",
                params![pass.account, pass.number, now],
            )?;
            set_stage(transaction, account, pass, "done")
        }
        Phase::Calibration => {
            let (n_right, n) = calibration_result(transaction, pass)?;
            let passed = n == 0 || n_right as f64 >= settings.calibration_pass * n as f64 - 1e-9;
            audit::append(
                transaction,
                &Actor::Account(account.pseudonym.clone()),
                "calibration.finished",
                &json!({ "modality": pass.view.name(), "attempt": pass.attempt, "right": n_right, "of": n }),
            )?;
            if passed {
                return set_stage(transaction, account, pass, "main");
            }
            if pass.attempt >= i64::from(settings.calibration_attempts) {
                return set_stage(transaction, account, pass, "held");
            }
            another_round(transaction, settings, account, pass)
        }
    }
}

/// Labels of the round that equal the reference, and those that have one.
fn calibration_result(connection: &Connection, pass: &Pass) -> Result<(i64, i64), AnnotateError> {
    Ok(connection.query_row(
        "SELECT count(*) FILTER (WHERE r.label = f.label), count(*) \
         FROM assignment s JOIN answer r ON r.assignment = s.id JOIN reference f ON f.item = s.item \
         WHERE s.account = ?1 AND s.pass = ?2 AND s.phase = 'calibration' AND s.attempt = ?3",
        params![pass.account, pass.number, pass.attempt],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?)
}

/// A calibration round more, in a new order and under new ids, after the guide was read again.
fn another_round(
    transaction: &Transaction<'_>,
    settings: &Settings,
    account: &Account,
    pass: &Pass,
) -> Result<(), AnnotateError> {
    let mut items: Vec<i64> = {
        let mut statement = transaction.prepare(
            "SELECT DISTINCT item FROM assignment WHERE account = ?1 AND pass = ?2 AND phase = 'calibration'",
        )?;
        statement.query_map(params![account.id, pass.number], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    let attempt = pass.attempt + 1;
    items.sort_by_key(|item| {
        seeded_key(settings.seed, &["again", &account.pseudonym, &attempt.to_string(), &item.to_string()])
    });
    for (position, item) in items.iter().enumerate() {
        let row = NewAssignment {
            account: account.id,
            item: *item,
            pass: pass.number,
            phase: Phase::Calibration,
            attempt,
            position: position as i64,
            role: "plain",
        };
        row.insert(transaction)?;
    }
    transaction.execute(
        "UPDATE pass SET attempt = ?3 WHERE account = ?1 AND number = ?2",
        params![pass.account, pass.number, attempt],
    )?;
    set_stage(transaction, account, &Pass { attempt, ..pass.clone() }, "guide")
}

/// The lead opens the next pass of an annotator, whatever the gate says.
pub fn open_pass(
    transaction: &Transaction<'_>,
    actor: &Actor,
    pseudonym: &str,
    number: i64,
) -> Result<(), AnnotateError> {
    let account = accounts::by_pseudonym(transaction, pseudonym)?;
    let pass = current(transaction, account.id)?
        .filter(|pass| pass.number == number && pass.stage == "closed")
        .ok_or_else(|| {
            AnnotateError::refused(
                "pass",
                format!("number {number}"),
                "the first that is not done and is closed",
            )
        })?;
    transaction.execute(
        "UPDATE pass SET stage = 'guide' WHERE account = ?1 AND number = ?2",
        params![account.id, number],
    )?;
    audit::append(
        transaction,
        actor,
        "pass.opened",
        &json!({ "account": pseudonym, "modality": pass.view.name() }),
    )
}

/// The lead decides about an annotator who did not pass calibration: on to the main work, or another round.
pub fn release(
    transaction: &Transaction<'_>,
    settings: &Settings,
    actor: &Actor,
    pseudonym: &str,
    to_main: bool,
) -> Result<(), AnnotateError> {
    let account = accounts::by_pseudonym(transaction, pseudonym)?;
    if account.role != Role::Annotator {
        return Err(AnnotateError::refused("account", "a lead", "an annotator"));
    }
    let pass = current(transaction, account.id)?.filter(|pass| pass.stage == "held").ok_or_else(|| {
        AnnotateError::refused("calibration", "not held", "an annotator who waits for the lead")
    })?;
    audit::append(
        transaction,
        actor,
        "calibration.decided",
        &json!({ "account": pseudonym, "modality": pass.view.name(), "to_main": to_main }),
    )?;
    if to_main {
        set_stage(transaction, &account, &pass, "main")
    } else {
        another_round(transaction, settings, &account, &pass)
    }
}
