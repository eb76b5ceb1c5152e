//! The pages of subsets and of modalities: parts of tables, and the figures that belong to them.

use emomm_dataset::{Modality, ModalitySet};
use serde_json::{Value, json};

use super::Content;
use super::sample_links::percent_encoded;
use crate::table::{Cell, Table};

/// What each subset is, and its part of figures and tables.
pub(super) fn subset_pages(
    content: &Content<'_>,
    table: &impl Fn(&Table) -> Value,
    named: &impl Fn(&[&str]) -> Vec<Value>,
) -> Vec<Value> {
    const PAGES: [(&str, &str, &str, &[&str]); 4] = [
        (
            "align",
            "Align",
            "Full clips whose text, voice and picture all have the polarity of the ground truth.",
            &[],
        ),
        (
            "conflict",
            "Conflict",
            "Full clips of which at least one modality has another polarity than the ground truth; neutral is a polarity of its own.",
            &["fig9b", "spatial", "fig11", "fig12", "fig13"],
        ),
        (
            "missing-align",
            "Missing, aligned",
            "Masked copies that show two modalities, both with the polarity of the ground truth.",
            &[],
        ),
        (
            "missing-conflict",
            "Missing, conflicting",
            "Masked copies that show two modalities, of which at least one contradicts the ground truth.",
            &["fig10"],
        ),
    ];
    PAGES
        .iter()
        .map(|(name, title, words, figures)| {
            let kept = ["scores", "gtar", "psmv", "spatial", "tests-coalitions", "tests-runs"];
            let tables: Vec<Value> = content
                .tables
                .iter()
                .filter(|t| kept.contains(&t.name.as_str()))
                .filter_map(|t| part(t, "subset", name))
                .map(|t| table(&t))
                .collect();
            let coalition = if name.starts_with("missing") { "&coalition=any" } else { "" };
            json!({
                "name": name,
                "title": title,
                "words": words,
                "samples": format!("#samples?subset={}{coalition}", percent_encoded(name)),
                "figures": named(figures),
                "tables": tables,
            })
        })
        .collect()
}

pub(super) fn modality_pages(content: &Content<'_>, table: &impl Fn(&Table) -> Value) -> Vec<Value> {
    Modality::ALL
        .iter()
        .map(|m| {
            let mut tables: Vec<Value> = ["psmv", "gtar", "attention"]
                .iter()
                .filter_map(|n| content.tables.iter().find(|t| t.name == **n))
                .filter_map(|t| part(t, "modality", m.name()))
                .map(|t| table(&t))
                .collect();
            let with = content.tables.iter().find(|t| t.name == "coalitions").and_then(|t| {
                let shown: Vec<String> =
                    ModalitySet::ALL.iter().filter(|s| s.contains(*m)).map(ToString::to_string).collect();
                part_where(t, "coalition", m.name(), |word| shown.iter().any(|s| s == word))
            });
            tables.extend(with.map(|t| table(&t)));
            let spatial = content.tables.iter().find(|t| t.name == "spatial" && *m == Modality::Video);
            tables.extend(spatial.map(table));
            json!({
                "name": m.name(),
                "samples": format!("#samples?wrong={}", m.letter()),
                "tables": tables,
            })
        })
        .collect()
}

/// The rows of a table that have a word in a column; `None` where there are none.
fn part(table: &Table, key: &str, wanted: &str) -> Option<Table> {
    part_where(table, key, wanted, |word| word == wanted)
}

fn part_where(table: &Table, key: &str, name: &str, keep: impl Fn(&str) -> bool) -> Option<Table> {
    let at = table.columns.iter().position(|c| c.key == key)?;
    let rows: Vec<_> = table
        .rows
        .iter()
        .filter(|row| matches!(&row[at], Cell::Text(words) if keep(words)))
        .cloned()
        .collect();
    (!rows.is_empty()).then(|| Table {
        name: format!("{}-{name}", table.name),
        title: format!("{}: {name}", table.title),
        note: table.note.clone(),
        columns: table.columns.clone(),
        rows,
    })
}

/// The tables of subset and modality pages, so that their files can be written too.
pub(crate) fn parts_of(tables: &[Table]) -> Vec<Table> {
    let mut parts = Vec::new();
    for table in tables {
        for name in ["align", "conflict", "missing-align", "missing-conflict"] {
            parts.extend(part(table, "subset", name));
        }
        for m in Modality::ALL {
            parts.extend(part(table, "modality", m.name()));
            let shown: Vec<String> =
                ModalitySet::ALL.iter().filter(|s| s.contains(m)).map(ToString::to_string).collect();
            if table.name == "coalitions" {
                parts.extend(part_where(table, "coalition", m.name(), |w| shown.iter().any(|s| s == w)));
            }
        }
    }
    parts
}
