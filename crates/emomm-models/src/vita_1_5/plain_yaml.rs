//! The part of YAML that `train.yaml` of a Whale encoder is written in, as PyYAML's `dump` writes it: maps inside maps by
//! indentation or in braces, with plain or quoted words, numbers and truth values. Lists are passed over, since no setting is
//! one; everything else is refused.

use serde_json::{Map, Number, Value};

/// Deepest braces that are read.
const DEEPEST: usize = 32;

/// Parses a document into maps; `Err` names the line and what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut root = Map::new();
    // The open maps: their indentation, and the way to them.
    let mut open: Vec<(usize, Vec<String>)> = vec![(0, Vec::new())];
    let mut pending: Option<Vec<String>> = None;
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let content = without_comment(line);
        let trimmed = content.trim();
        if trimmed.is_empty() || trimmed == "---" {
            continue;
        }
        let wrong = |what: &str| Err(format!("line {}: {what}", number + 1));
        let indent = content.len() - content.trim_start().len();
        if content[..indent].contains('\t') {
            return wrong("a tab in the indentation");
        }
        if trimmed.starts_with("- ") || trimmed == "-" {
            // What belongs to the item is indented more than its dash.
            while lines.next_if(|(_, next)| next.trim().is_empty() || indent_of(next) > indent).is_some() {}
            continue;
        }
        let deepest = open.last().map_or(0, |o| o.0);
        if let Some(path) = pending.take()
            && indent > deepest
        {
            open.push((indent, path));
        }
        while open.last().is_some_and(|o| o.0 > indent) {
            open.pop();
        }
        let Some((at, path)) = open.last().cloned() else { return wrong("no map at this indentation") };
        if at != indent {
            return wrong("no map at this indentation");
        }
        let Some((key, value)) = key_and_value(trimmed) else { return wrong("expected `key: value`") };
        let mut value = value.to_owned();
        // A long word or map goes on in lines that are indented more; a quoted one may have blank lines.
        while let Some((_, next)) = lines.next_if(|(_, next)| {
            let is_more = indent_of(next) > indent || is_quoted(&value) && next.trim().is_empty();
            !value.is_empty() && is_more && (is_open(&value) || key_and_value(next).is_none())
        }) {
            let next = if is_quoted(&value) { next } else { without_comment(next) };
            value.push(' ');
            value.push_str(next.trim());
        }
        let Some(map) = descend(&mut root, &path) else { return wrong("no map at this indentation") };
        let key = unquoted(key).to_owned();
        if value.is_empty() {
            map.insert(key.clone(), Value::Object(Map::new()));
            pending = Some(path.into_iter().chain([key]).collect());
        } else {
            match read_value(&value) {
                Ok(value) => map.insert(key, value),
                Err(what) => return wrong(what),
            };
        }
    }
    Ok(Value::Object(root))
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Splits at the first colon that a space or the end follows; a colon inside a word belongs to it.
fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let line = without_comment(line).trim();
    if let Some(key) = line.strip_suffix(':')
        && !key.contains(": ")
    {
        return Some((key.trim(), ""));
    }
    line.split_once(": ").map(|(key, value)| (key.trim(), value.trim()))
}

fn descend<'a>(root: &'a mut Map<String, Value>, path: &[String]) -> Option<&'a mut Map<String, Value>> {
    path.iter().try_fold(root, |map, key| map.get_mut(key)?.as_object_mut())
}

/// A `#` at the start or after a space begins a comment, unless it is quoted.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            (None, '#') if at == 0 || line[..at].ends_with(' ') => return &line[..at],
            _ => {}
        }
    }
    line
}

/// Whether a value's last quote is not closed yet.
fn is_quoted(value: &str) -> bool {
    unclosed(value).1
}

/// Whether a value's braces or quotes are not closed yet.
fn is_open(value: &str) -> bool {
    let (braces, quote) = unclosed(value);
    braces > 0 || quote
}

/// Number of braces that are open at the end, and whether a quote is. A quote inside a plain word is a letter.
fn unclosed(value: &str) -> (usize, bool) {
    let (mut quote, mut depth, mut before) = (None, 0_usize, None);
    let is_plain = !value.starts_with(['{', '[', '"', '\'']);
    for c in value.chars().filter(|_| !is_plain) {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth = depth.saturating_sub(1),
            (None, '"' | '\'') if matches!(before, None | Some('{' | '[' | ',' | ':')) => quote = Some(c),
            _ => {}
        }
        if c != ' ' {
            before = Some(c);
        }
    }
    (depth, quote.is_some())
}

