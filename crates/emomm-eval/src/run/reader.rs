//! Reads `log.jsonl`: headers and records, and where a torn end begins.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use super::error::RunError;
use super::header::{FORMAT_VERSION, RunHeader};
use super::record::Record;

/// A longer line is no record.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// What a log holds.
#[derive(Debug, Default)]
pub(super) struct LogContent {
    /// Headers in the order of the log; at least one unless the log holds nothing whole.
    pub(super) headers: Vec<RunHeader>,
    /// All records in the order of the log.
    pub(super) records: Vec<Record>,
    /// Length of what can be trusted; what follows was being written when a process died.
    pub(super) whole_bytes: u64,
    /// Whether something follows.
    pub(super) is_torn: bool,
}

/// Says which of the two a line is, before all its fields are read.
#[derive(Deserialize)]
struct Kind {
    format_version: Option<u64>,
}

enum Line {
    Header(Box<RunHeader>),
    Version(u64),
    Record(Box<Record>),
}

/// Reads a whole log.
///
/// A last line without a line break, or lines at the end that cannot be read, were never acknowledged: they are left out.
/// A line that cannot be read although a readable one follows is an error, and so is a file that does not begin as a log
/// does: it is somebody else's.
pub(super) fn read(path: &Path) -> Result<LogContent, RunError> {
    let file = File::open(path).map_err(|e| RunError::io(path, e))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut content = LogContent::default();
    let mut bad: Option<(usize, String)> = None;
    let mut is_torn_header = false;
    let (mut line, mut number, mut offset) = (Vec::new(), 0, 0_u64);
    loop {
        line.clear();
        let read = (&mut reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        if read.map_err(|e| RunError::io(path, e))? == 0 {
            break;
        }
        number += 1;
        offset += line.len() as u64;
        let at = |number, message| RunError::Line { path: path.to_owned(), line: number, message };
        let parsed =
            line.strip_suffix(b"\n").ok_or_else(|| "a line without an end".to_owned()).and_then(parse);
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(message) => {
                is_torn_header = number == 1 && begins_a_log(&line);
                bad.get_or_insert((number, message));
                continue;
            }
        };
        if let Some((number, message)) = bad {
            return Err(at(number, message));
        }
        match parsed {
            Line::Header(header) => content.headers.push(*header),
            Line::Version(found) => {
                return Err(RunError::Version { path: path.to_owned(), found, expected: FORMAT_VERSION });
            }
            Line::Record(_) if content.headers.is_empty() => {
                return Err(at(number, "found a record, expected the header of a run".to_owned()));
            }
            Line::Record(record) => content.records.push(*record),
        }
        content.whole_bytes = offset;
    }
    content.is_torn = bad.is_some();
    if let Some((line, message)) = bad.filter(|_| content.headers.is_empty() && !is_torn_header) {
        let message = format!("expected the header of a run: {message}");
        return Err(RunError::Line { path: path.to_owned(), line, message });
    }
    Ok(content)
}

/// Whether a first line that cannot be read may be a header that was being written when a process or the power died.
fn begins_a_log(line: &[u8]) -> bool {
    const START: &[u8] = b"{\"format_version\":";
    line.iter().zip(START).all(|(found, expected)| found == expected) || line.iter().all(|byte| *byte == 0)
}

fn parse(line: &[u8]) -> Result<Line, String> {
    let text = |e: serde_json::Error| e.to_string();
    // Records are many: they are tried first.
    let of_record = match serde_json::from_slice::<Record>(line) {
        Ok(record) => return Ok(Line::Record(Box::new(record))),
        Err(error) => error,
    };
    match serde_json::from_slice::<Kind>(line).map_err(text)?.format_version {
        None => Err(text(of_record)),
        Some(version) if version == u64::from(FORMAT_VERSION) => {
            serde_json::from_slice(line).map(|header| Line::Header(Box::new(header))).map_err(text)
        }
        Some(version) => Ok(Line::Version(version)),
    }
}
