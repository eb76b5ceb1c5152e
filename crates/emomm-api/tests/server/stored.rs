//! Media that are too large for a request lie on the server while they are needed.

use emomm_eval::run::RecordStatus;

use crate::mock::{Fault, Mock, Skills};
use crate::stage::Stage;

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
