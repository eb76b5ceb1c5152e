//! Pages that a plain pass does not come by: the other schemes, and the pages of rest.

use emomm_annotate::{Gate, Scheme, Settings};

use super::inspector::Inspector;
use super::stage::{Running, real_project};
use super::{PASSWORD, begin, item_id, ready, until_other};
use crate::support::{TestProject, alone, plain_settings};
use crate::webdriver::{Browser, ENTER};

const MAIN_LABEL: &str =
    "SELECT r.label FROM answer r JOIN assignment s ON s.id = r.assignment WHERE s.phase = 'main'";
const LEFT: &str = "\u{e012}";
const RIGHT: &str = "\u{e014}";

/// From the invitation to the first item of main work.
fn to_the_first_item(browser: &Browser, project: &TestProject, url: &str) {
    browser.open(&format!("{url}{}", project.invitation("A1")));
    browser.fill("[name=login]", "kim");
    browser.fill("[name=password]", PASSWORD);
    browser.press(&[ENTER]);
    browser.until_text("Before you begin");
    browser.click("[name=agree]");
    browser.click("form[action=\"/consent\"] button");
    browser.until_text("You see the words and nothing else");
    begin(browser);
    // Training with its feedback, then calibration.
    for _ in 0..2 {
        let id = item_id(browser);
        browser.press(&["1", ENTER]);
        if browser.script("return document.querySelector('#item').dataset.training") == "1" {
            browser.until("!document.querySelector('#feedback').hidden");
            browser.press(&[ENTER]);
        }
        until_other(browser, &id);
    }
    ready(browser);
}

fn chosen(browser: &Browser) -> Option<String> {
    let value = browser.script("return document.querySelector('input[name=label]:checked')?.value ?? null");
    value.as_str().map(str::to_owned)
}

#[test]
fn other_schemes_and_pages_of_rest() {
    let _alone = alone();
    let browser = Browser::start();
    let inspector = Inspector::new(&browser);
    let settings = Settings {
        scheme: Scheme::FiveClass,
        calibration_pass: 0.0,
        min_gap_minutes: 60,
        break_after_minutes: 25,
        daily_minutes: 60,
        gate: Gate::Lead,
        contact: "lead@lab.example".to_owned(),
        ..plain_settings()
    };
    let project = real_project(&settings, 3);
    let server = Running::start(&project.project);
    to_the_first_item(&browser, &project, &server.url);
    inspector.look_everywhere("five-class");
    assert_eq!(chosen(&browser), None, "nothing is chosen beforehand");
    let id = item_id(&browser);
    browser.press(&["5", ENTER]);
    until_other(&browser, &id);
    assert_eq!(project.count(MAIN_LABEL), 2);

    let work = format!("{}/work", server.url);
    let before = "UPDATE assignment SET state = 'waiting' WHERE state = 'open'; ";
    for (name, words, change) in [
        ("break", "Time for a break", "UPDATE work_span SET started_at = last_at - 26 * 60000"),
        ("day", "Enough for today", "UPDATE work_span SET started_at = last_at - 61 * 60000"),
        (
            "held",
            "Please talk to the lead",
            "DELETE FROM work_span; UPDATE pass SET stage = 'held' WHERE number = 1",
        ),
        ("gate", "The next part is not open yet", "UPDATE pass SET stage = 'done' WHERE number = 1"),
        (
            "gap",
            "Nothing to do right now",
            "UPDATE pass SET stage = 'main' WHERE number = 2; \
             UPDATE assignment SET state = 'revoked' WHERE pass = 2 AND account = 2 AND item NOT IN \
             (SELECT b.id FROM item a JOIN item b ON a.clip = b.clip WHERE a.id = \
              (SELECT item FROM assignment WHERE state = 'done' AND account = 2 AND phase = 'main'))",
        ),
    ] {
        project.change(&format!("{before}{change}"));
        browser.open(&work);
        browser.until_text(words);
        inspector.look_everywhere(name);
    }
    drop(server);

    let project =
        real_project(&Settings { scheme: Scheme::Grid11, calibration_pass: 0.0, ..plain_settings() }, 3);
    let server = Running::start(&project.project);
    to_the_first_item(&browser, &project, &server.url);
    inspector.look_everywhere("grid-11");
    assert_eq!(chosen(&browser), None, "the scale has no position yet");
    let id = item_id(&browser);
    browser.press(&[LEFT]);
    assert_eq!(chosen(&browser).as_deref(), Some("-1"));
    browser.press(&[RIGHT, RIGHT, RIGHT]);
    assert_eq!(chosen(&browser).as_deref(), Some("2"));
    browser.press(&[ENTER]);
    until_other(&browser, &id);
    assert_eq!(project.count(MAIN_LABEL), 2);
    let faults = inspector.faults();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
