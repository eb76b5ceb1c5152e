//! The plan: every item that an annotator will get, in which pass and at which place, made before the work begins.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Phase;
use crate::design;
use crate::error::AnnotateError;
use crate::opaque::{random_id, seeded_key};
use crate::settings::Settings;
use crate::view::View;

/// A row of `assignment` that is not there yet.
pub(crate) struct NewAssignment {
    pub(crate) account: i64,
    pub(crate) item: i64,
    pub(crate) pass: i64,
    pub(crate) phase: Phase,
    pub(crate) attempt: i64,
    pub(crate) position: i64,
    pub(crate) role: &'static str,
}

impl NewAssignment {
    pub(crate) fn insert(&self, transaction: &Transaction<'_>) -> Result<(), AnnotateError> {
        transaction
            .prepare_cached(
                "INSERT INTO assignment (public_id, account, item, pass, phase, attempt, position, role, state) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'waiting')",
            )?
            .execute(params![
                random_id()?,
                self.account,
                self.item,
                self.pass,
                self.phase.name(),
                self.attempt,
                self.position,
                self.role
            ])?;
        Ok(())
    }
}

/// Gaps between positions, so that gold items and reassigned ones fit in between.
pub(crate) const STRIDE: i64 = 1000;

/// Plans the whole work of `annotators` (account ids and pseudonyms) on `clips` (ids of main clips by seq).
///
/// # Errors
/// Where the design does not fit the number of annotators.
pub fn plan(
    transaction: &Transaction<'_>,
    settings: &Settings,
    annotators: &[(i64, String)],
    clips: &[i64],
) -> Result<(), AnnotateError> {
    let design = design::assign(settings, clips.len(), annotators.len())?;
    for (index, (account, pseudonym)) in annotators.iter().enumerate() {
        let own: Vec<i64> = clips
            .iter()
            .zip(&design)
            .filter(|(_, set)| set.contains(&index))
            .map(|(clip, _)| *clip)
            .collect();
        plan_one(transaction, settings, (index, *account, pseudonym), &own)?;
    }
    Ok(())
}

/// The passes and orders of one annotator.
fn plan_one(
    transaction: &Transaction<'_>,
    settings: &Settings,
    (index, account, pseudonym): (usize, i64, &str),
    clips: &[i64],
) -> Result<(), AnnotateError> {
    let views = settings.views(index);
    let orders = design::orders(settings.seed, pseudonym, clips, views.len());
    for (view, (number, order)) in views.iter().zip((1_i64..).zip(&orders)) {
        transaction.execute(
            "INSERT INTO pass (account, number, view, stage, attempt) VALUES (?1, ?2, ?3, 'closed', 1)",
            params![account, number, view],
        )?;
        for phase in [Phase::Training, Phase::Calibration] {
            let items = practice_items(transaction, settings, (pseudonym, number), *view, phase)?;
            for (position, item) in items.into_iter().enumerate() {
                let position = position as i64;
                let row =
                    NewAssignment { account, item, pass: number, phase, attempt: 1, position, role: "plain" };
                row.insert(transaction)?;
            }
        }
        let repeats = design::with_repeats(
            settings.seed,
            &format!("{pseudonym} {number}"),
            order,
            settings.repeat_share,
            settings.repeat_distance,
        );
        for (position, (clip, is_repeat)) in repeats.into_iter().enumerate() {
            let Some(item) = item_of(transaction, clip, *view)? else { continue };
            let row = NewAssignment {
                account,
                item,
                pass: number,
                phase: Phase::Main,
                attempt: 1,
                position: (position as i64 + 1) * STRIDE,
                role: if is_repeat { "repeat" } else { "plain" },
            };
            row.insert(transaction)?;
        }
    }
    Ok(())
}

/// Items of the practice clips in one view, in an order of its own for each annotator and pass: places tell nothing about
/// which items belong to one clip.
pub(crate) fn practice_items(
    connection: &Connection,
    settings: &Settings,
    (pseudonym, pass): (&str, i64),
    view: View,
    phase: Phase,
) -> Result<Vec<i64>, AnnotateError> {
    let mut statement = connection.prepare_cached(
        "SELECT i.id, c.seq FROM item i JOIN clip c ON c.id = i.clip WHERE c.use = ?1 AND i.view = ?2",
    )?;
    let rows = statement.query_map(params![phase.name(), view], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut items: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
    items.sort_by_key(|(_, seq)| {
        seeded_key(settings.seed, &["practice order", pseudonym, &pass.to_string(), &seq.to_string()])
    });
    Ok(items.into_iter().map(|(item, _)| item).collect())
}

/// The item of a clip in one view; `None` where the clip lacks the modality.
fn item_of(connection: &Connection, clip: i64, view: View) -> Result<Option<i64>, AnnotateError> {
    Ok(connection
        .prepare_cached("SELECT id FROM item WHERE clip = ?1 AND view = ?2")?
        .query_row(params![clip, view], |row| row.get(0))
        .optional()?)
}
