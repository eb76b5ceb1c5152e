//! CSV by RFC 4180: one line of heads, every number with all its digits, nothing where there is no value.

use std::fmt::Write;

use super::{Cell, Table};

impl Table {
    /// The table as CSV.
    pub fn csv(&self) -> String {
        let mut heads = Vec::new();
        for column in &self.columns {
            heads.push(field(&column.key));
            if column.interval {
                heads.push(field(&format!("{}_low", column.key)));
                heads.push(field(&format!("{}_high", column.key)));
            }
        }
        let mut out = heads.join(",") + "\n";
        for row in &self.rows {
            let mut fields = Vec::new();
            for (column, cell) in self.columns.iter().zip(row) {
                fields.push(match cell {
                    Cell::Text(words) => field(words),
                    Cell::Count(n) => n.to_string(),
                    Cell::Absent => String::new(),
                    Cell::Number(_) | Cell::Interval { .. } => cell.value().map(digits).unwrap_or_default(),
                });
                if column.interval {
                    let ends =
                        if let Cell::Interval { ends: Some(ends), .. } = cell { Some(*ends) } else { None };
                    fields.push(ends.map(|(low, _)| digits(low)).unwrap_or_default());
                    fields.push(ends.map(|(_, high)| digits(high)).unwrap_or_default());
                }
            }
            let _ = writeln!(out, "{}", fields.join(","));
        }
        out
    }
}

/// The shortest digits that read back as the same number.
fn digits(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { value.to_string() }
}

/// Quoted where it must be. A field that a spreadsheet would take for a formula stays what it is: the file is data.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}
