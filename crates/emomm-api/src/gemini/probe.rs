//! Asks Gemini what it gives: only log-probabilities are in doubt.

use emomm_eval::ServedUsage;
use serde_json::Value;

use super::Gemini;
use crate::ask::Ask;
use crate::caller::{Caller, patiently};
use crate::capability::{Capabilities, Wanted};
use crate::error::ApiError;
use crate::medium::Place;
use crate::transport::HttpReply;
use crate::wire::{Rejection, Wire};

/// Room for thoughts.
pub(crate) const MAX_TOKENS: usize = 256;

/// Asks once with log-probabilities, and without where that is refused.
pub(crate) fn probe(
    wire: &Gemini,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<(Capabilities, Vec<ServedUsage>), ApiError> {
    let mut wire = wire.clone();
    wire.can = Capabilities {
        server: wanted.server.clone(),
        logprobs: true,
        // Google's API refuses unknown fields, and names every reply.
        is_strict: Some(true),
        names_replies: true,
        choice: wanted.choice.then_some(true),
        ..Capabilities::default()
    };
    let mut usages = Vec::new();
    let mut reply = send(&wire, caller)?;
    if reply.status == 400 && reply.text(4000).to_lowercase().contains("logprob") {
        wire.can.logprobs = false;
        wire.can.notes.push(format!("no log-probabilities: {}", caller.complaint(&reply)));
        reply = send(&wire, caller)?;
    }
    if !reply.is_success() {
        let complaint = caller.complaint(&reply);
        return Err(match wire.rejection(reply.status, &reply.text(4000)) {
            Rejection::Closed if reply.status != 404 => {
                ApiError::Key { message: format!("{}: {complaint}", wire.base_url) }
            }
            _ => ApiError::Server { url: wire.base_url.clone(), message: complaint },
        });
    }
    let fault = |message: String| ApiError::Server { url: wire.base_url.clone(), message };
    let raw: Value = serde_json::from_slice(&reply.body).map_err(|e| fault(e.to_string()))?;
    let read = wire.read(&raw).map_err(fault)?;
    usages.extend(read.usage);
    let mut can = wire.can;
    can.model_version = read.model_version;
    if wanted.video {
        can.video = Some(crate::options::VideoForm::Auto);
    }
    if wanted.audio {
        can.audio = Some(crate::capability::AudioForm::default());
    }
    Ok((can, usages))
}

fn send(wire: &Gemini, caller: &Caller) -> Result<HttpReply, ApiError> {
    let ask = Ask::trial("Answer with the letter A.", MAX_TOKENS);
    let body = wire.body(&ask, &|m| Place::Inline(m.base64()));
    let headers = || wire.headers(caller.key.as_ref());
    patiently(wire.patience(), "probe", || caller.post(&wire.url(), headers(), &body))
        .map_err(|e| ApiError::Server { url: wire.base_url.clone(), message: e.message().to_owned() })
}
