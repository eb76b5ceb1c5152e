//! One request that may cost money: room for it in the budget, a line in the ledger before it leaves and one after.
//!
//! Questions and the trials of what a server can do go through here, so that neither exceeds the budget.

use std::sync::Arc;

use emomm_eval::ServedUsage;
use serde_json::Value;

use crate::ask::WireReply;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::ledger::{Ledger, Purpose, Reservation, Spent};
use crate::pace::Pace;
use crate::prices::{Bound, ModelPrices};
use crate::transport::{HttpReply, TransportError};
use crate::wire::Wire;

/// What all requests of a server share: one connection, one budget, one pace.
#[derive(Debug)]
pub(crate) struct Till {
    pub(crate) caller: Caller,
    pub(crate) ledger: Ledger,
    pub(crate) prices: Option<ModelPrices>,
    pub(crate) pace: Arc<Pace>,
}

/// A request that is to be sent.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// What its kept reply is found by.
    pub(crate) name: &'a str,
    pub(crate) purpose: &'a Purpose,
    pub(crate) bound: &'a Bound,
    pub(crate) body: &'a Value,
    /// The same with media as hashes, where the ledger does not have it yet.
    pub(crate) shown: Option<Value>,
    /// Whether one name of a reply may not come with two requests.
    pub(crate) names_replies: bool,
}

/// A reply that counts.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) reply: WireReply,
    pub(crate) raw: Value,
    /// `None` without a price or without counts.
    pub(crate) cost: Option<f64>,
}

/// Why one sending gave nothing.
#[derive(Debug)]
pub(crate) enum Failed {
    /// No reply, or none that could be read.
    Transport(TransportError),
    /// A good status, and a body that is no reply.
    Unreadable(HttpReply, String),
    /// A bad status.
    Status(HttpReply),
}

/// Why nothing was sent, or what came of it could not be kept.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The budget has no room for it.
    Budget(Spent),
    /// The ledger cannot be written.
    Ledger(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Ledger(error)
    }
}

impl Till {
    /// Sends once.
    pub(crate) fn send(
        &self,
        wire: &dyn Wire,
        request: &Request<'_>,
    ) -> Result<Result<Sent, Failed>, Refused> {
        let most = self.prices.as_ref().map_or(0.0, |p| p.bound(request.bound));
        let mut room = self.ledger.reserve(request.name, most).map_err(Refused::Budget)?;
        // Nothing is written while it waits: a process that is killed then has not spent it.
        let leave = self.pace.wait(request.bound.rough());
        self.ledger.asks(&mut room, request.purpose, request.shown.clone())?;
        let outcome = self.attempt(wire, request);
        if let Ok((reply, _)) = &outcome {
            self.pace.succeeded(&leave, reply.usage.as_ref().map(ServedUsage::total));
        }
        drop(leave);
        Ok(match outcome {
            Ok((reply, raw)) => {
                let cost = self.cost(&reply);
                // Without counts nobody knows the cost: the most is counted.
                let counted = cost.unwrap_or(room.most());
                self.ledger.replied(room, counted, &raw)?;
                Ok(Sent { reply, raw, cost })
            }
            Err(failed) => {
                self.settle(room, &failed)?;
                Err(failed)
            }
        })
    }

    fn attempt(&self, wire: &dyn Wire, request: &Request<'_>) -> Result<(WireReply, Value), Failed> {
        let headers = wire.headers(self.caller.key.as_ref());
        let reply = self.caller.post(&wire.url(), headers, request.body).map_err(Failed::Transport)?;
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
        let read = match wire.read(&raw) {
            Ok(read) => read,
            Err(message) => return Err(Failed::Unreadable(reply, message)),
        };
        if request.names_replies
            && let Some(id) = &read.response_id
            && self.ledger.is_duplicate(id, request.name)
        {
            let message = format!("the reply {id} already came to another question");
            return Err(Failed::Unreadable(reply, message));
        }
        Ok((read, raw))
    }

    /// What a reply cost; `None` without a price or without counts.
    pub(crate) fn cost(&self, reply: &WireReply) -> Option<f64> {
        Some(self.prices.as_ref()?.cost(reply.usage.as_ref()?))
    }

    fn settle(&self, room: Reservation<'_>, failed: &Failed) -> Result<(), ApiError> {
        // A server that was reached may have computed, and charge, although nobody has its reply.
        let most = room.most();
        let (cost, status, message) = match failed {
            Failed::Transport(TransportError::NoConnection(m)) => (0.0, None, m.clone()),
            Failed::Transport(e) => (most, None, e.message().to_owned()),
            Failed::Unreadable(reply, m) => (most, Some(reply.status), m.clone()),
            Failed::Status(reply) => {
                let cost = if is_of_a_gateway(reply.status) { most } else { 0.0 };
                (cost, Some(reply.status), self.caller.complaint(reply))
            }
        };
        self.ledger.failed(room, cost, status, message)
    }
}

/// Whether a status may come from between us and the server, which goes on computing: time-outs and bad gateways, those
/// of Cloudflare included. Other bad statuses are not charged.
fn is_of_a_gateway(status: u16) -> bool {
    matches!(status, 408 | 499 | 502 | 504 | 520..=527)
}
