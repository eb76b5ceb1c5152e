//! The samples files of lmms-eval and lm-eval: one JSON object a line.

use std::io::BufRead;
use std::path::Path;

use emomm_dataset::Sentiment;
use serde_json::Value;

use super::documents::Documents;
use super::{ImportError, ImportedRow};

/// A longer line is no sample.
const MOST_BYTES: usize = 64 << 20;

/// Names under which a document may have its clip's id.
const IDS: [&str; 6] = ["id", "sample", "clip_id", "video_id", "file_name", "video"];

/// Reads all samples.
pub(super) fn read(path: &Path, documents: Option<&Documents>) -> Result<Vec<ImportedRow>, ImportError> {
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
        rows.extend(askings(&sample, number, documents).map_err(|m| ImportError::row(path, number, m))?);
    }
    Ok(rows)
}

/// The askings of one document: as many as it has responses.
fn askings(sample: &Value, number: usize, documents: Option<&Documents>) -> Result<Vec<ImportedRow>, String> {
    let doc = sample.get("doc").unwrap_or(&Value::Null);
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let named = IDS.iter().find_map(|name| doc.get(name).and_then(text));
    let doc_id = sample.get("doc_id");
    // lmms-eval keeps no documents: their numbers are those of the rows of the data set.
    let listed = documents.zip(doc_id.and_then(number_of)).map(|(all, n)| all.of(n)).transpose()?;
    // A task may use the clip's id as the document's.
    let id = named
        .or_else(|| listed.map(|(id, _)| id.to_owned()))
        .or_else(|| doc_id.filter(|v| v.is_string()).and_then(text));
    let id = id.ok_or_else(|| {
        format!(
            "found no id in `doc`, expected one of {}, or --docs with the rows of the data set",
            IDS.join(", ")
        )
    })?;
    let word = doc.get("coalition").or_else(|| sample.get("coalition"));
    let coalition = match word {
        None | Some(Value::Null) => listed.and_then(|(_, coalition)| coalition),
        Some(word) => Some(
            word.as_str()
                .unwrap_or_default()
                .parse()
                .map_err(|e: emomm_dataset::VocabularyError| e.to_string())?,
        ),
    };
    let status = match sample.get("status").and_then(Value::as_str) {
        None => None,
        Some(word) => Some(word.parse().map_err(|e: emomm_dataset::VocabularyError| e.to_string())?),
    };
    let row = |epoch: usize, reply: Option<String>, answer: Option<Sentiment>| ImportedRow {
        row: number,
        id: id.clone(),
        coalition,
        reply,
        answer,
        status,
        epoch,
        ..ImportedRow::default()
    };
    if let Some(likelihoods) = sample.get("resps").and_then(likelihoods) {
        return Ok(vec![row(1, None, Some(greatest(&likelihoods)?))]);
    }
    let replies = sample.get("resps").map(texts).unwrap_or_default();
    let filtered = sample.get("filtered_resps").map(texts).unwrap_or_default();
    // lmms-eval keeps one of the two where they are the same.
    let replies = if replies.is_empty() { filtered.clone() } else { replies };
    let filtered = filtered.into_iter().next();
    if replies.is_empty() {
        return Err("found neither `resps` nor `filtered_resps`".to_owned());
    }
    let mut replies = replies.into_iter();
    let first = replies.next().filter(|r| !r.is_empty());
    let answer = filtered.as_deref().and_then(crate::score::answer_of);
    // Where nothing else was kept the filtered answer is the reply.
    let first = first.or_else(|| filtered.filter(|_| answer.is_none()));
    let mut rows = vec![row(1, first, answer)];
    rows.extend(
        replies.enumerate().map(|(i, reply)| row(i + 2, Some(reply).filter(|r| !r.is_empty()), None)),
    );
    Ok(rows)
}

/// A document's number, which some tools write as text.
fn number_of(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok()).or_else(|| value.as_str()?.parse().ok())
}

/// The responses to one request: a list for each request, in it a text for each asking.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => match all.first() {
            Some(first @ Value::Array(_)) => texts(first),
            _ => all.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        },
        _ => Vec::new(),
    }
}

/// Log-likelihoods of a choice among continuations: a request for each, answered by a number and whether it is what the model
/// would have written. lm-eval writes both as texts.
fn likelihoods(responses: &Value) -> Option<Vec<f64>> {
    let of = |request: &Value| {
        let mut pair = request.as_array()?.as_slice();
        if let [Value::Array(inner)] = pair {
            pair = inner;
        }
        let [value, is_greedy] = pair else { return None };
        let is_flag = is_greedy.is_boolean() || matches!(is_greedy.as_str(), Some("True" | "False"));
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        number.filter(|n| is_flag && !n.is_nan())
    };
    responses.as_array().filter(|all| !all.is_empty())?.iter().map(of).collect()
}

