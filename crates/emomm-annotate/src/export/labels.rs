//! Labels and votes of clips, in the form that the benchmark is built from.

use std::collections::BTreeMap;

use emomm_dataset::{Corpus, GridScore};
use rusqlite::Connection;

use super::{ExportOptions, not_written, text_of};
use crate::error::AnnotateError;
use crate::project::settings_of;
use crate::settings::Settings;
use crate::view::View;
use crate::votes::{VoteTable, votes};

/// Most votes on a clip and modality that the benchmark reads.
const MAX_PLACES: usize = 9;

struct Clip {
    seq: i64,
    corpus: String,
    class_map: Corpus,
    name: String,
}

fn clips(connection: &Connection) -> Result<Vec<Clip>, AnnotateError> {
    let mut statement = connection.prepare(
        "SELECT seq, corpus, class_map, video_id, clip_id FROM clip WHERE use = 'main' ORDER BY seq",
    )?;
    let rows = statement.query_map([], |row| {
        let map: String = row.get(2)?;
        let (video, clip): (String, String) = (row.get(3)?, row.get(4)?);
        Ok(Clip {
            seq: row.get(0)?,
            corpus: row.get(1)?,
            class_map: map.parse().unwrap_or(Corpus::ChSims),
            name: format!("{video}_{clip}"),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest adjudicated label of each clip and view.
fn adjudicated_labels(connection: &Connection) -> Result<BTreeMap<(i64, View), i8>, AnnotateError> {
    let mut statement = connection.prepare(
        "SELECT c.seq, i.view, j.label FROM adjudication j JOIN item i ON i.id = j.item \
         JOIN clip c ON c.id = i.clip ORDER BY j.id",
    )?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// All that labels are made of.
pub(super) struct Labels {
    settings: Settings,
    tables: Vec<VoteTable>,
    clips: Vec<Clip>,
    adjudicated: BTreeMap<(i64, View), i8>,
    options: ExportOptions,
}

impl Labels {
    pub(super) fn read(connection: &Connection, options: ExportOptions) -> Result<Self, AnnotateError> {
        Ok(Self {
            settings: settings_of(connection)?,
            tables: View::ALL.into_iter().map(|v| votes(connection, v)).collect::<Result<_, _>>()?,
            clips: clips(connection)?,
            adjudicated: adjudicated_labels(connection)?,
            options,
        })
    }

    /// Clips of main work.
    pub(super) fn n_clips(&self) -> usize {
        self.clips.len()
    }

    fn of_corpus(&self, corpus: &str) -> impl Iterator<Item = &Clip> {
        self.clips.iter().filter(move |clip| clip.corpus == corpus)
    }

    /// The codes that were given for a clip in one view.
    fn codes(&self, seq: i64, view: View) -> Vec<i8> {
        let table = self.tables.iter().find(|t| t.view == view);
        let item =
            table.and_then(|t| t.items.binary_search_by_key(&seq, |i| i.seq).ok().map(|i| &t.items[i]));
        item.map(|item| item.votes.iter().flatten().copied().collect()).unwrap_or_default()
    }

    /// The score of a clip in one view, on the 0.2 grid.
    fn score(&self, seq: i64, view: View) -> Option<GridScore> {
        let scheme = self.settings.scheme;
        if self.options.adjudicated
            && let Some(code) = self.adjudicated.get(&(seq, view))
        {
            return GridScore::from_steps(scheme.steps(*code));
        }
        let codes = self.codes(seq, view);
        (codes.len() >= self.options.min_votes.max(1)).then(|| scheme.mean(&codes)).flatten()
    }

    /// `seq,clip,label_T,label_A,label_V`.
    pub(super) fn csv(&self, corpus: &str) -> Result<String, AnnotateError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let fields = ["seq", "clip", "label_T", "label_A", "label_V"];
        writer.write_record(fields).map_err(|e| not_written(&e))?;
        for clip in self.of_corpus(corpus) {
            let mut record = vec![clip.seq.to_string(), clip.name.clone()];
            let scores = View::UNIMODAL.map(|view| self.score(clip.seq, view));
            record.extend(scores.map(|s| s.map(|s| s.to_string()).unwrap_or_default()));
            writer.write_record(&record).map_err(|e| not_written(&e))?;
        }
        text_of(writer)
    }

    /// One row for each clip and view: votes, exact mean, score, both five-class maps, adjudication.
    pub(super) fn aggregated_csv(&self, corpus: &str) -> Result<String, AnnotateError> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let fields = [
            "seq",
            "clip",
            "modality",
            "n_votes",
            "mean",
            "score",
            "class_own",
            "class_ch_sims",
            "class_cmu_mosi",
            "adjudicated",
        ];
        writer.write_record(fields).map_err(|e| not_written(&e))?;
        let scheme = self.settings.scheme;
        for clip in self.of_corpus(corpus) {
            for view in View::ALL {
                let codes = self.codes(clip.seq, view);
                let adjudicated = self.adjudicated.get(&(clip.seq, view));
                if codes.is_empty() && adjudicated.is_none() {
                    continue;
                }
                let sum: i32 = codes.iter().map(|c| i32::from(scheme.steps(*c))).sum();
                let mean = (!codes.is_empty()).then(|| f64::from(sum) / (5 * codes.len()) as f64);
                let score = self.score(clip.seq, view);
                let class =
                    |corpus: Corpus| score.map(|s| corpus.class_of(s).to_string()).unwrap_or_default();
                writer
                    .write_record([
                        clip.seq.to_string(),
                        clip.name.clone(),
                        view.name().to_owned(),
                        codes.len().to_string(),
                        mean.map(|m| format!("{m:.6}")).unwrap_or_default(),
                        score.map(|s| s.to_string()).unwrap_or_default(),
                        class(clip.class_map),
                        class(Corpus::ChSims),
                        class(Corpus::CmuMosi),
                        adjudicated
                            .map(|c| scheme.steps(*c))
                            .map(|s| format!("{:.1}", f64::from(s) / 5.0))
                            .unwrap_or_default(),
                    ])
                    .map_err(|e| not_written(&e))?;
            }
        }
        text_of(writer)
    }

    /// `seq,clip,T_1,…`: a number stands for the same annotator in all modalities. With more annotators than the benchmark
    /// reads, the votes on a clip stand side by side from the left, so that designs in which each has few fit too.
    pub(super) fn votes_csv(&self, corpus: &str) -> Result<String, AnnotateError> {
        let unimodal: Vec<&VoteTable> = self.tables.iter().filter(|t| t.view.is_unimodal()).collect();
        let mut names: Vec<&str> = Vec::new();
        for name in unimodal.iter().flat_map(|t| &t.annotators) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let has_places = names.len() <= MAX_PLACES;
        let counts = unimodal.iter().flat_map(|t| t.items.iter().map(|i| i.votes.iter().flatten().count()));
        let width = if has_places { names.len() } else { counts.max().unwrap_or(0) };
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut header = vec!["seq".to_owned(), "clip".to_owned()];
        for table in &unimodal {
            header.extend((1..=width).map(|n| format!("{}_{n}", table.view.letter())));
        }
        writer.write_record(&header).map_err(|e| not_written(&e))?;
        for clip in self.of_corpus(corpus) {
            let mut record = vec![clip.seq.to_string(), clip.name.clone()];
            for table in &unimodal {
                let mut cells = vec![String::new(); width];
                let item =
                    table.items.binary_search_by_key(&clip.seq, |i| i.seq).ok().map(|i| &table.items[i]);
                let given = item.into_iter().flat_map(|i| i.votes.iter().zip(&table.annotators));
                let given = given.filter_map(|(vote, name)| Some(((*vote)?, name)));
                for (place, (vote, name)) in given.enumerate() {
                    let own = names.iter().position(|n| n == name);
                    if let Some(cell) = cells.get_mut(if has_places { own.unwrap_or(place) } else { place }) {
                        *cell = vote.to_string();
                    }
                }
                record.extend(cells);
            }
            writer.write_record(&record).map_err(|e| not_written(&e))?;
        }
        text_of(writer)
    }
}
