//! Asks Gemini what it gives: only log-probabilities are in doubt.

use super::Gemini;
use crate::ask::Ask;
use crate::capability::{AudioForm, Capabilities, Wanted};
use crate::error::ApiError;
use crate::options::VideoForm;
use crate::paid::Till;
use crate::trial::{Outcome, trial};
use crate::wire::{Rejection, Wire};

/// Room for thoughts.
const MAX_TOKENS: usize = 256;

/// Asks once with log-probabilities, and without where that is refused.
pub(crate) fn probe(wire: &Gemini, till: &Till, wanted: &Wanted) -> Result<Capabilities, ApiError> {
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
    let ask = Ask::trial("Answer with the letter A.", MAX_TOKENS);
    let mut outcome = trial(till, &wire, &ask, 0, &|_| {})?;
    if let Outcome::Refused(reply) = &outcome
        && reply.status == 400
        && reply.text(4000).to_lowercase().contains("logprob")
    {
        wire.can.logprobs = false;
        wire.can.notes.push(format!("no log-probabilities: {}", till.caller.complaint(reply)));
        outcome = trial(till, &wire, &ask, 1, &|_| {})?;
    }
    let reply = match outcome {
        Outcome::Read(reply, _) => reply,
        Outcome::Refused(reply) => {
            let complaint = till.caller.complaint(&reply);
            return Err(match wire.rejection(reply.status, &reply.text(4000)) {
                Rejection::Closed if reply.status != 404 => {
                    ApiError::Key { message: format!("{}: {complaint}", wire.base_url) }
                }
                _ => ApiError::Server { url: wire.base_url, message: complaint },
            });
        }
    };
    let mut can = wire.can;
    can.model_version = reply.model_version;
    can.video = wanted.video.then_some(VideoForm::Auto);
    can.audio = wanted.audio.then_some(AudioForm::default());
    Ok(can)
}
