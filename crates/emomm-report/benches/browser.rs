//! The report on 50,000 samples in a real browser: opened in under 2 s, scrolled with 95 of 100 frames in under 50 ms.
//!
//! `cargo bench -p emomm-report --bench browser`. Needs `chromium` and `chromedriver`; without them it says so and ends.

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/report/made_up.rs"]
mod made_up;
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/report/browser/webdriver.rs"]
mod webdriver;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use emomm_dataset::{ModalitySet, Sentiment};
use emomm_report::chase::Beside;
use emomm_report::{ReportOptions, report};
use made_up::{MadeUp, record, study};
use serde_json::Value;
use webdriver::Browser;

const N_CLIPS: usize = 50_000;
/// Times that the page is opened; the middle one counts.
const OPENED: usize = 5;
/// Frames of a scroll from the first row to the last: every frame shows other rows.
const FRAMES: usize = 300;
const MAX_OPEN_SECONDS: f64 = 2.0;
const MAX_FRAME_MS: f64 = 50.0;

#[expect(clippy::print_stdout, reason = "a measurement says what it measured")]
fn main() {
    let Some(browser) = Browser::start(1200, 900) else {
        println!("no chromedriver: nothing was measured");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = folder.path().join("report.html");
    write(&page);
    let address = format!("file://{}#samples", page.display());
    let mut opened: Vec<f64> = (0..OPENED).map(|_| open(&browser, &address)).collect();
    opened.sort_by(f64::total_cmp);
    let frames = numbers(&browser, SCROLL, "window.emommFrames");
    let filters = numbers(&browser, FILTER, "window.emommFilters");
    let (open, p95) = (opened[OPENED / 2], quantile(&frames, 0.95));
    println!(
        "{N_CLIPS} samples, page of {} kB: opened in {open:.2} s ({:.2} to {:.2} s, n = {OPENED}); \
         frames of a scroll over all rows: median {:.0} ms, 95 % under {p95:.0} ms, longest {:.0} ms (n = {FRAMES}); \
         a filter over all samples: median {:.0} ms, longest {:.0} ms (n = {})",
        std::fs::metadata(&page).expect("a page").len() / 1000,
        opened[0],
        opened[OPENED - 1],
        quantile(&frames, 0.5),
        quantile(&frames, 1.0),
        quantile(&filters, 0.5),
        quantile(&filters, 1.0),
        filters.len(),
    );
    assert!(open < MAX_OPEN_SECONDS, "{open} s, expected under {MAX_OPEN_SECONDS}");
    assert!(p95 < MAX_FRAME_MS, "{p95} ms, expected under {MAX_FRAME_MS}");
}

fn write(page: &Path) {
    let clips: Vec<MadeUp> = (0..N_CLIPS)
        .map(|i| {
            let steps = [(i % 11) as i8 - 5, (i % 7) as i8 - 3, (i % 5) as i8 - 2, (i % 3) as i8 - 1];
            let corpus = if i.is_multiple_of(2) { "ch-sims" } else { "cmu-mosi" };
            MadeUp::new(corpus, &format!("{i:05}"), &format!("g{:02}", i % 40), steps)
        })
        .collect();
    let answer = |i: usize| Sentiment::ALL[i % 5];
    let records = clips.iter().enumerate().map(|(i, c)| record(c, ModalitySet::FULL, answer(i))).collect();
    let study = study(&clips, &[("run", records)]);
    let options = ReportOptions { version: "bench".to_owned(), ..ReportOptions::default() };
    report(&study, None, &Beside::default(), BTreeMap::new(), &options, page).expect("a report");
}

/// Seconds from the address to the first rows.
fn open(browser: &Browser, address: &str) -> f64 {
    browser.open("about:blank");
    let start = Instant::now();
    browser.open(address);
    browser.wait("document.querySelectorAll('#list .row').length > 5");
    start.elapsed().as_secs_f64()
}

/// Notes how long each frame takes while the list is scrolled.
const SCROLL: &str = "
    const list = document.getElementById('list'), times = [];
    let last = null;
    function step(now) {
        if (last !== null) times.push(now - last);
        last = now;
        if (times.length === 300) { window.emommFrames = times; return; }
        list.scrollTop = (list.scrollHeight - list.clientHeight) * times.length / 299;
        requestAnimationFrame(step);
    }
    requestAnimationFrame(step);";

/// Notes how long each choice of a filter takes.
const FILTER: &str = "
    const field = (name) => document.getElementById('filters').elements.namedItem(name), times = [];
    for (const [name, value] of [['subset', 'conflict'], ['truth', 'P'], ['answer', 'N'], ['result', 'wrong'], ['coalition', 'any'],
                                 ['subset', ''], ['truth', ''], ['answer', ''], ['result', '']]) {
        const control = field(name), begin = performance.now();
        control.value = value;
        control.dispatchEvent(new Event('change', { bubbles: true }));
        times.push(performance.now() - begin);
    }
    window.emommFilters = times;";

fn numbers(browser: &Browser, script: &str, found: &str) -> Vec<f64> {
    browser.run(script);
    browser.wait(found);
    let value = browser.run(&format!("return {found}"));
    let mut numbers: Vec<f64> = value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// Of sorted numbers.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((share * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
}
