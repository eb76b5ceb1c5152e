//! A real browser: a whole pass by keyboard, undo, no connection, an ended session, somebody else's session, a phone, both
//! languages, and axe-core on every page.

mod inspector;
mod lead;
mod stage;
mod states;

use emomm_annotate::Settings;
use serde_json::{Value, json};

use crate::support::{TestProject, alone, plain_settings};
use crate::webdriver::{Browser, ENTER, SPACE, TAB};
use inspector::Inspector;
use lead::lead_pages;
use stage::{Running, real_project};

const PASSWORD: &str = "three blind mice";
const ESCAPE: &str = "\u{e00c}";

fn ready(browser: &Browser) {
    browser.until("document.documentElement.dataset.ready === '1'");
}

/// The button at the end of the guide, by keyboard.
fn begin(browser: &Browser) {
    browser.script("document.querySelector('form[action=\"/guide\"] button').focus()");
    browser.press(&[ENTER]);
}

/// The item after this one, or another page.
fn until_other(browser: &Browser, id: &str) {
    browser.until(&format!(
        "document.readyState === 'complete' && document.querySelector('#item')?.dataset.id !== '{id}'"
    ));
}

fn item_id(browser: &Browser) -> String {
    ready(browser);
    browser.script("return document.querySelector('#item').dataset.id").as_str().unwrap().to_owned()
}

/// Plays the medium by its key and waits until it was heard.
fn play(browser: &Browser) {
    browser.press(&[SPACE]);
    browser.until("document.querySelector('#plays').textContent.includes('1')");
}

