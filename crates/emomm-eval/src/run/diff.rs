//! Which values of two plans differ, one line each.

use serde::Serialize;
use serde_json::Value;

/// `path: OLD in the log, NEW now` for each value that differs.
pub(super) fn differences(old: &impl Serialize, new: &impl Serialize) -> Vec<String> {
    let json = |value: serde_json::Result<Value>| value.unwrap_or(Value::Null);
    let mut found = Vec::new();
    compare("", &json(serde_json::to_value(old)), &json(serde_json::to_value(new)), &mut found);
    found
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    if let (Value::Object(a), Value::Object(b)) = (old, new) {
        let keys = a.keys().chain(b.keys().filter(|k| !a.contains_key(*k)));
        for key in keys {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            compare(&path, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null), found);
        }
    } else if old != new {
        found.push(format!("  {path}: {old} in the log, {new} now"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_value_that_differs_is_named_by_its_path() {
        let old = json!({"a": {"b": 1, "c": [1]}, "d": null});
        let new = json!({"a": {"b": 2, "c": [1]}, "e": "x"});
        assert_eq!(
            differences(&old, &new),
            ["  a.b: 1 in the log, 2 now", "  e: null in the log, \"x\" now"]
        );
        assert!(differences(&old, &old).is_empty());
    }
}
