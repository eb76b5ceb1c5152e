//! Asking what a server can do costs money as well, and is patient as it is told to be.

use std::fs;

use crate::mock::{Mock, Skills};
use crate::stage::{FORMS, Stage};

#[test]
fn trials_that_come_to_nothing_are_part_of_the_budget() {
    // A server that takes media and does not look at them: every command asks it anew, and is refused.
    let mut stage = Stage::new("openai", Mock::new(Skills { is_blind: true, ..Skills::default() }));
    stage.access.max_cost = Some(0.06);
    let mut said = String::new();
    for _ in 0..40 {
        said = stage.server().unwrap_err().to_string();
    }
    assert!(said.contains("--max-cost") && said.contains("are spent"), "{said}");
    let charged = stage.mock.charged();
    assert!(charged > 0.03 && charged <= 0.06, "{charged}");
}

#[test]
fn trials_and_questions_together_keep_to_the_budget() {
    for form in FORMS {
        let mut stage = Stage::of_words(form, Mock::new(Skills::default()));
        stage.access.max_cost = Some(0.15);
        stage.session(40);
        // Another question needs other trials, and the ledger knows what was spent.
        stage.condition.constrain = true;
        for _ in 0..20 {
            let _ = stage.server();
            let capabilities = stage.run_folder().join("served/capabilities.json");
            if capabilities.exists() {
                fs::remove_file(capabilities).unwrap();
            }
        }
        assert!(stage.mock.charged() <= 0.15, "{form} {}", stage.mock.charged());
    }
}

#[test]
fn a_trial_that_was_open_when_a_process_died_counts_at_its_most() {
    let mut stage = Stage::of_words("openai", Mock::new(Skills::default()));
    stage.access.max_cost = Some(0.1);
    stage.server().unwrap();
    // Its last reply was not written down any more, and neither was what was found.
    let folder = stage.run_folder().join("served");
    fs::remove_file(folder.join("capabilities.json")).unwrap();
    let trials = fs::read_to_string(folder.join("trials.jsonl")).unwrap();
    let mut lines: Vec<&str> = trials.lines().collect();
    assert!(lines.pop().unwrap().contains("\"event\":\"replied\""));
    fs::write(folder.join("trials.jsonl"), lines.join("\n") + "\n").unwrap();
    let server = stage.server().unwrap();
    assert!(server.capabilities().cost_usd.unwrap() > stage.mock.charged());
}

#[test]
fn trials_are_sent_again_as_often_as_is_said() {
    for form in FORMS {
        for retries in [0, 1, 3] {
            let skills = Skills { trial_status: Some(503), ..Skills::default() };
            let mut stage = Stage::of_words(form, Mock::new(skills));
            stage.access.retries = Some(retries);
            assert!(stage.server().unwrap_err().to_string().contains("503"));
            assert_eq!(stage.mock.all().len(), 1 + retries, "{form}");
        }
    }
}

#[test]
fn an_overloaded_server_is_not_one_that_cannot() {
    let skills = Skills { is_busy_with_video: true, ..Skills::default() };
    let stage = Stage::new("openai", Mock::new(skills));
    // Frames would be another condition, and nobody would have chosen it.
    let error = stage.server().unwrap_err().to_string();
    assert!(error.contains("503"), "{error}");
    assert!(!stage.run_folder().join("served/capabilities.json").exists());
}
