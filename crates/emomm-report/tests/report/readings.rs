//! What the report says follows the readings that were chosen, and says no more than little data can.

use emomm_dataset::{Modality, ModalitySet, Sentiment};
use emomm_eval::run::{Record, RecordError, RecordStatus};
use emomm_eval::score::{EmptyValue, ScoreOptions};
use emomm_metrics::{ConflictReading, Unparsed};
use emomm_report::analysis::Analysis;
use emomm_report::content::{answer, figures, study_trust, tables, trust};
use emomm_report::study::Study;

use crate::by_hand::{always_right, first_shown, options};
use crate::made_up::{MadeUp, manifest, record, study, study_of, ten_clips};

/// The answer is lost, as a failed record's is.
fn fail(record: &mut Record) {
    let error = RecordError::new("media", "cannot be read");
    *record = Record::failed(
        record.key.clone(),
        record.sample.clone(),
        record.coalition,
        RecordStatus::MediaError,
        error,
    );
}

/// Every third record has no answer.
fn with_gaps() -> Study {
    let clips = ten_clips();
    let mut records = first_shown(&clips);
    for record in records.iter_mut().step_by(3) {
        let attention = record.attention.clone();
        fail(record);
        record.attention = attention;
    }
    study(&clips, &[("run", records)])
}

fn note<'a>(found: &'a [emomm_report::table::Table], name: &str) -> &'a str {
    &found.iter().find(|t| t.name == name).unwrap().note
}

#[test]
fn notes_and_sentences_say_what_was_chosen() {
    let study = with_gaps();
    let usual = Analysis::of(&study, options()).unwrap();
    let other = ScoreOptions {
        gtar: ConflictReading::AtLeastOne,
        unparsed: Unparsed::Excluded,
        empty_value: EmptyValue::Chance,
        ..options()
    };
    let other = Analysis::of(&study, other).unwrap();
    let told = |analysis: &Analysis| {
        let tables = tables(&study, analysis);
        let figures = figures(&study, analysis);
        let figure = |name: &str| figures.iter().find(|f| f.name == name).unwrap().note.clone();
        let mut all = vec![
            note(&tables, "gtar").to_owned(),
            note(&tables, "table1").to_owned(),
            note(&tables, "psmv").to_owned(),
            note(&tables, "tests-coalitions").to_owned(),
            figure("fig9a"),
            figure("fig3-middle"),
        ];
        all.push(answer(&study, analysis, 0).join(" "));
        all.extend(trust(&study.runs[0], analysis.options.unparsed));
        all.join("\n")
    };
    let (usual, other) = (told(&usual), told(&other));
    let pairs = [
        ("exactly one", "at least one"),
        ("counts as wrong", "are left out of Acc"),
        ("they count as wrong", "they are left out of the scores"),
        ("accuracy of the answers without evidence", "V(∅) is one in five"),
        ("all eight coalitions", "all seven coalitions with evidence"),
    ];
    for (first, second) in pairs {
        assert!(usual.contains(first) && !usual.contains(second), "{first}: {usual}");
        assert!(other.contains(second) && !other.contains(first), "{second}: {other}");
    }
    assert!(other.contains("In paired differences a record without an answer is not right"), "{other}");
}

/// Figure 3 is made of the same samples as the tables of scores, whatever the reading.
#[test]
fn figures_follow_the_reading_of_the_scores() {
    let study = with_gaps();
    for unparsed in [Unparsed::Wrong, Unparsed::Excluded] {
        for gtar in [ConflictReading::ExactlyOne, ConflictReading::AtLeastOne] {
            let analysis = Analysis::of(&study, ScoreOptions { unparsed, gtar, ..options() }).unwrap();
            let run = &analysis.runs[0];
            for accuracy in &run.coalitions {
                let word = accuracy.coalition.to_string();
                for (subset, found) in [("align", accuracy.align), ("conflict", accuracy.conflict)] {
                    let scored = run.row("all", &word, subset).and_then(|row| row.acc);
                    assert_eq!(
                        found.map(|i| (i.value, i.n)),
                        scored.map(|i| (i.value, i.n)),
                        "{word} {subset}"
                    );
                }
            }
            let report = run.scores.gtar.as_ref().unwrap();
            let points = &run.coupling[0].points;
            for coalition in ["TA", "TV", "AV", "TAV"] {
                let scored = &report.coalitions[coalition];
                for m in Modality::ALL {
                    let n_right: usize = points
                        .iter()
                        .filter(|p| p.coalition.to_string() == coalition && p.modality == m)
                        .map(|p| p.n_right)
                        .sum();
                    let expected = scored["denominators"][m.name()].as_u64().unwrap();
                    assert_eq!(n_right as u64, expected, "{unparsed:?} {gtar:?} {coalition} {m:?}");
                }
            }
        }
    }
}