#[test]
fn a_whole_pass_by_keyboard_in_a_real_browser() {
    let _alone = alone();
    let settings = Settings {
        training: 1,
        calibration: 1,
        calibration_pass: 0.0,
        must_play: true,
        contact: "lead@lab.example".to_owned(),
        ..plain_settings()
    };
    let project = real_project(&settings, 3);
    let server = Running::start(&project.project);
    let browser = Browser::start();
    let inspector = Inspector::new(&browser);
    let url = |path: &str| format!("{}{path}", server.url);

    browser.open(&url("/login"));
    inspector.look_everywhere("login");
    browser.open(&url(project.invitation("A1")));
    inspector.look_everywhere("invite");
    // The name field has the focus.
    browser.press(&["k", "i", "m", TAB]);
    browser.press(&PASSWORD.split("").filter(|c| !c.is_empty()).collect::<Vec<_>>());
    browser.press(&[ENTER]);
    browser.until_text("Before you begin");
    inspector.look_everywhere("consent");
    browser.script("document.querySelector('[name=agree]').focus()");
    browser.press(&[SPACE, TAB, ENTER]);
    browser.until_text("You see the words and nothing else");
    inspector.look_everywhere("guide");
    begin(&browser);

    // Training: the feedback, then Enter.
    let id = item_id(&browser);
    inspector.look("training");
    browser.press(&[ENTER]);
    browser.until_text("Choose a label first");
    browser.press(&["2", ENTER]);
    browser.until_text("As in the reference");
    inspector.look_everywhere("feedback");
    browser.press(&[ENTER]);
    until_other(&browser, &id);
    // Calibration.
    let id = item_id(&browser);
    browser.press(&["1", ENTER]);
    until_other(&browser, &id);

    // Main work: label, undo, another label.
    let first = item_id(&browser);
    inspector.look_everywhere("text");
    browser.press(&["?"]);
    browser.until("document.querySelector('#help').open");
    inspector.look("help");
    browser.press(&[ESCAPE]);
    browser.press(&["3", ENTER]);
    until_other(&browser, &first);
    let second = item_id(&browser);
    browser.press(&["u"]);
    until_other(&browser, &second);
    assert_eq!(item_id(&browser), first);
    browser.press(&["1", ENTER]);
    until_other(&browser, &first);

    // Without a connection the label waits, also over a choice of another page, and is sent when it is back.
    let id = item_id(&browser);
    let answers = "SELECT count(*) FROM answer";
    let before = project.count(answers);
    browser.offline(true);
    browser.press(&["2", ENTER]);
    browser.until_text("No connection");
    inspector.look_everywhere("offline");
    assert_eq!(project.count(answers), before);
    browser.offline(false);
    until_other(&browser, &id);
    assert_eq!(project.count(answers), before + 1);

    // The session ends while an item is open: the draft stays, signing in goes on in place.
    let id = item_id(&browser);
    browser.press(&["3", "c"]);
    browser.press(&["h", "m", "m"]);
    browser.until("document.querySelector('#comment').value === 'hmm'");
    browser.open(&url("/work"));
    ready(&browser);
    browser.until("document.querySelector('#comment').value === 'hmm'");
    project.change("DELETE FROM session");
    browser.press(&[ENTER]);
    browser.until("document.querySelector('#relogin').open");
    inspector.look_everywhere("relogin");
    // The question stays, however often it is dismissed.
    browser.press(&[ESCAPE, ESCAPE, ESCAPE]);
    browser.until("document.querySelector('#relogin').open");
    browser.fill("#relogin-password", PASSWORD);
    browser.press(&[ENTER]);
    until_other(&browser, &id);
    assert_eq!(project.count("SELECT count(*) FROM answer WHERE comment = 'hmm' AND label = 1"), 1);

    // The voice: first the sound check.
    browser.until_text("Sound check");
    inspector.look_everywhere("sound");
    let bytes = browser.async_script(
        "fetch(document.querySelector('audio').src).then(r => r.arrayBuffer()).then(b => done(b.byteLength), done)",
    );
    let tones = ((bytes.as_f64().unwrap() - 44.0) / 2.0 / 22_050.0 / 0.6).round();
    browser.script(&format!("document.querySelector('input[value=\"{tones}\"]').focus()"));
    browser.press(&[SPACE, ENTER]);
    browser.until_text("You hear the voice and nothing else");
    begin(&browser);
    for i in 0..5 {
        let id = item_id(&browser);
        if i == 2 {
            inspector.look_everywhere("audio");
            browser.press(&["1", ENTER]);
            browser.until_text("Play the clip to its end once");
        }
        play(&browser);
        if i == 3 {
            somebody_else(&browser, &project);
            continue;
        }
        browser.press(&["3", ENTER]);
        if i == 0 {
            browser.until_text("Reference");
            browser.press(&[ENTER]);
        }
        until_other(&browser, &id);
    }

    assert_eq!(
        project.count(
            "SELECT count(*) FROM response r JOIN account a ON a.id = r.account WHERE pseudonym = 'A2'"
        ),
        0
    );

    // The picture, in Chinese.
    browser.until_text("You see the picture without sound");
    browser.click("button[name=language]");
    browser.until("document.documentElement.lang === 'zh-CN'");
    inspector.look_everywhere("guide-zh");
    begin(&browser);
    for i in 0..5 {
        let id = item_id(&browser);
        if i == 3 {
            while_something_waits(&browser, &url("/work"));
        }
        if i == 2 {
            inspector.look_everywhere("video-zh");
            // Another tab is noticed, here and there.
            let here = browser.tab();
            let there = browser.new_tab();
            browser.switch_to(&there);
            browser.open(&url("/work"));
            browser.until("!document.querySelector('#banner').hidden");
            browser.close_tab();
            browser.switch_to(&here);
            browser.until("!document.querySelector('#banner').hidden");
        }
        let silent = browser.script("return document.querySelector('#medium').muted");
        assert_eq!(silent, Value::Bool(true));
        play(&browser);
        browser.press(&["2", ENTER]);
        if i == 0 {
            browser.until("!document.querySelector('#feedback').hidden");
            browser.press(&[ENTER]);
        }
        until_other(&browser, &id);
    }
    browser.until_text("全部完成");
    inspector.look_everywhere("finished-zh");
    browser.open(&url("/preferences"));
    inspector.look_everywhere("preferences-zh");
    browser.click("button[name=language]");
    browser.until("document.documentElement.lang === 'en'");
    browser.open(&url("/rules"));
    inspector.look_everywhere("rules");
    browser.open(&url("/no/such/page"));
    inspector.look_everywhere("problem");

    lead_pages(&browser, &inspector, &project, &server.url);
    let checks = emomm_annotate::verify::verify(&project.project).unwrap();
    assert!(checks.iter().all(|c| c.failed == 0), "{checks:?}");
    let faults = inspector.faults();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Somebody else has signed in in this browser: the label waits for the one who gave it, and nothing is taken back from the
/// other.
fn somebody_else(browser: &Browser, project: &TestProject) {
    let id = item_id(browser);
    project.change(
        "UPDATE account SET state = 'active' WHERE pseudonym = 'A2'; \
         UPDATE session SET account = (SELECT id FROM account WHERE pseudonym = 'A2')",
    );
    browser.press(&["3", ENTER]);
    browser.until("document.querySelector('#relogin').open");
    assert_eq!(
        project.count(
            "SELECT count(*) FROM session s JOIN account a ON a.id = s.account WHERE pseudonym = 'A2'"
        ),
        1
    );
    browser.fill("#relogin-password", PASSWORD);
    browser.press(&[ENTER]);
    until_other(browser, &id);
    project.change("UPDATE account SET state = 'invited' WHERE pseudonym = 'A2'");
}

/// A label of an item that is gone waits, and the line is slow: what is answered meanwhile is sent all the same, and the
/// page says what became of the other. Leaves the next item open, as it was.
fn while_something_waits(browser: &Browser, work: &str) {
    let id = item_id(browser);
    let entry = json!({ "id": "no-such-item", "key": "stale-key-1", "label": 0 });
    let stored = browser.async_script(&format!(
        "const owner = document.querySelector('#item').dataset.queue; const request = indexedDB.open('emomm-annotate', 1); \
         request.onsuccess = () => {{ const t = request.result.transaction('queue', 'readwrite'); \
         t.objectStore('queue').put({{ key: 'stale-key-1', owner, at: 1, body: {entry} }}); \
         t.oncomplete = () => done(true); t.onerror = () => done(false); }}"
    ));
    assert_eq!(stored, true);
    browser.slow(1500);
    browser.open(work);
    // The script has got so far that it listens to keys.
    browser.until("document.querySelector('[data-first-key]').textContent !== ''");
    browser.script("const c = document.querySelector('#cannot'); c.value = 'technical'; c.blur()");
    browser.press(&[ENTER]);
    browser.until_text("有一条在本浏览器中等待的标签未被接收");
    until_other(browser, &id);
    browser.slow(0);
    // Taken back, so that the pass goes on as before.
    ready(browser);
    let next = item_id(browser);
    browser.press(&["u"]);
    until_other(browser, &next);
    assert_eq!(item_id(browser), id);
}
