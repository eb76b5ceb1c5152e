//! The static page: one HTML file that needs nothing beside it, or one with its data and files in a folder.
//!
//! Everything that is inserted is escaped by the template or, for JSON in `script` elements, by
//! `data::in_script`. The content security policy allows the page's own style and script by their hashes and nothing from
//! elsewhere.

mod data;
mod downloads;
mod encode;
mod filters;
mod heat;
mod interpretation;
pub mod media;
mod parts;
mod run_view;
mod sample_links;
mod sound;
mod table_view;

use std::cell::RefCell;
use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Value, json};

use downloads::{figure_view, table_files};
pub use encode::base64;
use filters::filters;
use media::ClipMedia;
pub(crate) use parts::parts_of;
use parts::{modality_pages, subset_pages};
use run_view::{choices, run_view};
use sample_links::Linking;
pub(crate) use sample_links::percent_encoded as path_encoded;
use table_view::table_view;

use crate::analysis::Analysis;
use crate::chart::palette::style_sheet;
use crate::chase::ChaseContent;
use crate::content::{answer, study_trust};
use crate::error::ReportError;
use crate::figure::Figure;
use crate::study::{Heats, Study};
use crate::table::Table;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The figures that may stand beside the answer, best first; three of them do.
const LEAD: [&str; 4] = ["fig3-left", "fig3-middle", "fig9a", "fig9b"];

/// More runs than this share a table instead of tiles.
const MAX_TILES: usize = 2;

/// What goes into a page.
#[derive(Debug)]
pub struct Content<'a> {
    /// Its title.
    pub title: String,
    /// Clips and runs.
    pub study: &'a Study,
    /// What was computed of them.
    pub analysis: &'a Analysis,
    /// All tables.
    pub tables: Vec<Table>,
    /// All figures.
    pub figures: Vec<Figure>,
    /// Pictures and sound by the index of the clip.
    pub media: BTreeMap<usize, ClipMedia>,
    /// Attention and importance over the picture, where runs kept them.
    pub heats: &'a Heats,
    /// What the variants of CHASE show, where the runs are such.
    pub chase: Option<ChaseContent>,
    /// Version of the program.
    pub version: String,
}

/// Where the files of tables and figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files<'a> {
    /// In the page itself, as data URLs; pictures as PNG are left out.
    Inside,
    /// In the folders `figures` and `tables` below this path, which is relative to the page.
    Beside(&'a str),
}

/// The page and, if they do not stand in it, the chunks of details.
#[derive(Debug)]
pub struct Page {
    /// The HTML.
    pub html: String,
    /// Contents of `data/chunk-<n>.js`; empty where the chunks stand in the page.
    pub chunks: Vec<String>,
}

