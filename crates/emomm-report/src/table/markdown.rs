//! Markdown as GitHub has it, under a line with the title.

use std::fmt::Write;

use super::{Cell, Column, Table};

impl Table {
    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!("**{}**\n\n", escaped(&self.title));
        let heads: Vec<String> = self.columns.iter().map(|c| escaped(&c.head)).collect();
        let _ = writeln!(out, "| {} |", heads.join(" | "));
        for column in 0..self.columns.len() {
            out.push_str(if self.is_numeric(column) { "|---:" } else { "|---" });
        }
        out.push_str("|\n");
        for row in &self.rows {
            // The brackets of an interval hold numbers: no link.
            let words = |(column, cell): (&Column, &Cell)| match cell {
                Cell::Interval { .. } => cell.words(column.form, "–"),
                _ => escaped(&cell.words(column.form, "–")),
            };
            let cells = self.columns.iter().zip(row).map(words);
            let _ = writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "));
        }
        if !self.note.is_empty() {
            let _ = writeln!(out, "\n{}", escaped(&self.note));
        }
        out
    }
}

/// Text that Markdown shows as it is: nothing in it becomes emphasis, a link, a picture, a formula, an entity or an element of HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match c {
            '\\' | '|' | '*' | '_' | '`' | '~' | '$' | '[' | ']' => out.extend(['\\', c]),
            '<' if next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?') => out.push_str("\\<"),
            '&' if next.is_ascii_alphanumeric() || next == '#' => out.push_str("\\&"),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
