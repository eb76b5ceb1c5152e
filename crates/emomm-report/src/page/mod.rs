//! The static page: one HTML file that needs nothing beside it, or one with its data and files in a folder.
//!
//! Everything that is inserted is escaped by the template or, for JSON in `script` elements, by
//! `data::in_script`. The content security policy allows the page's own style and script by their hashes and nothing from
//! elsewhere.

mod data;
mod encode;
mod heat;
mod interpretation;
pub mod media;
mod table_view;

use std::cell::RefCell;
use std::collections::BTreeMap;

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::run::{RecordStatus, Settings};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Value, json};

pub use encode::base64;
use media::ClipMedia;
pub(crate) use table_view::percent_encoded as path_encoded;
use table_view::{percent_encoded, table_view};

use crate::analysis::Analysis;
use crate::chart::palette::style_sheet;
use crate::chase::ChaseContent;
use crate::content::{answer, percent, study_trust, trust};
use crate::error::ReportError;
use crate::figure::Figure;
use crate::study::{AnswerSource, Heats, Study, StudyRun};
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
    let figure = |f: &Figure| figure_view(f, &unique(&f.name), files);
    let table = |t: &Table| table_view(t, &unique(&t.name), &table_files(t, files));
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
            "runs": content.study.runs.iter().map(|r| run_view(content.study, r)).collect::<Vec<Value>>(),
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
                "figures": c.figures.iter().map(figure).collect::<Vec<Value>>(),
                "tables": c.tables.iter().map(table).collect::<Vec<Value>>(),
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

fn run_view(study: &Study, run: &StudyRun) -> Value {
    let header = run.run.header();
    let plan = &header.plan;
    let n = run.run.records().len();
    let ok = run.n_answered();
    let share = if n > 0 { percent(ok as f64 / n as f64) } else { "–".to_owned() };
    let statuses: Vec<String> = run
        .run
        .statuses()
        .into_iter()
        .filter(|(status, _)| *status != RecordStatus::Ok)
        .map(|(status, n)| format!("{status} {n}"))
        .collect();
    let coalitions: Vec<String> = plan.coalitions.iter().map(ToString::to_string).collect();
    let replies = run.run.records().iter().filter(|r| r.reply.is_some()).count();
    let parsed = run.run.records().iter().filter(|r| r.reply_letter.is_some()).count();
    let source_words = match (run.source(), replies) {
        (AnswerSource::Letter, 0) => "greatest of the five letters' logits".to_owned(),
        (AnswerSource::Letter, _) => {
            format!(
                "logits; of {replies} written replies {} could be read",
                percent(parsed as f64 / replies as f64)
            )
        }
        (AnswerSource::ReplyLetter, 0) => "written replies".to_owned(),
        (AnswerSource::ReplyLetter, _) => {
            format!("written replies, {} of which could be read", percent(parsed as f64 / replies as f64))
        }
    };
    json!({
        "name": run.name,
        "model": model_words(run),
        "n": n,
        "planned": run.n_planned(),
        "clips": plan.n_clips,
        "coalitions": coalitions.join(" "),
        "answered": share,
        "failed": if statuses.is_empty() { "no record failed".to_owned() } else { statuses.join(", ") },
        "source": run.source().name(),
        "source_words": source_words,
        "trust": trust(run).into_iter().map(|t| if study.runs.len() > 1 { format!("{}: {t}", run.name) } else { t }).collect::<Vec<String>>(),
        "facts": facts(run),
    })
}

fn model_words(run: &StudyRun) -> String {
    let model = &run.run.header().plan.settings.model;
    let known = [&model.name, &model.model_type, &model.dtype].into_iter().filter(|w| !w.is_empty());
    known.map(String::as_str).collect::<Vec<&str>>().join(" · ")
}

