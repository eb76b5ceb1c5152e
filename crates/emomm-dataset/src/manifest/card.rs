//! `README.md` beside the manifest: what the benchmark holds, where it comes from, what to mind.
//!
//! The first lines are the YAML that Hugging Face reads, so that the folder is a data set there as it stands.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::croissant::{COLUMNS, croissant};
use super::files::{Manifest, PARQUET_FILE};
use crate::error::DatasetError;
use crate::readers::text_file::{digest_of_bytes, read_bytes};

/// The card.
pub const CARD_FILE: &str = "README.md";
/// The description in Croissant.
pub const CROISSANT_FILE: &str = "croissant.json";

/// What the manifest does not know about its publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardDetails {
    /// Name of the data set.
    pub name: String,
    /// Who made it.
    pub creator: String,
    /// Address of its page.
    pub url: String,
    /// Address of its licence, or its name.
    pub license: String,
    /// Version, as in `1.0.0`.
    pub version: String,
    /// Date of publication, as in `2026-01-31`. Left out, no date is claimed.
    pub date_published: Option<String>,
}

impl Default for CardDetails {
    fn default() -> Self {
        Self {
            name: "EmoMM".to_owned(),
            creator: "not stated".to_owned(),
            url: "https://github.com/emomm/emomm".to_owned(),
            license: "other: the terms of the corpora; not for redistribution".to_owned(),
            version: "1.0.0".to_owned(),
            date_published: None,
        }
    }
}

impl Manifest {
    /// Writes the card and the Croissant description beside a manifest that has been written to `folder`.
    pub fn write_card(&self, folder: &Path, details: &CardDetails) -> Result<(), DatasetError> {
        let digest = digest_of_bytes(&read_bytes(&folder.join(PARQUET_FILE))?);
        let path = folder.join(CROISSANT_FILE);
        let mut text = serde_json::to_string_pretty(&croissant(self, &digest, details))
            .map_err(|error| DatasetError::Json { path: path.clone(), message: error.to_string() })?;
        text.push('\n');
        let io = |path: &Path, source| DatasetError::Io { path: path.to_owned(), source };
        fs::write(&path, text).map_err(|e| io(&path, e))?;
        let path = folder.join(CARD_FILE);
        fs::write(&path, card(self, details)).map_err(|e| io(&path, e))
    }
}

/// The text of the card.
pub fn card(manifest: &Manifest, details: &CardDetails) -> String {
    let header = &manifest.header;
    let counts = &header.counts;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |content: String| {
        let _ = writeln!(text, "{content}");
    };
    line(format!("---\npretty_name: {}\nlicense: other", details.name));
    line(format!("configs:\n- config_name: default\n  data_files: {PARQUET_FILE}\n---\n"));
    line(format!("# {}\n", details.name));
    line(format!(
        "{} clips in {} groups, and three masked copies of each: {} rows. Built by {} with seed {}.\n",
        counts.clips, counts.groups, counts.rows, header.created_by, header.options.seed
    ));
    line("| corpus | clips | language | class map |\n|---|---|---|---|".to_owned());
    for corpus in &header.corpora {
        let n = counts.clips_by_corpus.get(&corpus.name).copied().unwrap_or_default();
        line(format!("| {} | {n} | {} | {} |", corpus.name, corpus.language, corpus.class_map));
    }
    for (title, figures) in
        [("subset, rows", &counts.rows_by_subset), ("split, clips", &counts.clips_by_split)]
    {
        line(format!("\n| {title} | n |\n|---|---|"));
        for (name, n) in figures {
            line(format!("| {name} | {n} |"));
        }
    }
    line("\n## Columns\n\n| column | content |\n|---|---|".to_owned());
    for (name, content) in COLUMNS {
        line(format!("| `{name}` | {content} |"));
    }
    line("\n## Sources\n\n| corpus | file | digest |\n|---|---|---|".to_owned());
    for source in &header.sources {
        line(format!("| {} | `{}` | `{}` |", source.corpus, source.file, source.digest));
    }
    line(
        "\nThe digest of a text file is that of its sorted lines: `LC_ALL=C sort FILE | sha256sum`."
            .to_owned(),
    );
    line("\n## To mind\n".to_owned());
    line("- Labels, ids, transcripts and paths; no media. The terms of the corpora hold.".to_owned());
    if header.options.labels_only {
        line("- Built from label files alone: media were neither looked for nor hashed.".to_owned());
    }
    for shortfall in &header.shortfalls {
        line(format!(
            "- {}, {}: {} clips of {} wanted.",
            shortfall.corpus, shortfall.stratum, shortfall.taken, shortfall.wanted
        ));
    }
    for deviation in header.table_matches.iter().flat_map(|m| &m.deviations) {
        line(format!("- Table {}: {} instead of {}.", deviation.table, deviation.found, deviation.wanted));
    }
    for (kind, n) in &header.findings {
        line(format!("- Noticed in the sources: {} ({n}).", kind.name()));
    }
    text
}