/// Builds the page. `chunk_path` is where the chunks will stand, relative to the page; `None` puts them into it.
pub fn page(content: &Content<'_>, files: Files<'_>, chunk_path: Option<&str>) -> Result<Page, ReportError> {
    let style = format!("{}{STYLE}", style_sheet());
    let chunks = data::chunks(content.study, &content.media, content.heats);
    let inside: Vec<String> =
        if chunk_path.is_none() { chunks.iter().map(|c| data::in_script(c)).collect() } else { Vec::new() };
    let index = data::in_script(&data::index(content.study, chunk_path.unwrap_or("")).to_string());
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    let failed = |source: minijinja::Error| ReportError::Template { reason: format!("{source:#}") };
    environment.add_template("page.html", TEMPLATE).map_err(failed)?;
    let template = environment.get_template("page.html").map_err(failed)?;
    // A figure or table may stand in several places; ids may not.
    let used: RefCell<BTreeMap<String, usize>> = RefCell::new(BTreeMap::new());
    let unique = |name: &str| {
        let mut used = used.borrow_mut();
        let n = used.entry(name.to_owned()).or_insert(0);
        *n += 1;
        if *n == 1 { name.to_owned() } else { format!("{name}--{n}") }
    };
    let mark = content.study.mark();
    let unparsed = content.analysis.options.unparsed;
    let linking = Linking::of(content.study, unparsed);
    let figure = |f: &Figure| figure_view(f, &unique(&f.name), files, &mark);
    let table = |t: &Table| table_view(t, &unique(&t.name), &table_files(t, files, &mark), &linking);
    // Variants may be runs of their own.
    let chase_figure = |f: &Figure, mark: &str| figure_view(f, &unique(&f.name), files, mark);
    let chase_table =
        |t: &Table, mark: &str| table_view(t, &unique(&t.name), &table_files(t, files, mark), &linking);
    let named = |names: &[&str]| -> Vec<Value> {
        names.iter().filter_map(|n| content.figures.iter().find(|f| f.name == *n)).map(figure).collect()
    };
    let tables_named = |names: &[&str]| -> Vec<Value> {
        names.iter().filter_map(|n| content.tables.iter().find(|t| t.name == *n)).map(table).collect()
    };
    let lead: Vec<&str> =
        LEAD.into_iter().filter(|n| content.figures.iter().any(|f| f.name == *n)).take(3).collect();
    let in_method = ["table5", "runs"];
    let html = template
        .render(Serde(json!({
            "title": content.title,
            "policy": policy(&style, chunk_path.is_some()),
            "style": style,
            "script": SCRIPT,
            "synthetic": content.study.origin.is_synthetic,
            "runs": content.study.runs.iter().map(|r| run_view(content.study, r, unparsed)).collect::<Vec<Value>>(),
            "many_runs": content.study.runs.len() > MAX_TILES,
            "runs_table": content.tables.iter().find(|t| t.name == "runs").map(table),
            "study_trust": study_trust(content.study),
            "answer": answers(content),
            "lead": named(&lead),
            "lead_tables": tables_named(&["table1", "errors"]),
            "tables": content
                .tables
                .iter()
                .filter(|t| !in_method.contains(&t.name.as_str()))
                .map(table)
                .collect::<Vec<Value>>(),
            "figures": content
                .figures
                .iter()
                .filter(|f| !lead.contains(&f.name.as_str()))
                .map(figure)
                .collect::<Vec<Value>>(),
            "subsets": subset_pages(content, &table, &named),
            "modalities": modality_pages(content, &table),
            "chase": content.chase.as_ref().map(|c| json!({
                "words": c.words,
                "figures": c.figures.iter().map(|f| chase_figure(f, c.mark_of(&f.name))).collect::<Vec<Value>>(),
                "tables": c.tables.iter().map(|t| chase_table(t, c.mark_of(&t.name))).collect::<Vec<Value>>(),
            })),
            "filters": filters(content.study),
            "method_tables": tables_named(&in_method),
            "choices": choices(content.analysis),
            "footer": format!("Written by emomm {}. This page asks nothing of any network.", content.version),
            "index": index,
            "chunks": inside,
        })))
        .map_err(failed)?;
    let outside = if chunk_path.is_some() {
        chunks.iter().enumerate().map(|(i, c)| format!("emommChunk({i},{});\n", data::in_script(c))).collect()
    } else {
        Vec::new()
    };
    Ok(Page { html, chunks: outside })
}

/// Nothing but what the page brings along.
fn policy(style: &str, has_chunks: bool) -> String {
    let mut script = encode::policy_hash(SCRIPT);
    if has_chunks {
        // Chunks lie beside the page; `file:` is what a browser calls that without a server.
        script.push_str(" 'self' file:");
    }
    format!(
        "default-src 'none'; script-src {script}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        encode::policy_hash(style)
    )
}

fn answers(content: &Content<'_>) -> Vec<String> {
    let n = content.study.runs.len();
    // With several runs the first is told in full, the others by their difference to it.
    let mut told = answer(content.study, content.analysis, 0);
    if n > 1 {
        told.truncate(2);
        told.extend(crate::content::differences(content.analysis));
    }
    told
}
