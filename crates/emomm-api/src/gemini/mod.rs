//! Gemini's `generateContent`.

mod files;
mod probe;
mod reply;

use std::time::Duration;

use serde_json::{Map, Value, json};

use emomm_eval::PredictError;

use crate::ask::{Ask, AskPart, WireReply};
use crate::caller::Caller;
use crate::capability::Capabilities;
use crate::medium::{Medium, MediumKind, PictureForm, Place};
use crate::options::Condition;
use crate::secret::Secret;
use crate::wire::{Rejection, Wire};

pub(crate) use probe::probe;

/// Tokens whose probabilities are asked for: the most that Gemini gives.
const TOP_LOGPROBS: usize = 20;

/// Filters that would keep back what people say in films. Where the account may not turn them off, the API says so.
const HARMS: [&str; 4] = [
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
];

/// A model of Google's API.
#[derive(Debug, Clone)]
pub(crate) struct Gemini {
    pub(crate) base_url: String,
    pub(crate) model: String,
    pub(crate) condition: Condition,
    pub(crate) can: Capabilities,
    /// Longest time until a stored file can be used.
    pub(crate) wait: Duration,
}

impl Gemini {
    fn part(&self, part: &AskPart, place: &dyn Fn(&Medium) -> Place) -> Value {
        let medium = match part {
            AskPart::Text(text) => return json!({ "text": text }),
            AskPart::Medium(medium) => medium,
        };
        let mut part = match place(medium) {
            Place::Inline(data) => json!({ "inlineData": { "mimeType": medium.mime, "data": data } }),
            Place::Stored(uri) => json!({ "fileData": { "mimeType": medium.mime, "fileUri": uri } }),
        };
        if medium.kind == MediumKind::Video {
            part["videoMetadata"] = json!({ "fps": self.condition.fps });
        }
        part
    }

    /// The part of the request that says how to write.
    fn generation(&self, ask: &Ask) -> Value {
        let mut config = Map::new();
        let mut put = |name: &str, value: Value| config.insert(name.to_owned(), value);
        put("maxOutputTokens", json!(ask.max_tokens));
        if let Some(temperature) = self.condition.temperature {
            put("temperature", json!(temperature));
        }
        if let Some(seed) = ask.seed {
            put("seed", json!(seed));
        }
        if !ask.choices.is_empty() {
            put("responseMimeType", json!("text/x.enum"));
            put("responseSchema", json!({ "type": "STRING", "enum": ask.choices }));
        }
        if self.can.logprobs {
            put("responseLogprobs", json!(true));
            put("logprobs", json!(TOP_LOGPROBS));
        }
        if let Some(resolution) = &self.condition.resolution {
            put("mediaResolution", json!(format!("MEDIA_RESOLUTION_{}", resolution.to_uppercase())));
        }
        if let Some(level) = &self.condition.thinking {
            put("thinkingConfig", json!({ "thinkingLevel": level.to_uppercase() }));
        }
        Value::Object(config)
    }
}

impl Wire for Gemini {
    fn url(&self) -> String {
        format!("{}/v1beta/models/{}:generateContent", self.base_url, self.model)
    }

    fn headers(&self, key: Option<&Secret>) -> Vec<(&'static str, String)> {
        key.map(|key| ("x-goog-api-key", key.expose().to_owned())).into_iter().collect()
    }

    fn body(&self, ask: &Ask, place: &dyn Fn(&Medium) -> Place) -> Value {
        let parts: Vec<Value> = ask.parts.iter().map(|p| self.part(p, place)).collect();
        let safety: Vec<Value> =
            HARMS.iter().map(|harm| json!({ "category": harm, "threshold": "BLOCK_NONE" })).collect();
        json!({
            "systemInstruction": { "parts": [{ "text": ask.system }] },
            "contents": [{ "role": "user", "parts": parts }],
            "generationConfig": self.generation(ask),
            "safetySettings": safety,
        })
    }

    fn read(&self, reply: &Value) -> Result<WireReply, String> {
        reply::read(reply)
    }

    fn rejection(&self, status: u16, body: &str) -> Rejection {
        let says = |words: &[&str]| words.iter().any(|w| body.contains(w));
        match status {
            429 if is_used_up(body) => Rejection::Exhausted,
            // A stored file that is gone is told as one that we may not see.
            403 | 404 if says(&["File", "file"]) => Rejection::Medium,
            401 | 403 | 404 => Rejection::Closed,
            400 if says(&["API_KEY_INVALID", "API key not valid"]) => Rejection::Closed,
            408 | 429 | 500.. => Rejection::Overloaded,
            413 | 415 => Rejection::Medium,
            400 if says(&["mime", "MIME", "video", "audio", "image", "media", "File"]) => Rejection::Medium,
            _ => Rejection::Request,
        }
    }

    fn picture(&self) -> PictureForm {
        PictureForm::Video
    }

