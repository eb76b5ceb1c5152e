//! Whatever a server does, every key has one final record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use emomm_eval::run::RecordStatus;
use emomm_eval::runner::Ending;

use crate::mock::{Asked, Fault, Mock, Skills};
use crate::stage::{FORMS, Stage};

/// Waits of nothing, where a server says so.
fn at_once(status: u16) -> Fault {
    Fault::Status(
        status,
        vec![("retry-after-ms", "1".to_owned())],
        "{\"error\":{\"message\":\"later\"}}".to_owned(),
    )
}

/// A fault for the first sending of each question, and none afterwards.
fn first_time(fault: Fault) -> impl FnMut(usize, &Asked) -> Fault + Send {
    let mut seen = BTreeSet::new();
    move |_, asked| if seen.insert(asked.body.clone()) { fault.clone() } else { Fault::None }
}

/// Each key once, with an answer.
fn all_answered(stage: &Stage, n: usize) {
    let records = stage.records();
    let keys: BTreeSet<&str> = records.iter().map(|r| r.key.as_str()).collect();
    assert_eq!((records.len(), keys.len(), stage.n_lines()), (n, n, n));
    for record in &records {
        assert_eq!(record.status, RecordStatus::Ok, "{record:?}");
    }
}

#[test]
fn what_passes_is_asked_again() {
    let faults = [
        at_once(429),
        at_once(500),
        at_once(503),
        at_once(529),
        Fault::HalfClosed,
        Fault::Dropped,
        Fault::CutJson,
        Fault::Status(200, Vec::new(), "<html>a proxy</html>".to_owned()),
        Fault::Status(200, Vec::new(), "{\"object\":\"something else\"}".to_owned()),
    ];
    for form in FORMS {
        for fault in &faults {
            let stage = Stage::of_words(form, Mock::with(Skills::default(), first_time(fault.clone())));
            let outcome = stage.session(3);
            assert!(matches!(outcome.ending, Ending::Complete), "{form} {fault:?}: {:?}", outcome.ending);
            all_answered(&stage, 6);
            // The question without evidence is the same for all three clips, and meets its fault once.
            assert_eq!(stage.mock.questions().len(), 6 + 4, "{form} {fault:?}");
            let with_words = stage.records().into_iter().filter(|r| !r.coalition.is_empty());
            assert!(with_words.map(|r| r.served.unwrap().attempts).all(|n| n == 2));
        }
    }
}

#[test]
fn a_reply_that_comes_twice_is_the_reply_to_one_question() {
    for form in FORMS {
        let stage = Stage::of_words(form, Mock::with(Skills::default(), |_, _| Fault::Twice));
        stage.session(4);
        all_answered(&stage, 8);
        let plain = Stage::of_words(form, Mock::new(Skills::default()));
        plain.session(4);
        let letters = |s: &Stage| {
            s.records().iter().map(|r| (r.sample.clone(), r.coalition, r.reply_letter)).collect::<Vec<_>>()
        };
        assert_eq!(letters(&stage), letters(&plain));
        // The reply to another question, by its name.
        let mut stage = Stage::of_words(
            form,
            Mock::with(Skills::default(), |n, _| if n == 3 { Fault::EarlierReply } else { Fault::None }),
        );
        stage.jobs = 1;
        stage.session(4);
        all_answered(&stage, 8);
        assert_eq!(letters(&stage), letters(&plain));
        assert_eq!(stage.mock.questions().len(), 9);
    }
}

#[test]
fn statuses_that_stay_are_records() {
    let statuses = [
        (at_once(429), RecordStatus::RateLimited, "rate_limited"),
        (at_once(500), RecordStatus::Error, "model"),
        (at_once(504), RecordStatus::Timeout, "timeout"),
        (Fault::Dropped, RecordStatus::Error, "model"),
        (Fault::Late(Duration::from_millis(900)), RecordStatus::Timeout, "timeout"),
        (
            Fault::Status(
                415,
                Vec::new(),
                "{\"error\":{\"message\":\"Unsupported MIME type: audio/x\"}}".to_owned(),
            ),
            RecordStatus::MediaError,
            "media",
        ),
        (
            Fault::Status(400, Vec::new(), "{\"error\":{\"message\":\"odd\"}}".to_owned()),
            RecordStatus::Error,
            "model",
        ),
        (Fault::Blocked, RecordStatus::Blocked, "blocked"),
        (Fault::Empty, RecordStatus::ParseError, "empty"),
        (Fault::CutReply, RecordStatus::ParseError, "cut"),
        (Fault::Text("I would rather not say.".to_owned()), RecordStatus::ParseError, "parse"),
    ];
    for form in FORMS {
        for (fault, status, kind) in &statuses {
            let fault = fault.clone();
            let shown = format!("{form} {fault:?}");
            let mut stage = Stage::of_words(form, Mock::with(Skills::default(), move |_, _| fault.clone()));
            stage.access.retries = Some(1);
            stage.access.request_timeout = Duration::from_millis(400);
            let outcome = stage.session(1);
            assert!(matches!(outcome.ending, Ending::Complete), "{shown} {:?}", outcome.ending);
            let records = stage.records();
            assert_eq!(records.len(), 2, "{shown}");
            for record in records {
                assert_eq!(record.status, *status, "{shown} {record:?}");
                assert_eq!(record.error.as_ref().unwrap().kind, *kind, "{shown}");
                assert_eq!(record.answer(), None);
            }
        }
        let declined = if form == "openai" { RecordStatus::Refused } else { RecordStatus::Blocked };
        let stage = Stage::of_words(form, Mock::with(Skills::default(), |_, _| Fault::Refused));
        stage.session(1);
        assert!(
            stage
                .records()
                .iter()
                .all(|r| r.status == declined && r.served.as_ref().unwrap().detail.is_some())
        );
    }
}

