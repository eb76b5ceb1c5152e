//! Votes: what the annotators answered about each item, from the database or from a file.

use std::collections::BTreeMap;
use std::path::Path;

use emomm_metrics::Ratings;
use rusqlite::{Connection, params};

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

/// Largest code of a vote in a file: the 11-grid's steps.
const MAX_CODE: i8 = 5;

/// Votes of a CSV file, one table for each modality that it has.
///
/// Two forms are read. Wide: `clip` (or `seq`) and columns `T_1 … T_5`, `A_1 …`, `V_1 …`. Long: `clip` (or `item`),
/// `modality` (`text`, `T`, …), `annotator` (or `pseudonym`) and `label`. Empty cells are gaps. A vote is a whole number
/// from -5 to 5.
///
/// # Errors
/// Missing columns, a vote that is no such number, or two votes of one annotator on one item.
pub fn read_votes(path: &Path) -> Result<Vec<VoteTable>, AnnotateError> {
    let bytes = std::fs::read(path).map_err(|source| AnnotateError::Io { path: path.to_owned(), source })?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let delimiter =
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv")) { b'\t' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(bytes);
    let fault = |row: u64, found: String, expected: &str| AnnotateError::Row {
        path: path.to_owned(),
        row,
        found,
        expected: expected.to_owned(),
    };
    let header = reader.headers().map_err(|e| fault(1, e.to_string(), "a header"))?.clone();
    let column = |names: &[&str]| {
        names.iter().find_map(|name| header.iter().position(|h| h.eq_ignore_ascii_case(name)))
    };
    let mut records = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let row = index as u64 + 2;
        records.push((row, record.map_err(|e| fault(row, e.to_string(), "a row with all columns"))?));
    }
    let clip = column(&["clip", "item", "id", "seq"]).ok_or_else(|| {
        fault(1, "no column clip, item, id or seq".to_owned(), "a column that names the clip")
    })?;
    let long = (
        column(&["modality", "view"]),
        column(&["annotator", "pseudonym", "rater"]),
        column(&["label", "vote"]),
    );
    let mut tables: BTreeMap<View, Table> = BTreeMap::new();
    let mut add = |row: u64, view: View, annotator: &str, clip: &str, text: &str| {
        if text.is_empty() {
            tables.entry(view).or_default().note(annotator, clip);
            return Ok(());
        }
        let vote = vote_of(text).ok_or_else(|| fault(row, text.to_owned(), "a whole number from -5 to 5"))?;
        if tables.entry(view).or_default().put(annotator, clip, vote) {
            Ok(())
        } else {
            Err(fault(row, format!("a second vote of {annotator} on {clip}"), "one vote"))
        }
    };
    if let (Some(modality), Some(annotator), Some(label)) = long {
        for (row, record) in &records {
            let cell = |i: usize| record.get(i).unwrap_or_default();
            let view = view_of(cell(modality))
                .ok_or_else(|| fault(*row, cell(modality).to_owned(), "text, audio, video or T, A, V"))?;
            add(*row, view, cell(annotator), cell(clip), cell(label))?;
        }
    } else {
        let votes: Vec<(usize, View, String)> = header
            .iter()
            .enumerate()
            .filter_map(|(i, name)| {
                let (letter, number) = name.split_once('_')?;
                let view = view_of(letter).filter(|_| letter.len() == 1)?;
                number.parse::<u32>().ok().map(|_| (i, view, name.to_owned()))
            })
            .collect();
        if votes.is_empty() {
            let expected = "T_1, T_2, … A_1, … V_1, …, or modality, annotator and label";
            return Err(fault(
                1,
                format!("columns {}", header.iter().collect::<Vec<_>>().join(", ")),
                expected,
            ));
        }
        for (row, record) in &records {
            for (i, view, name) in &votes {
                let cell = |i: usize| record.get(i).unwrap_or_default();
                // Annotator 1 is the same person in all modalities.
                let annotator = name.split_once('_').map_or(name.as_str(), |(_, number)| number);
                add(*row, *view, annotator, cell(clip), cell(*i))?;
            }
        }
    }
    Ok(tables.into_iter().map(|(view, table)| table.finish(view)).collect())
}