/// A word, or a map in braces. A list in brackets is an empty map, as a list by dashes is.
fn read_value(value: &str) -> Result<Value, &'static str> {
    // A tag says what Python would make of the value.
    let value = match value.strip_prefix("!!").and_then(|tagged| tagged.split_once(' ')) {
        Some((_, rest)) => rest.trim(),
        None => value,
    };
    if is_open(value) {
        return Err("braces or quotes that are not closed");
    }
    match value.chars().next() {
        Some('{') => braces(value, 0),
        Some('[') => Ok(Value::Object(Map::new())),
        _ => Ok(scalar(value)),
    }
}

fn braces(value: &str, depth: usize) -> Result<Value, &'static str> {
    let inside = value.strip_prefix('{').and_then(|v| v.strip_suffix('}'));
    let Some(inside) = inside.filter(|_| depth < DEEPEST) else { return Err("expected a map in braces") };
    let mut map = Map::new();
    for entry in entries(inside) {
        let Some((key, value)) = key_and_value(entry) else { return Err("expected `key: value` in braces") };
        let value = match value.chars().next() {
            Some('{') => braces(value, depth + 1)?,
            Some('[') | None => Value::Object(Map::new()),
            Some(_) => scalar(value),
        };
        map.insert(unquoted(key).to_owned(), value);
    }
    Ok(Value::Object(map))
}

/// Splits at the commas that lie in no inner braces and no quotes.
fn entries(inside: &str) -> Vec<&str> {
    let (mut entries, mut start) = (Vec::new(), 0);
    for (at, _) in inside.match_indices(',') {
        let value = key_and_value(&inside[start..at]).map_or("", |(_, value)| value);
        if !is_open(value) {
            entries.push(&inside[start..at]);
            start = at + 1;
        }
    }
    entries.push(&inside[start..]);
    entries.retain(|entry| !entry.trim().is_empty());
    entries
}

fn unquoted(word: &str) -> &str {
    let quoted = |q: char| word.strip_prefix(q).and_then(|w| w.strip_suffix(q));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(word)
}

fn scalar(word: &str) -> Value {
    match word {
        "true" | "True" | "yes" => return Value::Bool(true),
        "false" | "False" | "no" => return Value::Bool(false),
        "null" | "~" => return Value::Null,
        _ => {}
    }
    if let Ok(whole) = word.parse::<i64>() {
        return Value::Number(whole.into());
    }
    let float = word.parse::<f64>().ok().and_then(Number::from_f64);
    float.map_or_else(|| Value::String(unquoted(word).to_owned()), Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_words_and_numbers() {
        let text = "# of the encoder\ninput_dim: 80\nencoder_conf:\n  overview:\n    layers: subsampling-transformer # two\n    \
                    keys: 'a # b'\n  para:\n    rate: 1e-3\nlist:\n- 1\n- 2\nis_json: true\nnothing:\nlast: \"7\"\n";
        let expected = json!({
            "input_dim": 80,
            "encoder_conf": {
                "overview": { "layers": "subsampling-transformer", "keys": "a # b" },
                "para": { "rate": 1e-3 }
            },
            "list": {}, "is_json": true, "nothing": {}, "last": "7"
        });
        assert_eq!(parse(text).unwrap(), expected);
    }

    /// PyYAML before 5.1 wrote the innermost maps in braces, and breaks lines after eighty letters.
    #[test]
    fn maps_in_braces_long_words_and_lists_of_maps() {
        let text = "conf: {rate: 16000, deep: {a: 'x, y', b: [1, {c: 2}]},\n  last: true}\npath: /data/a file with\n  blanks\n\
                    path_with: http://host:80/x\nold: it's\nchat: '<|im_start|>system\n\n  You are: kind # not so.\n\n  '\nlist:\n- name: one\n  size: 2\n- - 3\n  - 4\nempty: {}\nnone: []\n\
                    pair: !!python/tuple [1, 2]\nafter: 1\n";
        let expected = json!({
            "conf": { "rate": 16000, "deep": { "a": "x, y", "b": {} }, "last": true },
            "path": "/data/a file with blanks",
            "old": "it's", "chat": "<|im_start|>system  You are: kind # not so.  ", "path_with": "http://host:80/x",
            "list": {}, "empty": {}, "none": {}, "pair": {}, "after": 1
        });
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn what_is_no_map_is_refused_with_its_line() {
        assert!(parse("a: 1\nb").unwrap_err().starts_with("line 2"));
        assert!(parse("a: 1\n  b: 2").unwrap_err().starts_with("line 2"));
        assert!(parse("a:\n\tb: 2").unwrap_err().contains("tab"));
        assert!(parse("a: {b: 1\n").unwrap_err().starts_with("line 1: braces"));
        assert!(parse("a: {b}").unwrap_err().contains("in braces"));
        assert!(parse(&format!("a: {}1{}", "{b: ".repeat(40), "}".repeat(40))).is_err());
        assert_eq!(parse("").unwrap(), json!({}));
    }
}
