//! The lines of a ledger.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a request is for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Purpose {
    /// Id of the clip.
    pub sample: String,
    /// The coalition's word.
    pub coalition: String,
    /// From 0.
    pub repeat: usize,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// A request is about to leave.
    Asked {
        /// Tells sendings apart.
        number: u64,
        /// SHA-256 of the request, media by their hashes.
        request: String,
        #[serde(flatten)]
        purpose: Purpose,
        /// The most that it can cost.
        most_usd: f64,
        /// The bound of its cost, where earlier costs beyond their bounds made `most_usd` greater.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound_usd: Option<f64>,
        /// Seconds since 1970.
        at: u64,
        /// The request, media by their hashes, the first time that it is sent in a session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
    },
    /// A reply that counts.
    Replied { number: u64, request: String, cost_usd: f64, at: u64, reply: Value },
    /// No reply, or one that does not count.
    Failed { number: u64, request: String, cost_usd: f64, at: u64, status: Option<u16>, message: String },
    /// Spent outside of this ledger's requests, for example by asking what the server can do.
    Spent { cost_usd: f64, what: String, at: u64 },
    /// A file that was stored on the server.
    Stored { name: String, at: u64 },
    /// It is not there any more.
    Removed { name: String, at: u64 },
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
