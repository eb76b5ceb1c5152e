//! Both forms of replies. A letter follows from what was shown, so that two runs agree where they should.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::Asked;
use super::{Fault, INPUT_PRICE, OUTPUT_PRICE, Shared};

/// What a question showed: kind of each medium and its content as it stood in the request, and all text.
struct Shown {
    media: Vec<(&'static str, String)>,
    text: String,
}

fn shown(asked: &Asked) -> Shown {
    let mut shown = Shown { media: Vec::new(), text: String::new() };
    let text_of = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    if let Some(contents) = asked.json.get("contents") {
        for part in contents[0]["parts"].as_array().into_iter().flatten() {
            if let Some(text) = part.get("text") {
                shown.text.push_str(&text_of(text));
            }
            // JSON of protocol buffers has its names in both spellings.
            let either = |d: &Value, a: &str, b: &str| text_of(d.get(a).unwrap_or(&d[b]));
            let mime = |d: &Value| either(d, "mimeType", "mime_type");
            let inline = part.get("inlineData").map(|d| (mime(d), text_of(&d["data"])));
            let stored = part.get("fileData").map(|d| (mime(d), either(d, "fileUri", "file_uri")));
            if let Some((mime, content)) = inline.or(stored) {
                shown.media.push((if mime.starts_with("video/") { "video" } else { "audio" }, content));
            }
        }
        return shown;
    }
    let content = &asked.json["messages"][1]["content"];
    if let Some(text) = content.as_str() {
        shown.text.push_str(text);
    }
    for part in content.as_array().into_iter().flatten() {
        match part["type"].as_str().unwrap_or_default() {
            "text" => shown.text.push_str(&text_of(&part["text"])),
            "video_url" => shown.media.push(("video", text_of(&part["video_url"]["url"]))),
            "image_url" => shown.media.push(("image", text_of(&part["image_url"]["url"]))),
            "input_audio" => shown.media.push(("audio", text_of(&part["input_audio"]["data"]))),
            "audio_url" => shown.media.push(("audio", text_of(&part["audio_url"]["url"]))),
            other => panic!("a part of type {other}"),
        }
    }
    shown
}

/// Tokens of text, sound and picture.
fn counts(shared: &Shared, shown: &Shown) -> [u64; 3] {
    let seen = |kinds: &[&str], each: u64| {
        let n = shown.media.iter().filter(|(k, _)| kinds.contains(k)).count() as u64;
        if shared.skills.is_blind { 0 } else { n * each }
    };
    [shown.text.len() as u64 / 4 + 10, seen(&["audio"], 40), seen(&["video", "image"], 300)]
}

/// Tokens that a number of frames adds.
fn of_frames(shared: &Shared, asked: &Asked) -> u64 {
    let n = asked.json["media_io_kwargs"]["video"]["num_frames"].as_u64();
    n.filter(|_| shared.skills.frames).unwrap_or(0)
}

/// FNV-1a.
fn hash(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|t| t.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// The reply to a question.
pub(super) fn question(shared: &Shared, asked: &Asked, number: usize, fault: &Fault) -> (u16, Value) {
    let shown = shown(asked);
    let skills = &shared.skills;
    let is_gemini = asked.json.get("contents").is_some();
    if let Some(refusal) = refused(shared, asked, &shown) {
        return refusal;
    }
    let mut parts: Vec<&str> = shown.media.iter().map(|(_, content)| content.as_str()).collect();
    parts.push(&shown.text);
    let letter = ['A', 'B', 'C', 'D', 'E'][(hash(&parts) % 5) as usize];
    let text = match fault {
        Fault::Text(text) | Fault::CutAfter(text) => text.clone(),
        Fault::Empty | Fault::CutReply | Fault::Refused => String::new(),
        _ => match choice(&asked.json).filter(|_| skills.choice) {
            Some(choice) => choice,
            None => format!("{letter}\nScore: {}", [-0.8, -0.4, 0.0, 0.4, 0.8][(hash(&parts) % 5) as usize]),
        },
    };
    let [mut words, mut sound, mut picture] = counts(shared, &shown);
    words += 5;
    picture += of_frames(shared, asked);
    if *fault == Fault::Leak {
        sound += 77;
    }
    if *fault == Fault::LeakedPicture {
        picture += 258;
    }
    let id = format!("reply-{number}-{:x}", hash(&parts));
    let counted = [words, sound, picture];
    let reply = if is_gemini {
        gemini(&text, fault, counted, &id, asked, shared)
    } else {
        openai(&text, fault, counted, &id, asked, shared)
    };
    (200, reply)
}

/// Media and fields that this server does not take.
fn refused(shared: &Shared, asked: &Asked, shown: &Shown) -> Option<(u16, Value)> {
    let skills = &shared.skills;
    let no = |message: &str| {
        Some((400, json!({ "error": { "message": message, "code": 400, "status": "INVALID_ARGUMENT" } })))
    };
    for (kind, _) in &shown.media {
        let is_taken = match *kind {
            "video" => skills.video,
            "audio" => skills.audio,
            _ => skills.image,
        };
        if !is_taken {
            return no(&format!("this model takes no {kind}"));
        }
    }
    if skills.is_strict && asked.json.get("emomm_unknown_field").is_some() {
        return no("unknown field");
    }
    if asked.json["generationConfig"].get("responseLogprobs").is_some() && !skills.logprobs {
        return no("Logprobs is not enabled for models/mock-omni");
    }
    None
}

/// The first choice that is allowed.
fn choice(body: &Value) -> Option<String> {
    let vllm = body["structured_outputs"]["choice"][0].as_str();
    let google = body["generationConfig"]["responseSchema"]["enum"][0].as_str();
    vllm.or(google).map(str::to_owned)
}

fn openai(text: &str, fault: &Fault, counted: [u64; 3], id: &str, asked: &Asked, shared: &Shared) -> Value {
    let [words, sound, picture] = counted;
    let finish = match fault {
        Fault::Blocked => "content_filter",
        Fault::CutReply | Fault::CutAfter(_) => "length",
        _ => "stop",
    };
    let refusal = (*fault == Fault::Refused).then_some("I cannot judge people.");
    let mut choice = json!({
        "index": 0,
        "message": { "role": "assistant", "content": text, "refusal": refusal },
        "finish_reason": finish,
    });
    if asked.json["logprobs"] == json!(true) && shared.skills.logprobs {
        let tops: Vec<Value> = if shared.skills.token_ids && asked.json.get("logprob_token_ids").is_some() {
            ["A", "B", "C", "D", "E"].iter().map(|l| json!({ "token": l, "logprob": -1.6 })).collect()
        } else {
            (0..20).map(|i| json!({ "token": if i == 0 { text.chars().next().map(String::from).unwrap_or_default() } else { format!("t{i}") }, "logprob": -0.5 - f64::from(i) })).collect()
        };
        let first = text.chars().next().map(String::from).unwrap_or_default();
        choice["logprobs"] =
            json!({ "content": [{ "token": first, "logprob": -0.5, "bytes": null, "top_logprobs": tops }] });
    }
    let reply_tokens =
        if *fault == Fault::CutReply { asked.json["max_tokens"].as_u64().unwrap_or(16) } else { 8 };
    json!({
        "id": id, "object": "chat.completion", "created": 1_700_000_000, "model": shared.skills.model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": words + sound + picture, "completion_tokens": reply_tokens,
            "total_tokens": words + sound + picture + reply_tokens,
            "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": sound, "image_tokens": picture },
        },
    })
}

