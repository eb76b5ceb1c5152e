//! The written report: what stands in it, and what cannot break out of it.

use std::collections::BTreeMap;
use std::path::Path;

use emomm_eval::run::Record;
use emomm_report::chase::Beside;
use emomm_report::study::Study;
use emomm_report::{ReportOptions, report};
use serde_json::Value;

use crate::by_hand::{always_right, first_shown, options};
use crate::made_up::{MadeUp, study, ten_clips};

pub(crate) fn written(study: &Study, out: &Path) -> String {
    let options = ReportOptions { scores: options(), version: "test".to_owned(), ..ReportOptions::default() };
    let written = report(study, None, &Beside::default(), BTreeMap::new(), &options, out).unwrap();
    std::fs::read_to_string(written.page).unwrap()
}

pub(crate) fn two_runs() -> (Vec<MadeUp>, Vec<(&'static str, Vec<Record>)>) {
    let clips = ten_clips();
    let runs = vec![("first", first_shown(&clips)), ("sec<ond>&\"", always_right(&clips))];
    (clips, runs)
}

#[test]
fn a_single_file_holds_everything_and_asks_for_nothing() {
    let (clips, runs) = two_runs();
    let folder = tempfile::tempdir().unwrap();
    let html = written(&study(&clips, &runs[..1]), &folder.path().join("report.html"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // Addresses occur in words and as the name of SVG's vocabulary only.
    let outside = html.matches("http").count() - html.matches("http://www.w3.org/2000/svg").count();
    assert_eq!(outside - html.matches("http-equiv").count(), 0, "no address of a network");
    assert!(!html.contains("src=\"") || html.contains("src=\"data:"));
    assert!(html.contains("default-src &#x27;none&#x27;") && !html.contains("unsafe-inline"));
    for heading in
        ["What was run, and what it shows", "Results", "Subset: Conflict", "Modality: video", "Case card"]
    {
        assert!(html.contains(heading), "{heading}");
    }
    assert!(html.contains("The model names the right one of five classes for 100.0 %"));
    assert!(html.contains("id=\"table-table1\"") && html.contains("Qwen2.5-Omni-7B"));
    assert!(html.len() < 2 << 20, "{} bytes", html.len());
}

#[test]
fn nothing_that_is_shown_can_break_out() {
    let (clips, mut runs) = two_runs();
    runs[1].1[0].status = emomm_eval::run::RecordStatus::Error;
    runs[1].1[0].error =
        Some(emomm_eval::run::RecordError::new("panic", "<img src=x onerror=alert(1)></script>"));
    let folder = tempfile::tempdir().unwrap();
    let html = written(&study(&clips, &runs), &folder.path().join("report.html"));
    assert!(!html.contains("<img src=x") && !html.contains("</script><b>") && !html.contains("sec<ond>"));
    assert!(html.contains("&lt;img src=x onerror"));
    // Every script element is one of the page's own.
    assert_eq!(html.matches("</script>").count(), html.matches("<script").count());
    // The data reads back as what was written.
    let index = element(&html, "index-data");
    assert_eq!(index["runs"][1]["name"], "sec<ond>&\"");
    let chunk = element(&html, "chunk-0");
    assert!(chunk[0]["text"].as_str().unwrap().starts_with("</script><b>"));
}

/// The JSON of a script element.
fn element(html: &str, id: &str) -> Value {
    let (_, rest) = html.split_once(&format!("id=\"{id}\">")).unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// What an earlier report into the same folder wrote, and this one does not, is gone: its figures are of other runs.
#[test]
fn an_earlier_report_leaves_no_files() {
    let (clips, runs) = two_runs();
    let folder = tempfile::tempdir().unwrap();
    let files = || {
        let of = |name: &str| std::fs::read_dir(folder.path().join(name)).unwrap().map(|e| e.unwrap().path());
        ["tables", "figures", "data"].into_iter().flat_map(of).collect::<std::collections::BTreeSet<_>>()
    };
    written(&study(&clips, &runs[..1]), folder.path());
    let alone = files();
    written(&study(&clips, &runs), folder.path());
    let both = files();
    assert!(both.len() > alone.len() + 10, "{} and {}", both.len(), alone.len());
    // What others put there stays.
    let foreign = folder.path().join("tables/mine.csv");
    std::fs::write(&foreign, "mine").unwrap();
    std::fs::write(folder.path().join("data/chunk-7.js"), "of a larger report").unwrap();
    written(&study(&clips, &runs[..1]), folder.path());
    let mut expected = alone;
    expected.insert(foreign);
    let after = files();
    assert_eq!(after.symmetric_difference(&expected).collect::<Vec<_>>(), Vec::<&std::path::PathBuf>::new());
}

#[test]
fn a_folder_holds_every_table_in_four_forms_and_every_figure_in_three() {
    let (clips, runs) = two_runs();
    let folder = tempfile::tempdir().unwrap();
    let html = written(&study(&clips, &runs), folder.path());
    let mut n_links = 0;
    for part in html.split("href=\"").skip(1) {
        let href = part.split('"').next().unwrap();
        if href.starts_with("tables/") || href.starts_with("figures/") {
            assert!(folder.path().join(href).is_file(), "{href}");
            n_links += 1;
        }
    }
    assert!(n_links > 100, "{n_links}");
    // And no file that no page leads to.
    for place in ["tables", "figures"] {
        for entry in std::fs::read_dir(folder.path().join(place)).unwrap() {
            let name = format!("{place}/{}", entry.unwrap().file_name().to_str().unwrap());
            assert!(html.contains(&format!("href=\"{name}\"")), "{name}");
        }
    }
    assert!(folder.path().join("data/chunk-0.js").is_file());
    assert!(!html.contains("id=\"chunk-0\""));
}

#[test]
fn synthetic_clips_are_called_synthetic_on_every_page() {
    let (clips, runs) = two_runs();
    let folder = tempfile::tempdir().unwrap();
    let mut study = study(&clips, &runs);
    assert!(!written(&study, &folder.path().join("a.html")).contains("synthetic clips</span>"));
    study.origin.is_synthetic = true;
    let html = written(&study, &folder.path().join("b.html"));
    assert!(html.contains("synthetic clips</span>") && html.contains("<strong>Synthetic.</strong>"));
}

#[test]
fn the_same_runs_give_the_same_bytes() {
    let (clips, runs) = two_runs();
    let folder = tempfile::tempdir().unwrap();
    let html = |name: &str| written(&study(&clips, &runs), &folder.path().join(name));
    assert_eq!(html("a.html"), html("b.html"));
}

#[test]
fn runs_of_different_benchmarks_are_refused() {
    let clips = ten_clips();
    let folder = tempfile::tempdir().unwrap();
    crate::made_up::write_run(folder.path(), &first_shown(&clips), 80, Path::new(""));
    let mut manifest = crate::made_up::manifest(&clips[..3]);
    for row in &mut manifest.rows {
        row.id = format!("other/{}", row.id);
    }
    let run = emomm_eval::run::Run::open(folder.path()).unwrap();
    let error = Study::new(&manifest, vec![("run".to_owned(), run)], emomm_report::study::Origin::default())
        .unwrap_err();
    assert!(error.to_string().contains("found 80 records"), "{error}");
}
