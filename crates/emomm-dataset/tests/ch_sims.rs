//! CH-SIMS with every fault that its label files are known for.

mod invented;

use std::fs;

use emomm_dataset::build::{Benchmark, BuildOptions, Curation, build};
use emomm_dataset::readers::{Layout, RawClip, Reading, Speakers, read_ch_sims};
use emomm_dataset::{Action, DatasetError, FindingKind, OffGrid, Policies, Policy, Subset};
use invented::{Clip, table, write_ch_sims, write_media};

fn options() -> BuildOptions {
    BuildOptions { curate: Curation::All, labels_only: true, ..BuildOptions::default() }
}

fn built(content: impl AsRef<[u8]>, options: &BuildOptions) -> Result<Benchmark, DatasetError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("meta.csv"), content).unwrap();
    build(&[read_ch_sims(folder.path())?], &Speakers::default(), options)
}

fn full_ids(benchmark: &Benchmark) -> Vec<&str> {
    benchmark.manifest.rows.iter().filter(|r| r.is_full()).map(|r| r.id.as_str()).collect()
}

fn found(benchmark: &Benchmark, kind: FindingKind) -> Vec<(Option<u64>, Option<&str>, Action)> {
    benchmark
        .findings
        .iter()
        .filter(|f| f.kind == kind)
        .map(|f| (f.row, f.clip.as_deref(), f.action))
        .collect()
}

fn good(clip: &str) -> Clip {
    Clip::new("video_0001", clip, &format!("话 {clip}"), ["0.4", "0.2", "0.4", "0.6"])
}

#[test]
fn ids_are_text_and_paths_follow_from_them() {
    let clips = ["0001", "00008_0", "00008", "1"].map(good);
    let benchmark = built(table(&clips), &options()).unwrap();
    assert_eq!(
        full_ids(&benchmark),
        [
            "ch-sims/video_0001/00008",
            "ch-sims/video_0001/00008_0",
            "ch-sims/video_0001/0001",
            "ch-sims/video_0001/1"
        ]
    );
    let row = &benchmark.manifest.rows[4];
    assert_eq!(row.video_path.as_deref(), Some("Raw/video_0001/00008_0.mp4"));
    assert_eq!(row.video_path, row.audio_path);
    assert!(benchmark.findings.is_empty(), "{:?}", benchmark.findings);
}

#[test]
fn texts_are_kept_as_they_are() {
    let texts = ["一,二,三", " 空格在前", "He said \"no\"", "OK吗"];
    let clips: Vec<Clip> = texts
        .iter()
        .enumerate()
        .map(|(i, text)| Clip::new("v", &format!("{i:04}"), text, ["0.0", "0.0", "0.0", "0.0"]))
        .collect();
    let benchmark = built(table(&clips), &options()).unwrap();
    let kept: Vec<_> =
        benchmark.manifest.rows.iter().filter(|r| r.is_full()).filter_map(|r| r.text.as_deref()).collect();
    assert_eq!(kept, texts);
}

