//! Budgets, quotas, repeats, limits, and what is kept.

use std::time::Duration;

use emomm_api::{LEDGER_FILE, SERVED_FOLDER, Secret, spent_by};
use emomm_eval::PredictErrorKind;
use emomm_eval::run::RecordStatus;
use emomm_eval::runner::Ending;

use crate::mock::{Fault, Mock, OUTPUT_PRICE, Skills};
use crate::stage::{FORMS, Stage};

#[test]
fn the_budget_is_never_exceeded_and_more_of_it_goes_on() {
    for form in FORMS {
        // Charged for what nobody got, too.
        let plan = |n: usize, _: &crate::mock::Asked| match n % 5 {
            1 => Fault::CutJson,
            3 => Fault::Dropped,
            _ => Fault::None,
        };
        let mut stage = Stage::of_words(form, Mock::with(Skills::default(), plan));
        stage.jobs = 6;
        for cap in [0.1, 0.2, 0.35] {
            stage.access.max_cost = Some(cap);
            let outcome = stage.session(40);
            let charged = stage.mock.charged();
            assert!(charged <= cap, "{form}: {charged} of {cap}");
            assert!(spent_by(&stage.run_folder()).unwrap() <= cap + 1e-9);
            let Ending::CannotGoOn(error) = outcome.ending else {
                panic!("{form} {cap}: {:?}", outcome.ending)
            };
            assert_eq!(error.kind, PredictErrorKind::Exhausted);
            assert!(error.message.contains("budget") && error.hint.unwrap().contains("--max-cost"));
        }
        let before = stage.records().len();
        assert!(before > 0 && before < 80, "{before}");
        stage.access.max_cost = Some(100.0);
        assert!(matches!(stage.session(40).ending, Ending::Complete));
        assert_eq!((stage.records().len(), stage.n_lines()), (80, 80));
        let answered: Vec<_> = stage.records().into_iter().filter(|r| r.status == RecordStatus::Ok).collect();
        assert!(answered.len() > 40);
        assert!(answered.iter().all(|r| r.served.as_ref().is_some_and(|s| s.cost_usd.unwrap() > 0.0)));
    }
}

#[test]
fn replies_that_came_are_not_paid_for_twice() {
    for form in FORMS {
        let stage = Stage::of_words(form, Mock::new(Skills::default()));
        stage.session(5);
        let (charged, first) = (stage.mock.charged(), stage.records());
        // As if the process had been killed before its records were on the disk.
        let log = stage.run_folder().join("log.jsonl");
        let header = std::fs::read_to_string(&log).unwrap().lines().next().unwrap().to_owned();
        std::fs::write(&log, header + "\n").unwrap();
        stage.session(5);
        assert!((stage.mock.charged() - charged).abs() < 1e-12, "{form}");
        let letters = |all: &[emomm_eval::run::Record]| {
            all.iter().map(|r| (r.key.clone(), r.reply_letter)).collect::<Vec<_>>()
        };
        assert_eq!(letters(&stage.records()), letters(&first));
    }
}

#[test]
fn a_quota_of_a_day_stops_the_run_and_it_goes_on() {
    let body = r#"{"error":{"code":429,"message":"You exceeded your current quota. insufficient_quota","status":"RESOURCE_EXHAUSTED",
        "details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]}]}}"#;
    for form in FORMS {
        let stage = Stage::of_words(
            form,
            Mock::with(Skills::default(), move |n, _| {
                if n >= 5 { Fault::Status(429, Vec::new(), body.to_owned()) } else { Fault::None }
            }),
        );
        let outcome = stage.session(6);
        let Ending::CannotGoOn(error) = outcome.ending else { panic!("{:?}", outcome.ending) };
        assert_eq!(error.kind, PredictErrorKind::Exhausted);
        assert!(stage.records().iter().all(|r| r.status == RecordStatus::Ok));
        let asked = stage.mock.questions().len();
        assert!(asked <= 5 + stage.jobs, "asked {asked} times although the quota is used up");
        stage.mock.plan(|_, _| Fault::None);
        assert!(matches!(stage.session(6).ending, Ending::Complete));
        assert_eq!(stage.records().len(), 12);
        // The five replies of the first session were not asked for again.
        assert_eq!(stage.mock.questions().len(), asked + 12 - 5);
    }
}

