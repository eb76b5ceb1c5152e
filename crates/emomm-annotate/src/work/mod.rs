//! The work of an annotator: what comes next, what is open to them, what they answer.
//!
//! Two rules hold here and nowhere else. [`authorized`] decides whether an id may be used: it must belong to the one who
//! asks and be open. [`next_step`] decides what is opened: one item at a time, of the modality of the current pass.

mod answers;
mod passes;
mod plan;
mod rest;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::accounts::{Account, AccountState, Role};
use crate::clock::Millis;
use crate::error::AnnotateError;
use crate::settings::Settings;
use crate::view::View;

pub(crate) use answers::content_digest;
pub use answers::{Answer, CannotJudge, Feedback, Outcome, Submission, submit, undo};
pub(crate) use passes::read_guide;
pub use passes::{open_pass, release};
pub use plan::plan;
pub(crate) use plan::{NewAssignment, STRIDE, practice_items};
pub use rest::{hours, worked};

/// Which round an item belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// With feedback.
    Training,
    /// Has to be passed.
    Calibration,
    /// Counts.
    Main,
}

impl Phase {
    /// The word in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Calibration => "calibration",
            Self::Main => "main",
        }
    }

    /// The phase of a word; what is not known counts.
    pub fn of(word: &str) -> Self {
        match word {
            "training" => Self::Training,
            "calibration" => Self::Calibration,
            _ => Self::Main,
        }
    }
}

/// What an annotator has to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Read and agree.
    Consent,
    /// Say how many tones there were.
    SoundCheck,
    /// Read what is to be judged; `again` after a calibration round that was not passed.
    Guide {
        /// The modality.
        view: View,
        /// Whether a round was not passed.
        again: bool,
    },
    /// Label this.
    Item(Box<OpenItem>),
    /// Rest. May be ended before `until`.
    Break {
        /// Minutes of work before.
        minutes: i64,
        /// When it is over.
        until: Millis,
    },
    /// Enough for today.
    DayDone,
    /// The remaining clips were seen in another modality too recently.
    WaitGap {
        /// The modality.
        view: View,
        /// When the next may be seen.
        until: Millis,
    },
    /// The next pass is not open yet.
    WaitGate {
        /// Its modality.
        view: View,
    },
    /// All calibration rounds are used up.
    Held {
        /// The modality.
        view: View,
    },
    /// Nothing is left.
    Finished,
}

/// The item before an annotator: all that the page needs, and nothing that says which clip it is.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenItem {
    /// The id of this annotator for this item in this view.
    pub public_id: String,
    /// What is shown.
    pub view: View,
    /// The round.
    pub phase: Phase,
    /// The transcript, where it is shown.
    pub text: Option<String>,
    /// Items of this round that are answered.
    pub n_done: i64,
    /// Items of this round.
    pub n_total: i64,
    /// Labels that may be taken back now.
    pub n_undo: i64,
}

/// An id that may be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorized {
    /// Key of the assignment.
    pub(crate) assignment: i64,
    /// Key of the item.
    pub(crate) item: i64,
    /// What is shown.
    pub view: View,
    /// The round.
    pub phase: Phase,
    /// Name of the derivative file.
    pub blob: Option<String>,
    /// Its media type.
    pub media_type: Option<String>,
}

/// Whether `account` may use `public_id` now; `None` for a foreign, future, finished or unknown id alike.
///
/// Every request that names an item goes through here: pages, media in whole or in part, answers.
pub fn authorized(
    connection: &Connection,
    account: &Account,
    public_id: &str,
) -> Result<Option<Authorized>, AnnotateError> {
    if account.role != Role::Annotator || account.state != AccountState::Active {
        return Ok(None);
    }
    Ok(connection
        .prepare_cached(
            "SELECT s.id, s.item, i.view, s.phase, i.blob, i.media_type \
             FROM assignment s JOIN item i ON i.id = s.item \
             JOIN pass p ON p.account = s.account AND p.number = s.pass \
             WHERE s.public_id = ?1 AND s.account = ?2 AND s.state = 'open' \
               AND p.view = i.view AND p.stage = s.phase",
        )?
        .query_row(params![public_id, account.id], |row| {
            Ok(Authorized {
                assignment: row.get(0)?,
                item: row.get(1)?,
                view: row.get(2)?,
                phase: Phase::of(row.get_ref(3)?.as_str()?),
                blob: row.get(4)?,
                media_type: row.get(5)?,
            })
        })
        .optional()?)
}