#[test]
fn a_cut_reply_with_a_letter_is_an_answer_with_a_note() {
    for form in FORMS {
        let cut = Fault::CutAfter("D\nScore: 0.4 because".to_owned());
        let stage = Stage::of_words(form, Mock::with(Skills::default(), move |_, _| cut.clone()));
        stage.session(1);
        for record in stage.records() {
            assert_eq!((record.status, record.reply_letter), (RecordStatus::Ok, Some('D')), "{form}");
            assert!(record.reply_notes.iter().any(|n| n.contains("was cut")), "{:?}", record.reply_notes);
        }
    }
}

#[test]
fn a_key_that_is_refused_and_a_server_that_is_gone_end_the_run() {
    for form in FORMS {
        let stage = Stage::of_words(form, Mock::new(Skills::default()));
        stage.session(1);
        stage.mock.plan(|_, _| {
            Fault::Status(401, Vec::new(), "{\"error\":{\"message\":\"key revoked\"}}".to_owned())
        });
        let outcome = stage.session(3);
        let Ending::CannotGoOn(error) = outcome.ending else { panic!("{:?}", outcome.ending) };
        assert!(error.message.contains("key revoked"), "{error:?}");
        assert_eq!(stage.records().len(), 2, "no clip is to blame");
        stage.mock.plan(|_, _| Fault::None);
        stage.session(3);
        assert_eq!(stage.records().len(), 6);
    }
}

#[test]
fn a_mix_of_everything_ends_with_one_record_for_each_key() {
    for form in FORMS {
        let mut n = 0_usize;
        let mut sent: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let plan = move |_: usize, asked: &Asked| {
            n += 1;
            let times = sent.entry(asked.body.clone()).or_default();
            *times += 1;
            if *times > 2 {
                return Fault::None;
            }
            match n % 9 {
                0 => at_once(429),
                1 => at_once(503),
                2 => Fault::HalfClosed,
                3 => Fault::CutJson,
                4 => Fault::Blocked,
                5 => Fault::Twice,
                6 => Fault::Dropped,
                _ => Fault::None,
            }
        };
        let mut stage = Stage::of_words(form, Mock::with(Skills::default(), plan));
        stage.access.retries = Some(6);
        stage.session(30);
        let records = stage.records();
        let keys: BTreeSet<&str> = records.iter().map(|r| r.key.as_str()).collect();
        assert_eq!((records.len(), keys.len(), stage.n_lines()), (60, 60, 60));
        let count = |s: RecordStatus| records.iter().filter(|r| r.status == s).count();
        assert_eq!(count(RecordStatus::Ok) + count(RecordStatus::Blocked), 60, "{form}");
        assert!(count(RecordStatus::Blocked) > 0);
    }
}

#[test]
fn waits_are_those_that_the_server_asks_for() {
    let asked_for = Fault::Status(429, vec![("retry-after", "1".to_owned())], String::new());
    let mut stage = Stage::of_words("openai", Mock::with(Skills::default(), first_time(asked_for)));
    stage.coalitions.truncate(1);
    let began = Instant::now();
    stage.session(1);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    // Longer than two minutes is not waited for.
    let never = Fault::Status(429, vec![("retry-after", "1000".to_owned())], String::new());
    let mut stage = Stage::of_words("openai", Mock::with(Skills::default(), move |_, _| never.clone()));
    stage.coalitions.truncate(1);
    let began = Instant::now();
    stage.session(1);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(stage.records()[0].status, RecordStatus::RateLimited);
    assert_eq!(stage.mock.questions().len(), 1);
}
