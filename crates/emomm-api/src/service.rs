//! Asks a question until it has an answer, within the budget and at the server's pace.

use std::time::{Duration, Instant, SystemTime};

use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::run::hex;
use emomm_eval::{PredictError, PredictErrorKind, reply};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::ask::{Ask, WireReply};
use crate::ledger::{Purpose, Spent};
use crate::medium::{Medium, Place};
use crate::options::KeptReplies;
use crate::paid::{Failed, Refused, Request, Till};
use crate::retry::{asked, chance};
use crate::transport::{TransportError, pause};
use crate::wire::{Rejection, Wire, leaked};

/// Nobody pauses longer because one request was asked to.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// What workers share: one server, one budget.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) wire: Box<dyn Wire>,
    pub(crate) till: Till,
    pub(crate) names_replies: bool,
    pub(crate) reuses: KeptReplies,
}

/// A question about one clip under one coalition.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) purpose: &'a Purpose,
    pub(crate) coalition: ModalitySet,
    pub(crate) corpus: Corpus,
}

/// A reply, and what it took.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) reply: WireReply,
    pub(crate) request_sha256: String,
    pub(crate) attempts: usize,
    pub(crate) cost_usd: Option<f64>,
}

impl Service {
    /// The reply that was kept, if it may be used.
    pub(crate) fn kept(&self, question: &Question<'_>) -> Option<Answered> {
        if self.reuses == KeptReplies::None {
            return None;
        }
        let named = self.wire.body(question.ask, &Place::hash);
        let request_sha256 = name_of(&named, question.purpose);
        let reply = self.wire.read(&self.till.ledger.kept(&request_sha256)?).ok()?;
        let is_answer = || {
            let usage = reply.usage.as_ref();
            !reply.end.withholds()
                && usage.is_none_or(|u| leaked(u, question.coalition).is_none())
                && reply::parse(&reply.text, question.corpus).reply_letter.is_some()
        };
        if self.reuses == KeptReplies::Answers && !is_answer() {
            return None;
        }
        let cost_usd = self.till.cost(&reply);
        Some(Answered { reply, request_sha256, attempts: 0, cost_usd })
    }

    /// Removes a stored file from the server, and notes that it is gone.
    pub(crate) fn forget(&self, name: &str) {
        if self.wire.remove(&self.till.caller, name) {
            // A ledger that cannot be written fails with the next question.
            let _ = self.till.ledger.removed(name);
        }
    }

    /// Asks.
    pub(crate) fn ask(
        &self,
        question: &Question<'_>,
        place: &dyn Fn(&Medium) -> Place,
    ) -> Result<Answered, PredictError> {
        if let Some(kept) = self.kept(question) {
            return Self::checked(kept, question.coalition);
        }
        let named = self.wire.body(question.ask, &Place::hash);
        let name = name_of(&named, question.purpose);
        let bound = question.ask.bound(self.wire.frames_per_second());
        let body = self.wire.body(question.ask, place);
        let mut retries = 0;
        loop {
            let request = Request {
                name: &name,
                purpose: question.purpose,
                bound: &bound,
                body: &body,
                shown: (retries == 0).then(|| named.clone()),
                names_replies: self.names_replies,
            };
            let outcome = self.till.send(self.wire.as_ref(), &request).map_err(|refused| match refused {
                Refused::Budget(spent) => over_budget(&spent),
                Refused::Ledger(error) => error.into(),
            })?;
            let failed = match outcome {
                Ok(sent) => {
                    let answered = Answered {
                        reply: sent.reply,
                        request_sha256: name,
                        attempts: retries + 1,
                        cost_usd: sent.cost,
                    };
                    return Self::checked(answered, question.coalition);
                }
                Err(failed) => failed,
            };
            match self.wait(retries, &failed, &name) {
                Some(wait) => pause(wait),
                None => return Err(self.given_up(&failed, retries + 1)),
            }
            retries += 1;
        }
    }

    /// The wait before the next sending; `None` where there is none.
    fn wait(&self, retries: usize, failed: &Failed, request: &str) -> Option<Duration> {
        let chance = chance(request, retries);
        let patience = self.till.caller.patience;
        match failed {
            Failed::Transport(error) => {
                if matches!(error, TransportError::Timeout(_)) {
                    self.till.pace.overloaded(Duration::ZERO);
                }
                patience.wait(retries, None, chance)
            }
            Failed::Unreadable(reply, _) => patience.wait(retries, Some(reply), chance),
            Failed::Status(reply) => {
                let rejection = self.wire.rejection(reply.status, &reply.text(8000));
                if rejection == Rejection::Overloaded {
                    // Everybody waits for what the server asked for.
                    let pause = asked(reply, SystemTime::now()).unwrap_or_default();
                    self.till.pace.overloaded(pause.min(LONGEST_PAUSE));
                }
                match rejection {
                    Rejection::Exhausted | Rejection::Closed => None,
                    _ => patience.wait(retries, Some(reply), chance),
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
                let said = self.till.caller.complaint(reply);
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
pub(crate) fn name_of(body: &Value, purpose: &Purpose) -> String {
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
    PredictError {
        kind: PredictErrorKind::Exhausted,
        message: format!("the budget is used up: {spent}"),
        hint: Some("raise --max-cost and issue the same command: it goes on where it stopped".to_owned()),
    }
}

/// Milliseconds since a moment.
pub(crate) fn ms_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
