//! Reads a reply of OpenAI's form.

use emomm_eval::{ServedEnd, ServedUsage};
use serde::Deserialize;
use serde_json::Value;

use crate::ask::{WireReply, letters_of};

/// Places of a reply at whose beginning a letter is looked for: marks may stand before it.
const PLACES: usize = 4;

#[derive(Debug, Deserialize)]
struct Completion {
    id: Option<String>,
    model: Option<String>,
    system_fingerprint: Option<String>,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
    logprobs: Option<Logprobs>,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: Option<Content>,
    refusal: Option<String>,
}

/// Text, or a list of parts as some servers give it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Debug, Deserialize)]
struct ContentPart {
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
struct Logprobs {
    content: Option<Vec<Position>>,
}

#[derive(Debug, Deserialize)]
struct Position {
    token: String,
    logprob: Option<f64>,
    #[serde(default)]
    top_logprobs: Vec<TokenLogprob>,
}

#[derive(Debug, Deserialize)]
struct TokenLogprob {
    token: String,
    logprob: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<ReplyDetails>,
}

#[derive(Debug, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
struct PromptDetails {
    cached_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    text_tokens: Option<u64>,
    image_tokens: Option<u64>,
    video_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct ReplyDetails {
    reasoning_tokens: Option<u64>,
}

/// Reads a whole reply.
pub(super) fn read(reply: &Value) -> Result<WireReply, String> {
    let completion =
        Completion::deserialize(reply).map_err(|e| format!("the reply is no chat completion: {e}"))?;
    let usage = completion.usage.and_then(usage);
    let version = match (completion.model, completion.system_fingerprint) {
        (Some(model), Some(print)) => Some(format!("{model} {print}")),
        (model, print) => model.or(print),
    };
    let n_choices = completion.choices.len();
    let choice = completion.choices.into_iter().next().ok_or("the reply has no choice, expected one")?;
    let text = match choice.message.content {
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => parts.into_iter().map(|p| p.text).collect(),
        None => String::new(),
    };
    let refusal = choice.message.refusal.filter(|r| !r.is_empty());
    let finish = choice.finish_reason.unwrap_or_default();
    let end = if refusal.is_some() {
        ServedEnd::Refused
    } else if finish == "content_filter" {
        ServedEnd::Blocked
    } else if finish == "length" {
        ServedEnd::Cut
    } else if text.trim().is_empty() {
        ServedEnd::Empty
    } else {
        ServedEnd::Answered
    };
    let mut notes = Vec::new();
    if n_choices > 1 {
        notes.push(format!("the server gave {n_choices} choices; the first counts"));
    }
    Ok(WireReply {
        text,
        end,
        finish_reason: (!finish.is_empty()).then_some(finish),
        detail: refusal,
        model_version: version,
        response_id: completion.id.filter(|id| !id.is_empty()),
        usage,
        letter_logprobs: choice.logprobs.and_then(|l| l.content).and_then(|c| letters(&c)),
        notes,
    })
}

/// The letters at the first place of the reply that is a letter.
fn letters(places: &[Position]) -> Option<std::collections::BTreeMap<char, f64>> {
    let is_letter = |token: &str| letters_of(std::iter::once((token, 0.0))).is_some();
    let place = places.iter().take(PLACES).find(|p| is_letter(&p.token))?;
    let listed = place.top_logprobs.iter().filter_map(|t| Some((t.token.as_str(), t.logprob?)));
    letters_of(listed).or_else(|| letters_of(std::iter::once((place.token.as_str(), place.logprob?))))
}

/// `None` for counts that cannot be.
fn usage(usage: Usage) -> Option<ServedUsage> {
    let details = usage.prompt_tokens_details;
    let mut by_modality = std::collections::BTreeMap::new();
    if let Some(d) = &details {
        let counts = [
            ("text", d.text_tokens),
            ("audio", d.audio_tokens),
            ("image", d.image_tokens),
            ("video", d.video_tokens),
        ];
        by_modality.extend(counts.into_iter().filter_map(|(name, n)| Some((name.to_owned(), n?))));
    }
    let thoughts = usage.completion_tokens_details.and_then(|d| d.reasoning_tokens).unwrap_or(0);
    let usage = ServedUsage {
        prompt: usage.prompt_tokens,
        // Thoughts are part of the completion here.
        reply: usage.completion_tokens.saturating_sub(thoughts),
        thoughts,
        cached: details.and_then(|d| d.cached_tokens).unwrap_or(0),
        by_modality,
    };
    usage.plausible()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reply(message: &Value, finish: &str) -> WireReply {
        read(&json!({ "choices": [{ "message": message, "finish_reason": finish }] })).unwrap()
    }

    #[test]
    fn a_whole_reply() {
        let read = read(&json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "system_fingerprint": "fp",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": "A\nScore: -0.8", "refusal": null },
                "finish_reason": "stop",
                "logprobs": { "content": [
                    { "token": "A", "logprob": -0.1, "bytes": [65], "top_logprobs": [
                        { "token": "A", "logprob": -0.1 }, { "token": "B", "logprob": -2.5 }, { "token": "The", "logprob": -4.0 }] },
                    { "token": "\n", "logprob": 0.0, "top_logprobs": [] }] } }],
            "usage": { "prompt_tokens": 300, "completion_tokens": 17, "total_tokens": 317,
                "prompt_tokens_details": { "cached_tokens": 16, "audio_tokens": 0 },
                "completion_tokens_details": { "reasoning_tokens": 10 } }
        }))
        .unwrap();
        assert_eq!((read.text.as_str(), read.end), ("A\nScore: -0.8", ServedEnd::Answered));
        assert_eq!(read.model_version.as_deref(), Some("m fp"));
        let usage = read.usage.unwrap();
        assert_eq!((usage.prompt, usage.reply, usage.thoughts, usage.cached), (300, 7, 10, 16));
        assert_eq!(usage.by_modality, [("audio".to_owned(), 0)].into());
        let letters = read.letter_logprobs.unwrap();
        assert_eq!(letters.keys().collect::<String>(), "AB");
        assert!((letters[&'B'] + 2.5).abs() < 1e-9);
    }

    #[test]
    fn endings_are_told_apart() {
        assert_eq!(reply(&json!({"content": "A"}), "length").end, ServedEnd::Cut);
        assert_eq!(reply(&json!({"content": null}), "length").end, ServedEnd::Cut);
        assert_eq!(reply(&json!({"content": ""}), "stop").end, ServedEnd::Empty);
        assert_eq!(reply(&json!({"content": "A"}), "content_filter").end, ServedEnd::Blocked);
        let refused = reply(&json!({"content": null, "refusal": "I cannot help."}), "stop");
        assert_eq!((refused.end, refused.detail.as_deref()), (ServedEnd::Refused, Some("I cannot help.")));
        let parts = reply(&json!({"content": [{"type": "text", "text": "B"}]}), "stop");
        assert_eq!(parts.text, "B");
        // An ending that nobody knows is kept as it is.
        assert_eq!(reply(&json!({"content": "A"}), "odd").finish_reason.as_deref(), Some("odd"));
    }

    #[test]
    fn counts_that_cannot_be_are_left_out() {
        let read = read(&json!({ "choices": [{ "message": { "content": "A" }, "finish_reason": "stop" }],
            "usage": { "prompt_tokens": u64::MAX, "completion_tokens": 1 } }));
        assert_eq!(read.unwrap().usage, None);
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for body in [
            json!({}),
            json!({"choices": []}),
            json!({"choices": [{}]}),
            json!([1]),
            json!({"error": {"message": "x"}}),
        ] {
            assert!(read(&body).is_err(), "{body}");
        }
    }
}
