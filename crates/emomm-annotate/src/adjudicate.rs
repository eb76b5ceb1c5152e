//! Adjudication: items on which annotators differ, decided by the lead without knowing who said what.
//!
//! The queue holds one modality at a time, in an order that has nothing to do with the clips. What was decided is written
//! beside the votes; the votes stay.

use rusqlite::{Connection, Transaction, params};
use serde_json::json;

use crate::accounts::Account;
use crate::audit::{self, Actor};
use crate::clock;
use crate::error::AnnotateError;
use crate::opaque::seeded_key;
use crate::references::{LeadItem, MAX_NOTE, by_lead_id};
use crate::settings::Settings;
use crate::view::View;
use crate::votes::votes;

/// Why annotators differed.
pub(crate) const CATEGORIES: [&str; 6] = ["ambiguous", "mixed", "irony", "weak", "technical", "mistake"];

/// Which items come into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The votes lie far apart: at least two classes for −1, 0, 1, else half the scale.
    Range,
    /// No label has more than half of the votes.
    NoMajority,
}

impl Rule {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::NoMajority => "no-majority",
        }
    }

    pub(crate) fn of(word: &str) -> Self {
        if word == "range" { Self::Range } else { Self::NoMajority }
    }

    fn applies(self, settings: &Settings, votes: &[i8]) -> bool {
        if votes.len() < 2 {
            return false;
        }
        match self {
            Self::Range => {
                let (low, high) = votes.iter().fold((i8::MAX, i8::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
                high - low >= settings.scheme.greatest_code().max(2)
            }
            Self::NoMajority => {
                let most = votes.iter().map(|v| votes.iter().filter(|w| *w == v).count()).max().unwrap_or(0);
                2 * most <= votes.len()
            }
        }
    }
}

/// An item of the queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    /// The item.
    pub(crate) item: LeadItem,
    /// The votes, ascending: without names and without the order of the annotators.
    pub(crate) votes: Vec<i8>,
    /// What was decided before.
    pub(crate) decided: Option<i8>,
}

/// The cases of one view; those that are not decided come first.
pub(crate) fn queue(
    connection: &Connection,
    settings: &Settings,
    view: View,
    rule: Rule,
) -> Result<Vec<Case>, AnnotateError> {
    let table = votes(connection, view)?;
    let mut cases = Vec::new();
    for voted in &table.items {
        let mut given: Vec<i8> = voted.votes.iter().flatten().copied().collect();
        if !rule.applies(settings, &given) {
            continue;
        }
        given.sort_unstable();
        let lead_id: String =
            connection.query_row("SELECT lead_id FROM item WHERE id = ?1", [voted.key], |row| row.get(0))?;
        let Some(item) = by_lead_id(connection, &lead_id)? else { continue };
        cases.push(Case { decided: decided(connection, item.key)?, item, votes: given });
    }
    cases.sort_by_key(|c| (c.decided.is_some(), seeded_key(settings.seed, &["adjudicate", &c.item.lead_id])));
    Ok(cases)
}

/// The newest decision about an item.
pub(crate) fn decided(connection: &Connection, item: i64) -> Result<Option<i8>, AnnotateError> {
    let mut statement = connection
        .prepare_cached("SELECT label FROM adjudication WHERE item = ?1 ORDER BY id DESC LIMIT 1")?;
    let mut rows = statement.query([item])?;
    Ok(match rows.next()? {
        Some(row) => Some(row.get(0)?),
        None => None,
    })
}

/// The votes on one item, ascending.
pub(crate) fn votes_on(connection: &Connection, item: i64) -> Result<Vec<i8>, AnnotateError> {
    let mut statement = connection.prepare_cached(
        "SELECT r.label FROM answer r JOIN assignment s ON s.id = r.assignment \
         WHERE s.item = ?1 AND s.phase = 'main' AND s.role <> 'repeat' AND r.label IS NOT NULL ORDER BY r.label",
    )?;
    Ok(statement.query_map([item], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Writes a decision down. An earlier one stays.
pub(crate) fn decide(
    transaction: &Transaction<'_>,
    settings: &Settings,
    account: &Account,
    id: &str,
    decision: (i8, &str, &str),
) -> Result<(), AnnotateError> {
    let (label, category, reason) = decision;
    let item = by_lead_id(transaction, id)?
        .ok_or_else(|| AnnotateError::refused("item", "no such item", "an item of this project"))?;
    if settings.scheme.code(label.into()).is_none() {
        let expected = format!("a code of the scheme {}", settings.scheme);
        return Err(AnnotateError::refused("label", label.to_string(), expected));
    }
    if !CATEGORIES.contains(&category) {
        return Err(AnnotateError::refused("category", category, CATEGORIES.join(", ")));
    }
    if reason.chars().count() > MAX_NOTE {
        return Err(AnnotateError::refused(
            "reason",
            "a long text",
            format!("at most {MAX_NOTE} characters"),
        ));
    }
    transaction.execute(
        "INSERT INTO adjudication (item, label, category, reason, account, decided_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![item.key, label, category, reason, account.id, clock::now()],
    )?;
    audit::append(
        transaction,
        &Actor::Account(account.pseudonym.clone()),
        "item.adjudicated",
        &json!({ "seq": item.seq, "modality": item.view.name(), "label": label, "category": category }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::Scheme;

    #[test]
    fn rules_pick_what_is_contested() {
        let ternary = Settings::default();
        assert!(Rule::Range.applies(&ternary, &[-1, 0, 1, 0, 0]));
        assert!(!Rule::Range.applies(&ternary, &[0, 0, 1, 1, 0]));
        assert!(Rule::NoMajority.applies(&ternary, &[-1, -1, 0, 0, 1]));
        assert!(!Rule::NoMajority.applies(&ternary, &[-1, -1, -1, 0, 1]));
        assert!(Rule::NoMajority.applies(&ternary, &[0, 1]));
        assert!(!Rule::NoMajority.applies(&ternary, &[1]));
        let grid = Settings { scheme: Scheme::Grid11, ..Settings::default() };
        assert!(Rule::Range.applies(&grid, &[-2, 3]) && !Rule::Range.applies(&grid, &[-1, 3]));
    }
}
