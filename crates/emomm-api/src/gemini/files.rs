//! Media that are too large for a request: stored by Google's Files API, used once they are ready, removed afterwards.

use std::time::{Duration, Instant};

use emomm_eval::{PredictError, PredictErrorKind};
use serde_json::{Value, json};

use super::Gemini;
use crate::caller::{Caller, patiently};
use crate::medium::Medium;
use crate::transport::{HttpReply, TransportError, pause};
use crate::wire::{Rejection, Wire};

/// Bytes that are sent at a time; the API wants multiples of 256 KiB.
const CHUNK_BYTES: usize = 8 << 20;

/// Between two looks at a file that is being prepared; doubles up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// Stores a medium and waits until it can be used: its name, and its address.
pub(super) fn store(
    wire: &Gemini,
    caller: &Caller,
    medium: &Medium,
) -> Result<(String, String), PredictError> {
    let file = upload(wire, caller, medium)?;
    let name = text(&file, "name").ok_or_else(|| failed("the stored file has no name".to_owned()))?;
    match ready(wire, caller, &name, file) {
        Ok(uri) => Ok((name, uri)),
        Err(error) => {
            remove(wire, caller, &name);
            Err(error)
        }
    }
}

/// Removes a stored file; whether it is gone.
pub(super) fn remove(wire: &Gemini, caller: &Caller, name: &str) -> bool {
    let url = format!("{}/v1beta/{name}", wire.base_url);
    let headers = wire.headers(caller.key.as_ref());
    let reply = patiently(wire.patience(), name, || caller.send("DELETE", &url, &headers, &[]));
    // What is not there, or not ours any more, needs no removing.
    reply.is_ok_and(|r| r.is_success() || matches!(r.status, 403 | 404))
}

fn upload(wire: &Gemini, caller: &Caller, medium: &Medium) -> Result<Value, PredictError> {
    let mut headers = wire.headers(caller.key.as_ref());
    headers.extend([
        ("x-goog-upload-protocol", "resumable".to_owned()),
        ("x-goog-upload-command", "start".to_owned()),
        ("x-goog-upload-header-content-length", medium.bytes.len().to_string()),
        ("x-goog-upload-header-content-type", medium.mime.to_owned()),
        ("content-type", "application/json".to_owned()),
    ]);
    // Nothing in the name says which clip it is.
    let body = json!({ "file": { "display_name": &medium.sha256[..16] } }).to_string();
    let url = format!("{}/upload/v1beta/files", wire.base_url);
    let reply =
        patiently(wire.patience(), &medium.sha256, || caller.send("POST", &url, &headers, body.as_bytes()));
    let reply = good(wire, caller, reply)?;
    let address = reply
        .header("x-goog-upload-url")
        .ok_or_else(|| failed("the upload has no address (x-goog-upload-url)".to_owned()))?
        .to_owned();
    let n_chunks = medium.bytes.len().div_ceil(CHUNK_BYTES);
    let mut last = reply;
    for (i, chunk) in medium.bytes.chunks(CHUNK_BYTES).enumerate() {
        let command = if i + 1 == n_chunks { "upload, finalize" } else { "upload" };
        let headers = [
            ("x-goog-upload-offset", (i * CHUNK_BYTES).to_string()),
            ("x-goog-upload-command", command.to_owned()),
        ];
        let reply =
            patiently(wire.patience(), &medium.sha256, || caller.send("POST", &address, &headers, chunk));
        last = good(wire, caller, reply)?;
    }
    let raw: Value = serde_json::from_slice(&last.body)
        .map_err(|e| failed(format!("the reply to an upload is no whole JSON: {e}")))?;
    Ok(raw.get("file").cloned().unwrap_or(raw))
}

/// Waits until a file is ready: gives its address.
fn ready(wire: &Gemini, caller: &Caller, name: &str, mut file: Value) -> Result<String, PredictError> {
    let began = Instant::now();
    let mut look = FIRST_LOOK;
    loop {
        match text(&file, "state").as_deref() {
            Some("ACTIVE") => {
                return text(&file, "uri").ok_or_else(|| failed("the stored file has no address".to_owned()));
            }
            Some("FAILED") => {
                let why = file.get("error").map(Value::to_string).unwrap_or_default();
                return Err(PredictError {
                    kind: PredictErrorKind::Media,
                    message: format!("the server could not read the file: {why}"),
                    hint: None,
                });
            }
            _ if began.elapsed() > wire.wait => {
                return Err(PredictError {
                    kind: PredictErrorKind::Timeout,
                    message: format!("the stored file was not ready within {:.0} s", wire.wait.as_secs_f64()),
                    hint: Some("allow more time with --request-timeout".to_owned()),
                });
            }
            _ => pause(look),
        }
        look = (look * 2).min(LONGEST_LOOK);
        let url = format!("{}/v1beta/{name}", wire.base_url);
        let headers = wire.headers(caller.key.as_ref());
        let reply = patiently(wire.patience(), name, || caller.send("GET", &url, &headers, &[]));
        let reply = good(wire, caller, reply)?;
        file = serde_json::from_slice(&reply.body)
            .map_err(|e| failed(format!("what the server says of a file is no whole JSON: {e}")))?;
    }
}

fn good(
    wire: &Gemini,
    caller: &Caller,
    reply: Result<HttpReply, TransportError>,
) -> Result<HttpReply, PredictError> {
    let reply = reply.map_err(|e| match e {
        TransportError::Timeout(message) => {
            PredictError { kind: PredictErrorKind::Timeout, message, hint: None }
        }
        TransportError::NoConnection(message) => {
            PredictError { kind: PredictErrorKind::Access, message, hint: None }
        }
        TransportError::Broken(message) => failed(format!("the connection broke: {message}")),
    })?;
    if reply.is_success() {
        return Ok(reply);
    }
    let kind = match wire.rejection(reply.status, &reply.text(8000)) {
        Rejection::Exhausted => PredictErrorKind::Exhausted,
        Rejection::Closed => PredictErrorKind::Access,
        Rejection::Overloaded if reply.status == 429 => PredictErrorKind::RateLimited,
        Rejection::Medium => PredictErrorKind::Media,
        _ => PredictErrorKind::Model,
    };
    Err(PredictError { kind, message: format!("storing a file: {}", caller.complaint(&reply)), hint: None })
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn failed(message: String) -> PredictError {
    PredictError { kind: PredictErrorKind::Model, message, hint: None }
}
