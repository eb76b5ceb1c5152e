//! Votes: what the annotators answered about each item, from the database or from a file.

mod file;

use emomm_metrics::Ratings;
use rusqlite::{Connection, params};

pub use file::read_votes;

use crate::error::AnnotateError;
use crate::view::View;

/// The votes on one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteTable {
    /// What was judged.
    pub view: View,
    /// Pseudonyms, or names of columns.
    pub annotators: Vec<String>,
    /// One row for each item.
    pub items: Vec<VotedItem>,
}

/// The votes on one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VotedItem {
    /// `seq` of the clip.
    pub seq: i64,
    /// Key of the item in the database; 0 for a file.
    pub(crate) key: i64,
    /// Corpus of the clip; empty for a file.
    pub corpus: String,
    /// `video_clip`.
    pub clip: String,
    /// The video, whose clips resemble each other: the unit of the intervals.
    pub group: String,
    /// One place for each annotator.
    pub votes: Vec<Option<i8>>,
}

impl VoteTable {
    /// The votes as ratings.
    pub fn ratings(&self) -> Option<Ratings> {
        let items =
            self.items.iter().map(|item| item.votes.iter().map(|v| v.map(i32::from)).collect()).collect();
        Ratings::new(self.annotators.len(), items).ok()
    }

    /// Number of votes.
    pub fn n_votes(&self) -> usize {
        self.items.iter().map(|item| item.votes.iter().flatten().count()).sum()
    }
}

/// The votes of main work on one view. Second times of repeated items do not count.
pub fn votes(connection: &Connection, view: View) -> Result<VoteTable, AnnotateError> {
    let mut statement = connection.prepare(
        "SELECT DISTINCT a.pseudonym FROM assignment s JOIN account a ON a.id = s.account \
         JOIN item i ON i.id = s.item JOIN answer r ON r.assignment = s.id \
         WHERE s.phase = 'main' AND s.role <> 'repeat' AND i.view = ?1 ORDER BY a.id",
    )?;
    let annotators: Vec<String> = statement.query_map([view], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare(
        "SELECT c.seq, i.id, c.corpus, c.video_id, c.clip_id, a.pseudonym, r.label \
         FROM item i JOIN clip c ON c.id = i.clip \
         LEFT JOIN assignment s ON s.item = i.id AND s.phase = 'main' AND s.role <> 'repeat' \
         LEFT JOIN answer r ON r.assignment = s.id \
         LEFT JOIN account a ON a.id = s.account AND r.id IS NOT NULL \
         WHERE i.view = ?1 AND c.use = 'main' ORDER BY c.seq, a.id",
    )?;
    let mut rows = statement.query(params![view])?;
    let mut items: Vec<VotedItem> = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        if items.last().is_none_or(|item| item.seq != seq) {
            let (video, clip): (String, String) = (row.get(3)?, row.get(4)?);
            items.push(VotedItem {
                seq,
                key: row.get(1)?,
                corpus: row.get(2)?,
                clip: format!("{video}_{clip}"),
                group: video,
                votes: vec![None; annotators.len()],
            });
        }
        let (annotator, label): (Option<String>, Option<i8>) = (row.get(5)?, row.get(6)?);
        let place = annotator.and_then(|name| annotators.iter().position(|a| *a == name));
        if let (Some(place), Some(item), Some(label)) = (place, items.last_mut(), label) {
            item.votes[place] = Some(label);
        }
    }
    Ok(VoteTable { view, annotators, items })
}