fn facts(run: &StudyRun) -> Vec<Value> {
    let header = run.run.header();
    let (plan, model) = (&header.plan, &header.plan.settings.model);
    let fact = |name: &str, value: String| json!({ "name": name, "value": value });
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut facts = vec![
        fact("Model", format!("{} ({})", model.name, model.model_type)),
        fact("SHA-256 of the model", model.sha256.clone()),
        fact("Computed on", format!("{} in {}", model.device, model.dtype)),
        fact("Benchmark", format!("manifest {} by {}", plan.bench.manifest_sha256, plan.bench.created_by)),
        fact("Settings", header.settings_id.clone()),
        fact("Prompt", plan.settings.prompt.clone()),
        fact("Attention", attention_of(&plan.settings)),
        fact(
            "Replies",
            if plan.settings.generate {
                format!("up to {} tokens", plan.settings.max_new_tokens)
            } else {
                "none".to_owned()
            },
        ),
        fact("Seed", plan.seed.to_string()),
        fact("emomm", format!("{} on {}", header.versions.emomm, header.versions.platform)),
    ];
    facts.extend(header.versions.git.iter().map(|git| fact("Revision", git.clone())));
    facts.extend(plan.settings.media.iter().map(|(key, value)| fact(&format!("Media: {key}"), text(value))));
    if let Some(steering) = &plan.settings.steering {
        facts.push(fact("Steering", text(steering)));
    }
    let selection = &plan.selection;
    let listed = |words: &[String]| if words.is_empty() { "all".to_owned() } else { words.join(", ") };
    facts.push(fact("Splits", listed(&selection.splits)));
    facts.push(fact("Subsets", listed(&selection.subsets)));
    facts.extend(selection.shard.iter().map(|shard| fact("Shard", shard.clone())));
    facts
}

fn choices(analysis: &Analysis) -> Vec<Value> {
    let o = &analysis.options;
    let word = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let b = o.bootstrap;
    vec![
        json!({ "name": "Records without an answer", "value": word(json!(o.unparsed)) }),
        json!({ "name": "ACC-2", "value": word(json!(o.acc2)) }),
        json!({ "name": "Conflicts of GTAR", "value": word(json!(o.gtar)) }),
        json!({ "name": "Intervals", "value": format!("{} resamples of whole clusters ({}), level {}, seed {}", b.n_resamples, word(json!(o.cluster)), b.level, b.seed) }),
        json!({ "name": "Conflict", "value": "a shown modality has another polarity than the ground truth; neutral is a polarity of its own" }),
    ]
}

fn figure_view(figure: &Figure, id: &str, files: Files<'_>) -> Value {
    let panels: Vec<String> = figure
        .panels
        .iter()
        .enumerate()
        .map(|(i, panel)| {
            let alt = if i == 0 { figure.alt.as_str() } else { panel.title.as_str() };
            panel.inline(&format!("{id}-{i}"), alt)
        })
        .collect();
    let name = &figure.name;
    let files = match files {
        Files::Inside => vec![
            data_file(name, "svg", "SVG", "image/svg+xml", &figure.svg()),
            data_file(name, "csv", "CSV", "text/csv", &figure.data.csv()),
        ],
        Files::Beside(path) => ["svg", "png", "csv"]
            .map(|e| json!({ "href": format!("{path}figures/{name}.{e}"), "name": format!("{name}.{e}"), "word": e.to_uppercase() }))
            .to_vec(),
    };
    json!({ "id": id, "title": figure.title, "note": figure.note, "panels": panels, "files": files })
}

