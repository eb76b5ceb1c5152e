//! A count that leads to samples leads to as many.

use std::collections::BTreeMap;

use emomm_eval::run::{RecordError, RecordStatus};
use emomm_eval::score::ScoreOptions;
use emomm_metrics::Unparsed;
use emomm_report::chase::Beside;
use emomm_report::{ReportOptions, report};
use serde_json::json;

use super::webdriver::Browser;
use super::{address, stands_alone};
use crate::by_hand::{first_shown, options};
use crate::made_up::{manifest, study_with_absent, ten_clips};

/// Links from counts that lead to another number of samples, with both; and how many links were followed. A browser follows no
/// more than 200 in a row, so a part of the many rows of scores stands for all.
const FOLLOW: &str = "
    const links = new Map();
    document.querySelectorAll('td a[href^=\"#samples\"]').forEach((link, i) => {
      const many = link.closest('details, .card').querySelector('summary, h3').textContent.startsWith('Scores');
      if (!many || i % 9 === 0) links.set(link.getAttribute('href') + ' says ' + link.textContent, link);
    });
    const other = [];
    for (const [words, link] of [...links].slice(0, 190)) {
      location.hash = link.getAttribute('href');
      window.dispatchEvent(new HashChangeEvent('hashchange'));
      const found = document.getElementById('list-count').textContent;
      if (Number(found.split(' ')[0]) !== Number(link.textContent)) other.push(words + ', found ' + found);
    }
    return [links.size, other];";

#[test]
fn counts_lead_to_as_many_samples() {
    let Some(browser) = Browser::start(1200, 900) else { return };
    let clips = ten_clips();
    let mut gaps = first_shown(&clips);
    for (at, record) in gaps.iter_mut().enumerate().filter(|(at, _)| at % 7 == 3) {
        let kind = if at % 2 == 0 { "panic" } else { "not_finite" };
        record.status = if at % 3 == 0 { RecordStatus::MediaError } else { RecordStatus::Error };
        record.error = Some(RecordError::new(kind, "made up"));
    }
    // Of two clips nobody knows what the sound says, so that they and most of their copies are in no subset.
    let mut manifest = manifest(&clips);
    for row in manifest.rows.iter_mut().filter(|r| ["a1", "c1"].contains(&r.clip_id.as_str())) {
        row.labels.modalities.audio = None;
        (row.subset, row.agreement) = (None, None);
    }
    // Languages are not corpora.
    for row in &mut manifest.rows {
        row.language = if row.group == "g1" || row.group == "g3" { "de" } else { "fr" }.to_owned();
    }
    // Records that were not run are none of those without an answer: their clips lack a coalition.
    let (all, mut some) = (gaps.clone(), gaps);
    let mut at = 0;
    some.retain(|_| {
        at += 1;
        at % 11 != 5
    });
    for (records, unparsed) in [(&all, Unparsed::Wrong), (&all, Unparsed::Excluded), (&some, Unparsed::Wrong)]
    {
        let absent = all.len() - records.len();
        let study = study_with_absent(&manifest, &[("gaps & more", records.clone())], absent);
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("report.html");
        let scores = ScoreOptions { unparsed, ..options() };
        let options = ReportOptions { scores, version: "test".to_owned(), ..ReportOptions::default() };
        report(&study, None, &Beside::default(), BTreeMap::new(), &options, &page).unwrap();
        browser.requests();
        browser.open(&address(&page, "#results"));
        browser.wait("document.documentElement.classList.contains('js')");
        let found = browser.run(FOLLOW);
        let n_links = found[0].as_u64().unwrap();
        assert!((60..190).contains(&n_links), "{n_links} links");
        assert_eq!(found[1], json!([]), "{unparsed:?}, {absent} absent");
        stands_alone(&browser);
    }
}
