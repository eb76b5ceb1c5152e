//! What may be written in a file, and what is read from it.

use emomm_dataset::Sentiment::{Negative, Neutral, Positive, WeaklyNegative, WeaklyPositive};
use emomm_dataset::{ModalitySet, PerModality, Subset};
use emomm_eval::score::{AnswerColumn, Answers, ReadOptions};

use crate::{answers, read_as};

fn classes(answers: &Answers) -> Vec<Option<emomm_dataset::Sentiment>> {
    answers.rows.iter().map(|r| r.answer).collect()
}

#[test]
fn bom_crlf_quotes_and_blank_lines() {
    let file = "\u{feff}ID, Label ,ground_truth,group\r\n\"c,1\",\"A\",B,\"says \"\"hi\"\"\"\r\n\r\n c2 ,E,E,\"a\r\nb\"\r\nc3,,C,g";
    let answers = answers("p.csv", file);
    let rows: Vec<_> = answers.rows.iter().map(|r| (&*r.id, &*r.group, r.row, r.line)).collect();
    assert_eq!(rows, [("c,1", "says \"hi\"", 1, 2), ("c2", "a\r\nb", 2, 4), ("c3", "g", 3, 6)]);
    assert_eq!(classes(&answers), [Some(Negative), Some(Positive), None]);
    assert!(answers.notes.is_empty(), "{:?}", answers.notes);
}

#[test]
fn labels_may_be_letters_words_or_numbers() {
    let file = "id,label,ground_truth\na,A,a\nb,Weakly Negative,weakly_negative\nc,2,2\nd,3.0,weakly-positive\ne,4,E\n";
    let answers = answers("p.csv", file);
    assert_eq!(classes(&answers), [Negative, WeaklyNegative, Neutral, WeaklyPositive, Positive].map(Some));
    assert!(answers.rows.iter().all(|r| r.answer == Some(r.labels.ground_truth)));
}

#[test]
fn the_format_follows_from_extension_or_content() {
    let jsonl =
        "{\"id\": \"a\", \"label\": 0, \"ground_truth\": -1.0}\n\n{\"id\": \"b\", \"ground_truth\": \"E\"}\n";
    for name in ["p.jsonl", "p.ndjson", "p.txt", "p"] {
        assert_eq!(classes(&answers(name, jsonl)), [Some(Negative), None], "{name}");
    }
    for (name, file) in
        [("p.csv", "id,label,ground_truth\na,A,A\n"), ("p.tsv", "id\tlabel\tground_truth\na\tA\tA\n")]
    {
        assert_eq!(classes(&answers(name, file)), [Some(Negative)], "{name}");
    }
}

#[test]
fn a_coalition_that_is_not_named_is_tav() {
    let file = "id,coalition,label,ground_truth\na,,A,A\nb,vt,A,A\nc,none,A,A\n";
    let found: Vec<String> = answers("p.csv", file).rows.iter().map(|r| r.coalition.to_string()).collect();
    assert_eq!(found, ["TAV", "TV", "none"]);
}

#[test]
fn a_label_or_group_on_one_row_holds_for_the_clip() {
    let file = "id,coalition,label,ground_truth,label_T,label_A,label_V,group\n\
                a,TA,A,A,,,,\na,TAV,A,A,A,B,E,s1\nb,TAV,A,A,,,,\n";
    let answers = answers("p.csv", file);
    let first = &answers.rows[0];
    assert_eq!(
        first.labels.modalities,
        PerModality { text: Negative, audio: WeaklyNegative, video: Positive }.map(Some)
    );
    assert_eq!((&*first.group, first.subset), ("s1", Some(Subset::MissingAlign)));
    assert_eq!(
        (answers.rows[1].coalition, answers.rows[1].subset),
        (ModalitySet::FULL, Some(Subset::Conflict))
    );
    // A clip without a group is its own.
    assert_eq!((&*answers.rows[2].group, answers.rows[2].subset), ("b", None));
}

#[test]
fn a_stated_subset_is_used_and_contradictions_are_told() {
    let file = "id,coalition,label,ground_truth,label_T,label_A,label_V,subset\n\
                a,TAV,A,A,A,A,A,conflict\nb,TA,A,A,A,A,A,conflict\nc,TAV,A,A,,,,same-polarity\n";
    let answers = answers("p.csv", file);
    let found: Vec<Option<Subset>> = answers.rows.iter().map(|r| r.subset).collect();
    assert_eq!(found, [Subset::Conflict, Subset::Conflict, Subset::SamePolarity].map(Some));
    // Row 1 contradicts its labels; row 2 states the subset of the whole clip.
    assert_eq!(answers.notes, ["1 rows state a subset that their labels contradict; the stated one is used"]);
}

