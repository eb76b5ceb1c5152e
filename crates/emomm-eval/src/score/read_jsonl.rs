//! Predictions in JSONL: one object on each line. The records of this tool's own log are such objects.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::error::ScoreFileError;
use super::table::{Row, Table};

/// The first line of a log holds this key and is no prediction.
const HEADER_KEY: &str = "format_version";

const HINT: &str = "write one JSON object on each line, with a text, a number or null under each key";

/// Takes the text of a file apart. A key that a line lacks is an empty cell there.
pub(super) fn read(path: &Path, text: &str) -> Result<Table, ScoreFileError> {
    let mut table = Table::default();
    let mut position: BTreeMap<String, usize> = BTreeMap::new();
    let mut number = 0;
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let parsed = serde_json::from_str::<Value>(line);
        if number == 0 && parsed.as_ref().is_ok_and(|v| v.get(HEADER_KEY).is_some()) {
            continue;
        }
        number += 1;
        let mut row = Row { number, line: index + 1, cells: Vec::new() };
        match parsed {
            Ok(Value::Object(object)) => {
                for key in object.keys() {
                    if !position.contains_key(key) {
                        position.insert(key.clone(), table.columns.len());
                        table.columns.push(key.clone());
                    }
                }
                row.cells = vec![String::new(); table.columns.len()];
                fill(&mut row.cells, object, &position);
                table.rows.push(row);
            }
            Ok(other) => {
                let message = format!("found {}, expected an object", kind(&other));
                table.faults.push(row.fault(None, message, HINT));
            }
            Err(e) => {
                let message = format!("found text that is not JSON ({e}), expected an object");
                table.faults.push(row.fault(None, message, HINT));
            }
        }
    }
    // Rows above the first mention of a key have no cell for it yet.
    for row in &mut table.rows {
        row.cells.resize(table.columns.len(), String::new());
    }
    if table.columns.is_empty() && !table.faults.is_empty() {
        return Err(ScoreFileError::Rows { path: path.to_owned(), faults: table.faults });
    }
    Ok(table)
}

/// Numbers keep the form in which they are written, so that `1` and `1.0` stay different.
fn fill(cells: &mut [String], object: Map<String, Value>, position: &BTreeMap<String, usize>) {
    for (key, value) in object {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.trim().to_owned(),
            // Compound values belong to no column that is read; where they do, their text is refused there.
            other => other.to_string(),
        };
        if let Some(cell) = position.get(&key).and_then(|at| cells.get_mut(*at)) {
            *cell = text;
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
