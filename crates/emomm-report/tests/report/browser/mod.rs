//! A real browser opens the report from `file://`: it works, complains of nothing, asks for nothing from elsewhere, and keeps
//! its state in the address.
//!
//! Needs `chromium` and `chromedriver`. Where they are not installed the tests say so and end, unless
//! `EMOMM_REQUIRE_BROWSER` is set, as continuous integration does.

mod accessibility;
mod counts;
pub(crate) mod webdriver;

use emomm_dataset::{ModalitySet, Sentiment};

use crate::by_hand::{always_right, first_shown};
use crate::made_up::{MadeUp, record, study, ten_clips};
use crate::pages::written;
use webdriver::Browser;

fn address(path: &std::path::Path, hash: &str) -> String {
    format!("file://{}{hash}", path.display())
}

fn stands_alone(browser: &Browser) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
    let elsewhere: Vec<String> = browser
        .requests()
        .into_iter()
        .filter(|u| !u.starts_with("file:") && !u.starts_with("data:"))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn filters_stand_in_the_address_and_cards_open() {
    let Some(browser) = Browser::start(1200, 900) else { return };
    let clips = ten_clips();
    let study = study(&clips, &[("first", first_shown(&clips)), ("second", always_right(&clips))]);
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    written(&study, &page);
    // The empty start page of the browser is none of ours.
    browser.requests();
    browser.open(&address(&page, ""));
    browser.wait("document.documentElement.classList.contains('js')");
    let shown = "return [...document.querySelectorAll('section[data-view]')].filter(s => !s.hidden).map(s => s.id).join()";
    assert_eq!(browser.run(shown), "overview");
    browser.run("document.querySelector('nav a[data-for=samples]').click()");
    browser.wait("document.querySelectorAll('#list .row').length === 10");
    browser.run(
        "const f = document.getElementById('filters').elements.namedItem('subset'); f.value = 'conflict'; \
         f.dispatchEvent(new Event('change', { bubbles: true }))",
    );
    browser.wait("document.querySelectorAll('#list .row').length === 5");
    assert_eq!(browser.run("return location.hash"), "#samples?subset=conflict");
    assert_eq!(browser.run("return document.getElementById('list-count').textContent"), "5 samples");
    // The same address shows the same list.
    browser.open("about:blank");
    browser.open(&address(&page, "#samples?subset=conflict&result=wrong&flip=lost"));
    browser.wait("document.querySelectorAll('#list .row').length === 3");
    assert_eq!(
        browser.run("return document.getElementById('filters').elements.namedItem('flip').value"),
        "lost"
    );
    browser.run("document.querySelector('#list .row').click()");
    browser.wait("document.querySelectorAll('#case-body table.letters').length === 2");
    assert_eq!(
        browser.run(
            "return document.querySelectorAll('#case-body table.letters:first-of-type tbody tr').length"
        ),
        16
    );
    assert_eq!(browser.run("return document.querySelectorAll('#case-body table.budget tbody tr').length"), 3);
    let id = browser.run("return document.querySelector('.case-id').textContent");
    browser.run("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'j', bubbles: true }))");
    browser.wait(&format!("document.querySelector('.case-id').textContent !== {id}"));
    browser.run("document.dispatchEvent(new KeyboardEvent('keydown', { key: '5', bubbles: true }))");
    browser.wait("document.querySelector('.tabs [aria-current]').textContent === 'TA'");
    // What the transcript holds is words, not elements.
    assert_eq!(browser.run("return document.querySelectorAll('.transcript b').length"), 0);
    let words = browser.run("return document.querySelector('.transcript').textContent");
    assert!(words.as_str().unwrap().starts_with("</script><b>"), "{words}");
    // Headings do not skip a level, figures and the table have names.
    let unnamed =
        "return document.querySelectorAll('svg[role=img]:not([aria-labelledby]):not([aria-label])').length";
    assert_eq!(browser.run(unnamed), 0);
    let twice = "const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.filter((d, i) => ids.indexOf(d) !== i)";
    assert_eq!(browser.run(twice), serde_json::json!([]));
    stands_alone(&browser);
}

#[test]
fn a_folder_reads_its_chunks_from_files() {
    let Some(browser) = Browser::start(390, 800) else { return };
    let clips = ten_clips();
    let study = study(&clips, &[("first", first_shown(&clips))]);
    let folder = tempfile::tempdir().unwrap();
    written(&study, folder.path());
    browser.requests();
    let page = folder.path().join("index.html");
    browser.open(&address(&page, "#case?id=ch-sims%2Fg1%2Fc2&show=TV"));
    browser.wait("document.querySelector('#case-body table.letters')");
    assert_eq!(browser.run("return document.querySelector('.case-id').textContent"), "ch-sims/g1/c2");
    // At the width of a phone nothing is wider than the page.
    browser.run("location.hash = '#overview'");
    browser.wait("!document.getElementById('overview').hidden");
    let wide =
        browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(wide, 0);
    stands_alone(&browser);
}

/// The list holds as many rows as fit, however many samples there are.
#[test]
fn fifty_thousand_samples_open_and_scroll() {
    let Some(browser) = Browser::start(1200, 900) else { return };
    let clips: Vec<MadeUp> = (0..50_000_usize)
        .map(|i| {
            let steps = [(i % 11) as i8 - 5, (i % 7) as i8 - 3, (i % 5) as i8 - 2, (i % 3) as i8 - 1];
            MadeUp::new(
                if i % 2 == 0 { "ch-sims" } else { "cmu-mosi" },
                &format!("{i:05}"),
                &format!("g{:02}", i % 40),
                steps,
            )
        })
        .collect();
    let answers = |i: usize| Sentiment::from_index(i % 5).unwrap();
    let records = clips.iter().enumerate().map(|(i, c)| record(c, ModalitySet::FULL, answers(i))).collect();
    let study = study(&clips, &[("run", records)]);
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    written(&study, &page);
    browser.requests();
    browser.open(&address(&page, "#samples"));
    browser.wait("document.querySelectorAll('#list .row').length > 5");
    assert_eq!(browser.run("return document.getElementById('list-count').textContent"), "50,000 samples");
    for place in ["0.5", "1"] {
        browser.run(&format!(
            "const l = document.getElementById('list'); l.scrollTop = l.scrollHeight * {place}"
        ));
        let position = if place == "1" { "49999" } else { "25000" };
        browser.wait(&format!("document.querySelector('#list [data-position=\"{position}\"]')"));
        assert!(browser.run("return document.querySelectorAll('#list .row').length").as_u64().unwrap() < 60);
    }
    browser.run("document.querySelector('#list [data-position=\"49999\"]').click()");
    browser.wait("document.querySelector('#case-body table.letters')");
    stands_alone(&browser);
}
