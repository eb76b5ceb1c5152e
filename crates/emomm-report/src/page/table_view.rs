//! A table as the page shows it: words, intervals apart, links from counts to the samples behind them.

use serde_json::{Value, json};

use super::sample_links::{Linking, samples, words_of};
use crate::table::{Cell, Column, Table, rounded};

/// Rows of a table that a page shows; the files hold all.
const MAX_ROWS: usize = 600;

/// What the template needs. `files` are the links to the table's other forms.
pub(super) fn table_view(table: &Table, id: &str, files: &[Value], linking: &Linking<'_>) -> Value {
    let head = |(at, c): (usize, &Column)| json!({ "head": c.head, "num": table.is_numeric(at) });
    let heads: Vec<Value> = table.columns.iter().enumerate().map(head).collect();
    let rows: Vec<Value> =
        table.rows.iter().take(MAX_ROWS).map(|row| row_view(table, row, linking)).collect();
    let mut note = table.note.clone();
    if table.rows.len() > MAX_ROWS {
        note = format!("The first {MAX_ROWS} of {} rows; the files hold all. {note}", table.rows.len());
    }
    json!({
        "id": id,
        "title": table.title,
        "note": note,
        "heads": heads,
        "rows": rows,
        "n_rows": table.rows.len(),
        "files": files,
    })
}

fn row_view(table: &Table, row: &[Cell], linking: &Linking<'_>) -> Value {
    let of = |key: &str| words_of(table, row, key);
    // A variant may be called `paper`, too: the reference is told by its kind, or by the table that it stands in.
    let is_reference = ["source", "kind"].iter().any(|key| of(key) == Some("paper"))
        || of("variant").is_some_and(|v| v.starts_with("paper, "));
    let cells: Vec<Value> = table
        .columns
        .iter()
        .zip(row)
        .enumerate()
        .map(|(at, (column, cell))| {
            let words = match cell {
                Cell::Interval { value, .. } => rounded(*value, column.form),
                other => other.words(column.form, "–"),
            };
            let ends = match cell {
                Cell::Interval { ends: Some((low, high)), .. } => {
                    Some(format!("[{}, {}]", rounded(*low, column.form), rounded(*high, column.form)))
                }
                _ => None,
            };
            let class = if table.is_numeric(at) {
                Some("num")
            } else if words.chars().count() > 40 {
                Some("long")
            } else {
                Some("short")
            };
            let bad = words == "underpowered" || words == "worse";
            let href = match cell {
                Cell::Count(n) if *n > 0 => samples(table, row, &column.key, linking),
                _ => None,
            };
            json!({ "words": words, "ends": ends, "class": class, "href": href, "bad": bad })
        })
        .collect();
    json!({ "cells": cells, "reference": is_reference })
}