/// What comes next. Opens an item where one is due.
///
/// `n_tones` is `None` until the sound check is passed; it is asked for before the first view with sound.
pub fn next_step(
    transaction: &Transaction<'_>,
    settings: &Settings,
    account: &Account,
    now: Millis,
) -> Result<Step, AnnotateError> {
    if account.consent_version != Some(settings.consent_version) {
        return Ok(Step::Consent);
    }
    loop {
        let Some(pass) = passes::current(transaction, account.id)? else { return Ok(Step::Finished) };
        let view = pass.view;
        match pass.stage.as_str() {
            "closed" => {
                if !passes::may_open(transaction, settings, &pass)? {
                    return Ok(Step::WaitGate { view });
                }
                passes::set_stage(transaction, account, &pass, "guide")?;
            }
            "held" => return Ok(Step::Held { view }),
            "guide" => {
                if view.has_sound() && account.sound_checked_at.is_none() {
                    return Ok(Step::SoundCheck);
                }
                return Ok(Step::Guide { view, again: pass.attempt > 1 });
            }
            stage => {
                let phase = Phase::of(stage);
                let open = open_item(transaction, settings, account, &pass)?;
                if let Some(item) = open {
                    rest::touch(transaction, account.id, now)?;
                    return Ok(Step::Item(Box::new(item)));
                }
                if passes::n_waiting(transaction, account.id, &pass, phase)? == 0 {
                    passes::finish(transaction, settings, account, &pass, phase, now)?;
                    continue;
                }
                if let Some(step) = rest::due(transaction, settings, account, now)? {
                    return Ok(step);
                }
                match passes::next_waiting(transaction, settings, account.id, &pass, phase, now)? {
                    passes::Next::Assignment(id) => {
                        transaction.execute(
                            "UPDATE assignment SET state = 'open', opened_at = ?2 WHERE id = ?1",
                            params![id, now],
                        )?;
                    }
                    passes::Next::NotBefore(until) => return Ok(Step::WaitGap { view, until }),
                }
            }
        }
    }
}

/// The item that is open already.
fn open_item(
    transaction: &Transaction<'_>,
    settings: &Settings,
    account: &Account,
    pass: &passes::Pass,
) -> Result<Option<OpenItem>, AnnotateError> {
    let open: Option<(String, Option<String>)> = transaction
        .prepare_cached(
            "SELECT s.public_id, i.text FROM assignment s JOIN item i ON i.id = s.item \
             WHERE s.account = ?1 AND s.state = 'open' AND s.pass = ?2 AND s.phase = ?3 AND i.view = ?4",
        )?
        .query_row(params![account.id, pass.number, pass.stage, pass.view], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((public_id, text)) = open else { return Ok(None) };
    let (n_done, n_total) = transaction
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE state = 'done'), count(*) FROM assignment \
             WHERE account = ?1 AND pass = ?2 AND phase = ?3 AND attempt = ?4 AND state <> 'revoked'",
        )?
        .query_row(params![account.id, pass.number, pass.stage, passes::attempt_of(pass)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let phase = Phase::of(&pass.stage);
    let n_undo = answers::n_undo(transaction, settings, account, pass, phase)?;
    Ok(Some(OpenItem { public_id, view: pass.view, phase, text, n_done, n_total, n_undo }))
}