/// `-1`, `0`, `1.0`, `+1`.
fn vote_of(text: &str) -> Option<i8> {
    let text = text.replace('\u{2212}', "-");
    let value: f64 = text.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= f64::from(MAX_CODE)).then_some(value as i8)
}

fn view_of(word: &str) -> Option<View> {
    View::ALL.into_iter().find(|v| {
        v.name().eq_ignore_ascii_case(word)
            || (word.len() == 1 && word.eq_ignore_ascii_case(&v.letter().to_string()))
    })
}

/// A table that grows by cells.
#[derive(Default)]
struct Table {
    annotators: Vec<String>,
    clips: Vec<String>,
    /// Places of names: long files have tens of thousands of rows.
    places: BTreeMap<String, usize>,
    cells: BTreeMap<(usize, usize), i8>,
}

impl Table {
    fn note(&mut self, annotator: &str, clip: &str) -> (usize, usize) {
        let a = self.annotators.iter().position(|known| known == annotator).unwrap_or_else(|| {
            self.annotators.push(annotator.to_owned());
            self.annotators.len() - 1
        });
        let next = self.clips.len();
        let c = *self.places.entry(clip.to_owned()).or_insert(next);
        if c == next {
            self.clips.push(clip.to_owned());
        }
        (c, a)
    }

    fn put(&mut self, annotator: &str, clip: &str, vote: i8) -> bool {
        let place = self.note(annotator, clip);
        self.cells.insert(place, vote).is_none()
    }

    fn finish(self, view: View) -> VoteTable {
        let mut items: Vec<VotedItem> = (1_i64..)
            .zip(&self.clips)
            .map(|(seq, clip)| VotedItem {
                seq,
                key: 0,
                corpus: String::new(),
                clip: clip.clone(),
                group: clip.rsplit_once('_').map_or(clip.as_str(), |(video, _)| video).to_owned(),
                votes: vec![None; self.annotators.len()],
            })
            .collect();
        for ((clip, annotator), vote) in self.cells {
            items[clip].votes[annotator] = Some(vote);
        }
        VoteTable { view, annotators: self.annotators, items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<VoteTable>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("votes.csv");
        std::fs::write(&path, text).unwrap();
        read_votes(&path).map_err(|e| e.to_string().replace(&path.display().to_string(), "votes.csv"))
    }

    #[test]
    fn wide_and_long_files_say_the_same() {
        let wide = read("\u{feff}seq,clip,T_1,T_2,V_1\n1,v_1,-1,0,1\n2,v_2,+1,,\n").unwrap();
        let long = read(
            "item,modality,annotator,label\nv_1,text,1,-1\nv_1,text,2,0\nv_2,T,1,1\nv_2,T,2,\nv_1,V,1,1.0\nv_2,V,1,\n",
        )
        .unwrap();
        assert_eq!(wide, long);
        assert_eq!(wide[0].items[1].votes, [Some(1), None]);
        assert_eq!((wide[0].view, wide[1].view, wide[0].n_votes()), (View::Text, View::Video, 3));
        assert_eq!(wide[0].items[0].group, "v");
    }

    proptest::proptest! {
        /// Whatever stands in a file, it is read or refused.
        #[test]
        fn any_file_is_read_or_refused(
            text in "(clip|seq|T_1|A_2|V_x|,|,|,|\n|\n|-1|0|1|modality|annotator|label|text|V|\"|\u{feff}|.){0,60}"
        ) {
            if let Ok(tables) = read(&text) {
                for table in tables {
                    proptest::prop_assert!(table.items.iter().all(|i| i.votes.len() == table.annotators.len()));
                }
            }
        }
    }

    #[test]
    fn faults_are_named_with_their_rows() {
        assert_eq!(
            read("clip,T_1\nv_1,maybe\n").unwrap_err(),
            "votes.csv row 2: found maybe, expected a whole number from -5 to 5"
        );
        assert!(read("clip,T_1\nv_1,0.5\n").is_err());
        assert!(read("clip,label_T\nv_1,1\n").unwrap_err().contains("T_1"));
        assert!(read("name,T_1\n").unwrap_err().contains("no column clip"));
        let twice = "clip,modality,annotator,label\nv,T,a,1\nv,T,a,0\n";
        assert_eq!(
            read(twice).unwrap_err(),
            "votes.csv row 3: found a second vote of a on v, expected one vote"
        );
    }
}
