//! Reads a reply of Gemini's form.

use std::fmt::Write;

use std::collections::BTreeMap;

use emomm_eval::{ServedEnd, ServedUsage};
use serde::Deserialize;
use serde_json::Value;

use crate::ask::{WireReply, letters_of};

/// Places of a reply at whose beginning a letter is looked for.
const PLACES: usize = 4;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    #[serde(default)]
    candidates: Vec<Candidate>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<UsageMetadata>,
    model_version: Option<String>,
    response_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
    safety_ratings: Option<Value>,
    logprobs_result: Option<LogprobsResult>,
}

#[derive(Debug, Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    text: Option<String>,
    /// Whether it is a thought, which is no part of the reply.
    #[serde(default)]
    thought: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
    block_reason_message: Option<String>,
    safety_ratings: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogprobsResult {
    #[serde(default)]
    top_candidates: Vec<TopCandidates>,
    #[serde(default)]
    chosen_candidates: Vec<TokenLogprob>,
}

#[derive(Debug, Deserialize)]
struct TopCandidates {
    #[serde(default)]
    candidates: Vec<TokenLogprob>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenLogprob {
    #[serde(default)]
    token: String,
    log_probability: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsageMetadata {
    #[serde(default)]
    prompt_token_count: u64,
    #[serde(default)]
    candidates_token_count: u64,
    #[serde(default)]
    thoughts_token_count: u64,
    #[serde(default)]
    cached_content_token_count: u64,
    #[serde(default)]
    prompt_tokens_details: Vec<ModalityCount>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModalityCount {
    modality: String,
    #[serde(default)]
    token_count: u64,
}

/// Endings that are no answer because a filter kept it back.
const FILTERS: [&str; 7] =
    ["SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"];

/// Reads a whole reply.
pub(super) fn read(reply: &Value) -> Result<WireReply, String> {
    if !reply.is_object() {
        return Err("the reply is no object, expected candidates or promptFeedback".to_owned());
    }
    let generated =
        Generated::deserialize(reply).map_err(|e| format!("the reply is none of generateContent: {e}"))?;
    let mut read = WireReply {
        model_version: generated.model_version,
        response_id: generated.response_id,
        usage: generated.usage_metadata.and_then(usage),
        ..WireReply::default()
    };
    let n_candidates = generated.candidates.len();
    let Some(candidate) = generated.candidates.into_iter().next() else {
        let Some(feedback) = generated.prompt_feedback else {
            if read.usage.is_none() {
                return Err("the reply has neither candidates nor promptFeedback".to_owned());
            }
            // It was counted, and will be charged: a whole reply that says nothing.
            read.end = ServedEnd::Empty;
            return Ok(read);
        };
        let reason = feedback.block_reason.unwrap_or_else(|| "no candidate".to_owned());
        read.end = ServedEnd::Blocked;
        read.detail =
            Some(join(&reason, feedback.block_reason_message.as_deref(), feedback.safety_ratings.as_ref()));
        read.finish_reason = Some(reason);
        return Ok(read);
    };
    if n_candidates > 1 {
        read.notes.push(format!("the server gave {n_candidates} candidates; the first counts"));
    }
    let parts = candidate.content.map(|c| c.parts).unwrap_or_default();
    read.text = parts.into_iter().filter(|p| !p.thought).filter_map(|p| p.text).collect();
    let finish = candidate.finish_reason.unwrap_or_default();
    read.end = match finish.as_str() {
        filter if FILTERS.contains(&filter) || filter.starts_with("IMAGE_") => ServedEnd::Blocked,
        "MAX_TOKENS" => ServedEnd::Cut,
        _ if read.text.trim().is_empty() => ServedEnd::Empty,
        _ => ServedEnd::Answered,
    };
    if read.end == ServedEnd::Blocked {
        read.detail =
            Some(join(&finish, candidate.finish_message.as_deref(), candidate.safety_ratings.as_ref()));
    }
    read.finish_reason = (!finish.is_empty()).then_some(finish);
    read.letter_logprobs = candidate.logprobs_result.as_ref().and_then(letters);
    Ok(read)
}

/// A reason, what was said of it, and the ratings that are not negligible.
fn join(reason: &str, message: Option<&str>, ratings: Option<&Value>) -> String {
    let mut text = reason.to_owned();
    if let Some(message) = message.filter(|m| !m.is_empty()) {
        text.push_str(": ");
        text.push_str(message);
    }
    for rating in ratings.and_then(Value::as_array).into_iter().flatten() {
        let word = |name: &str| rating.get(name).and_then(Value::as_str).unwrap_or_default();
        if !matches!(word("probability"), "NEGLIGIBLE" | "") {
            _ = write!(text, "; {} {}", word("category"), word("probability"));
        }
    }
    text
}

/// The letters at the first place of the reply that is a letter.
fn letters(result: &LogprobsResult) -> Option<BTreeMap<char, f64>> {
    let is_letter = |token: &str| letters_of(std::iter::once((token, 0.0))).is_some();
    let at = result.chosen_candidates.iter().take(PLACES).position(|c| is_letter(&c.token))?;
    let listed = result.top_candidates.get(at).map(|t| t.candidates.as_slice()).unwrap_or_default();
    let pairs = |all: &[TokenLogprob]| {
        letters_of(all.iter().filter_map(|t| Some((t.token.as_str(), t.log_probability?))))
    };
    pairs(listed).or_else(|| pairs(&result.chosen_candidates[at..=at]))
}

/// `None` for counts that cannot be.
fn usage(usage: UsageMetadata) -> Option<ServedUsage> {
    let mut by_modality: BTreeMap<String, u64> = BTreeMap::new();
    for count in usage.prompt_tokens_details {
        let sum = by_modality.entry(count.modality.to_lowercase()).or_default();
        *sum = sum.saturating_add(count.token_count);
    }
    let usage = ServedUsage {
        prompt: usage.prompt_token_count,
        reply: usage.candidates_token_count,
        thoughts: usage.thoughts_token_count,
        cached: usage.cached_content_token_count,
        by_modality,
    };
    usage.plausible()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_whole_reply() {
        let read = read(&json!({
            "candidates": [{
                "content": { "role": "model", "parts": [{ "text": "hm, A?", "thought": true }, { "text": "A\n" }, { "text": "Score: -0.8" }] },
                "finishReason": "STOP", "index": 0, "avgLogprobs": -0.1,
                "logprobsResult": {
                    "chosenCandidates": [{ "token": "A", "tokenId": 1, "logProbability": -0.1 }],
                    "topCandidates": [{ "candidates": [{ "token": "A", "logProbability": -0.1 }, { "token": "C", "logProbability": -3.0 }] }] }
            }],
            "usageMetadata": { "promptTokenCount": 1500, "candidatesTokenCount": 8, "thoughtsTokenCount": 120, "totalTokenCount": 1628,
                "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": 340 }, { "modality": "VIDEO", "tokenCount": 1032 }, { "modality": "AUDIO", "tokenCount": 128 }] },
            "modelVersion": "gemini-3-pro-001", "responseId": "r1"
        }))
        .unwrap();
        assert_eq!((read.text.as_str(), read.end), ("A\nScore: -0.8", ServedEnd::Answered));
        let usage = read.usage.unwrap();
        assert_eq!((usage.prompt, usage.reply, usage.thoughts), (1500, 8, 120));
        assert_eq!(usage.by_modality.get("video"), Some(&1032));
        assert_eq!(read.letter_logprobs.unwrap().keys().collect::<String>(), "AC");
    }

    #[test]
    fn blocks_cuts_and_silence_are_told_apart() {
        let candidate = |finish: &str, content: Value| {
            read(&json!({ "candidates": [{ "finishReason": finish, "content": content }] })).unwrap()
        };
        let text = json!({ "parts": [{ "text": "A" }] });
        for reason in ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "OTHER"] {
            let read = candidate(reason, text.clone());
            assert_eq!((read.end, read.finish_reason.as_deref()), (ServedEnd::Blocked, Some(reason)));
        }
        // All of the length went into thoughts.
        assert_eq!(candidate("MAX_TOKENS", json!({ "role": "model" })).end, ServedEnd::Cut);
        assert_eq!(candidate("STOP", json!({ "parts": [] })).end, ServedEnd::Empty);
        assert_eq!(candidate("SOMETHING_NEW", text).end, ServedEnd::Answered);
        let blocked = read(&json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT",
            "safetyRatings": [{ "category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH" }] } }))
        .unwrap();
        assert_eq!(blocked.end, ServedEnd::Blocked);
        assert_eq!(blocked.detail.as_deref(), Some("PROHIBITED_CONTENT; HARM_CATEGORY_HARASSMENT HIGH"));
    }

    #[test]
    fn a_reply_that_was_counted_and_says_nothing_is_empty() {
        let read = read(&json!({ "usageMetadata": { "promptTokenCount": 7 }, "responseId": "r" })).unwrap();
        assert_eq!((read.end, read.usage.unwrap().prompt), (ServedEnd::Empty, 7));
    }

    #[test]
    fn counts_that_cannot_be_are_left_out() {
        let counted = |prompt: u64, audio: u64| {
            read(&json!({ "candidates": [{ "content": { "parts": [{ "text": "A" }] }, "finishReason": "STOP" }],
                "usageMetadata": { "promptTokenCount": prompt, "promptTokensDetails": [
                    { "modality": "AUDIO", "tokenCount": audio }, { "modality": "AUDIO", "tokenCount": audio }] } }))
            .unwrap()
            .usage
        };
        assert_eq!(counted(9, 4).unwrap().by_modality["audio"], 8);
        assert_eq!((counted(u64::MAX, 0), counted(9, u64::MAX)), (None, None));
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for body in
            [json!({}), json!([]), json!("A"), json!({ "candidates": [] }), json!({ "candidates": [7] })]
        {
            assert!(read(&body).is_err(), "{body}");
        }
    }
}
