//! One row of a file: its cells understood, its faults named.

use emomm_dataset::{Corpus, Labels, ModalitySet, PerModality, Sentiment, Subset};

use super::answers::{AnswerRow, CorpusName, ReadOptions};
use super::bench::{BenchTruth, GivenAnswer};
use super::cell::{self, Label};
use super::columns::Columns;
use super::error::Fault;
use super::table::Row;

/// One row that is being read.
pub(super) struct Reading<'a> {
    pub(super) columns: &'a Columns,
    pub(super) options: &'a ReadOptions,
    /// Where the labels come from, if not from the file.
    pub(super) truth: Option<&'a BenchTruth>,
    pub(super) row: &'a Row,
}

impl Reading<'_> {
    /// The row, or all that is wrong with it.
    pub(super) fn understand(&self) -> Result<AnswerRow, Vec<Fault>> {
        match self.truth {
            Some(truth) => self.given().and_then(|given| truth.row(&given).map_err(|fault| vec![fault])),
            None => self.labelled(),
        }
    }

    /// The answer alone, for a clip that a benchmark knows.
    fn given(&self) -> Result<GivenAnswer, Vec<Fault>> {
        let mut faults = Vec::new();
        let id = kept(self.id(), &mut faults);
        let coalition = kept(self.coalition(), &mut faults);
        let answer = kept(self.answer(), &mut faults);
        let stated = kept(self.stated(), &mut faults);
        match (id, coalition, answer, stated) {
            (Some(id), Some(coalition), Some(answer), Some(stated)) => Ok(GivenAnswer {
                row: self.row.number,
                line: self.row.line,
                id,
                corpus: Columns::text(self.row, self.columns.corpus).to_owned(),
                coalition,
                answer,
                stated,
            }),
            _ => Err(faults),
        }
    }

    fn labelled(&self) -> Result<AnswerRow, Vec<Fault>> {
        let mut faults = Vec::new();
        let corpus = kept(self.corpus(), &mut faults);
        let map = corpus.as_ref().map_or(Corpus::ChSims, |c| c.map);
        let id = kept(self.id(), &mut faults);
        let coalition = kept(self.coalition(), &mut faults).map(|c| c.unwrap_or(ModalitySet::FULL));
        let answer = kept(self.answer(), &mut faults).flatten();
        let stated = kept(self.stated(), &mut faults).flatten();
        let truth = kept(self.ground_truth(map), &mut faults);
        let [text, audio, video] = [0, 1, 2]
            .map(|m| kept(self.label(self.columns.labels[m], map), &mut faults).flatten().map(|l| l.class));
        let subset = kept(self.subset(coalition.unwrap_or(ModalitySet::FULL)), &mut faults);
        let (Some(corpus), Some(id), Some(coalition), Some(truth), Some(subset)) =
            (corpus, id, coalition, truth, subset)
        else {
            return Err(faults);
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(AnswerRow {
            row: self.row.number,
            line: self.row.line,
            corpus,
            id,
            coalition,
            answer,
            stated,
            labels: Labels { ground_truth: truth.class, modalities: PerModality { text, audio, video } },
            truth_score: truth.score,
            group: Columns::text(self.row, self.columns.group).to_owned(),
            subset,
            clip_subset: None,
        })
    }

    fn fault(&self, column: &str, message: String, hint: &str) -> Fault {
        self.row.fault(Some(column), message, hint)
    }

    fn corpus(&self) -> Result<CorpusName, Fault> {
        let corpus = match Columns::text(self.row, self.columns.corpus) {
            "" => CorpusName::of(&self.options.corpus),
            name => CorpusName::of(name),
        };
        if corpus.name.eq_ignore_ascii_case("all") {
            let message = "found `all`, expected the name of a corpus".to_owned();
            return Err(self.fault("corpus", message, "`all` stands for all corpora together; name another"));
        }
        Ok(corpus)
    }

    fn id(&self) -> Result<String, Fault> {
        let id = &self.row.cells[self.columns.id];
        if id.is_empty() {
            let message = "found nothing, expected the id of a clip".to_owned();
            return Err(self.fault("id", message, "name the clip of each row"));
        }
        Ok(id.clone())
    }

    fn coalition(&self) -> Result<Option<ModalitySet>, Fault> {
        match Columns::text(self.row, self.columns.coalition) {
            "" => Ok(None),
            word => word.parse().map(Some).map_err(|_| {
                let message = format!("found `{word}`, expected none, T, A, V, TA, TV, AV, TAV or nothing");
                self.fault(
                    "coalition",
                    message,
                    "name the modalities that the model was shown; nothing means TAV",
                )
            }),
        }
    }

    fn answer(&self) -> Result<Option<Sentiment>, Fault> {
        let text = self.row.cells[self.columns.answer].as_str();
        if text.is_empty() {
            return Ok(None);
        }
        cell::answer(text).map(Some).ok_or_else(|| {
            let message =
                format!("found `{text}`, expected a letter A to E, a class word, 0 to 4 or nothing");
            let hint =
                "leave the cell empty where the model gave no answer; scores go into the column `score`";
            self.fault(self.columns.answer_name, message, hint)
        })
    }

    fn stated(&self) -> Result<Option<f64>, Fault> {
        let text = Columns::text(self.row, self.columns.score);
        if text.is_empty() {
            return Ok(None);
        }
        cell::stated_score(text).map(Some).ok_or_else(|| {
            let message = format!("found `{text}`, expected a number from -1 to 1 or nothing");
            let hint = "divide scores of CMU-MOSI, which lie from -3 to 3, by 3; leave the cell empty without a score";
            self.fault("score", message, hint)
        })
    }

    fn ground_truth(&self, map: Corpus) -> Result<Label, Fault> {
        self.label(self.columns.ground_truth, map)?.ok_or_else(|| {
            let message =
                "found nothing, expected a letter A to E, a class word, 0 to 4 or a score".to_owned();
            self.fault("ground_truth", message, "give the true label of every row")
        })
    }

    fn label(&self, column: Option<usize>, map: Corpus) -> Result<Option<Label>, Fault> {
        const NAMES: [&str; 4] = ["ground_truth", "label_T", "label_A", "label_V"];
        let text = Columns::text(self.row, column);
        if text.is_empty() {
            return Ok(None);
        }
        let name = || {
            let positions = label_positions(self.columns);
            NAMES[positions.iter().position(|p| *p == column).unwrap_or(0)]
        };
        let written = cell::written(text).ok_or_else(|| {
            let message = format!(
                "found `{text}`, expected a letter A to E, a class word, 0 to 4, or a score with a decimal point"
            );
            self.fault(name(), message, "write one of these; an unknown label of a modality is an empty cell")
        })?;
        cell::label(written, map, self.options.off_grid).map(Some).map_err(|message| {
            let hint = "divide scores of CMU-MOSI by 3; --off-grid snap takes the nearest point of the grid; \
                        numbers of classes have no decimal point";
            self.fault(name(), message, hint)
        })
    }

    fn subset(&self, coalition: ModalitySet) -> Result<Option<Subset>, Fault> {
        let text = Columns::text(self.row, self.columns.subset);
        if text.is_empty() {
            return Ok(None);
        }
        let hint = "leave the cell empty to have the subset computed from label_T, label_A and label_V";
        let stated = text.parse::<Subset>().map_err(|e| {
            self.fault("subset", format!("found `{text}`, expected one of {}", e.expected), hint)
        })?;
        if stated.is_missing() && coalition == ModalitySet::FULL {
            let message =
                format!("found `{text}` beside coalition TAV, expected a coalition that lacks a modality");
            return Err(self.fault("subset", message, hint));
        }
        Ok(Some(stated))
    }
}

fn label_positions(columns: &Columns) -> [Option<usize>; 4] {
    let [t, a, v] = columns.labels;
    [columns.ground_truth, t, a, v]
}

/// The value, or `None` with the fault noted.
fn kept<T>(result: Result<T, Fault>, faults: &mut Vec<Fault>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}