fn gemini(text: &str, fault: &Fault, counted: [u64; 3], id: &str, asked: &Asked, shared: &Shared) -> Value {
    let [words, sound, picture] = counted;
    let mut details = vec![json!({ "modality": "TEXT", "tokenCount": words })];
    for (name, n) in [("AUDIO", sound), ("VIDEO", picture)] {
        if n > 0 {
            details.push(json!({ "modality": name, "tokenCount": n }));
        }
    }
    let thoughts = if *fault == Fault::CutReply {
        asked.json["generationConfig"]["maxOutputTokens"].as_u64().unwrap_or(0)
    } else {
        20
    };
    let usage = json!({
        "promptTokenCount": words + sound + picture, "candidatesTokenCount": 8 * u64::from(!text.is_empty()),
        "thoughtsTokenCount": thoughts, "totalTokenCount": words + sound + picture + 8 + thoughts,
        "promptTokensDetails": details,
    });
    let mut reply = json!({ "usageMetadata": usage, "modelVersion": shared.skills.model, "responseId": id });
    match fault {
        Fault::Blocked => reply["promptFeedback"] = json!({ "blockReason": "PROHIBITED_CONTENT" }),
        Fault::Refused => {
            reply["candidates"] = json!([{ "finishReason": "SAFETY", "index": 0,
                "safetyRatings": [{ "category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH" }] }]);
        }
        Fault::CutReply => {
            reply["candidates"] = json!([{ "finishReason": "MAX_TOKENS", "content": { "role": "model" } }]);
        }
        _ => {
            let finish = if matches!(fault, Fault::CutAfter(_)) { "MAX_TOKENS" } else { "STOP" };
            let parts = if text.is_empty() { json!([]) } else { json!([{ "text": text }]) };
            let mut candidate =
                json!({ "content": { "role": "model", "parts": parts }, "finishReason": finish, "index": 0 });
            if asked.json["generationConfig"]["responseLogprobs"] == json!(true) {
                let first = text.chars().next().map(String::from).unwrap_or_default();
                let one = json!({ "token": first, "tokenId": 1, "logProbability": -0.5 });
                candidate["logprobsResult"] =
                    json!({ "chosenCandidates": [one], "topCandidates": [{ "candidates": [one] }] });
            }
            reply["candidates"] = json!([candidate]);
        }
    }
    reply
}