#[test]
fn a_run_without_any_answer_is_not_judged() {
    let clips = ten_clips();
    let mut records = first_shown(&clips);
    records.iter_mut().for_each(fail);
    let study = study(&clips, &[("run", records)]);
    let analysis = Analysis::of(&study, options()).unwrap();
    let said = answer(&study, &analysis, 0);
    assert_eq!(said, ["The model gave no answer to any question, so the figures say nothing of it."]);
}

/// What is said of which modality is followed.
fn followed(clips: &[MadeUp], records: Vec<Record>) -> (String, Vec<String>) {
    let study = study(clips, &[("run", records)]);
    let analysis = Analysis::of(&study, options()).unwrap();
    (answer(&study, &analysis, 0).pop().unwrap(), study_trust(&study))
}

#[test]
fn an_order_is_claimed_only_where_there_is_one() {
    let clips = ten_clips();
    let (said, _) = followed(&clips, always_right(&clips));
    assert!(said.ends_with("; all alike."), "{said}");
    assert!(said.contains("text 1.000 [in every resample]"), "{said}");

    // One group: nothing can be drawn. Only video is wrong, and it is followed.
    let one = [MadeUp::new("ch-sims", "c", "g", [5, 5, 5, -5])];
    let all = |answer| ModalitySet::ALL.map(|s| record(&one[0], s, answer)).to_vec();
    let (said, trust) = followed(&one, all(Sentiment::Negative));
    assert!(said.ends_with("text 0.000, audio 0.000; both alike."), "{said}");
    assert_eq!(trust, ["All clips are of one group: there are no intervals."]);

    // Full clips have two wrong modalities, so that only pairs are conflicts of the reading: text is right, audio or video wrong.
    let two = [MadeUp::new("ch-sims", "c", "g", [5, 5, -5, -5])];
    let (said, _) =
        followed(&two, ModalitySet::ALL.map(|s| record(&two[0], s, Sentiment::Positive)).to_vec());
    assert_eq!(
        said,
        "Where exactly one modality is wrong (on Missing-Conflict), the model is right together with text 1.000."
    );
}

/// Where languages are not corpora, their table calls them languages, under the key that its rows share with those of corpora.
#[test]
fn a_table_by_language_is_not_by_corpus() {
    let clips = ten_clips();
    let mut manifest = manifest(&clips);
    for row in &mut manifest.rows {
        row.language = if row.group == "g1" || row.group == "g3" { "de" } else { "fr" }.to_owned();
    }
    let study = study_of(&manifest, &[("run", first_shown(&clips))]);
    let analysis = Analysis::of(&study, options()).unwrap();
    let tables = tables(&study, &analysis);
    let table = tables.iter().find(|t| t.name == "scores-by-language").unwrap();
    assert!(table.csv().starts_with("run,corpus,coalition,"), "{}", table.csv());
    assert_eq!(table.columns[1].head, "Language");
    assert!(table.csv().contains("\nrun,de,") && table.csv().contains("\nrun,fr,"));
}

/// With several runs a sentence says of which it is.
#[test]
fn a_sentence_names_its_run_among_others() {
    let clips = ten_clips();
    let study = study(&clips, &[("base", first_shown(&clips)), ("other", always_right(&clips))]);
    let analysis = Analysis::of(&study, options()).unwrap();
    for (run, name) in [(0, "base"), (1, "other")] {
        let said = answer(&study, &analysis, run);
        assert!(said[0].starts_with(&format!("Run {name} names")), "{}", said[0]);
        assert!(said[2].contains(&format!("run {name} is right together with")), "{}", said[2]);
    }
}

/// An interval without width is no certainty, and the table says so.
#[test]
fn intervals_without_width_are_explained() {
    let clips = ten_clips();
    let width = "An interval without width";
    let sure = study(&clips, &[("run", always_right(&clips))]);
    let analysis = Analysis::of(&sure, options()).unwrap();
    assert!(note(&tables(&sure, &analysis), "table1").contains(width));
    assert!(!note(&tables(&sure, &analysis), "runs").contains(width));
}
