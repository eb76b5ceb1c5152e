//! Asks a question until it has an answer, within the budget and at the server's pace.

use std::time::Instant;

use emomm_dataset::ModalitySet;
use emomm_eval::run::hex;
use emomm_eval::{PredictError, PredictErrorKind};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::ask::{Ask, WireReply};
use crate::caller::Caller;
use crate::ledger::{Ledger, Purpose, Reservation, Spent};
use crate::medium::{Medium, Place};
use crate::pace::Pace;
use crate::prices::ModelPrices;
use crate::retry::{Patience, asked, chance};
use crate::transport::{HttpReply, TransportError, pause};
use crate::wire::{Rejection, Wire, leaked};

/// What workers share: one server, one budget.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) wire: Box<dyn Wire>,
    pub(crate) caller: Caller,
    pub(crate) pace: Pace,
    pub(crate) ledger: Ledger,
    pub(crate) prices: Option<ModelPrices>,
    pub(crate) patience: Patience,
    pub(crate) names_replies: bool,
    pub(crate) reuses_replies: bool,
}

/// A reply, and what it took.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) reply: WireReply,
    pub(crate) request_sha256: String,
    pub(crate) attempts: usize,
    pub(crate) cost_usd: Option<f64>,
}

/// Why one sending gave nothing.
enum Failed {
    /// No reply, or none that could be read.
    Transport(TransportError),
    /// A good status, and a body that is no reply.
    Unreadable(HttpReply, String),
    /// A bad status.
    Status(HttpReply),
}

impl Service {
    /// Asks. `place` says where media stand in the request.
    pub(crate) fn ask(
        &self,
        ask: &Ask,
        purpose: &Purpose,
        coalition: ModalitySet,
        place: &dyn Fn(&Medium) -> Place,
    ) -> Result<Answered, PredictError> {
        let named = self.wire.body(ask, &Place::hash);
        let request = name_of(&named, purpose);
        if self.reuses_replies
            && let Some(kept) = self.ledger.kept(&request)
            && let Ok(reply) = self.wire.read(&kept)
        {
            let cost_usd = self.cost(&reply);
            return Self::checked(
                Answered { reply, request_sha256: request, attempts: 0, cost_usd },
                coalition,
            );
        }
        let bound = ask.bound(self.wire.frames_per_second());
        let most = self.prices.as_ref().map_or(0.0, |p| p.bound(&bound));
        let body = self.wire.body(ask, place);
        let mut retries = 0;
        loop {
            let shown = (retries == 0).then(|| named.clone());
            let room = self.ledger.reserve(&request, purpose, most, shown)?;
            let reservation = room.map_err(|spent| over_budget(&spent))?;
            let leave = self.pace.wait(bound.rough());
            let outcome = self.send(&body, &request);
            let failed = match outcome {
                Ok((reply, raw)) => {
                    let cost = self.cost(&reply);
                    self.pace
                        .succeeded(&leave, reply.usage.as_ref().map(|u| u.prompt + u.reply + u.thoughts));
                    drop(leave);
                    // Without counts nobody knows the cost: the most is counted.
                    let counted = cost.unwrap_or(most);
                    self.ledger.replied(reservation, counted, &raw)?;
                    let answered =
                        Answered { reply, request_sha256: request, attempts: retries + 1, cost_usd: cost };
                    return Self::checked(answered, coalition);
                }
                Err(failed) => failed,
            };
            drop(leave);
            self.settle(reservation, &failed)?;
            let wait = self.wait(retries, &failed, &request);
            match wait {
                Some(wait) => pause(wait),
                None => return Err(self.given_up(&failed, retries + 1)),
            }
            retries += 1;
        }
    }

    fn send(&self, body: &Value, request: &str) -> Result<(WireReply, Value), Failed> {
        let headers = self.wire.headers(self.caller.key.as_ref());
        let reply = self.caller.post(&self.wire.url(), headers, body).map_err(Failed::Transport)?;
        self.pace.heed(&reply);
        if !reply.is_success() {
            return Err(Failed::Status(reply));
        }
        let raw = match serde_json::from_slice(&reply.body) {
            // A server may repeat what it was sent, and a reply is written to files.
            Ok(raw) => self.caller.redact_json(raw),
            Err(error) => {
                return Err(Failed::Unreadable(reply, format!("the reply is no whole JSON: {error}")));
            }
        };
        let read = match self.wire.read(&raw) {
            Ok(read) => read,
            Err(message) => return Err(Failed::Unreadable(reply, message)),
        };
        if self.names_replies
            && let Some(id) = &read.response_id
            && self.ledger.is_duplicate(id, request)
        {
            let message = format!("the reply {id} already came to another question");
            return Err(Failed::Unreadable(reply, message));
        }
        Ok((read, raw))
    }

    /// What a reply cost; `None` without a price or without counts.
    fn cost(&self, reply: &WireReply) -> Option<f64> {
        Some(self.prices.as_ref()?.cost(reply.usage.as_ref()?))
    }

