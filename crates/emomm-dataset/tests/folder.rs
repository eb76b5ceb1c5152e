//! Folders with metadata in CSV, JSON lines and Parquet.

use std::fs;

use emomm_dataset::build::{Benchmark, BuildOptions, Curation, build};
use emomm_dataset::readers::{FolderOptions, Speakers, read_folder};
use emomm_dataset::{DatasetError, FindingKind, Policies, Policy};

fn built(file: &str, content: &[u8]) -> Result<Benchmark, DatasetError> {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("mine");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(file), content).unwrap();
    let options = BuildOptions { curate: Curation::All, labels_only: true, ..BuildOptions::default() };
    build(&[read_folder(&folder, &FolderOptions::default())?], &Speakers::default(), &options)
}

fn ids(benchmark: &Benchmark) -> Vec<&str> {
    benchmark.manifest.rows.iter().filter(|r| r.is_full()).map(|r| r.id.as_str()).collect()
}

const CSV: &str = "file_name,text,label,label_T,label_A,label_V\na/007.mp4,one,0.6,1.0,0.0,0.2\na/008.mp4,two,-0.2,,0.0,-0.2\nb/007.mp4,,0,0,0,0\n";

#[test]
fn the_three_kinds_of_metadata_say_the_same() {
    let csv = built("metadata.csv", CSV.as_bytes()).unwrap();
    assert_eq!(ids(&csv), ["mine/a/007", "mine/a/008"]);
    let row = &csv.manifest.rows[0];
    assert_eq!(
        (row.video_path.as_deref(), row.audio_path.as_deref()),
        (Some("a/007.mp4"), Some("a/007.mp4"))
    );
    assert_eq!(row.language, "und");

    let jsonl = "{\"file_name\": \"a/007.mp4\", \"text\": \"one\", \"label\": 0.6, \"label_T\": 1, \"label_A\": 0, \"label_V\": 0.2}\n\n\
                 {\"text\": \"two\", \"file_name\": \"a/008.mp4\", \"label\": \"-0.2\", \"label_T\": null, \"label_A\": 0, \"label_V\": -0.2}\n\
                 {\"file_name\": \"b/007.mp4\", \"label\": 0}\n[1]\n{\n";
    let jsonl = built("metadata.jsonl", jsonl.as_bytes()).unwrap();
    assert_eq!(jsonl.manifest.rows, csv.manifest.rows);
    let malformed: Vec<_> =
        jsonl.findings.iter().filter(|f| f.kind == FindingKind::MalformedRow).map(|f| f.row).collect();
    assert_eq!(malformed, [Some(5), Some(6)]);

    // Written by pandas: dictionary pages, float32, integers, nulls.
    let parquet = built("metadata.parquet", include_bytes!("fixtures/metadata.parquet")).unwrap();
    assert_eq!(parquet.manifest.rows, csv.manifest.rows);
}

#[test]
fn paths_that_leave_the_folder_are_refused() {
    let content = "file_name,text,label\n../a.mp4,one,0\n/etc/b.mp4,two,0\nc.mp4,three,0\n";
    let benchmark = built("metadata.csv", content.as_bytes()).unwrap();
    assert_eq!(ids(&benchmark), ["mine/c/c"]);
}

#[test]
fn ids_that_were_numbers_are_reported() {
    let content = "{\"video_id\": 7, \"clip_id\": \"007\", \"text\": \"a\", \"label\": 0.2, \"language\": \"de\", \"speaker\": \"s1\"}\n";
    let benchmark = built("metadata.jsonl", content.as_bytes()).unwrap();
    assert_eq!(ids(&benchmark), ["mine/7/007"]);
    assert_eq!(benchmark.findings[0].kind, FindingKind::NumericId);
    assert_eq!(benchmark.manifest.rows[0].language, "de");
    assert_eq!(benchmark.manifest.rows[0].group, "mine/s1");
}

#[test]
fn a_folder_without_metadata_is_refused() {
    let error = built("other.csv", b"").unwrap_err();
    assert!(matches!(error, DatasetError::Layout { .. }));
    assert!(built("metadata.parquet", b"PAR1").is_err());
    assert!(matches!(built("metadata.csv", b"text,label\na,0\n"), Err(DatasetError::Columns { .. })));
}

#[test]
fn rows_that_name_no_media_are_reported_unless_labels_are_all() {
    let above = tempfile::tempdir().unwrap();
    fs::write(above.path().join("metadata.csv"), "video_id,clip_id,text,label\nv,1,a,0\n").unwrap();
    let options = FolderOptions { name: Some("mine".to_owned()), ..FolderOptions::default() };
    let reading = read_folder(above.path(), &options).unwrap();
    let keep = Policies { missing_media: Policy::Keep, ..Policies::default() };
    let options = BuildOptions { curate: Curation::All, policies: keep, ..BuildOptions::default() };
    let benchmark = build(&[reading], &Speakers::default(), &options).unwrap();
    let found: Vec<_> = benchmark.findings.iter().map(|f| (f.kind, f.row)).collect();
    assert_eq!(found, [(FindingKind::MissingMedia, Some(2))]);
    assert_eq!(ids(&benchmark), ["mine/v/1"]);
}