/// Without labels of modalities only the file knows to which subset a clip belongs, and may say it once.
#[test]
fn a_subset_of_the_whole_clip_on_one_row_holds_for_the_clip() {
    let file = "id,coalition,label,ground_truth,subset\n\
                a,V,A,A,\na,TA,A,A,missing-align\na,TAV,A,A,conflict\n\
                b,V,A,A,align\nb,TAV,A,A,\nc,TAV,A,A,\n";
    let answers = answers("p.csv", file);
    let found: Vec<_> =
        answers.rows.iter().map(|r| (&*r.id, r.coalition.to_string(), r.subset, r.clip_subset)).collect();
    let (align, conflict, part) = (Some(Subset::Align), Some(Subset::Conflict), Some(Subset::MissingAlign));
    let expected = [
        ("a", "TA", part, conflict),
        ("a", "V", None, conflict),
        ("a", "TAV", conflict, conflict),
        ("b", "V", align, align),
        ("b", "TAV", align, align),
        ("c", "TAV", None, None),
    ];
    assert_eq!(found, expected.map(|(id, word, own, clip)| (id, word.to_owned(), own, clip)));
    assert!(answers.notes.is_empty(), "{:?}", answers.notes);
}

#[test]
fn unknown_columns_and_corpora_are_told() {
    let file = "id,label,ground_truth,comment,corpus,prob\na,A,A,x,my-clips,0.5\nb,A,A,,CH-SIMS,0.5\n";
    let answers = answers("p.csv", file);
    assert_eq!(
        answers.notes,
        [
            "columns that are not read: comment, prob",
            "corpus my-clips is neither ch-sims nor cmu-mosi: the class map of ch-sims is used"
        ]
    );
    assert_eq!(answers.rows[0].corpus.name, "ch-sims");
}

/// Lines of our own log, with what a reader joined to them.
const LOG: &str = concat!(
    "{\"format_version\": 1, \"model\": \"m\"}\n",
    "{\"key\": \"k1\", \"sample\": \"ch-sims/v/1\", \"coalition\": \"TAV\", \"status\": \"ok\", ",
    "\"letter_logits\": {\"A\": 1.0}, \"letter\": \"A\", \"reply\": \"B\\nScore: -0.4\", \"reply_letter\": \"B\", ",
    "\"reply_score\": -0.4, \"tokens\": {\"total\": 3}, \"ms\": 1.5, \"ground_truth\": \"B\"}\n",
    "{\"key\": \"k2\", \"sample\": \"ch-sims/v/2\", \"coalition\": \"none\", \"status\": \"parse_error\", ",
    "\"letter\": \"C\", \"reply_letter\": null, \"reply_score\": null, \"ground_truth\": \"B\"}\n",
);

#[test]
fn records_of_our_own_log_are_read() {
    let letters = answers("log.jsonl", LOG);
    assert_eq!(letters.answer_column, "letter");
    assert_eq!(classes(&letters), [Some(Negative), Some(Neutral)]);
    assert_eq!(letters.notes, ["answers are read from the column letter"]);
    let options = ReadOptions { answer: AnswerColumn::ReplyLetter, ..ReadOptions::default() };
    let replies = read_as("log.jsonl", LOG, &options).unwrap();
    assert_eq!(classes(&replies), [Some(WeaklyNegative), None]);
    assert_eq!(replies.rows[0].stated, Some(-0.4));
}

#[test]
fn a_model_without_logits_is_read_by_its_replies() {
    let file = "{\"id\": \"a\", \"letter\": null, \"label\": null, \"reply_letter\": \"D\", \"ground_truth\": \"D\"}\n";
    let answers = answers("p.jsonl", file);
    assert_eq!((answers.answer_column, classes(&answers)), ("reply_letter", vec![Some(WeaklyPositive)]));
}

/// Text in dictionaries, nullable integers, floats, a nested column.
#[test]
fn parquet_of_pandas_and_polars_is_read() {
    for name in ["pandas.parquet", "polars.parquet"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let answers = emomm_eval::score::read(&path, &ReadOptions::default()).unwrap();
        let found: Vec<_> = answers
            .rows
            .iter()
            .map(|r| {
                (&*r.id, r.coalition.to_string(), r.answer, r.labels.ground_truth, r.labels.modalities.text)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("v/01", "TA".to_owned(), Some(Positive), Positive, Some(WeaklyPositive)),
                ("v/02", "TAV".to_owned(), None, Negative, None),
                ("v/03", "none".to_owned(), Some(Negative), Neutral, Some(Neutral)),
            ],
            "{name}"
        );
        assert_eq!((answers.rows[1].row, answers.rows[1].line), (2, 0));
    }
}