    fn sampling(&self) -> String {
        format!("video, {} frames a second asked for", self.condition.fps)
    }

    fn frames_per_second(&self) -> f64 {
        self.condition.fps
    }

    fn stores(&self) -> bool {
        true
    }

    fn store(
        &self,
        caller: &Caller,
        medium: &Medium,
        note: &dyn Fn(&str) -> Result<(), PredictError>,
    ) -> Result<String, PredictError> {
        files::store(self, caller, medium, note)
    }

    fn remove(&self, caller: &Caller, name: &str) -> bool {
        files::remove(self, caller, name)
    }
}

/// Whether a quota that is used up is one that does not pass in minutes: one of a day, or one of nothing at all. The message
/// speaks of plan and billing in every case; the names of the quotas tell them apart.
fn is_used_up(body: &str) -> bool {
    let of_nothing =
        ["limit: 0,", "limit: 0\\n", "limit: 0\"", "\"quotaValue\": \"0\"", "\"quotaValue\":\"0\""];
    let of_a_day = ["PerDay", "per day", "daily", "insufficient_quota"];
    of_a_day.iter().chain(&of_nothing).any(|word| body.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    pub(super) fn server() -> Gemini {
        Gemini {
            base_url: "http://127.0.0.1:1".to_owned(),
            model: "gemini-3-pro".to_owned(),
            condition: Condition { fps: 2.0, thinking: Some("low".to_owned()), ..Condition::default() },
            can: Capabilities { logprobs: true, ..Capabilities::default() },
            wait: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_request_has_google_s_names() {
        let part = |kind, mime| AskPart::Medium(Arc::new(Medium::new(kind, mime, vec![1, 2, 3], 1.0)));
        let ask = Ask {
            parts: vec![
                part(MediumKind::Video, "video/mp4"),
                part(MediumKind::Audio, "audio/wav"),
                AskPart::Text("x".into()),
            ],
            choices: vec!["A".to_owned()],
            ..Ask::trial("?", 64)
        };
        let body = server().body(&ask, &|m| match m.kind {
            MediumKind::Video => Place::Stored("https://files/abc".to_owned()),
            _ => Place::Inline(m.base64()),
        });
        let parts = &body["contents"][0]["parts"];
        assert_eq!(
            parts[0],
            json!({"fileData": {"mimeType": "video/mp4", "fileUri": "https://files/abc"}, "videoMetadata": {"fps": 2.0}})
        );
        assert_eq!(parts[1], json!({"inlineData": {"mimeType": "audio/wav", "data": "AQID"}}));
        assert_eq!(parts[2], json!({"text": "x"}));
        assert_eq!(
            body["generationConfig"],
            json!({"maxOutputTokens": 64, "responseMimeType": "text/x.enum",
                "responseSchema": {"type": "STRING", "enum": ["A"]}, "responseLogprobs": true, "logprobs": 20,
                "thinkingConfig": {"thinkingLevel": "LOW"}})
        );
        assert_eq!(body["systemInstruction"]["parts"][0]["text"], "You answer with one letter.");
        assert_eq!(body["safetySettings"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn a_quota_of_a_day_is_not_one_of_a_minute() {
        let wire = server();
        // The message is the same for all quotas.
        let message = "You exceeded your current quota, please check your plan and billing details. For more information on this \
                       error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.";
        let body = |id: &str| {
            format!(
                r#"{{"error":{{"code":429,"message":"{message}","status":"RESOURCE_EXHAUSTED","details":[{{"violations":[{{
                "quotaId":"{id}","quotaValue":"10"}}]}},{{"retryDelay":"26s"}}]}}}}"#
            )
        };
        let day = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
        let minute = "GenerateRequestsPerMinutePerProjectPerModel";
        assert_eq!(wire.rejection(429, &body(day)), Rejection::Exhausted);
        assert_eq!(wire.rejection(429, &body(minute)), Rejection::Overloaded);
        let tokens = "GenerateContentInputTokensPerModelPerMinute-FreeTier";
        assert_eq!(wire.rejection(429, &body(tokens)), Rejection::Overloaded);
        // A plan without this model.
        let none =
            format!("{message} * Quota exceeded for metric: requests, limit: 0, model: gemini-2.5-pro");
        assert_eq!(wire.rejection(429, &none), Rejection::Exhausted);
        assert_eq!(wire.rejection(429, &none.replace("limit: 0", "limit: 10")), Rejection::Overloaded);
        let gone = "You do not have permission to access the File abc or it may not exist.";
        assert_eq!(wire.rejection(403, gone), Rejection::Medium);
        assert_eq!(wire.rejection(400, "Unsupported MIME type: video/x"), Rejection::Medium);
        assert_eq!(wire.rejection(400, "Unknown name \"x\""), Rejection::Request);
        assert_eq!(wire.rejection(403, ""), Rejection::Closed);
        assert_eq!(wire.rejection(503, ""), Rejection::Overloaded);
    }
}
