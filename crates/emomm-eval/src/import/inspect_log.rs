//! The `.eval` logs of inspect: a zip with one JSON file for each sample. Newer versions pack them with Zstandard, older
//! ones with Deflate.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use zip::{CompressionMethod, ZipArchive};

use super::{ImportError, ImportedRow};

/// A larger sample is none.
const MOST_BYTES: u64 = 256 << 20;

/// Reads all samples.
pub(super) fn read(path: &Path) -> Result<Vec<ImportedRow>, ImportError> {
    let fault = |e: &dyn std::fmt::Display| ImportError::unreadable(path, e);
    let file = File::open(path).map_err(|e| fault(&e))?;
    let mut archive = ZipArchive::new(file).map_err(|e| fault(&e))?;
    let names: Result<Vec<String>, _> =
        archive.file_names().map(|n| n.map(std::borrow::Cow::into_owned)).collect();
    let mut names = names.map_err(|e| fault(&e))?;
    names.retain(|n| n.starts_with("samples/") && Path::new(n).extension().is_some_and(|e| e == "json"));
    names.sort();
    let mut rows = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let bytes = unpacked(&mut archive, name).map_err(|m| fault(&format!("{name}: {m}")))?;
        let sample: Value = serde_json::from_slice(&bytes).map_err(|e| fault(&format!("{name}: {e}")))?;
        let number = index + 1;
        rows.push(row(&sample, number).map_err(|m| ImportError::row(path, number, format!("{name}: {m}")))?);
    }
    Ok(rows)
}

fn unpacked(archive: &mut ZipArchive<File>, name: &str) -> Result<Vec<u8>, String> {
    let at = archive.index_for_name(name).ok_or("it is gone")?;
    let method = archive.by_index_raw(at).map_err(|e| e.to_string())?.compression();
    let mut bytes = Vec::new();
    if method == CompressionMethod::ZSTD {
        let raw = archive.by_index_raw(at).map_err(|e| e.to_string())?;
        let decoder = ruzstd::decoding::StreamingDecoder::new(raw).map_err(|e| e.to_string())?;
        decoder.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    } else {
        let plain = archive.by_index(at).map_err(|e| e.to_string())?;
        plain.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    }
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("found more than {MOST_BYTES} bytes, expected a sample"));
    }
    Ok(bytes)
}

fn row(sample: &Value, number: usize) -> Result<ImportedRow, String> {
    let metadata = sample.get("metadata").unwrap_or(&Value::Null);
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let id = metadata.get("sample").or_else(|| sample.get("id")).and_then(text).ok_or("found no id")?;
    let vocabulary = |e: emomm_dataset::VocabularyError| e.to_string();
    let coalition = match metadata.get("coalition").and_then(Value::as_str) {
        Some(word) => Some(word.parse().map_err(vocabulary)?),
        None => None,
    };
    let status = match metadata.get("status").and_then(Value::as_str) {
        Some(word) => Some(word.parse().map_err(vocabulary)?),
        None => None,
    };
    let output = sample.get("output").unwrap_or(&Value::Null);
    let completion =
        output.get("completion").or_else(|| output.get("choices")?.get(0)?.get("message")?.get("content"));
    let reply = completion.and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
    let scored = sample.get("scores").and_then(Value::as_object).and_then(|s| s.values().next());
    let answer =
        scored.and_then(|s| s.get("answer")).and_then(Value::as_str).and_then(crate::score::answer_of);
    let error = sample.get("error").and_then(|e| e.get("message")).and_then(Value::as_str).map(str::to_owned);
    let epoch = sample.get("epoch").and_then(Value::as_u64).unwrap_or(1) as usize;
    let score = metadata.get("reply_score").and_then(Value::as_f64);
    Ok(ImportedRow { row: number, id, coalition, reply, answer, score, status, error, epoch })
}
