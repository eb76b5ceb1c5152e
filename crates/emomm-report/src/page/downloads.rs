//! Figures as a page shows them, and the files of figures and tables that it offers.

use serde_json::{Value, json};

use super::Files;
use super::encode::base64;
use crate::figure::Figure;
use crate::table::Table;

/// Wider drawings are scrolled on a phone, where their words could not be read any more.
const NARROW: f64 = 440.0;

/// `mark` stands behind the names of files.
pub(super) fn figure_view(figure: &Figure, id: &str, files: Files<'_>, mark: &str) -> Value {
    let panels: Vec<Value> = figure
        .panels
        .iter()
        .enumerate()
        .map(|(i, panel)| {
            let alt = if i == 0 { figure.alt.as_str() } else { panel.title.as_str() };
            json!({ "svg": panel.inline(&format!("{id}-{i}"), alt), "starts_row": i > 0 && panel.starts_row, "is_wide": panel.width > NARROW })
        })
        .collect();
    let is_wide = figure.panels.iter().skip(1).any(|panel| panel.starts_row);
    let name = &format!("{}{mark}", figure.name);
    let files = match files {
        Files::Inside => vec![
            data_file(name, "svg", "SVG", "image/svg+xml", &figure.svg()),
            data_file(name, "csv", "CSV", "text/csv", &figure.data.csv()),
        ],
        Files::Beside(path) => ["svg", "png", "csv"]
            .map(|e| json!({ "href": format!("{path}figures/{name}.{e}"), "name": format!("{name}.{e}"), "word": e.to_uppercase() }))
            .to_vec(),
    };
    json!({ "id": id, "title": figure.title, "note": figure.note, "is_wide": is_wide, "panels": panels, "files": files })
}

pub(super) fn table_files(table: &Table, files: Files<'_>, mark: &str) -> Vec<Value> {
    const FORMS: [(&str, &str, &str); 4] = [
        ("csv", "CSV", "text/csv"),
        ("tex", "LaTeX", "application/x-tex"),
        ("md", "Markdown", "text/markdown"),
        ("json", "JSON", "application/json"),
    ];
    let name = &format!("{}{mark}", table.name);
    FORMS
        .map(|(extension, word, mime)| match files {
            Files::Inside => data_file(name, extension, word, mime, &table.form(extension)),
            Files::Beside(path) => {
                let file = format!("{name}.{extension}");
                json!({ "href": format!("{path}tables/{file}"), "name": file, "word": word })
            }
        })
        .to_vec()
}

fn data_file(name: &str, extension: &str, word: &str, mime: &str, content: &str) -> Value {
    let href = format!("data:{mime};charset=utf-8;base64,{}", base64(content.as_bytes()));
    json!({ "href": href, "name": format!("{name}.{extension}"), "word": word })
}
