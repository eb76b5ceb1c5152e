//! Answers: taken once, kept in versions, never overwritten.

use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::json;

use super::passes::{self, Pass};
use super::{Phase, authorized, rest};
use crate::accounts::Account;
use crate::audit::{self, Actor};
use crate::clock::Millis;
use crate::error::AnnotateError;
use crate::opaque::{digest, hex, random_id};
use crate::settings::Settings;

/// Most characters of a comment.
pub(crate) const MAX_COMMENT: usize = 2000;

/// Why an item cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CannotJudge {
    /// Nothing to see, hear or read.
    Empty,
    /// Not to be made out.
    Unclear,
    /// In a language that the annotator does not know.
    Language,
    /// It does not play.
    Technical,
    /// Another reason, in the comment.
    Other,
}

impl CannotJudge {
    /// All reasons.
    pub const ALL: [Self; 5] = [Self::Empty, Self::Unclear, Self::Language, Self::Technical, Self::Other];

    /// The word in the database and in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Unclear => "unclear",
            Self::Language => "language",
            Self::Technical => "technical",
            Self::Other => "other",
        }
    }
}

impl FromStr for CannotJudge {
    type Err = AnnotateError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|r| r.name() == word).ok_or_else(|| {
            AnnotateError::refused("reason", word, "empty, unclear, language, technical or other")
        })
    }
}

/// A label, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A code of the project's scheme.
    Label(i8),
    /// Why there is none.
    CannotJudge(CannotJudge),
}

/// What the browser sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Id of the assignment.
    pub public_id: String,
    /// Chosen by the browser; the same for every attempt to send this answer.
    pub idempotency_key: String,
    /// The answer.
    pub answer: Answer,
    /// Free text.
    pub comment: String,
    /// Whether the item shows what it should not: a name, an address, somebody's private matter.
    pub privacy: bool,
    /// Times that the medium was played to its end.
    pub plays: u32,
    /// Milliseconds from the moment the item was shown to the first play.
    pub first_play_ms: Option<u32>,
    /// Milliseconds from the moment the item was shown to the answer.
    pub total_ms: u32,
    /// Milliseconds of them in which the page was not visible.
    pub hidden_ms: u32,
    /// Language of the page.
    pub ui_language: String,
}

/// What a training item's answer should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The reference, where there is one.
    pub reference: Option<i8>,
    /// Whether the answer equals it.
    pub is_right: bool,
    /// What the lead has to say.
    pub note: String,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Saved, now or before under the same key.
    Saved(Option<Feedback>),
    /// This item has been answered otherwise, in another tab or on another device.
    AnsweredElsewhere,
    /// There is no such item for this annotator now.
    NotOpen,
    /// The medium was not played to its end.
    NotPlayed,
}

/// The digest of an answer for the audit trail.
pub(crate) fn content_digest(salt: &str, answer: Answer, comment: &str, privacy: bool) -> String {
    let (label, reason) = match answer {
        Answer::Label(code) => (code.to_string(), ""),
        Answer::CannotJudge(reason) => (String::new(), reason.name()),
    };
    hex(&digest(format!("{salt}\n{label}\n{reason}\n{}\n{comment}", i32::from(privacy)).as_bytes()))
}

