//! Reassignment: what one annotator has not done goes to another, and new annotators join.

use std::collections::BTreeSet;

use rusqlite::{Transaction, params};
use serde_json::json;

use crate::accounts::{self, AccountState, Role};
use crate::audit::{self, Actor};
use crate::error::AnnotateError;
use crate::opaque::seeded_key;
use crate::project::Invitation;
use crate::settings::Settings;
use crate::view::View;
use crate::work::{NewAssignment, Phase, STRIDE, practice_items};

/// A new annotator with all passes and practice, and no main work yet: that comes by [`reassign`].
pub(crate) fn add_annotator(
    transaction: &Transaction<'_>,
    settings: &Settings,
    actor: &Actor,
) -> Result<Invitation, AnnotateError> {
    let n: i64 =
        transaction
            .query_row("SELECT count(*) FROM account WHERE role = 'annotator'", [], |row| row.get(0))?;
    let pseudonym = format!("A{}", n + 1);
    let account = accounts::create(transaction, actor, &pseudonym, Role::Annotator)?;
    for (number, view) in (1_i64..).zip(settings.views(usize::try_from(n).unwrap_or(0))) {
        transaction.execute(
            "INSERT INTO pass (account, number, view, stage, attempt) VALUES (?1, ?2, ?3, 'closed', 1)",
            params![account, number, view],
        )?;
        for phase in [Phase::Training, Phase::Calibration] {
            for (position, item) in
                (0_i64..).zip(practice_items(transaction, settings, (&pseudonym, number), view, phase)?)
            {
                let row =
                    NewAssignment { account, item, pass: number, phase, attempt: 1, position, role: "plain" };
                row.insert(transaction)?;
            }
        }
    }
    let token = accounts::invite(transaction, actor, &pseudonym)?;
    Ok(Invitation { account: pseudonym, role: Role::Annotator.name(), path: format!("/invite/{token}") })
}

/// Gives the main items that `from` has not answered to `to`, as far as they are not theirs already. Returns how many.
pub(crate) fn reassign(
    transaction: &Transaction<'_>,
    settings: &Settings,
    actor: &Actor,
    from: &str,
    to: &str,
) -> Result<usize, AnnotateError> {
    let (giver, taker) =
        (accounts::by_pseudonym(transaction, from)?, accounts::by_pseudonym(transaction, to)?);
    let both_annotate =
        giver.role == Role::Annotator && taker.role == Role::Annotator && giver.id != taker.id;
    if !both_annotate || matches!(taker.state, AccountState::Locked | AccountState::Withdrawn) {
        return Err(AnnotateError::refused(
            "reassignment",
            format!("{from} to {to}"),
            "two annotators, the second in use",
        ));
    }
    let items: Vec<(i64, View)> = {
        let mut statement = transaction.prepare(
            "SELECT DISTINCT s.item, i.view FROM assignment s JOIN item i ON i.id = s.item \
             WHERE s.account = ?1 AND s.phase = 'main' AND s.role <> 'repeat' \
               AND s.state IN ('waiting', 'open', 'revoked') \
               AND NOT EXISTS (SELECT 1 FROM assignment o WHERE o.account = ?2 AND o.item = s.item AND o.phase = 'main')",
        )?;
        statement
            .query_map([giver.id, taker.id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?
    };
    let mut touched = BTreeSet::new();
    for (item, view) in &items {
        let pass: i64 = transaction.query_row(
            "SELECT number FROM pass WHERE account = ?1 AND view = ?2",
            params![taker.id, view],
            |row| row.get(0),
        )?;
        let last: i64 = transaction.query_row(
            "SELECT coalesce(max(position), 0) FROM assignment WHERE account = ?1 AND pass = ?2 AND phase = 'main'",
            [taker.id, pass],
            |row| row.get(0),
        )?;
        // Among what waits, in an order of its own.
        let n = u64::try_from(last / STRIDE).unwrap_or(0) + u64::try_from(items.len()).unwrap_or(0) + 1;
        let key = seeded_key(settings.seed, &["reassigned", to, &item.to_string()]);
        let position = (key % n) as i64 * STRIDE + 1 + (key / n % 998) as i64;
        let row = NewAssignment {
            account: taker.id,
            item: *item,
            pass,
            phase: Phase::Main,
            attempt: 1,
            position,
            role: "plain",
        };
        row.insert(transaction)?;
        touched.insert(pass);
    }
    for pass in touched {
        // Who was done with a modality goes on with it; guide and practice lie behind them.
        transaction.execute(
            "UPDATE pass SET stage = 'main', done_at = NULL WHERE account = ?1 AND number = ?2 AND stage = 'done'",
            [taker.id, pass],
        )?;
    }
    // An open item of a later pass must not stay open while an earlier pass is on.
    transaction.execute(
        "UPDATE assignment SET state = 'waiting' WHERE account = ?1 AND state = 'open' \
         AND pass > (SELECT min(number) FROM pass WHERE account = ?1 AND stage <> 'done')",
        [taker.id],
    )?;
    transaction.execute(
        "UPDATE assignment SET state = 'revoked' WHERE account = ?1 AND phase = 'main' AND state IN ('waiting', 'open')",
        [giver.id],
    )?;
    audit::append(
        transaction,
        actor,
        "work.reassigned",
        &json!({ "from": from, "to": to, "items": items.len() }),
    )?;
    Ok(items.len())
}
