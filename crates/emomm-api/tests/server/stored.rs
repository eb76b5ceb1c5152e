//! Media that are too large for a request lie on the server while they are needed.

use std::thread;
use std::time::Duration;

use emomm_eval::run::RecordStatus;
use emomm_media::{DecodeLimits, Ffmpeg, ProbedKind, probe};

use crate::mock::{Fault, Mock, Skills};
use crate::stage::{HIDDEN, Stage, WORDS};

#[test]
fn large_media_are_stored_waited_for_used_and_removed() {
    let mut stage = Stage::new("gemini", Mock::new(Skills { looks: 2, ..Skills::default() }));
    stage.access.inline_limit_bytes = 1000;
    stage.jobs = 1;
    stage.session(1);
    let all = stage.mock.all();
    // Picture and sound, each once for all coalitions.
    let count = |method: &str, begin: &str| {
        all.iter().filter(|a| a.method == method && a.path.starts_with(begin)).count()
    };
    assert_eq!(count("POST", "/upload/"), 2);
    assert_eq!(count("POST", "/put/"), 2);
    assert_eq!(count("DELETE", "/v1beta/files/"), 2);
    assert!(count("GET", "/v1beta/files/") >= 6);
    assert!(stage.mock.stored().is_empty());
    for question in stage.mock.questions() {
        let body = String::from_utf8_lossy(&question.body).into_owned();
        assert!(!body.contains("inlineData"));
        let n = body.matches("fileUri").count();
        let named = body.split("Based on the provided modalities (").nth(1).unwrap();
        let named = &named[..named.find(')').unwrap()];
        assert_eq!(n, usize::from(named.contains("audio")) + usize::from(named.contains("video")), "{named}");
    }
    assert!(stage.records().iter().all(|r| r.status == RecordStatus::Ok));
}

#[test]
fn what_a_killed_process_left_on_the_server_is_removed_by_the_next() {
    let mut stage = Stage::new("gemini", Mock::new(Skills::default()));
    stage.access.inline_limit_bytes = 1000;
    stage.coalitions = vec!["V".parse().unwrap()];
    stage.session(1);
    // A ledger whose last lines are missing, as a kill leaves it.
    let ledger = stage.run_folder().join("served/ledger.jsonl");
    let text = std::fs::read_to_string(&ledger).unwrap();
    let kept: Vec<&str> = text.lines().filter(|l| !l.contains("\"event\":\"removed\"")).collect();
    assert_eq!(kept.len() + 1, text.lines().count());
    std::fs::write(&ledger, kept.join("\n") + "\n").unwrap();
    let before = stage.mock.all().len();
    stage.mock.plan(|_, _| Fault::None);
    stage.session(2);
    let later = stage.mock.all().split_off(before);
    assert_eq!(later[0].method, "DELETE", "{}", later[0].path);
    assert!(std::fs::read_to_string(&ledger).unwrap().contains("\"event\":\"removed\""));
}

#[test]
fn what_is_stored_is_the_medium_and_nothing_else() {
    let mut stage = Stage::new("gemini", Mock::new(Skills::default()));
    stage.access.inline_limit_bytes = 1000;
    for (coalition, kind, extension) in [("V", ProbedKind::Video, "mp4"), ("A", ProbedKind::Audio, "wav")] {
        stage.coalitions = vec![coalition.parse().unwrap()];
        let before = stage.mock.all().len();
        stage.session(1);
        let all = stage.mock.all().split_off(before);
        let sent: Vec<_> = all.iter().filter(|a| a.path.starts_with("/put/")).collect();
        assert_eq!(sent.len(), 1, "{coalition}");
        let file = stage.folder.path().join(format!("stored.{extension}"));
        std::fs::write(&file, &sent[0].body).unwrap();
        let streams = probe(&Ffmpeg::locate().unwrap(), &file, &DecodeLimits::default()).unwrap().streams;
        assert_eq!(streams.into_iter().map(|s| s.kind).collect::<Vec<_>>(), [kind], "{coalition}");
        for asked in &all {
            let text = String::from_utf8_lossy(&asked.body).into_owned() + &asked.path;
            for mark in [HIDDEN, WORDS, "made-up", "clip.mp4"] {
                assert!(!text.contains(mark), "{coalition} {mark} {}", asked.path);
            }
        }
    }
}

