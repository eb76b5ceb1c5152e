//! JSON: columns with their heads and how readers are told their numbers (`percent`: times 100), rows as objects by key. An interval takes the keys `<key>_low` and `<key>_high`.

use serde_json::{Map, Value, json};

use super::{Cell, Table};

impl Table {
    /// The table as a JSON object with `name`, `title`, `note`, `columns` and `rows`.
    pub fn json_value(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(|row| self.object(row)).collect();
        json!({ "name": self.name, "title": self.title, "note": self.note, "columns": self.columns, "rows": rows })
    }

    /// The same as text.
    pub fn json(&self) -> String {
        let mut text = format!("{:#}", self.json_value());
        text.push('\n');
        text
    }

    fn object(&self, row: &[Cell]) -> Value {
        let mut object = Map::new();
        for (column, cell) in self.columns.iter().zip(row) {
            let value = match cell {
                Cell::Text(words) => json!(words),
                Cell::Count(n) => json!(n),
                Cell::Absent => Value::Null,
                Cell::Number(_) | Cell::Interval { .. } => json!(cell.value()),
            };
            object.insert(column.key.clone(), value);
            if column.interval {
                let ends = if let Cell::Interval { ends, .. } = cell { *ends } else { None };
                object.insert(format!("{}_low", column.key), json!(ends.map(|e| e.0)));
                object.insert(format!("{}_high", column.key), json!(ends.map(|e| e.1)));
            }
        }
        Value::Object(object)
    }
}
