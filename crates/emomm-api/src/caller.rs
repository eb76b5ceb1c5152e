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
    /// When requests are sent again.
    pub(crate) patience: Patience,
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

    /// JSON without the key in any of its texts and names.
    pub(crate) fn redact_json(&self, value: Value) -> Value {
        let Some(key) = &self.key else { return value };
        match value {
            Value::String(text) => Value::String(key.redact(&text)),
            Value::Array(all) => Value::Array(all.into_iter().map(|v| self.redact_json(v)).collect()),
            Value::Object(all) => {
                Value::Object(all.into_iter().map(|(n, v)| (key.redact(&n), self.redact_json(v))).collect())
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
        // Cut after the key is out: half a key at the cut would not be found.
        let text = self.redact(&said.unwrap_or_else(|| reply.text(usize::MAX)));
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(MOST_MESSAGE).collect();
        format!("status {}: {}", reply.status, if text.is_empty() { "no message" } else { &text })
    }
}

/// Sends what costs nothing, again as the patience says, until there is an answer that is none of those that pass.
pub(crate) fn patiently(
    caller: &Caller,
    name: &str,
    mut send: impl FnMut() -> Result<HttpReply, TransportError>,
) -> Result<HttpReply, TransportError> {
    let mut done = 0;
    loop {
        let outcome = send();
        let wait = match &outcome {
            Ok(reply) if reply.is_success() => return outcome,
            Ok(reply) => caller.patience.wait(done, Some(reply), chance(name, done)),
            Err(_) => caller.patience.wait(done, None, chance(name, done)),
        };
        let Some(wait) = wait else { return outcome };
        pause(wait);
        done += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Access;
    use serde_json::json;

    fn caller() -> Caller {
        Caller {
            transport: Transport::new(&Access::default(), true).unwrap(),
            key: Some(Secret::new("sk-CANARY", "test").unwrap()),
            patience: Patience::OPENAI,
        }
    }

    #[test]
    fn no_part_of_a_key_is_left_at_the_cut_of_a_message() {
        for before in 580..610 {
            for body in
                [format!("{}sk-CANARY", "x".repeat(before)), format!("{}sk-CANARY", " ".repeat(before))]
            {
                let said = caller().complaint(&HttpReply::made_up(500, &[], &body));
                assert!(!said.contains("sk-C"), "{before}: {said}");
            }
        }
    }

    #[test]
    fn names_and_values_lose_the_key() {
        let said = json!({ "sk-CANARY": ["a sk-CANARY", { "b": "sk-CANARY" }] });
        assert_eq!(caller().redact_json(said), json!({ "[key]": ["a [key]", { "b": "[key]" }] }));
    }
}
