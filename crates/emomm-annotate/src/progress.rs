//! How far the work is, by annotator and modality: time and completion for pay, never what was answered.

use std::fmt;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use crate::accounts::{self, Role};
use crate::clock;
use crate::error::AnnotateError;
use crate::view::View;
use crate::words::Language;
use crate::work;

/// Answers from which the time for the rest is estimated.
const RECENT: i64 = 100;
/// Longer than this nobody looks at one item.
const LONGEST_MS: i64 = 5 * 60_000;

/// One annotator in one modality.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassProgress {
    /// `text`, `audio`, `video` or `multimodal`.
    pub modality: View,
    /// `closed`, `guide`, `training`, `calibration`, `held`, `main` or `done`.
    pub stage: String,
    /// The calibration round.
    pub attempt: i64,
    /// Main items that are answered.
    pub done: i64,
    /// Main items.
    pub total: i64,
    /// Hours for the rest, by the mean time of recent answers; null without any.
    pub hours_left: Option<f64>,
}

/// One annotator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnnotatorProgress {
    /// The pseudonym.
    pub annotator: String,
    /// `invited`, `active`, `locked` or `withdrawn`.
    pub state: &'static str,
    /// Hours of work so far.
    pub hours: f64,
    /// The last sign of work, or null.
    pub last_at: Option<String>,
    /// The modalities in the order of the passes.
    pub passes: Vec<PassProgress>,
}

/// The whole project.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// Clips of main work.
    pub clips: i64,
    /// Main items that are answered.
    pub done: i64,
    /// Main items of all annotators.
    pub total: i64,
    /// What the lead should look at.
    pub warnings: Vec<Warning>,
    /// All annotators.
    pub annotators: Vec<AnnotatorProgress>,
}

/// Counts it all.
pub fn progress(connection: &Connection) -> Result<Progress, AnnotateError> {
    let mut annotators = Vec::new();
    for account in accounts::all(connection)?.into_iter().filter(|a| a.role == Role::Annotator) {
        let last_at: Option<i64> = connection
            .query_row("SELECT max(last_at) FROM work_span WHERE account = ?1", [account.id], |row| {
                row.get(0)
            })
            .optional()?
            .flatten();
        annotators.push(AnnotatorProgress {
            hours: work::hours(connection, account.id)?,
            last_at: last_at.map(clock::iso),
            passes: passes(connection, account.id)?,
            annotator: account.pseudonym,
            state: account.state.name(),
        });
    }
    let all = annotators.iter().flat_map(|a| &a.passes);
    Ok(Progress {
        clips: connection.query_row("SELECT count(*) FROM clip WHERE use = 'main'", [], |row| row.get(0))?,
        done: all.clone().map(|p| p.done).sum(),
        total: all.map(|p| p.total).sum(),
        warnings: warnings(connection)?,
        annotators,
    })
}

fn passes(connection: &Connection, account: i64) -> Result<Vec<PassProgress>, AnnotateError> {
    let mut statement = connection.prepare_cached(
        "SELECT p.view, p.stage, p.attempt, \
         (SELECT count(*) FROM assignment s WHERE s.account = p.account AND s.pass = p.number AND s.phase = 'main' \
          AND s.state = 'done'), \
         (SELECT count(*) FROM assignment s WHERE s.account = p.account AND s.pass = p.number AND s.phase = 'main' \
          AND s.state <> 'revoked'), \
         (SELECT avg(ms) FROM (SELECT min(max(r.total_ms - r.hidden_ms, 0), ?2) AS ms FROM response r \
          JOIN assignment s ON s.id = r.assignment WHERE r.account = p.account AND s.pass = p.number \
          ORDER BY r.id DESC LIMIT ?3)) \
         FROM pass p WHERE p.account = ?1 ORDER BY p.number",
    )?;
    let rows = statement.query_map(params![account, LONGEST_MS, RECENT], |row| {
        let (done, total): (i64, i64) = (row.get(3)?, row.get(4)?);
        let mean_ms: Option<f64> = row.get(5)?;
        Ok(PassProgress {
            modality: row.get(0)?,
            stage: row.get(1)?,
            attempt: row.get(2)?,
            done,
            total,
            // Two seconds to get to the next item.
            hours_left: mean_ms.map(|ms| (ms + 2000.0) * (total - done) as f64 / 3_600_000.0),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What the lead should look at, and how often it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning {
    /// What.
    pub kind: WarningKind,
    /// How many items, pictures or rounds.
    pub n: i64,
}

/// What the lead should look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningKind {
    /// Practice items without a reference.
    NoReference,
    /// Pictures that are likely to show subtitles.
    Subtitles,
    /// Calibration rounds that wait for a decision.
    Held,
    /// Items that lost a label by withdrawal.
    Withdrawn,
}

impl WarningKind {
    /// Its word, the end of the keys of its words.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoReference => "no-reference",
            Self::Subtitles => "subtitles",
            Self::Held => "held",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// In English, as the command line says it.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = format!("warning.{}", self.kind.name());
        f.write_str(&Language::English.filled(&key, &[("n".to_owned(), self.n.to_string())]))
    }
}

impl Serialize for Warning {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is counted for each kind.
const WARNINGS: [(WarningKind, &str); 4] = [
    (
        WarningKind::NoReference,
        "SELECT count(*) FROM item i JOIN clip c ON c.id = i.clip WHERE c.use <> 'main' AND i.view <> 'multimodal' \
         AND NOT EXISTS (SELECT 1 FROM reference f WHERE f.item = i.id)",
    ),
    (WarningKind::Subtitles, "SELECT count(*) FROM item WHERE warning IS NOT NULL"),
    (WarningKind::Held, "SELECT count(*) FROM pass WHERE stage = 'held'"),
    // What was given to others stands between the planned places; see `reassign`.
    (
        WarningKind::Withdrawn,
        "SELECT count(*) FROM (SELECT s.item, count(*) AS lost FROM assignment s JOIN account a ON a.id = s.account \
         WHERE s.state = 'revoked' AND a.state = 'withdrawn' AND s.phase = 'main' AND s.role <> 'repeat' GROUP BY s.item) l \
         WHERE l.lost > (SELECT count(*) FROM assignment o WHERE o.item = l.item AND o.phase = 'main' \
         AND o.role = 'plain' AND o.state <> 'revoked' AND o.position % 1000 <> 0)",
    ),
];

fn warnings(connection: &Connection) -> Result<Vec<Warning>, AnnotateError> {
    let mut warnings = Vec::new();
    for (kind, sql) in WARNINGS {
        let n: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        if n > 0 {
            warnings.push(Warning { kind, n });
        }
    }
    Ok(warnings)
}
