//! Attention kept by token: the spatial figures by hand, heat over frames in figures and cards.

use std::path::Path;

use emomm_dataset::{ModalitySet, PerModality, Sentiment};
use emomm_eval::run::{
    KeptAttention, LayerAttention, LogWriter, Places, Plan, Record, RecordSink, Run, RunHeader,
    SpatialAttention,
};
use emomm_eval::{AttentionSummary, TokenMaps, TokenPlaces};
use emomm_report::analysis::{Analysis, Condition, SpatialProfile};
use emomm_report::study::{Heats, Origin, Study};
use serde_json::Value;

use crate::browser::webdriver::Browser;
use crate::by_hand::options;
use crate::made_up::{MadeUp, attention, manifest, record, ten_clips};
use crate::pages::written;

/// Two layers over a picture of one step, two rows and two columns, whose first token shows the person.
fn maps(layers: [[f32; 4]; 2]) -> TokenMaps {
    TokenMaps {
        attention: PerModality {
            text: None,
            audio: None,
            video: Some(layers.iter().map(|l| l.to_vec()).collect()),
        },
        places: Some(TokenPlaces {
            grid: [1, 2, 2],
            numbers: vec![0, 1, 2, 3],
            person: Some(vec![true, false, false, false]),
            face: None,
        }),
        importance: Some(vec![0.5, 0.5, 0.0, 0.0]),
    }
}

/// A run of full clips in which aligned clips are looked at evenly and those in conflict at the first token alone.
fn run(folder: &Path, clips: &[MadeUp], answers: impl Fn(&MadeUp) -> Sentiment) {
    let mut plan = Plan { coalitions: vec![ModalitySet::FULL], n_records: clips.len(), ..Plan::default() };
    "by-hand".clone_into(&mut plan.settings.model.name);
    let header = RunHeader::new(plan, Places::default(), None);
    let writer = LogWriter::create(folder, &header).unwrap();
    let mut sink = RecordSink::with_tensors(writer, folder).unwrap();
    let group = clips.iter().map(|clip| {
        let is_conflict = clip.name.starts_with('c');
        let layers = if is_conflict { [[0.25, 0.0, 0.0, 0.0]; 2] } else { [[0.1; 4], [0.2; 4]] };
        let maps = maps(layers);
        let spatial = SpatialAttention::of(&maps);
        let attention = LayerAttention { spatial, ..attention(ModalitySet::FULL, [0.3, 0.2, 0.1], 2) };
        let mut made: Record = record(clip, ModalitySet::FULL, answers(clip));
        made.key = header.key(&made.sample, made.coalition, []);
        made.attention = Some(attention);
        let kept = KeptAttention { heads: AttentionSummary::default(), tokens: Some(maps) };
        (made, Some(kept))
    });
    sink.append(group.collect()).unwrap();
}

fn study(folder: &Path) -> Study {
    let clips = ten_clips();
    let wrong = |_: &MadeUp| Sentiment::WeaklyNegative;
    run(&folder.join("first"), &clips, wrong);
    run(&folder.join("second"), &clips, |c| Sentiment::from_index(usize::from(c.steps[0] > 3) * 4).unwrap());
    let open = |name: &str| (name.to_owned(), Run::open(&folder.join(name)).unwrap());
    Study::new(&manifest(&clips), vec![open("first"), open("second")], Origin::default()).unwrap()
}

#[test]
fn the_spread_over_the_picture_is_that_worked_out() {
    let folder = tempfile::tempdir().unwrap();
    let study = study(folder.path());
    let analysis = Analysis::of(&study, options()).unwrap();
    let of = |condition| -> &SpatialProfile {
        analysis.runs[0].spatial.iter().find(|p| p.condition == condition).unwrap()
    };
    let value = |interval: Option<emomm_eval::score::Interval>| interval.unwrap().value;
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
    let (align, conflict) =
        (of(Condition::Align(ModalitySet::FULL)), of(Condition::Conflict(ModalitySet::FULL)));
    assert_eq!((align.n, conflict.n), (5, 5));
    near(value(align.entropy), 1.0);
    near(value(conflict.entropy), 0.0);
    // Two of four tokens share the importance: ln 2 / ln 4.
    near(value(align.importance_entropy), 0.5);
    let (even, sharp) = (align.person.unwrap(), conflict.person.unwrap());
    near(value(even.tokens), 0.25);
    near(value(even.attention), 0.25);
    near(value(sharp.attention), 1.0);
    near(value(sharp.importance), 0.5);
    assert!(align.face.is_none() && align.layers.len() == 2);
    near(value(of(Condition::All(ModalitySet::FULL)).entropy), 0.5);
}

#[test]
fn heat_stands_in_figures_and_cards() {
    let folder = tempfile::tempdir().unwrap();
    let study = study(folder.path());
    let out = folder.path().join("report");
    let html = written(&study, &out);
    let html = html.replace("&#x2f;", "/");
    // The second run mends the first clip in Conflict.
    assert!(html.contains("Figure 12.") && html.contains("Figure 13."));
    assert!(html.contains("ch-sims/g1/c2 under TAV"));
    let csv = std::fs::read_to_string(out.join("figures/fig12.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * 4, "{csv}");
    assert_eq!(lines[1], "first,ch-sims/g1/c2,1,1,1,0.25");
    let table = std::fs::read_to_string(out.join("tables/spatial.json")).unwrap();
    let table: Value = serde_json::from_str(&table).unwrap();
    assert_eq!(table["rows"].as_array().unwrap().len(), 6);
    let chunk = std::fs::read_to_string(out.join("data/chunk-0.js")).unwrap();
    assert!(chunk.contains("\"h\":{") && chunk.contains("\"p\":\"1000\""));
}

#[test]
fn tensors_that_are_gone_are_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let study = study(folder.path());
    assert!(Heats::read(&study).problems.is_empty());
    std::fs::remove_dir_all(folder.path().join("first/attention")).unwrap();
    let heats = Heats::read(&study);
    assert!(heats.problems.len() == 1 && heats.problems[0].starts_with("first: "), "{:?}", heats.problems);
    assert!(heats.of(1, 0, ModalitySet::FULL).is_some() && heats.of(0, 0, ModalitySet::FULL).is_none());
    written(&study, &folder.path().join("report"));
}

#[test]
fn a_card_draws_heat_and_the_outline_of_the_person() {
    let Some(browser) = Browser::start(1200, 900) else { return };
    let folder = tempfile::tempdir().unwrap();
    let study = study(folder.path());
    let page = folder.path().join("report.html");
    written(&study, &page);
    browser.open(&format!("file://{}#case?id=ch-sims%2Fg2%2Fc1&show=TAV", page.display()));
    browser.wait("document.querySelectorAll('#case-body svg.heat').length === 4");
    let opacity = "return [...document.querySelector('#case-body svg.heat').querySelectorAll('rect')].map(r => Number(r.getAttribute('fill-opacity')))";
    assert_eq!(browser.run(opacity), serde_json::json!([0.85, 0, 0, 0]));
    let outline =
        browser.run("return document.querySelector('#case-body svg.heat .outline').getAttribute('d')");
    assert_eq!(outline, "M0 0h1M0 1h1M0 0v1M1 0v1");
    let unnamed =
        "return document.querySelectorAll('svg[role=img]:not([aria-labelledby]):not([aria-label])').length";
    assert_eq!(browser.run(unnamed), 0);
    assert!(browser.complaints().is_empty());
}
