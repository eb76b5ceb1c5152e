//! The same question several times, and again for those without an answer.

use emomm_api::KeptReplies;
use emomm_eval::run::{RecordStatus, repeat_figures};

use crate::mock::{Fault, Mock, Skills};
use crate::stage::{FORMS, Stage};

#[test]
fn repeats_are_kept_and_flips_are_counted() {
    for form in FORMS {
        let mut stage = Stage::of_words(
            form,
            Mock::with(Skills::default(), |n, _| {
                Fault::Text(if n % 3 == 2 { "E\nScore: 0.8" } else { "A\nScore: -0.8" }.to_owned())
            }),
        );
        stage.condition.repeats = 3;
        stage.condition.seed = Some(40);
        stage.jobs = 1;
        stage.session(2);
        let records = stage.records();
        assert_eq!((records.len(), stage.mock.questions().len()), (4, 12));
        for record in &records {
            let served = record.served.as_ref().unwrap();
            assert_eq!(served.repeats.len(), 2);
            assert_eq!((record.reply_letter, served.repeats[1].reply_letter), (Some('A'), Some('E')));
            assert_eq!(served.flip_rate(record.reply_letter), Some(2.0 / 3.0));
        }
        let seeds: Vec<u64> = stage
            .mock
            .questions()
            .iter()
            .take(3)
            .filter_map(|q| q.json["seed"].as_u64().or_else(|| q.json["generationConfig"]["seed"].as_u64()))
            .collect();
        assert_eq!(seeds, [40, 41, 42]);
    }
}

#[test]
fn a_further_asking_that_fails_does_not_take_the_answer_away() {
    for form in FORMS {
        let mut stage = Stage::of_words(
            form,
            Mock::with(Skills::default(), |n, _| match n % 3 {
                1 => Fault::Status(400, Vec::new(), "{\"error\":{\"message\":\"odd\"}}".to_owned()),
                _ => Fault::Text("A\nScore: -0.8".to_owned()),
            }),
        );
        stage.condition.repeats = 3;
        stage.jobs = 1;
        stage.session(2);
        for record in stage.records() {
            assert_eq!((record.status, record.reply_letter), (RecordStatus::Ok, Some('A')), "{form}");
            assert_eq!(record.served.as_ref().unwrap().repeats.len(), 1);
            let said = record.media.unwrap().warnings;
            assert!(said.iter().any(|w| w.contains("asking 2 came to nothing: status 400: odd")), "{said:?}");
        }
    }
    // A modality that should not have been shown spoils the record whenever it is counted.
    let mut stage = Stage::of_words(
        "gemini",
        Mock::with(Skills::default(), |n, _| if n % 3 == 2 { Fault::Leak } else { Fault::None }),
    );
    stage.condition.repeats = 3;
    stage.jobs = 1;
    stage.session(2);
    assert!(stage.records().iter().all(|r| r.error.as_ref().is_some_and(|e| e.kind == "leak")));
}

#[test]
fn a_record_with_fewer_askings_is_no_part_of_the_spread() {
    let mut stage = Stage::of_words(
        "openai",
        Mock::with(Skills::default(), |n, _| match n {
            2 => Fault::Status(400, Vec::new(), String::new()),
            _ => Fault::Text("A\nScore: -0.8".to_owned()),
        }),
    );
    stage.coalitions = vec!["T".parse().unwrap()];
    stage.condition.repeats = 3;
    stage.jobs = 1;
    stage.session(3);
    let truths = stage.records().iter().map(|r| (r.sample.clone(), r.label.unwrap())).collect();
    let figures = repeat_figures(&stage.records(), &truths);
    assert_eq!((figures.len(), figures[0].n, figures[0].repeats), (1, 2, 3));
}

#[test]
fn answers_of_a_retry_that_was_cut_off_are_not_paid_for_twice() {
    for form in FORMS {
        let mut stage = Stage::of_words(form, Mock::with(Skills::default(), |_, _| Fault::Blocked));
        stage.session(3);
        assert!(stage.records().iter().all(|r| r.status == RecordStatus::Blocked));
        let log = stage.run_folder().join("log.jsonl");
        let before = std::fs::read(&log).unwrap();
        stage.asks_again = true;
        stage.access.reuses = KeptReplies::Answers;
        stage.mock.plan(|_, _| Fault::None);
        stage.session(3);
        let (records, asked) = (stage.records(), stage.mock.questions().len());
        assert!(records.iter().all(|r| r.status == RecordStatus::Ok));
        assert_eq!(asked, 12, "what was blocked was asked anew");
        // As if it had been killed before its records were on the disk.
        std::fs::write(&log, before).unwrap();
        stage.session(3);
        assert_eq!(stage.mock.questions().len(), asked, "{form}: paid for twice");
        let letters = |all: &[emomm_eval::run::Record]| {
            all.iter().map(|r| (r.key.clone(), r.reply_letter)).collect::<Vec<_>>()
        };
        assert_eq!(letters(&stage.records()), letters(&records));
    }
}