/// Takes an answer. The same key again gives the same result and changes nothing.
///
/// # Errors
/// A label outside the scheme, or a comment that is too long.
pub fn submit(
    transaction: &Transaction<'_>,
    settings: &Settings,
    account: &Account,
    submission: &Submission,
    now: Millis,
) -> Result<Outcome, AnnotateError> {
    let answer = submission.answer;
    if let Answer::Label(code) = answer
        && settings.scheme.code(code.into()).is_none()
    {
        let expected = format!("a code of the scheme {}", settings.scheme);
        return Err(AnnotateError::refused("label", code.to_string(), expected));
    }
    if submission.comment.chars().count() > MAX_COMMENT {
        return Err(AnnotateError::refused(
            "comment",
            "a long text",
            format!("at most {MAX_COMMENT} characters"),
        ));
    }
    if !(8..=64).contains(&submission.idempotency_key.len()) {
        return Err(AnnotateError::refused("idempotency key", "another length", "8 to 64 characters"));
    }
    let own: Option<(i64, i64, String, Option<i64>)> = transaction
        .prepare_cached(
            "SELECT id, item, phase, done_at FROM assignment WHERE public_id = ?1 AND account = ?2",
        )?
        .query_row(params![submission.public_id, account.id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((assignment, item, phase, done_at)) = own else { return Ok(Outcome::NotOpen) };
    let known: Option<i64> = transaction
        .prepare_cached("SELECT assignment FROM response WHERE account = ?1 AND idempotency_key = ?2")?
        .query_row(params![account.id, submission.idempotency_key], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        // A key belongs to one answer; the same key for another item is a fault of the browser.
        return if known == assignment {
            Ok(Outcome::Saved(feedback(transaction, item, &phase, answer)?))
        } else {
            Ok(Outcome::NotOpen)
        };
    }
    let Some(open) = authorized(transaction, account, &submission.public_id)? else {
        return Ok(if done_at.is_some() { Outcome::AnsweredElsewhere } else { Outcome::NotOpen });
    };
    let is_exempt = matches!(answer, Answer::CannotJudge(CannotJudge::Technical | CannotJudge::Empty));
    if settings.must_play && open.view.has_media() && submission.plays == 0 && !is_exempt {
        return Ok(Outcome::NotPlayed);
    }
    record(transaction, account, assignment, submission, now)?;
    transaction
        .prepare_cached("UPDATE assignment SET state = 'done', done_at = ?2 WHERE id = ?1")?
        .execute(params![assignment, now])?;
    rest::touch(transaction, account.id, now)?;
    Ok(Outcome::Saved(feedback(transaction, item, &phase, answer)?))
}

fn record(
    transaction: &Transaction<'_>,
    account: &Account,
    assignment: i64,
    submission: &Submission,
    now: Millis,
) -> Result<(), AnnotateError> {
    let salt = random_id()?;
    let (label, reason) = match submission.answer {
        Answer::Label(code) => (Some(code), None),
        Answer::CannotJudge(reason) => (None, Some(reason.name())),
    };
    let version: i64 = transaction
        .prepare_cached("SELECT coalesce(max(version), 0) + 1 FROM response WHERE assignment = ?1")?
        .query_row([assignment], |row| row.get(0))?;
    transaction
        .prepare_cached(
            "INSERT INTO response (assignment, account, version, label, cannot_judge, comment, privacy, plays, \
             first_play_ms, total_ms, hidden_ms, ui_language, idempotency_key, salt, received_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            assignment,
            account.id,
            version,
            label,
            reason,
            submission.comment,
            submission.privacy,
            submission.plays,
            submission.first_play_ms,
            submission.total_ms,
            submission.hidden_ms,
            submission.ui_language,
            submission.idempotency_key,
            salt,
            now
        ])?;
    let response = transaction.last_insert_rowid();
    let digest = content_digest(&salt, submission.answer, &submission.comment, submission.privacy);
    audit::append(
        transaction,
        &Actor::Account(account.pseudonym.clone()),
        "label.submitted",
        &json!({ "response": response, "assignment": assignment, "version": version, "digest": digest }),
    )
}

/// Feedback is given in training only.
fn feedback(
    connection: &Connection,
    item: i64,
    phase: &str,
    answer: Answer,
) -> Result<Option<Feedback>, AnnotateError> {
    if Phase::of(phase) != Phase::Training {
        return Ok(None);
    }
    let reference: Option<(i8, String)> = connection
        .prepare_cached("SELECT label, note FROM reference WHERE item = ?1")?
        .query_row([item], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(Some(match reference {
        Some((label, note)) => {
            Feedback { reference: Some(label), is_right: answer == Answer::Label(label), note }
        }
        None => Feedback { reference: None, is_right: false, note: String::new() },
    }))
}

/// How many answers may be taken back now. Training answers may not: the reference has been shown.
pub(super) fn n_undo(
    connection: &Connection,
    settings: &Settings,
    account: &Account,
    pass: &Pass,
    phase: Phase,
) -> Result<i64, AnnotateError> {
    if phase == Phase::Training {
        return Ok(0);
    }
    let (n_done, n_taken_back): (i64, i64) = connection
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE state = 'done'), count(*) FILTER (WHERE state IN ('open', 'waiting') \
             AND done_at IS NOT NULL) FROM assignment \
             WHERE account = ?1 AND pass = ?2 AND phase = ?3 AND attempt = ?4",
        )?
        .query_row(params![account.id, pass.number, phase.name(), passes::attempt_of(pass)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok((i64::from(settings.undo_depth) - n_taken_back).clamp(0, n_done))
}

/// Takes the last answer of the current round back and opens its item again; `false` if there is none to take back.
pub fn undo(
    transaction: &Transaction<'_>,
    settings: &Settings,
    account: &Account,
    now: Millis,
) -> Result<bool, AnnotateError> {
    let Some(pass) = passes::current(transaction, account.id)? else { return Ok(false) };
    let phase = match pass.stage.as_str() {
        "calibration" => Phase::Calibration,
        "main" => Phase::Main,
        _ => return Ok(false),
    };
    if n_undo(transaction, settings, account, &pass, phase)? == 0 {
        return Ok(false);
    }
    let last: Option<(i64, i64)> = transaction
        .query_row(
            "SELECT s.id, r.id FROM assignment s JOIN answer r ON r.assignment = s.id \
             WHERE s.account = ?1 AND s.pass = ?2 AND s.phase = ?3 AND s.attempt = ?4 AND s.state = 'done' \
             ORDER BY r.id DESC LIMIT 1",
            params![account.id, pass.number, phase.name(), passes::attempt_of(&pass)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((assignment, response)) = last else { return Ok(false) };
    transaction.execute(
        "UPDATE assignment SET state = 'waiting' WHERE account = ?1 AND state = 'open'",
        [account.id],
    )?;
    transaction.execute(
        "UPDATE assignment SET state = 'open', opened_at = ?2 WHERE id = ?1",
        params![assignment, now],
    )?;
    transaction
        .execute("INSERT INTO retraction (response, retracted_at) VALUES (?1, ?2)", params![response, now])?;
    audit::append(
        transaction,
        &Actor::Account(account.pseudonym.clone()),
        "label.taken_back",
        &json!({ "response": response, "assignment": assignment }),
    )?;
    Ok(true)
}
