//! The samples files of lmms-eval and lm-eval: one JSON object a line.

use std::io::BufRead;
use std::path::Path;

use serde_json::Value;

use super::{ImportError, ImportedRow};

/// A longer line is no sample.
const MOST_BYTES: usize = 64 << 20;

/// Names under which a document may have its clip's id.
const IDS: [&str; 6] = ["id", "sample", "clip_id", "video_id", "file_name", "video"];

/// Reads all samples.
pub(super) fn read(path: &Path) -> Result<Vec<ImportedRow>, ImportError> {
    let file = std::fs::File::open(path).map_err(|e| ImportError::unreadable(path, &e))?;
    let mut rows = Vec::new();
    for (index, line) in std::io::BufReader::new(file).split(b'\n').enumerate() {
        let line = line.map_err(|e| ImportError::unreadable(path, &e))?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let number = index + 1;
        if line.len() > MOST_BYTES {
            return Err(ImportError::row(
                path,
                number,
                format!("found {} bytes, expected a sample", line.len()),
            ));
        }
        let sample: Value = serde_json::from_slice(&line)
            .map_err(|e| ImportError::row(path, number, format!("found text that is not JSON ({e})")))?;
        rows.push(row(&sample, number).map_err(|m| ImportError::row(path, number, m))?);
    }
    Ok(rows)
}

fn row(sample: &Value, number: usize) -> Result<ImportedRow, String> {
    let doc = sample.get("doc").unwrap_or(&Value::Null);
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let named = IDS.iter().find_map(|name| doc.get(name).and_then(text));
    // A task may use the clip's id as the document's.
    let id = named.or_else(|| sample.get("doc_id").filter(|v| v.is_string()).and_then(text));
    let id = id.ok_or_else(|| format!("found no id in `doc`, expected one of {}", IDS.join(", ")))?;
    let word = doc.get("coalition").or_else(|| sample.get("coalition"));
    let coalition = match word {
        None | Some(Value::Null) => None,
        Some(word) => Some(
            word.as_str()
                .unwrap_or_default()
                .parse()
                .map_err(|e: emomm_dataset::VocabularyError| e.to_string())?,
        ),
    };
    let reply = sample.get("resps").and_then(first_text);
    let filtered = sample.get("filtered_resps").and_then(first_text);
    let status = match sample.get("status").and_then(Value::as_str) {
        None => None,
        Some(word) => Some(word.parse().map_err(|e: emomm_dataset::VocabularyError| e.to_string())?),
    };
    if reply.is_none() && filtered.is_none() {
        return Err("found neither `resps` nor `filtered_resps`".to_owned());
    }
    let reply = reply.filter(|r| !r.is_empty());
    let answer = filtered.as_deref().and_then(crate::score::answer_of);
    // A choice among continuations has no text: its filtered answer is all there is.
    let reply = reply.or_else(|| filtered.filter(|_| answer.is_none()));
    Ok(ImportedRow { row: number, id, coalition, reply, answer, status, epoch: 1, ..ImportedRow::default() })
}

/// The first text in lists of lists.
fn first_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(all) => all.first().and_then(first_text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emomm_dataset::Sentiment;
    use serde_json::json;

    #[test]
    fn texts_and_choices_are_read() {
        let of = |sample: Value| row(&sample, 1);
        let generated = of(json!({"doc_id": 3, "doc": {"id": "c/v/1", "coalition": "TA"}, "target": "A",
            "resps": [["A\nScore: -0.8"]], "filtered_resps": ["A"], "doc_hash": "x"}))
        .unwrap();
        assert_eq!((generated.id.as_str(), generated.reply.as_deref()), ("c/v/1", Some("A\nScore: -0.8")));
        assert_eq!((generated.coalition, generated.answer), ("TA".parse().ok(), Some(Sentiment::Negative)));
        // lm-eval's multiple choice: log-likelihoods.
        let chosen = of(
            json!({"doc_id": 3, "doc": {"id": "c/v/1"}, "resps": [[[-1.2, false]]], "filtered_resps": [[-1.2, false]]}),
        );
        assert!(chosen.is_err());
        let letter = of(json!({"doc_id": "c/v/1", "resps": [[""]], "filtered_resps": ["E"]})).unwrap();
        assert_eq!((letter.reply, letter.answer), (None, Some(Sentiment::Positive)));
        assert!(of(json!({"doc_id": 3, "doc": {}, "resps": [["A"]]})).unwrap_err().contains("no id"));
    }
}