#[test]
fn overload_slows_down_and_loses_nothing() {
    let mut stage = Stage::of_words(
        "openai",
        Mock::with(Skills::default(), |n, _| match n {
            0..8 => Fault::Status(429, vec![("retry-after-ms", "30".to_owned())], String::new()),
            _ => Fault::Late(Duration::from_millis(5)),
        }),
    );
    stage.access.retries = Some(10);
    stage.access.most_at_once = 3;
    stage.jobs = 8;
    stage.session(12);
    assert!(stage.records().iter().all(|r| r.status == RecordStatus::Ok));
    // As many workers, and no more questions at a time than were allowed.
    assert_eq!(stage.mock.most_open(), 3);
}

#[test]
fn the_key_is_sent_and_written_nowhere() {
    let secret = "sk-CANARY-0123456789";
    for form in FORMS {
        // A server that repeats the key in its errors and its replies.
        let mut stage = Stage::of_words(
            form,
            Mock::with(
                Skills { model: format!("mock {secret}"), ..Skills::default() },
                move |n, _| match n {
                    0 => Fault::Status(
                        500,
                        vec![("retry-after-ms", "1".to_owned())],
                        format!("{{\"error\":{{\"message\":\"bad {secret}\"}}}}"),
                    ),
                    1 => Fault::Text(format!("A\nScore: -0.8 {secret}")),
                    2..4 => Fault::Status(
                        400,
                        Vec::new(),
                        format!("{{\"error\":{{\"message\":\"odd {secret}\"}}}}"),
                    ),
                    _ => Fault::None,
                },
            ),
        );
        let file = stage.folder.path().join("key");
        std::fs::write(&file, secret).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        stage.access.key_file = Some(file.clone());
        stage.jobs = 1;
        stage.session(3);
        std::fs::remove_file(&file).unwrap();
        for asked in stage.mock.all() {
            let shown =
                asked.header("authorization").or_else(|| asked.header("x-goog-api-key")).unwrap_or_default();
            assert!(shown.ends_with(secret) && !asked.path.contains(secret), "{}", asked.path);
        }
        assert!(!format!("{:?}", Secret::new(secret, "test")).contains("CANARY"));
        let mut folders = vec![stage.folder.path().to_owned()];
        let mut n_files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                n_files += 1;
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                assert!(!text.contains(secret), "{form}: the key stands in {}", path.display());
            }
        }
        assert!(n_files >= 3);
    }
}

#[test]
fn the_ledger_keeps_replies_whole_and_media_as_hashes() {
    let mut stage = Stage::new("gemini", Mock::new(Skills::default()));
    stage.coalitions = vec!["TAV".parse().unwrap()];
    stage.session(1);
    let text = std::fs::read_to_string(stage.run_folder().join(SERVED_FOLDER).join(LEDGER_FILE)).unwrap();
    assert!(text.contains("\"responseId\"") && text.contains("sha256:"), "{text}");
    assert!(text.len() < 10_000, "media stand in the ledger");
}

#[test]
fn what_a_gateway_cut_off_counts_at_its_most_and_what_the_server_refused_at_nothing() {
    for form in FORMS {
        let spent = |status: u16| {
            let refused = Fault::Status(status, Vec::new(), String::new());
            let mut stage = Stage::of_words(form, Mock::with(Skills::default(), move |_, _| refused.clone()));
            stage.access.retries = Some(0);
            stage.session(2);
            let trials = stage.server().unwrap().capabilities().cost_usd.unwrap();
            spent_by(&stage.run_folder()).unwrap() - trials
        };
        for status in [400, 500, 503] {
            assert!(spent(status).abs() < 1e-12, "{form} {status}");
        }
        for status in [502, 504, 524] {
            // Four questions of at most 64 tokens each.
            assert!(spent(status) > 4.0 * 64.0 * OUTPUT_PRICE / 1e6, "{form} {status}");
        }
    }
}