fn table_files(table: &Table, files: Files<'_>) -> Vec<Value> {
    const FORMS: [(&str, &str, &str); 4] = [
        ("csv", "CSV", "text/csv"),
        ("tex", "LaTeX", "application/x-tex"),
        ("md", "Markdown", "text/markdown"),
        ("json", "JSON", "application/json"),
    ];
    let name = &table.name;
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

/// What each subset is, and its part of figures and tables.
fn subset_pages(
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

fn modality_pages(content: &Content<'_>, table: &impl Fn(&Table) -> Value) -> Vec<Value> {
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
        .filter(|row| matches!(&row[at], crate::table::Cell::Text(words) if keep(words)))
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

fn filters(study: &Study) -> Vec<Value> {
    let option = |value: &str, words: &str| json!({ "value": value, "words": words });
    let field = |name: &str, label: &str, options: Vec<Value>| json!({ "name": name, "label": label, "options": options });
    let any = || option("", "any");
    let runs: Vec<Value> = study.runs.iter().map(|r| option(&r.name, &r.name)).collect();
    let words = |options: &[(&str, &str)]| -> Vec<Value> {
        std::iter::once(any()).chain(options.iter().map(|(v, w)| option(v, w))).collect()
    };
    let distinct = |of: fn(&crate::study::StudyClip) -> &str| -> Vec<Value> {
        let found: std::collections::BTreeSet<&str> = study.clips.iter().map(of).collect();
        std::iter::once(any()).chain(found.into_iter().map(|w| option(w, w))).collect()
    };
    let classes = [
        ("N", "negative"),
        ("WN", "weakly negative"),
        ("Neu", "neutral"),
        ("WP", "weakly positive"),
        ("P", "positive"),
    ];
    let mut fields = Vec::new();
    if study.runs.len() > 1 {
        let mut first = vec![option("", &study.runs[0].name)];
        first.extend(runs.iter().skip(1).cloned());
        fields.push(field("run", "Run", first));
    }
    let mut coalitions = vec![option("any", "any")];
    coalitions.extend(ModalitySet::ALL.iter().rev().map(|s| {
        let word = s.to_string();
        option(&word, if s.is_empty() { "nothing" } else { &word })
    }));
    fields.push(field("coalition", "Shown", coalitions));
    fields.push(field(
        "subset",
        "Subset",
        words(&[
            ("align", "align"),
            ("equal", "align: equal"),
            ("same-polarity", "align: same polarity"),
            ("conflict", "conflict"),
            ("missing", "missing"),
            ("missing-align", "missing-align"),
            ("missing-conflict", "missing-conflict"),
        ]),
    ));
    fields.push(field("corpus", "Corpus", distinct(|c| &c.corpus.name)));
    fields.push(field("language", "Language", distinct(|c| &c.language)));
    fields.push(field("truth", "True class", words(&classes)));
    fields.push(field("answer", "Answer", words(&classes)));
    let mut results =
        vec![any(), option("right", "right"), option("wrong", "wrong"), option("none", "no answer")];
    let statuses: std::collections::BTreeSet<RecordStatus> = study
        .runs
        .iter()
        .flat_map(|r| r.run.statuses().into_keys())
        .filter(|s| *s != RecordStatus::Ok)
        .collect();
    results.extend(statuses.into_iter().map(|s| option(s.name(), &format!("status {s}"))));
    fields.push(field("result", "Result", results));
    let differs: Vec<(&str, String)> = data::modality_options();
    let differs: Vec<(&str, &str)> = differs.iter().map(|(v, w)| (*v, w.as_str())).collect();
    fields.push(field("wrong", "Conflict pattern", words(&differs)));
    fields.push(field(
        "sure",
        "Probability",
        words(&[("50", "at least 50 %"), ("80", "at least 80 %"), ("95", "at least 95 %")]),
    ));
    if study.runs.len() > 1 {
        let mut against = vec![option("", "the other run")];
        against.extend(runs);
        fields.push(field("against", "Compared with", against));
        let flips = [
            ("gained", "only this run right"),
            ("lost", "only the other right"),
            ("changed", "answers differ"),
        ];
        fields.push(field("flip", "Flip", words(&flips)));
    }
    fields
}

/// What a run says of attention: nothing can be said of a model behind a server.
fn attention_of(settings: &Settings) -> String {
    match settings.model.device.as_str() {
        "remote" => "not available: the model is behind a server".to_owned(),
        "elsewhere" => "not available: the answers were imported".to_owned(),
        _ => settings.attention.clone(),
    }
}
