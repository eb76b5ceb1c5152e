//! Media that are too large for a request: stored by Google's Files API, used once they are ready, removed afterwards.
//!
//! The name of a file is chosen here and noted before it is sent, so that nothing is left behind by a process that is
//! killed, or by a reply that is lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use emomm_eval::run::hex;
use emomm_eval::{PredictError, PredictErrorKind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

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

/// Stores a medium and waits until it can be used: its address. `note` is told each name before something may be stored
/// under it.
pub(super) fn store(
    wire: &Gemini,
    caller: &Caller,
    medium: &Medium,
    note: &dyn Fn(&str) -> Result<(), PredictError>,
) -> Result<String, PredictError> {
    let mut name = new_name(medium);
    note(&name)?;
    let file = upload(wire, caller, medium, &name)?;
    if let Some(other) = text(&file, "name").filter(|other| *other != name) {
        note(&other)?;
        name = other;
    }
    ready(wire, caller, &name, file)
}

/// A name that no other file has: 38 letters and digits of the 40 that are allowed.
fn new_name(medium: &Medium) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let all = format!("{} {count} {now} {}", std::process::id(), medium.sha256);
    format!("files/emomm-{}", &hex(&Sha256::digest(all))[..32])
}

/// Removes a stored file; whether it is gone.
pub(super) fn remove(wire: &Gemini, caller: &Caller, name: &str) -> bool {
    let url = format!("{}/v1beta/{name}", wire.base_url);
    let headers = wire.headers(caller.key.as_ref());
    let reply = patiently(caller, name, || caller.send("DELETE", &url, &headers, &[]));
    // What is not there, or not ours any more, needs no removing.
    reply.is_ok_and(|r| r.is_success() || matches!(r.status, 403 | 404))
}

fn upload(wire: &Gemini, caller: &Caller, medium: &Medium, name: &str) -> Result<Value, PredictError> {
    let mut headers = wire.headers(caller.key.as_ref());
    headers.extend([
        ("x-goog-upload-protocol", "resumable".to_owned()),
        ("x-goog-upload-command", "start".to_owned()),
        ("x-goog-upload-header-content-length", medium.bytes.len().to_string()),
        ("x-goog-upload-header-content-type", medium.mime.to_owned()),
        ("content-type", "application/json".to_owned()),
    ]);
    // Nothing in the names says which clip it is.
    let body = json!({ "file": { "name": name, "display_name": &medium.sha256[..16] } }).to_string();
    let url = format!("{}/upload/v1beta/files", wire.base_url);
    let reply = patiently(caller, name, || caller.send("POST", &url, &headers, body.as_bytes()));
    let reply = good(wire, caller, reply)?;
    let address = reply
        .header("x-goog-upload-url")
        .ok_or_else(|| failed("the upload has no address (x-goog-upload-url)".to_owned()))?
        .to_owned();
    let address = at_home(&wire.base_url, &address)
        .ok_or_else(|| failed(format!("the upload's address is `{address}`, expected https://HOST/PATH")))?;
    let n_chunks = medium.bytes.len().div_ceil(CHUNK_BYTES);
    let mut last = reply;
    for (i, chunk) in medium.bytes.chunks(CHUNK_BYTES).enumerate() {
        let command = if i + 1 == n_chunks { "upload, finalize" } else { "upload" };
        let headers = [
            ("x-goog-upload-offset", (i * CHUNK_BYTES).to_string()),
            ("x-goog-upload-command", command.to_owned()),
        ];
        let reply = patiently(caller, name, || caller.send("POST", &address, &headers, chunk));
        last = good(wire, caller, reply)?;
    }
    if let Some(status) = last.header("x-goog-upload-status").filter(|status| *status != "final") {
        return Err(failed(format!(
            "all of the file was sent, and the upload is `{status}`, expected final"
        )));
    }
    let raw: Value = serde_json::from_slice(&last.body)
        .map_err(|e| failed(format!("the reply to an upload is no whole JSON: {e}")))?;
    Ok(caller.redact_json(raw.get("file").cloned().unwrap_or(raw)))
}

/// An address that a server named, on the host that the user named: media go there and nowhere else. Google's own client does
/// the same.
fn at_home(base_url: &str, address: &str) -> Option<String> {
    let (_, rest) = address.split_once("://")?;
    let path = &rest[rest.find(['/', '?'])?..];
    let (scheme, home) = base_url.split_once("://")?;
    let host = home.split('/').next()?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some(format!("{scheme}://{host}{slash}{path}"))
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
        let reply = patiently(caller, name, || caller.send("GET", &url, &headers, &[]));
        let reply = good(wire, caller, reply)?;
        let raw = serde_json::from_slice(&reply.body)
            .map_err(|e| failed(format!("what the server says of a file is no whole JSON: {e}")))?;
        file = caller.redact_json(raw);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_to_the_host_that_was_named() {
        for (base, address, expected) in [
            ("https://a.example", "https://a.example/upload?id=1", Some("https://a.example/upload?id=1")),
            (
                "http://127.0.0.1:8000",
                "https://b.example/upload?id=1",
                Some("http://127.0.0.1:8000/upload?id=1"),
            ),
            ("https://a.example/gate", "http://a.example@b.example/x/y", Some("https://a.example/x/y")),
            ("https://a.example", "https://b.example?id=1", Some("https://a.example/?id=1")),
            ("https://a.example", "/upload", None),
            ("https://a.example", "https://b.example", None),
        ] {
            assert_eq!(at_home(base, address).as_deref(), expected, "{base} {address}");
        }
    }
}
