//! What is exported is what was answered, in the form that the benchmark is built from.

use std::fmt::Write;

use emomm_annotate::agreement::agreement;
use emomm_annotate::export::{ExportOptions, export};
use emomm_annotate::votes::read_votes;
use emomm_dataset::readers::{add_unimodal_labels, read_mosi};
use emomm_metrics::BootstrapOptions;

use crate::support::{Client, TestProject, plain_settings};

/// Labels of the five annotators for clip `clip` (from 0) in view `view` (from 0).
fn label(annotator: usize, clip: usize, view: usize) -> i64 {
    ((annotator * 7 + clip * 3 + view * 5 + annotator * clip) % 3) as i64 - 1
}

#[tokio::test]
async fn labels_and_votes_are_read_by_the_benchmark() {
    let project = TestProject::new(8, 5, &plain_settings());
    let app = project.app();
    for annotator in 0..5 {
        let mut client = Client::at_work(&app, &project, &format!("A{}", annotator + 1)).await;
        for view in 0..3 {
            if view > 0 {
                client.pass_guide().await;
            }
            for i in 0..8 {
                let (id, _) = client.item().await.unwrap();
                let seq = project.count(&format!(
                    "SELECT c.seq FROM assignment s JOIN item i ON i.id = s.item JOIN clip c ON c.id = i.clip \
                     WHERE s.public_id = '{id}'"
                ));
                let label = label(annotator, seq as usize - 1, view);
                let key = format!("export-{view}-{i}");
                // One item cannot be judged by the fifth.
                let reply = if annotator == 4 && seq == 8 {
                    let body = serde_json::json!({
                        "id": id, "key": key, "cannot_judge": "unclear", "comment": "=SUM(A1)" });
                    client.json("/api/submit", &body).await
                } else {
                    client.answer(&id, &key, label).await
                };
                assert!(reply.status.is_success(), "{}", reply.text());
            }
        }
    }
    let out = project.folder.path().join("out");
    let exported = export(&project.project, &out, ExportOptions::default()).unwrap();
    assert_eq!((exported.clips, exported.responses), (8, 120));
    let responses = std::fs::read_to_string(out.join("responses.csv")).unwrap();
    assert_eq!(responses.lines().count(), 121);
    assert!(responses.contains("'=SUM(A1)") && !responses.contains(",=SUM"));
    assert!(std::fs::read(out.join("responses.parquet")).unwrap().starts_with(b"PAR1"));
    let croissant: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("croissant.json")).unwrap()).unwrap();
    let digest = emomm_dataset::digest_of_bytes(&std::fs::read(out.join("responses.parquet")).unwrap());
    assert_eq!(croissant["distribution"][0]["sha256"], digest.as_str());
    assert!(std::fs::read_to_string(out.join("README.md")).unwrap().contains("| text | 8 | 39 |"));

    // An invented CMU-MOSI of the same clips.
    let mosi = project.folder.path().join("mosi");
    std::fs::create_dir_all(mosi.join("Raw/video0")).unwrap();
    let mut table = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n".to_owned();
    for clip in 0..8 {
        writeln!(table, "video{},{},words,1.0,,,,Positive,train", clip / 4, clip % 4).unwrap();
    }
    std::fs::write(mosi.join("label.csv"), table).unwrap();
    for file in ["labels_cmu-mosi.csv", "votes_cmu-mosi.csv"] {
        let mut reading = read_mosi(&mosi).unwrap();
        let before = reading.findings.len();
        add_unimodal_labels(&mut reading, &out.join(file)).unwrap();
        for (clip, raw) in reading.clips.iter().enumerate() {
            for view in 0..3 {
                let n = if clip == 7 { 4 } else { 5 };
                let sum: i64 = (0..n).map(|a| label(a, clip, view)).sum();
                let expected = (5.0 * sum as f64 / n as f64).round_ties_even() / 5.0;
                let found: f64 = raw.modalities[view].parse().unwrap();
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{file}: clip {clip} view {view}: {found}, {expected}"
                );
            }
        }
        let missing = if file.starts_with("votes") { 3 } else { 0 };
        assert_eq!(reading.findings.len() - before, missing, "{file}: {:?}", reading.findings);
    }

    // The agreement of the exported votes is that of the project.
    let options = BootstrapOptions { n_resamples: 50, ..BootstrapOptions::default() };
    let figures = project.project.store().read_now(|c| agreement(c, options)).unwrap();
    let tables = read_votes(&out.join("votes_cmu-mosi.csv")).unwrap();
    let answers = read_votes(&out.join("responses.csv")).unwrap();
    assert_eq!(answers.iter().map(emomm_annotate::votes::VoteTable::n_votes).collect::<Vec<_>>(), [39; 3]);
    for (figure, table) in figures.iter().zip(&tables) {
        let other = emomm_annotate::agreement::agreement_of(table, options).unwrap();
        assert_eq!(figure.alpha_ordinal, other.alpha_ordinal);
        assert_eq!((figure.n_votes, figure.modality), (39, other.modality));
        // A column is a person, gaps included.
        let kappas = |pairs: &[emomm_annotate::agreement::Pair]| {
            pairs.iter().map(|p| (p.n, p.weighted_kappa)).collect::<Vec<_>>()
        };
        assert_eq!(kappas(&figure.pairs), kappas(&other.pairs));
    }
    assert!(export(&project.project, &out, ExportOptions::default()).is_err(), "nothing is written over");
}