/// What a reply costs.
pub(super) fn price(reply: &Value) -> f64 {
    let n = |v: &Value| v.as_u64().unwrap_or(0) as f64;
    let (usage, meta) = (&reply["usage"], &reply["usageMetadata"]);
    let input = n(&usage["prompt_tokens"]) + n(&meta["promptTokenCount"]);
    let output =
        n(&usage["completion_tokens"]) + n(&meta["candidatesTokenCount"]) + n(&meta["thoughtsTokenCount"]);
    (input * INPUT_PRICE + output * OUTPUT_PRICE) / 1e6
}

/// Everything but questions: trials, lists of tokens, stored files.
pub(super) fn other(
    shared: &Shared,
    asked: &Asked,
    address: SocketAddr,
) -> (u16, Vec<(&'static str, String)>, Vec<u8>) {
    let json = |status: u16, value: Value| (status, Vec::new(), value.to_string().into_bytes());
    let path = asked.path.as_str();
    if path == "/tokenize" {
        if !shared.skills.token_ids {
            return json(404, json!({ "detail": "Not Found" }));
        }
        let letter = asked.json["prompt"].as_str().and_then(|p| p.bytes().next()).unwrap_or(b'A');
        return json(200, json!({ "count": 1, "max_model_len": 100, "tokens": [u64::from(letter)] }));
    }
    if path == "/v1/chat/completions"
        || (path.starts_with("/v1beta/models/") && path.ends_with(":generateContent"))
    {
        let shows_video = shown(asked).media.iter().any(|(kind, _)| *kind == "video");
        let busy = (shared.skills.is_busy_with_video && shows_video).then_some(503);
        if let Some(status) = shared.skills.trial_status.or(busy) {
            return (status, vec![("retry-after-ms", "1".to_owned())], b"{}".to_vec());
        }
        let (status, reply) =
            question(shared, asked, usize::MAX - shared.asked.lock().unwrap().len(), &Fault::None);
        if status == 200 {
            *shared.charged.lock().unwrap() += price(&reply);
        }
        return json(status, reply);
    }
    if path == "/upload/v1beta/files" {
        let chosen = asked.json["file"]["name"].as_str().map(str::to_owned);
        let name = match chosen {
            Some(name) if shared.skills.takes_names => name,
            _ => format!("files/mock-{}", shared.asked.lock().unwrap().len()),
        };
        assert!(!shared.files.lock().unwrap().contains_key(&name), "{name} is there already");
        shared.files.lock().unwrap().insert(name.clone(), (Vec::new(), shared.skills.looks));
        let to = shared.skills.uploads_to.clone().unwrap_or_else(|| format!("http://{address}"));
        return (200, vec![("x-goog-upload-url", format!("{to}/put/{name}"))], b"{}".to_vec());
    }
    if let Some(name) = path.strip_prefix("/put/") {
        let mut files = shared.files.lock().unwrap();
        let file = files.get_mut(name).expect("an upload that was begun");
        assert_eq!(asked.header("x-goog-upload-offset"), Some(file.0.len().to_string().as_str()));
        file.0.extend_from_slice(&asked.body);
        let is_last = asked.header("x-goog-upload-command").is_some_and(|c| c.contains("finalize"));
        let status = if is_last && !shared.skills.is_never_final { "final" } else { "active" };
        let stored = json!({ "file": { "name": name, "state": "PROCESSING", "uri": format!("https://stored/{name}") } });
        return (200, vec![("x-goog-upload-status", status.to_owned())], stored.to_string().into_bytes());
    }
    if let Some(name) = path.strip_prefix("/v1beta/").filter(|p| p.starts_with("files/")) {
        let mut files = shared.files.lock().unwrap();
        if asked.method == "DELETE" {
            return json(if files.remove(name).is_some() { 200 } else { 404 }, json!({}));
        }
        let Some(file) = files.get_mut(name) else { return json(404, json!({})) };
        let state = match file.1 {
            0 if shared.skills.spoils_files => "FAILED",
            0 => "ACTIVE",
            _ => "PROCESSING",
        };
        file.1 = file.1.saturating_sub(1);
        return json(200, json!({ "name": name, "state": state, "uri": format!("https://stored/{name}") }));
    }
    json(404, json!({ "error": { "message": "no such path" } }))
}