/// The class whose continuation is the likeliest; the five stand in the order of the letters.
fn greatest(likelihoods: &[f64]) -> Result<Sentiment, String> {
    let n = likelihoods.len();
    let pairs = Sentiment::ALL.into_iter().zip(likelihoods);
    let best = pairs.reduce(|best, other| if other.1 > best.1 { other } else { best });
    best.filter(|_| n == Sentiment::ALL.len())
        .map(|(class, _)| class)
        .ok_or_else(|| format!("found log-likelihoods of {n} continuations, expected 5, of A to E"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_and_choices_are_read() {
        let of = |sample: Value| askings(&sample, 1, None).map(|mut rows| rows.remove(0));
        let generated = of(json!({"doc_id": 3, "doc": {"id": "c/v/1", "coalition": "TA"}, "target": "A",
            "resps": [["A\nScore: -0.8"]], "filtered_resps": ["A"], "doc_hash": "x"}))
        .unwrap();
        assert_eq!((generated.id.as_str(), generated.reply.as_deref()), ("c/v/1", Some("A\nScore: -0.8")));
        assert_eq!((generated.coalition, generated.answer), ("TA".parse().ok(), Some(Sentiment::Negative)));
        let letter = of(json!({"doc_id": "c/v/1", "resps": [[""]], "filtered_resps": ["E"]})).unwrap();
        assert_eq!((letter.reply, letter.answer), (None, Some(Sentiment::Positive)));
        assert!(of(json!({"doc_id": 3, "doc": {}, "resps": [["A"]]})).unwrap_err().contains("no id"));
    }

    #[test]
    fn all_askings_of_a_document_are_read() {
        let sample =
            json!({"doc": {"id": "c/v/1"}, "resps": [["A", "", "B\nScore: -0.4"]], "filtered_resps": ["A"]});
        let rows = askings(&sample, 7, None).unwrap();
        let read: Vec<_> = rows.iter().map(|r| (r.row, r.epoch, r.reply.as_deref())).collect();
        assert_eq!(read, [(7, 1, Some("A")), (7, 2, None), (7, 3, Some("B\nScore: -0.4"))]);
    }

    #[test]
    fn the_likeliest_of_five_continuations_is_the_answer() {
        let of = |resps: Value| {
            askings(
                &json!({"doc": {"id": "c/v/1"}, "resps": resps, "filtered_resps": [["-9", "False"]]}),
                1,
                None,
            )
        };
        // As lm-eval writes it, and as numbers.
        let texts = json!([
            [["-3.5", "False"]],
            [["-1.25", "True"]],
            [["-2.0", "False"]],
            [["-8", "False"]],
            [["-inf", "False"]]
        ]);
        let numbers =
            json!([[[-3.5, false]], [[-1.25, true]], [[-2.0, false]], [[-8, false]], [[-9, false]]]);
        for resps in [texts, numbers] {
            let rows = of(resps).unwrap();
            assert_eq!(
                (rows.len(), rows[0].answer, rows[0].reply.as_deref()),
                (1, Some(Sentiment::WeaklyNegative), None)
            );
        }
        assert!(
            of(json!([[["-3.5", "False"]], [["-1.25", "True"]]])).unwrap_err().contains("2 continuations")
        );
    }

    #[test]
    fn documents_are_known_by_their_rows() {
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("metadata.jsonl");
        std::fs::write(
            &rows,
            "{\"id\":\"c/v/1\",\"coalition\":\"TA\"}\n{\"id\":\"c/v/2\",\"coalition\":null}\n",
        )
        .unwrap();
        let documents = Documents::read(&rows).unwrap();
        // What lmms-eval writes: no document, and one of two equal lists of responses.
        let of = |doc_id: Value| {
            let sample =
                json!({"doc_id": doc_id, "target": "A", "filtered_resps": ["A\nScore: -0.8"], "input": "?"});
            askings(&sample, 1, Some(&documents)).map(|mut rows| rows.remove(0))
        };
        let row = of(json!(0)).unwrap();
        assert_eq!((row.id.as_str(), row.coalition), ("c/v/1", "TA".parse().ok()));
        assert_eq!((row.reply.as_deref(), row.answer), (Some("A\nScore: -0.8"), None));
        assert_eq!((of(json!("1")).unwrap().id.as_str(), of(json!(1)).unwrap().coalition), ("c/v/2", None));
        assert!(of(json!(2)).unwrap_err().contains("document 2"));
        let error = askings(&json!({"doc_id": 0, "filtered_resps": ["A"]}), 1, None).unwrap_err();
        assert!(error.contains("--docs"), "{error}");
    }
}
