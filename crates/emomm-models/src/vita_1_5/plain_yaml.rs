//! The part of YAML that `train.yaml` of a Whale encoder is written in: maps inside maps by indentation, with plain or quoted
//! words, numbers and truth values. Lists are passed over; everything else is refused.

use serde_json::{Map, Number, Value};

/// Parses a document into maps; `Err` names the line and what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut root = Map::new();
    // The open maps: their indentation, and the way to them.
    let mut open: Vec<(usize, Vec<String>)> = vec![(0, Vec::new())];
    let mut pending: Option<Vec<String>> = None;
    for (number, line) in text.lines().enumerate() {
        let content = without_comment(line);
        let trimmed = content.trim();
        if trimmed.is_empty() || trimmed == "---" || trimmed.starts_with("- ") || trimmed == "-" {
            continue;
        }
        let wrong = |what: &str| Err(format!("line {}: {what}", number + 1));
        let indent = content.len() - content.trim_start().len();
        if content[..indent].contains('\t') {
            return wrong("a tab in the indentation");
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
        let Some((key, value)) = trimmed.split_once(':') else { return wrong("expected `key: value`") };
        let key = unquoted(key.trim()).to_owned();
        let value = value.trim();
        let Some(map) = descend(&mut root, &path) else { return wrong("no map at this indentation") };
        if value.is_empty() {
            map.insert(key.clone(), Value::Object(Map::new()));
            pending = Some(path.into_iter().chain([key]).collect());
        } else {
            map.insert(key, scalar(value));
        }
    }
    Ok(Value::Object(root))
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

    #[test]
    fn what_is_no_map_is_refused_with_its_line() {
        assert!(parse("a: 1\nb").unwrap_err().starts_with("line 2"));
        assert!(parse("a: 1\n  b: 2").unwrap_err().starts_with("line 2"));
        assert!(parse("a:\n\tb: 2").unwrap_err().contains("tab"));
        assert_eq!(parse("").unwrap(), json!({}));
    }
}
