//! Reference labels: what training tells, what calibration asks for, and gold items that are checked silently.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::json;

use crate::audit::{self, Actor};
use crate::clock;
use crate::error::AnnotateError;
use crate::opaque::seeded_key;
use crate::settings::Settings;
use crate::view::View;
use crate::work::{NewAssignment, Phase, STRIDE};

/// Most characters of a note.
pub(crate) const MAX_NOTE: usize = 500;

/// An item as the lead sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LeadItem {
    /// Key in the database.
    pub(crate) key: i64,
    /// The id on the lead's pages.
    pub(crate) lead_id: String,
    /// `seq` of the clip.
    pub(crate) seq: i64,
    /// What it shows.
    pub(crate) view: View,
    /// `training`, `calibration` or `main`.
    pub(crate) phase: Phase,
    /// The transcript, where it is shown.
    pub(crate) text: Option<String>,
    /// Name and type of the medium.
    pub(crate) medium: Option<(String, String)>,
    /// Label, note and whether it is a gold item.
    pub(crate) reference: Option<(i8, String, bool)>,
}

const SELECT: &str = "SELECT i.id, i.lead_id, c.seq, i.view, c.use, i.text, i.blob, i.media_type, f.label, f.note, \
    f.is_gold FROM item i JOIN clip c ON c.id = i.clip LEFT JOIN reference f ON f.item = i.id";

fn item_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<LeadItem> {
    let medium: (Option<String>, Option<String>) = (row.get(6)?, row.get(7)?);
    let label: Option<i8> = row.get(8)?;
    Ok(LeadItem {
        key: row.get(0)?,
        lead_id: row.get(1)?,
        seq: row.get(2)?,
        view: row.get(3)?,
        phase: Phase::of(row.get_ref(4)?.as_str()?),
        text: row.get(5)?,
        medium: medium.0.zip(medium.1),
        reference: match label {
            Some(label) => Some((label, row.get(9)?, row.get(10)?)),
            None => None,
        },
    })
}

/// An item by the lead's id.
pub(crate) fn by_lead_id(connection: &Connection, id: &str) -> Result<Option<LeadItem>, AnnotateError> {
    let sql = format!("{SELECT} WHERE i.lead_id = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([id], item_of).optional()?)
}

/// An item by the number of its clip.
pub(crate) fn by_seq(
    connection: &Connection,
    seq: i64,
    view: View,
) -> Result<Option<LeadItem>, AnnotateError> {
    let sql = format!("{SELECT} WHERE c.seq = ?1 AND i.view = ?2");
    Ok(connection.prepare_cached(&sql)?.query_row(params![seq, view], item_of).optional()?)
}

/// Practice items and gold items of one view.
pub(crate) fn listed(connection: &Connection, view: View) -> Result<Vec<LeadItem>, AnnotateError> {
    let sql = format!(
        "{SELECT} WHERE i.view = ?1 AND (c.use <> 'main' OR f.is_gold) \
         ORDER BY CASE c.use WHEN 'training' THEN 0 WHEN 'calibration' THEN 1 ELSE 2 END, c.seq"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_map([view], item_of)?.collect::<Result<_, _>>()?)
}

/// Sets the reference of an item, or takes it away. In main work it becomes a gold item, which everybody gets.
pub(crate) fn set(
    transaction: &Transaction<'_>,
    settings: &Settings,
    actor: &Actor,
    id: &str,
    label: Option<i8>,
    note: &str,
) -> Result<(), AnnotateError> {
    let item = by_lead_id(transaction, id)?
        .ok_or_else(|| AnnotateError::refused("item", "no such item", "an item of this project"))?;
    if note.chars().count() > MAX_NOTE {
        return Err(AnnotateError::refused("note", "a long text", format!("at most {MAX_NOTE} characters")));
    }
    let is_gold = item.phase == Phase::Main;
    match label {
        None => {
            transaction.execute("DELETE FROM reference WHERE item = ?1", [item.key])?;
        }
        Some(code) => {
            if settings.scheme.code(code.into()).is_none() {
                let expected = format!("a code of the scheme {}", settings.scheme);
                return Err(AnnotateError::refused("label", code.to_string(), expected));
            }
            transaction.execute(
                "INSERT INTO reference (item, label, note, is_gold, source, set_at) \
                 VALUES (?1, ?2, ?3, ?4, 'lead', ?5) ON CONFLICT (item) DO UPDATE \
                 SET label = excluded.label, note = excluded.note, source = 'lead', set_at = excluded.set_at",
                params![item.key, code, note, is_gold, clock::now()],
            )?;
            if is_gold {
                give_to_everybody(transaction, settings, &item)?;
            }
        }
    }
    audit::append(
        transaction,
        actor,
        "reference.set",
        &json!({ "seq": item.seq, "modality": item.view.name(), "label": label, "gold": is_gold }),
    )
}

/// Puts a gold item among the waiting items of those who would not get it.
fn give_to_everybody(
    transaction: &Transaction<'_>,
    settings: &Settings,
    item: &LeadItem,
) -> Result<(), AnnotateError> {
    let missing: Vec<(i64, i64, i64)> = {
        let mut statement = transaction.prepare(
            "SELECT a.id, p.number, coalesce((SELECT max(position) FROM assignment WHERE account = a.id \
             AND pass = p.number AND phase = 'main'), 0) FROM account a JOIN pass p ON p.account = a.id \
             WHERE a.state IN ('invited', 'active', 'locked') AND p.view = ?1 AND p.stage <> 'done' \
             AND NOT EXISTS (SELECT 1 FROM assignment s WHERE s.account = a.id AND s.item = ?2 AND s.phase = 'main')",
        )?;
        let rows = statement
            .query_map(params![item.view, item.key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (account, pass, last) in missing {
        let key = seeded_key(settings.seed, &["gold place", &account.to_string(), &item.key.to_string()]);
        let n = u64::try_from(last / STRIDE).unwrap_or(0) + 1;
        // Between two planned items, never at the place of one.
        let position = (key % n) as i64 * STRIDE + 1 + (key / n % 998) as i64;
        let row = NewAssignment {
            account,
            item: item.key,
            pass,
            phase: Phase::Main,
            attempt: 1,
            position,
            role: "gold",
        };
        row.insert(transaction)?;
    }
    Ok(())
}