#[test]
fn a_file_is_noted_before_it_can_be_used() {
    // A file that is never ready: the ledger knows of it all the same, so that whoever comes next can remove it.
    let mut stage = Stage::new("gemini", Mock::new(Skills { looks: usize::MAX, ..Skills::default() }));
    stage.access.inline_limit_bytes = 1000;
    stage.access.request_timeout = Duration::from_secs(4);
    stage.coalitions = vec!["V".parse().unwrap()];
    thread::scope(|scope| {
        let session = scope.spawn(|| stage.session(1));
        let mut noted = false;
        while !session.is_finished() && !noted {
            thread::sleep(Duration::from_millis(50));
            let stored = stage.mock.stored();
            let ledger = std::fs::read_to_string(stage.run_folder().join("served/ledger.jsonl"));
            noted = !stored.is_empty() && ledger.is_ok_and(|l| stored.iter().all(|name| l.contains(name)));
        }
        assert!(noted, "a process that is killed now leaves a file on the server that nobody knows of");
        session.join().unwrap();
    });
    assert_eq!(stage.records()[0].status, RecordStatus::Timeout);
    assert!(stage.mock.stored().is_empty(), "a file that did not get ready was left there");
}

#[test]
fn files_that_fail_are_removed_whatever_they_are_called() {
    for skills in [
        Skills { spoils_files: true, ..Skills::default() },
        Skills { spoils_files: true, takes_names: false, ..Skills::default() },
        Skills { takes_names: false, ..Skills::default() },
        Skills { is_never_final: true, ..Skills::default() },
    ] {
        let (is_spoilt, is_open) = (skills.spoils_files, skills.is_never_final);
        let mut stage = Stage::new("gemini", Mock::new(skills));
        stage.access.inline_limit_bytes = 1000;
        stage.coalitions = vec!["V".parse().unwrap()];
        stage.session(1);
        let status = match (is_spoilt, is_open) {
            (true, _) => RecordStatus::MediaError,
            (_, true) => RecordStatus::Error,
            _ => RecordStatus::Ok,
        };
        assert_eq!(stage.records()[0].status, status);
        assert!(stage.mock.stored().is_empty(), "{:?}", stage.mock.stored());
        let ledger = std::fs::read_to_string(stage.run_folder().join("served/ledger.jsonl")).unwrap();
        let count = |event: &str| ledger.matches(&format!("\"event\":\"{event}\"")).count();
        assert!(count("stored") > 0);
        assert_eq!(count("stored"), count("removed"));
    }
}

#[test]
fn a_server_cannot_send_media_elsewhere() {
    let elsewhere = Mock::new(Skills::default());
    let away = format!("http://localhost:{}", elsewhere.address().port());
    let mut stage = Stage::new("gemini", Mock::new(Skills { uploads_to: Some(away), ..Skills::default() }));
    stage.access.inline_limit_bytes = 1000;
    stage.coalitions = vec!["V".parse().unwrap()];
    stage.session(1);
    // It went to the host that was named, under the path that the server named.
    assert_eq!(stage.records()[0].status, RecordStatus::Ok);
    assert!(elsewhere.all().is_empty());
}

#[test]
fn a_clip_whose_replies_were_kept_is_not_stored_again() {
    let mut stage = Stage::new("gemini", Mock::new(Skills::default()));
    stage.access.inline_limit_bytes = 1000;
    stage.session(1);
    let uploads = || stage.mock.all().iter().filter(|a| a.path.starts_with("/upload/")).count();
    let before = uploads();
    let log = stage.run_folder().join("log.jsonl");
    let header = std::fs::read_to_string(&log).unwrap().lines().next().unwrap().to_owned();
    std::fs::write(&log, header + "\n").unwrap();
    stage.session(1);
    assert_eq!((uploads(), stage.records().len()), (before, 8));
}
