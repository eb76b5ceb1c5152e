//! Votes from a file that others made, or that `annotate export` wrote.

use std::collections::BTreeMap;
use std::path::Path;

use emomm_dataset::readers::{PlainRow, PlainTable, read_plain};

use super::{VoteTable, VotedItem};
use crate::error::AnnotateError;
use crate::view::View;

/// Largest code of a vote in a file: the 11-grid's steps.
const MAX_CODE: i8 = 5;

/// Votes of a file, one table for each modality that it has: CSV, TSV or the first sheet of an XLSX file.
///
/// Two forms are read. Wide: `clip` (or `seq`) and columns `T_1 … T_5`, `A_1 …`, `V_1 …`. Long: `clip` (or `item`),
/// `modality` (`text`, `T`, …), `annotator` (or `pseudonym`) and `label`; of the answers that `annotate export` writes, those
/// of main work that count are taken, without the second times of repeated items. Empty cells are gaps. A vote is a whole
/// number from -5 to 5.
///
/// # Errors
/// Missing columns, a vote that is no such number, two votes of one annotator on one item, or what
/// [`read_plain`] refuses.
pub fn read_votes(path: &Path) -> Result<Vec<VoteTable>, AnnotateError> {
    let table = read_plain(path)?;
    let clip = column(&table, &["clip", "item", "id", "seq"]).ok_or_else(|| {
        let expected = "a column that names the clip";
        fault(path, 1, "no column clip, item, id or seq".to_owned(), expected)
    })?;
    let long = Long {
        modality: column(&table, &["modality", "view"]),
        annotator: column(&table, &["annotator", "pseudonym", "rater"]),
        label: column(&table, &["label", "vote"]),
    };
    let mut votes = Votes { path, tables: BTreeMap::new() };
    match long {
        Long { modality: Some(modality), annotator: Some(annotator), label: Some(label) } => {
            let counts = Counts::of(&table);
            for row in table.rows.iter().filter(|row| counts.includes(row)) {
                let view = view_of(row.cell(modality)).ok_or_else(|| {
                    let found = row.cell(modality).to_owned();
                    fault(path, row.number, found, "text, audio, video or T, A, V")
                })?;
                votes.add(row.number, view, row.cell(annotator), row.cell(clip), row.cell(label))?;
            }
        }
        _ => add_wide(&mut votes, &table, clip)?,
    }
    Ok(votes.tables.into_iter().map(|(view, table)| table.finish(view)).collect())
}

/// Columns of the long form.
struct Long {
    modality: Option<usize>,
    annotator: Option<usize>,
    label: Option<usize>,
}

/// The column of the first of these names that is there, whatever its case.
fn column(table: &PlainTable, names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| table.columns.iter().position(|c| c.eq_ignore_ascii_case(name)))
}

fn fault(path: &Path, row: u64, found: String, expected: &str) -> AnnotateError {
    AnnotateError::Row { path: path.to_owned(), row, found, expected: expected.to_owned() }
}

/// Which rows of the long form are votes: all of them, but in our own export, which also holds practice, second times and
/// answers that were taken back.
struct Counts {
    own: Option<[usize; 3]>,
}

impl Counts {
    fn of(table: &PlainTable) -> Self {
        let [counts, phase, role] = ["counts", "phase", "role"].map(|name| column(table, &[name]));
        Self { own: counts.zip(phase).zip(role).map(|((counts, phase), role)| [counts, phase, role]) }
    }

    fn includes(&self, row: &PlainRow) -> bool {
        self.own.is_none_or(|[counts, phase, role]| {
            row.cell(counts) == "1" && row.cell(phase) == "main" && row.cell(role) != "repeat"
        })
    }
}

/// One column for each annotator of each modality.
fn add_wide(votes: &mut Votes<'_>, table: &PlainTable, clip: usize) -> Result<(), AnnotateError> {
    let columns: Vec<(usize, View, &str)> = table
        .columns
        .iter()
        .enumerate()
        .filter_map(|(i, name)| {
            let (letter, number) = name.split_once('_')?;
            let view = view_of(letter).filter(|_| letter.len() == 1)?;
            // Annotator 1 is the same person in all modalities.
            number.parse::<u32>().ok().map(|_| (i, view, number))
        })
        .collect();
    if columns.is_empty() {
        let expected = "T_1, T_2, … A_1, … V_1, …, or modality, annotator and label";
        return Err(fault(votes.path, 1, format!("columns {}", table.columns.join(", ")), expected));
    }
    for row in &table.rows {
        for (i, view, annotator) in &columns {
            votes.add(row.number, *view, annotator, row.cell(clip), row.cell(*i))?;
        }
    }
    Ok(())
}

/// Tables that grow by votes.
struct Votes<'a> {
    path: &'a Path,
    tables: BTreeMap<View, Growing>,
}

impl Votes<'_> {
    fn add(
        &mut self,
        row: u64,
        view: View,
        annotator: &str,
        clip: &str,
        text: &str,
    ) -> Result<(), AnnotateError> {
        let table = self.tables.entry(view).or_default();
        if text.is_empty() {
            table.note(annotator, clip);
            return Ok(());
        }
        let vote = vote_of(text)
            .ok_or_else(|| fault(self.path, row, text.to_owned(), "a whole number from -5 to 5"))?;
        if table.put(annotator, clip, vote) {
            Ok(())
        } else {
            Err(fault(self.path, row, format!("a second vote of {annotator} on {clip}"), "one vote"))
        }
    }
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
struct Growing {
    annotators: Vec<String>,
    clips: Vec<String>,
    /// Places of names: long files have tens of thousands of rows.
    places: BTreeMap<String, usize>,
    cells: BTreeMap<(usize, usize), i8>,
}

impl Growing {
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

    /// By openpyxl; see `export.py` beside the file.
    #[test]
    fn a_spreadsheet_is_read_as_its_values_in_csv() {
        let folder = tempfile::tempdir().unwrap();
        let sheet = folder.path().join("votes.XLSX");
        std::fs::write(&sheet, include_bytes!("../../tests/fixtures/votes.xlsx")).unwrap();
        let text = include_str!("../../tests/fixtures/votes.csv");
        let tables = read_votes(&sheet).unwrap();
        assert_eq!(tables, read(text).unwrap());
        assert_eq!(tables.iter().map(VoteTable::n_votes).collect::<Vec<_>>(), [11, 12, 10]);
        std::fs::write(&sheet, b"no archive").unwrap();
        assert!(read_votes(&sheet).is_err());
    }

    #[test]
    fn of_our_own_export_what_counts_in_main_work_is_taken() {
        let tables = read(
            "clip,modality,annotator,phase,role,counts,label\nv_1,text,A1,main,plain,0,1\nv_1,text,A1,main,plain,1,-1\n\
             v_1,text,A1,main,repeat,1,1\nv_9,text,A1,training,plain,1,1\nv_1,text,A2,main,gold,1,0\n",
        )
        .unwrap();
        assert_eq!(tables.len(), 1);
        assert_eq!(
            (tables[0].items.len(), tables[0].items[0].votes.as_slice()),
            (1, &[Some(-1), Some(0)][..])
        );
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
        assert!(read("clip,T_1\nv_1\n").unwrap_err().contains("row 2"));
        let twice = "clip,modality,annotator,label\nv,T,a,1\nv,T,a,0\n";
        assert_eq!(
            read(twice).unwrap_err(),
            "votes.csv row 3: found a second vote of a on v, expected one vote"
        );
    }
}
