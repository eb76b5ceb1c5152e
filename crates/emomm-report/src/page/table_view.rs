//! A table as the page shows it: words, intervals apart, links from counts to the samples behind them.

use serde_json::{Value, json};

use crate::benchmark_figures::CLASSES;
use crate::table::{Cell, Column, Form, Table, rounded};

/// Rows of a table that a page shows; the files hold all.
const MAX_ROWS: usize = 600;

/// What the template needs. `files` are the links to the table's other forms.
pub(super) fn table_view(table: &Table, id: &str, files: &[Value]) -> Value {
    let heads: Vec<Value> =
        table.columns.iter().map(|c| json!({ "head": c.head, "num": is_number(c, table) })).collect();
    let rows: Vec<Value> = table.rows.iter().take(MAX_ROWS).map(|row| row_view(table, row)).collect();
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

/// Whether a column holds numbers only.
fn is_number(column: &Column, table: &Table) -> bool {
    let at = table.columns.iter().position(|c| c.key == column.key).unwrap_or(0);
    column.form != Form::Plain || table.rows.iter().all(|r| matches!(r[at], Cell::Count(_) | Cell::Absent))
}

fn row_view(table: &Table, row: &[Cell]) -> Value {
    let of = |key: &str| {
        let at = table.columns.iter().position(|c| c.key == key)?;
        match &row[at] {
            Cell::Text(words) => Some(words.as_str()),
            _ => None,
        }
    };
    // A variant may be called `paper`, too: the reference is told by its kind, or by the table that it stands in.
    let is_reference = ["source", "kind"].iter().any(|key| of(key) == Some("paper"))
        || of("variant").is_some_and(|v| v.starts_with("paper, "));
    let cells: Vec<Value> = table
        .columns
        .iter()
        .zip(row)
        .map(|(column, cell)| {
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
            let class = if is_number(column, table) {
                Some("num")
            } else if words.chars().count() > 40 {
                Some("long")
            } else {
                Some("short")
            };
            let bad = words == "underpowered" || words == "worse";
            let href = if matches!(cell, Cell::Count(n) if *n > 0) { samples(column, &of) } else { None };
            json!({ "words": words, "ends": ends, "class": class, "href": href, "bad": bad })
        })
        .collect();
    json!({ "cells": cells, "reference": is_reference })
}

/// The address of the samples that a count counts; `None` where the list cannot show them.
fn samples<'a>(column: &Column, of: &impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut state: Vec<(&str, &str)> = Vec::new();
    let run = of("run");
    if let Some(run) = run {
        state.push(("run", run));
    }
    let answer = CLASSES.iter().find(|c| **c == column.key);
    let (mut subset, mut coalition) = (of("subset"), of("coalition"));
    match column.key.as_str() {
        "n" | "n_parsed" => {}
        key if answer.is_some() && of("truth").is_some() => {
            state.push(("answer", key));
            // The matrices pool full clips and pairs.
            coalition = Some(if matches!(subset, Some("align" | "conflict")) { "TAV" } else { "any" });
        }
        "align_n" => subset = Some("align"),
        "conflict_n" => subset = Some("conflict"),
        _ => return None,
    }
    run.or(coalition)?;
    if let Some(status) = of("status") {
        state.push(("result", status));
        state.push(("coalition", "any"));
    } else if let Some(coalition) = coalition {
        state.push(("coalition", if coalition == "overall" { "any" } else { coalition }));
    }
    if let Some(corpus) = of("corpus").filter(|c| *c != "all") {
        state.push(("corpus", corpus));
    }
    if let Some(truth) = of("truth") {
        state.push(("truth", truth));
    }
    if let Some(subset) = subset.filter(|s| *s != "all" && *s != "overall") {
        state.push(("subset", subset));
    }
    let pairs: Vec<String> =
        state.iter().map(|(key, value)| format!("{key}={}", percent_encoded(value))).collect();
    Some(format!("#samples?{}", pairs.join("&")))
}

/// A value of an address: letters, digits, `-`, `_` and `.` stay.
pub(crate) fn percent_encoded(value: &str) -> String {
    use std::fmt::Write;
    value.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}
