//! Questions that find out what a server can do. They are paid for from the run's budget and kept like any other.

use serde_json::Value;

use crate::ask::{Ask, WireReply};
use crate::error::ApiError;
use crate::ledger::Purpose;
use crate::medium::Place;
use crate::paid::{Failed, Refused, Request, Till};
use crate::retry::chance;
use crate::service::name_of;
use crate::transport::{HttpReply, pause};
use crate::wire::{Rejection, Wire};

/// What a server made of a trial.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It answered.
    Read(Box<WireReply>, Value),
    /// It refused, or answered with something else.
    Refused(HttpReply),
}

impl Outcome {
    /// The reply, if there is one.
    pub(crate) fn read(&self) -> Option<&WireReply> {
        match self {
            Self::Read(reply, _) => Some(reply),
            Self::Refused(_) => None,
        }
    }
}

/// Sends the `number`-th trial, its body changed by `change`, until there is an outcome that is none of those that pass.
///
/// # Errors
/// The server cannot be reached, the budget has no room, or the ledger cannot be written.
pub(crate) fn trial(
    till: &Till,
    wire: &dyn Wire,
    ask: &Ask,
    number: usize,
    change: &dyn Fn(&mut Value),
) -> Result<Outcome, ApiError> {
    let mut body = wire.body(ask, &|m| Place::Inline(m.base64()));
    change(&mut body);
    let mut shown = wire.body(ask, &Place::hash);
    change(&mut shown);
    let purpose = Purpose { repeat: number, ..Purpose::default() };
    let name = name_of(&shown, &purpose);
    let bound = ask.bound(wire.frames_per_second());
    let mut done = 0;
    loop {
        let request = Request {
            name: &name,
            purpose: &purpose,
            bound: &bound,
            body: &body,
            shown: (done == 0).then(|| shown.clone()),
            names_replies: false,
        };
        let failed = match till.send(wire, &request) {
            Ok(Ok(sent)) => return Ok(Outcome::Read(Box::new(sent.reply), sent.raw)),
            Ok(Err(failed)) => failed,
            Err(Refused::Ledger(error)) => return Err(error),
            Err(Refused::Budget(spent)) => {
                let message = format!("--max-cost: asking what the server can do: {spent}");
                return Err(ApiError::option(message, "raise --max-cost"));
            }
        };
        let reply = match &failed {
            Failed::Transport(_) => None,
            Failed::Unreadable(reply, _) | Failed::Status(reply) => Some(reply),
        };
        let passes = reply.is_none_or(|r| {
            let rejection = wire.rejection(r.status, &r.text(8000));
            r.is_success() || !matches!(rejection, Rejection::Exhausted | Rejection::Closed)
        });
        let wait = till.caller.patience.wait(done, reply, chance(&name, done)).filter(|_| passes);
        match (wait, failed) {
            (Some(wait), _) => pause(wait),
            (None, Failed::Transport(error)) => {
                return Err(ApiError::Server { url: wire.url(), message: error.message().to_owned() });
            }
            // It says nothing of what the server can do.
            (None, Failed::Status(reply)) if is_busy(reply.status) => {
                let message = till.caller.complaint(&reply);
                return Err(ApiError::Server { url: wire.url(), message });
            }
            (None, Failed::Unreadable(reply, _) | Failed::Status(reply)) => {
                return Ok(Outcome::Refused(reply));
            }
        }
        done += 1;
    }
}

/// Whether a status is one of the moment. 500 is not among them: some servers answer so to what they cannot do.
fn is_busy(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429 | 502..=504 | 520..=529)
}