    fn settle(&self, reservation: Reservation, failed: &Failed) -> Result<(), PredictError> {
        // A server that was reached may have computed, and charge, although nobody has its reply.
        let most = Ledger::most(&reservation);
        let (cost, status, message) = match failed {
            Failed::Transport(TransportError::NoConnection(m)) => (0.0, None, m.clone()),
            Failed::Transport(e) => (most, None, e.message().to_owned()),
            Failed::Unreadable(reply, m) => (most, Some(reply.status), m.clone()),
            Failed::Status(reply) => (0.0, Some(reply.status), self.caller.complaint(reply)),
        };
        Ok(self.ledger.failed(reservation, cost, status, message)?)
    }

    /// The wait before the next sending; `None` where there is none.
    fn wait(&self, retries: usize, failed: &Failed, request: &str) -> Option<std::time::Duration> {
        let chance = chance(request, retries);
        match failed {
            Failed::Transport(error) => {
                let wait = self.patience.wait(retries, None, chance);
                if matches!(error, TransportError::Timeout(_)) {
                    self.pace.overloaded(std::time::Duration::ZERO);
                }
                wait
            }
            Failed::Unreadable(reply, _) => self.patience.wait(retries, Some(reply), chance),
            Failed::Status(reply) => {
                let rejection = self.wire.rejection(reply.status, &reply.text(8000));
                if rejection == Rejection::Overloaded {
                    // Everybody waits for what the server asked for, up to the longest that is waited for.
                    let pause = asked(reply, std::time::SystemTime::now()).unwrap_or_default();
                    self.pace.overloaded(pause.min(std::time::Duration::from_mins(2)));
                }
                match rejection {
                    Rejection::Exhausted | Rejection::Closed => None,
                    _ => self.patience.wait(retries, Some(reply), chance),
                }
            }
        }
    }

    fn given_up(&self, failed: &Failed, attempts: usize) -> PredictError {
        let tries = if attempts == 1 { String::new() } else { format!(" (tried {attempts} times)") };
        let error = |kind, message: String, hint: Option<&str>| PredictError {
            kind,
            message: format!("{message}{tries}"),
            hint: hint.map(str::to_owned),
        };
        match failed {
            Failed::Transport(TransportError::Timeout(m)) => {
                error(PredictErrorKind::Timeout, m.clone(), None)
            }
            Failed::Transport(TransportError::NoConnection(m)) => error(
                PredictErrorKind::Access,
                format!("{}: {m}", self.wire.url()),
                Some("see that the server runs; the same command goes on where it stopped"),
            ),
            Failed::Transport(TransportError::Broken(m)) => {
                error(PredictErrorKind::Model, format!("the connection broke: {m}"), None)
            }
            Failed::Unreadable(_, m) => error(PredictErrorKind::Model, m.clone(), None),
            Failed::Status(reply) => {
                let said = self.caller.complaint(reply);
                match self.wire.rejection(reply.status, &reply.text(8000)) {
                    Rejection::Exhausted => error(
                        PredictErrorKind::Exhausted,
                        format!("the quota is used up: {said}"),
                        Some("when it is filled again, issue the same command: it goes on where it stopped"),
                    ),
                    Rejection::Closed => error(
                        PredictErrorKind::Access,
                        format!("{}: {said}", self.wire.url()),
                        Some("see that the key is right and may use this model"),
                    ),
                    Rejection::Overloaded if matches!(reply.status, 408 | 504) => {
                        error(PredictErrorKind::Timeout, said, None)
                    }
                    Rejection::Overloaded if reply.status == 429 => {
                        error(PredictErrorKind::RateLimited, said, None)
                    }
                    Rejection::Medium => error(PredictErrorKind::Media, said, None),
                    _ => error(PredictErrorKind::Model, said, None),
                }
            }
        }
    }

    /// Refuses a reply whose server counted a modality that it should not have been shown.
    fn checked(answered: Answered, coalition: ModalitySet) -> Result<Answered, PredictError> {
        let found = answered.reply.usage.as_ref().and_then(|usage| leaked(usage, coalition));
        match found {
            None => Ok(answered),
            Some((modality, n)) => Err(PredictError {
                kind: PredictErrorKind::Leak,
                message: format!(
                    "the server counted {n} tokens of {} under coalition {coalition}",
                    modality.name()
                ),
                hint: Some("see the request in served/ledger.jsonl; the answer does not count".to_owned()),
            }),
        }
    }
}

/// The name of a request: what is in it, and which asking it is.
fn name_of(body: &Value, purpose: &Purpose) -> String {
    let mut hasher = Sha256::new();
    hasher.update(body.to_string().as_bytes());
    hasher.update([0]);
    hasher.update(purpose.sample.as_bytes());
    hasher.update([0]);
    hasher.update(purpose.coalition.as_bytes());
    hasher.update((purpose.repeat as u64).to_le_bytes());
    hex(&hasher.finalize())
}

fn over_budget(spent: &Spent) -> PredictError {
    let Spent { so_far, cap, next } = *spent;
    PredictError {
        kind: PredictErrorKind::Exhausted,
        message: format!(
            "the budget is used up: {so_far:.4} of {cap:.4} US dollars are spent, the next question may cost {next:.4}"
        ),
        hint: Some("raise --max-cost and issue the same command: it goes on where it stopped".to_owned()),
    }
}

/// Milliseconds since a moment.
pub(crate) fn ms_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