#[test]
fn a_score_off_the_grid_is_snapped_dropped_or_refused() {
    let off = Clip::new("v", "00006", "话", ["-0.1", "-0.1", "-0.1", "-0.1"]);
    let content = table(&[good("0001"), off]);
    let snapped = built(&content, &options()).unwrap();
    let name = Some("v/00006");
    assert_eq!(found(&snapped, FindingKind::OffGrid), [(Some(3), name, Action::Snapped); 4]);
    let row = snapped.manifest.rows.iter().find(|r| r.clip_id == "00006").unwrap();
    assert_eq!(row.labels.ground_truth.score.steps(), 0);

    let policy =
        |off_grid| BuildOptions { policies: Policies { off_grid, ..Policies::default() }, ..options() };
    let dropped = built(&content, &policy(OffGrid::Drop)).unwrap();
    assert_eq!(full_ids(&dropped), ["ch-sims/video_0001/0001"]);
    assert!(found(&dropped, FindingKind::OffGrid).contains(&(Some(3), name, Action::Dropped)));

    let error = built(&content, &policy(OffGrid::Error)).unwrap_err();
    assert!(matches!(&error, DatasetError::Refused { findings } if findings.len() == 4), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn the_number_decides_against_the_annotation() {
    let mut clip = good("0001");
    clip.annotation = "Negative".to_owned();
    let benchmark = built(table(&[clip]), &options()).unwrap();
    assert_eq!(
        found(&benchmark, FindingKind::AnnotationDisagrees),
        [(Some(2), Some("video_0001/0001"), Action::Kept)]
    );
    assert_eq!(benchmark.manifest.rows[0].labels.ground_truth.score.steps(), 2);
}

#[test]
fn repeated_rows_count_once_and_contradictions_by_policy() {
    let mut other = good("0002");
    other.scores[0] = "-0.4".to_owned();
    other.annotation = "Negative".to_owned();
    let content = table(&[good("0001"), good("0001"), good("0002"), other, good("0003")]);
    let benchmark = built(&content, &options()).unwrap();
    assert_eq!(full_ids(&benchmark), ["ch-sims/video_0001/0001", "ch-sims/video_0001/0003"]);
    assert_eq!(found(&benchmark, FindingKind::RepeatedRow).len(), 1);
    let contradictory: Vec<_> = found(&benchmark, FindingKind::ContradictoryRows);
    assert_eq!(
        contradictory.iter().map(|f| (f.0, f.2)).collect::<Vec<_>>(),
        [(Some(4), Action::Dropped), (Some(5), Action::Dropped)]
    );

    let keep = Policies { contradictory_rows: Policy::Keep, ..Policies::default() };
    let benchmark = built(&content, &BuildOptions { policies: keep, ..options() }).unwrap();
    assert_eq!(full_ids(&benchmark).len(), 3);
    let error = Policies { contradictory_rows: Policy::Error, ..Policies::default() };
    assert!(built(&content, &BuildOptions { policies: error, ..options() }).is_err());
}

#[test]
fn bad_scores_are_reported_by_row_and_column() {
    let clips = [
        good("0001"),
        Clip::new("v", "1", "a", ["1.2", "0.0", "0.0", "0.0"]),
        Clip::new("v", "2", "b", ["0.2", "n/a", "0.0", "0.0"]),
        Clip::new("v", "3", "c", ["", "0.0", "0.0", "0.0"]),
        Clip::new("v", "4", "d", ["0.2", "", "0.2", "0.2"]),
    ];
    let content = table(&clips);
    let benchmark = built(&content, &options()).unwrap();
    assert_eq!(full_ids(&benchmark), ["ch-sims/v/4", "ch-sims/video_0001/0001"]);
    assert_eq!(found(&benchmark, FindingKind::OutOfRange), [(Some(3), Some("v/1"), Action::Dropped)]);
    assert_eq!(found(&benchmark, FindingKind::NotANumber), [(Some(4), Some("v/2"), Action::Dropped)]);
    assert_eq!(found(&benchmark, FindingKind::MissingLabel), [(Some(5), Some("v/3"), Action::Dropped)]);
    assert_eq!(found(&benchmark, FindingKind::UnlabelledModality), [(Some(6), Some("v/4"), Action::Kept)]);
    let drop = Policies { unlabelled_modality: Policy::Drop, ..Policies::default() };
    let without = built(&content, &BuildOptions { policies: drop, ..options() }).unwrap();
    assert_eq!(full_ids(&without), ["ch-sims/video_0001/0001"]);
    // A clip without the label of T is neither in Align nor in Conflict, but its copy AV is.
    let subsets: Vec<_> = benchmark.manifest.rows[..4].iter().map(|r| r.subset.map(Subset::name)).collect();
    assert_eq!(subsets, [None, None, None, Some("missing-align")]);

    let keep = Policies { not_a_number: Policy::Keep, out_of_range: Policy::Keep, ..Policies::default() };
    let benchmark = built(&content, &BuildOptions { policies: keep, ..options() }).unwrap();
    assert!(full_ids(&benchmark).contains(&"ch-sims/v/2"));
    assert!(!full_ids(&benchmark).contains(&"ch-sims/v/1"));
}

#[test]
fn encodings_are_found_out_and_reported() {
    let content = table(&[Clip::new("v", "0001", "你好，世界", ["0.2", "0.2", "0.2", "0.2"])]);
    let plain = built(&content, &options()).unwrap();
    assert!(plain.findings.is_empty());
    let marked = built(format!("\u{feff}{content}"), &options()).unwrap();
    let (gbk, _, _) = encoding_rs::GBK.encode(&content);
    let gbk = built(gbk, &options()).unwrap();
    for (benchmark, name) in [(&marked, "UTF-8 with a byte order mark"), (&gbk, "GB18030")] {
        assert_eq!(benchmark.manifest.rows, plain.manifest.rows);
        assert_eq!(benchmark.findings[0].kind, FindingKind::Encoding);
        assert_eq!(benchmark.findings[0].found, name);
    }
    assert!(matches!(built(b"video_id\xff\xff\x80", &options()), Err(DatasetError::Encoding { .. })));
}

#[test]
fn odd_rows_columns_and_modes_are_reported() {
    let content = format!(
        "{},extra\n{},x\nv,0002,no quotes, but a comma,0.2,0.2,0.2,0.2,Positive,train,x\n,0003,t,0,0,0,0,Neutral,dev,x\nv,../up,t,0,0,0,0,Neutral,train,x\nv,0004,t,0,0,0,0,Neutral,dev,x\n",
        invented::HEADER,
        good("0001").line()
    );
    let benchmark = built(&content, &options()).unwrap();
    assert_eq!(full_ids(&benchmark), ["ch-sims/v/0004", "ch-sims/video_0001/0001"]);
    let rows: Vec<_> = found(&benchmark, FindingKind::MalformedRow).iter().map(|f| f.0).collect();
    assert_eq!(rows, [Some(3), Some(4), Some(5)]);
    assert_eq!(found(&benchmark, FindingKind::UnknownColumn), [(None, None, Action::Kept)]);
    assert_eq!(found(&benchmark, FindingKind::UnknownMode), [(Some(6), Some("v/0004"), Action::Kept)]);

    let strict =
        Policies { unknown_column: Policy::Error, malformed_row: Policy::Error, ..Policies::default() };
    let error = built(&content, &BuildOptions { policies: strict, ..options() }).unwrap_err();
    assert!(matches!(error, DatasetError::Refused { findings } if findings.len() == 4));
}

#[test]
fn duplicate_texts_and_blank_texts_are_reported() {
    let same = |clip: &str| Clip::new("v", clip, "对", ["0.2", "0.2", "0.2", "0.2"]);
    let blank = Clip::new("v", "3", "  ", ["0.2", "0.2", "0.2", "0.2"]);
    let benchmark = built(table(&[same("2"), same("1"), blank]), &options()).unwrap();
    assert_eq!(found(&benchmark, FindingKind::DuplicateText), [(Some(2), Some("v/2"), Action::Kept)]);
    assert_eq!(found(&benchmark, FindingKind::BlankText), [(Some(4), Some("v/3"), Action::Dropped)]);
}

#[test]
fn version_1_is_read_with_and_without_header_and_from_the_folder_above() {
    let clips = [good("0001"), good("0002")];
    let folder = tempfile::tempdir().unwrap();
    let content = table(&clips);
    fs::write(folder.path().join("label.csv"), &content).unwrap();
    let with_header = read_ch_sims(folder.path()).unwrap();
    let body = content.split_once('\n').unwrap().1;
    fs::write(folder.path().join("label.csv"), body.replace('\n', "\r\n")).unwrap();
    let without = read_ch_sims(folder.path()).unwrap();
    assert_eq!(with_header.corpus.layout, Layout::Mmsa);
    assert_eq!(with_header.clips.len(), 2);
    let ids = |r: &Reading| -> Vec<String> { r.clips.iter().map(RawClip::name).collect() };
    assert_eq!(ids(&with_header), ids(&without));
    assert_eq!(without.clips[1].row, 2);

    let above = tempfile::tempdir().unwrap();
    write_ch_sims(&above.path().join("CH-SIMS v2(s)"), &clips);
    assert_eq!(read_ch_sims(above.path()).unwrap().clips.len(), 2);
    assert!(matches!(read_ch_sims(&above.path().join("none")), Err(DatasetError::Layout { .. })));
}

/// MOSEI has the same columns in another order.
/// CH-SIMS has neither column; where somebody added them they count, and are no unknown ones.
#[test]
fn added_columns_of_speaker_and_language_count() {
    let clips = ["0001", "0002"].map(good);
    let lines: Vec<String> = clips.iter().map(|c| format!("{},zh-TW,anna", c.line())).collect();
    let content = format!("{},language,speaker\n{}\n", invented::HEADER, lines.join("\n"));
    let benchmark = built(content, &options()).unwrap();
    assert_eq!(benchmark.findings, []);
    let row = &benchmark.manifest.rows[0];
    assert_eq!((row.group.as_str(), row.language.as_str()), ("ch-sims/anna", "zh-TW"));
}

#[test]
fn columns_are_found_by_name() {
    let content = "mode,label,text,clip_id,video_id,label_V,label_A,label_T,annotation\ntest,0.8,t,0001,v,0.0,0.2,1.0,Positive\n";
    let benchmark = built(content, &options()).unwrap();
    let row = &benchmark.manifest.rows[0];
    let steps: Vec<i8> =
        row.labels.modalities.iter().filter_map(|(_, l)| *l).map(|l| l.score.steps()).collect();
    assert_eq!((row.labels.ground_truth.score.steps(), steps), (4, vec![5, 1, 0]));
    assert_eq!(row.official_split.as_deref(), Some("test"));
    let error = built("video_id,clip_id,label\nv,1,0\n", &options()).unwrap_err();
    assert!(matches!(error, DatasetError::Columns { missing, .. } if missing == ["text"]));
}

#[test]
fn clips_without_media_are_left_out_by_name_and_the_rest_is_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let clips = ["0001", "0002", "0003"].map(good);
    write_ch_sims(folder.path(), &clips);
    write_media(folder.path(), &clips[0]);
    write_media(folder.path(), &clips[2]);
    fs::write(folder.path().join("Raw/video_0001/0003.mp4"), b"").unwrap();
    let with_media = BuildOptions { labels_only: false, ..options() };
    let benchmark =
        build(&[read_ch_sims(folder.path()).unwrap()], &Speakers::default(), &with_media).unwrap();
    assert_eq!(full_ids(&benchmark), ["ch-sims/video_0001/0001"]);
    assert_eq!(
        found(&benchmark, FindingKind::MissingMedia),
        [(Some(3), Some("video_0001/0002"), Action::Dropped)]
    );
    assert_eq!(
        found(&benchmark, FindingKind::UnreadableMedia),
        [(Some(4), Some("video_0001/0003"), Action::Dropped)]
    );
    // printf video_0001/0001 | sha256sum
    let digest = benchmark.manifest.rows[0].video_sha256.clone().unwrap();
    assert_eq!(digest, "0dc41b73835e69c833a9655641eac7bf2cb8a6642fba23c08369142f08121a39");

    let none = built(table(&clips), &with_media).unwrap_err();
    assert!(matches!(none, DatasetError::Layout { .. }));
}
