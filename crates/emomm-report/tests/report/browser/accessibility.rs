//! axe-core finds nothing on any page: in light, in dark, and at the width of a phone, which nothing exceeds.

use super::{address, stands_alone};
use crate::by_hand::{always_right, first_shown};
use crate::chase::steered;
use crate::made_up::{study, ten_clips};
use crate::pages::written;

use super::webdriver::Browser;

const AXE: &str = include_str!("../../../../emomm-annotate/tests/fixtures/axe/axe.min.js");

/// What axe-core finds in a view that is shown, all of its folds open.
fn faults(browser: &Browser, view: &str, options: &str) -> Vec<String> {
    browser.run(
        "document.querySelectorAll('section:not([hidden]) details').forEach(d => { d.open = true; }); \
         window.dispatchEvent(new Event('resize')); window.emommFaults = null;",
    );
    browser.run(&format!(
        "axe.run({{ include: [['header'], ['#{view}']] }}, {{ {options}resultTypes: ['violations'] }}).then( \
         r => {{ window.emommFaults = r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ')).join(', ')); }}, \
         e => {{ window.emommFaults = ['axe failed: ' + e]; }});",
    ));
    browser.wait("window.emommFaults");
    let found = browser.run("return window.emommFaults");
    found.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

#[test]
fn nobody_is_left_out() {
    let Some(browser) = Browser::start(1200, 900) else { return };
    let clips = ten_clips();
    let runs = [("baseline", first_shown(&clips)), ("tuned", steered(always_right(&clips)))];
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    written(&study(&clips, &runs), &page);
    browser.requests();
    browser.open(&address(&page, ""));
    browser.wait("document.documentElement.classList.contains('js')");
    browser.run(AXE);
    let all = browser.run("return [...document.querySelectorAll('section[data-view]')].map(s => s.id)");
    let views: Vec<&str> = all.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    assert!(views.len() > 10 && views.contains(&"chase"), "{views:?}");
    let mut found = Vec::new();
    for view in views {
        let hash = if view == "case" { "case?id=ch-sims%2Fg1%2Fc2&show=TAV" } else { view };
        browser.run(&format!("location.hash = '{hash}'"));
        browser.wait(&format!("!document.getElementById('{view}').hidden"));
        let mut note = |mode: &str, faults: Vec<String>| {
            found.extend(faults.into_iter().map(|f| format!("{view}, {mode}: {f}")));
        };
        note("light", faults(&browser, view, ""));
        // The pages of subsets and modalities hold nothing else.
        if !["overview", "results", "subset-conflict", "chase", "samples", "case"].contains(&view) {
            continue;
        }
        // Colours are all that differs in the dark.
        browser.dark(true);
        note("dark", faults(&browser, view, "runOnly: ['color-contrast'], "));
        browser.dark(false);
        browser.size(390, 844);
        note("phone", faults(&browser, view, "runOnly: ['scrollable-region-focusable', 'target-size'], "));
        let over =
            browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
        note("phone", (over != 0).then(|| format!("{over} px wider than the window")).into_iter().collect());
        browser.size(1200, 900);
    }
    assert!(found.is_empty(), "{found:#?}");
    stands_alone(&browser);
}
