//! A transport with its key: whatever it says is without the key.

use serde_json::Value;

use crate::retry::{Patience, chance};
use crate::secret::Secret;
use crate::transport::{HttpReply, Transport, TransportError, pause};

/// Characters of a server's error that are kept.
const MOST_MESSAGE: usize = 600;

/// Sends requests for whoever holds the key.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) transport: Transport,
    pub(crate) key: Option<Secret>,
}

impl Caller {
    /// Sends JSON.
    pub(crate) fn post(
        &self,
        url: &str,
        mut headers: Vec<(&'static str, String)>,
        body: &Value,
    ) -> Result<HttpReply, TransportError> {
        headers.push(("content-type", "application/json".to_owned()));
        let bytes = serde_json::to_vec(body).map_err(|e| TransportError::Broken(e.to_string()))?;
        self.send("POST", url, &headers, &bytes)
    }

    /// Sends anything.
    pub(crate) fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<HttpReply, TransportError> {
        self.transport.send(method, url, headers, body).map_err(|error| match error {
            TransportError::Timeout(m) => TransportError::Timeout(self.redact(&m)),
            TransportError::NoConnection(m) => TransportError::NoConnection(self.redact(&m)),
            TransportError::Broken(m) => TransportError::Broken(self.redact(&m)),
        })
    }

    /// A text without the key.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.redact(text))
    }

    /// JSON without the key in any of its texts.
    pub(crate) fn redact_json(&self, value: Value) -> Value {
        let Some(key) = &self.key else { return value };
        match value {
            Value::String(text) => Value::String(key.redact(&text)),
            Value::Array(all) => Value::Array(all.into_iter().map(|v| self.redact_json(v)).collect()),
            Value::Object(all) => {
                Value::Object(all.into_iter().map(|(n, v)| (n, self.redact_json(v))).collect())
            }
            other => other,
        }
    }

    /// What a reply with a bad status says: the error's message where there is one.
    pub(crate) fn complaint(&self, reply: &HttpReply) -> String {
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let error = body.as_ref().map(|b| b.get(0).unwrap_or(b)).and_then(|b| b.get("error").or(Some(b)));
        let said = error.and_then(|e| {
            let message = e.get("message").or_else(|| e.get("detail")).unwrap_or(e);
            message.as_str().map(str::to_owned)
        });
        let text = said.unwrap_or_else(|| reply.text(MOST_MESSAGE));
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = self.redact(&text).chars().take(MOST_MESSAGE).collect();
        format!("status {}: {}", reply.status, if text.is_empty() { "no message" } else { &text })
    }
}

/// Sends again as `patience` says until there is an answer that is none of those that pass.
pub(crate) fn patiently(
    patience: Patience,
    name: &str,
    mut send: impl FnMut() -> Result<HttpReply, TransportError>,
) -> Result<HttpReply, TransportError> {
    let mut done = 0;
    loop {
        let outcome = send();
        let wait = match &outcome {
            Ok(reply) if reply.is_success() => return outcome,
            Ok(reply) => patience.wait(done, Some(reply), chance(name, done)),
            Err(_) => patience.wait(done, None, chance(name, done)),
        };
        let Some(wait) = wait else { return outcome };
        pause(wait);
        done += 1;
    }
}
