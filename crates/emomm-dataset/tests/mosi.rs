//! CMU-MOSI in both layouts, and unimodal labels beside it.

mod invented;

use std::fs;
use std::path::Path;

use emomm_dataset::build::{Benchmark, BuildOptions, Curation, build};
use emomm_dataset::readers::{Layout, Reading, Speakers, add_unimodal_labels, read_mosi};
use emomm_dataset::{Action, DatasetError, FindingKind, Modality, PerModality, Sentiment, VoteMap};
use invented::{Clip, table};

fn options() -> BuildOptions {
    BuildOptions { curate: Curation::All, labels_only: true, ..BuildOptions::default() }
}

fn built(reading: Reading) -> Benchmark {
    build(&[reading], &Speakers::default(), &options()).unwrap()
}

/// Two videos whose ids have every character that ids of the corpus have.
fn write_original(folder: &Path) {
    let labels = "1.0,2.5,_dI--aB_x-1,1,2.4\r\n2.5,4.0,_dI--aB_x-1,2,-0.4\r\n0,1,abc_1_2-DEF,10,1.5\r\n\
                  5.0,5.0,abc_1_2-DEF,11,0.6\r\n6,7,abc_1_2-DEF,12,3.5\r\n8,9,abc_1_2-DEF,13,0\r\n";
    fs::write(folder.join("OpinionLevelSentiment.csv"), labels).unwrap();
    let transcripts = folder.join("Raw/Transcript/Segmented");
    fs::create_dir_all(&transcripts).unwrap();
    fs::write(transcripts.join("_dI--aB_x-1.annotprocessed"), "1_DELIM_SOME, WORDS\n2_DELIM_OTHER WORDS\n")
        .unwrap();
    fs::write(
        transcripts.join("abc_1_2-DEF.annotprocessed"),
        "10_DELIM_TEN_DELIM_STILL\r\n11_DELIM_ELEVEN\r\nno delimiter\r\n12_DELIM_TWELVE\r\n",
    )
    .unwrap();
}

#[test]
fn the_original_layout_is_read_and_its_faults_reported() {
    let folder = tempfile::tempdir().unwrap();
    write_original(folder.path());
    let reading = read_mosi(folder.path()).unwrap();
    assert_eq!(reading.corpus.layout, Layout::MosiOriginal);
    let clip = &reading.clips[0];
    assert_eq!((clip.video_id.as_str(), clip.clip_id.as_str()), ("_dI--aB_x-1", "1"));
    assert_eq!(clip.text, "SOME, WORDS");
    assert_eq!(clip.video_path.as_deref(), Some("Raw/Video/Segmented/_dI--aB_x-1_1.mp4"));
    assert_eq!(clip.audio_path.as_deref(), Some("Raw/Audio/WAV_16000/Segmented/_dI--aB_x-1_1.wav"));
    assert_eq!(reading.clips[2].text, "TEN_DELIM_STILL");
    assert_eq!(reading.clips.iter().map(|c| c.row).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);

    let benchmark = built(reading);
    let ids: Vec<_> = benchmark.manifest.rows.iter().filter(|r| r.is_full()).map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["cmu-mosi/_dI--aB_x-1/1", "cmu-mosi/_dI--aB_x-1/2", "cmu-mosi/abc_1_2-DEF/10"]);
    let classes: Vec<_> =
        benchmark.manifest.rows.iter().filter(|r| r.is_full()).map(|r| r.labels.ground_truth.class).collect();
    // 2.4 is four steps; -0.4 is two thirds of one; 1.5 is a tie of two and three.
    assert_eq!(classes, [Sentiment::Positive, Sentiment::WeaklyNegative, Sentiment::WeaklyPositive]);
    let kinds: Vec<_> = benchmark.findings.iter().map(|f| (f.kind, f.row)).collect();
    assert_eq!(
        kinds,
        [
            (FindingKind::MalformedRow, Some(3)),
            (FindingKind::OutOfRange, Some(5)),
            (FindingKind::BlankText, Some(6)),
            (FindingKind::FaultyClip, Some(4)),
        ]
    );
    assert_eq!(benchmark.manifest.header.sources.len(), 3);
}

fn write_mmsa(folder: &Path) {
    let clips = [
        Clip::new("_dI--aB_x-1", "1", "SOME WORDS", ["2.4000000953674316", "", "", ""]),
        Clip::new("_dI--aB_x-1", "11", "OTHER WORDS", ["-1.8", "", "", ""]),
        Clip::new("abc_1_2-DEF", "2", "MORE WORDS", ["0.0", "", "", ""]),
    ];
    fs::write(folder.join("label.csv"), table(&clips)).unwrap();
}

fn mmsa_with(name: &str, content: &[u8]) -> Result<Reading, DatasetError> {
    let folder = tempfile::tempdir().unwrap();
    write_mmsa(folder.path());
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    let mut reading = read_mosi(folder.path())?;
    add_unimodal_labels(&mut reading, &path)?;
    Ok(reading)
}

#[test]
fn the_mmsa_layout_is_read_and_float_images_are_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    write_mmsa(folder.path());
    let benchmark = built(read_mosi(folder.path()).unwrap());
    assert_eq!(benchmark.manifest.rows.len(), 12);
    assert_eq!(benchmark.manifest.rows[0].video_path.as_deref(), Some("Raw/_dI--aB_x-1/1.mp4"));
    assert_eq!(benchmark.manifest.rows[0].labels.ground_truth.score.steps(), 4);
    // Without unimodal labels there is no subset.
    assert!(benchmark.manifest.rows.iter().all(|r| r.subset.is_none()));
    let found: Vec<_> = benchmark.findings.iter().map(|f| (f.kind, f.found.as_str())).collect();
    assert_eq!(found, [(FindingKind::SinglePrecision, "1 scores")]);
}

const LABELS: &str = "seq,clip,label_T,label_A,label_V\n1,_dI--aB_x-1_1,1.0,0.6,0.2\n2,_dI--aB_x-1_11.mp4,-0.6,0,-0.2\n3,abc_1_2-DEF_2,0,0,0\n";

#[test]
fn unimodal_labels_find_their_clips_by_name() {
    let benchmark = built(mmsa_with("labels.csv", LABELS.as_bytes()).unwrap());
    let full: Vec<_> = benchmark.manifest.rows.iter().filter(|r| r.is_full()).collect();
    assert_eq!(
        full.iter().map(|r| r.subset.unwrap().name()).collect::<Vec<_>>(),
        ["align", "conflict", "align"]
    );
    assert_eq!(full[1].labels.modalities.text.unwrap().class, Sentiment::Negative);
    assert_eq!(benchmark.manifest.rows[5].id, "cmu-mosi/_dI--aB_x-1/11/TA");
}

#[test]
fn votes_are_averaged_and_mapped() {
    let content = "seq,clip,T_1,T_2,T_3,T_4,T_5,A_1,A_2,A_3,A_4,A_5,V_1,V_2,V_3,V_4,V_5\n\
                   1,_dI--aB_x-1_1,1,1,1,0,0,1,1,1,1,1,0,0,0,0,1\n\
                   2,_dI--aB_x-1_11,-1,-1,-1,0,0,2,-1,-1,-1,-1,,0,0,0,0\n";
    let reading = mmsa_with("votes.csv", content.as_bytes()).unwrap();
    let classes = |benchmark: &Benchmark, row: usize| {
        Modality::ALL.map(|m| benchmark.manifest.rows[row].labels.modality(m).map(|l| l.class.letter()))
    };
    let own = build(std::slice::from_ref(&reading), &Speakers::default(), &options()).unwrap();
    assert_eq!(classes(&own, 0), [Some('E'), Some('E'), Some('D')]);
    assert_eq!(classes(&own, 4), [Some('A'), Some('A'), Some('C')]);
    assert_eq!(classes(&own, 8), [None, None, None]);
    let ch_sims = BuildOptions { vote_map: VoteMap::ChSims, ..options() };
    let mapped = build(&[reading], &Speakers::default(), &ch_sims).unwrap();
    assert_eq!(classes(&mapped, 0), [Some('D'), Some('E'), Some('D')]);
    assert_eq!(own.manifest.header.corpora[0].modality_class_map.name(), "cmu-mosi");
    assert_eq!(mapped.manifest.header.corpora[0].modality_class_map.name(), "ch-sims");
    let faults: Vec<_> =
        own.findings.iter().filter(|f| f.row == Some(3)).map(|f| (f.kind, f.action)).collect();
    assert!(faults.contains(&(FindingKind::OutOfRange, Action::Dropped)), "{faults:?}");
    assert!(faults.contains(&(FindingKind::MissingLabel, Action::Dropped)), "{faults:?}");
}

#[test]
fn labels_of_unknown_clips_and_contradictions_are_reported() {
    let content = "seq,clip,label_T,label_A,label_V\n1,nowhere_1,0,0,0\n2,_dI--aB_x-1_1,1,1,1\n3,_dI--aB_x-1_1,0,1,1\n4,abc_1_2-DEF_2,0,0,0\n5,abc_1_2-DEF_2,0,0,0\n6,,0,0,0\n";
    let benchmark = built(mmsa_with("labels.csv", content.as_bytes()).unwrap());
    let found: Vec<_> =
        benchmark.findings.iter().filter(|f| f.file == "labels.csv").map(|f| (f.kind, f.row)).collect();
    assert_eq!(
        found,
        [
            (FindingKind::MalformedRow, Some(7)),
            (FindingKind::RepeatedRow, Some(6)),
            (FindingKind::ContradictoryRows, Some(4)),
            (FindingKind::UnmatchedLabels, Some(2)),
        ]
    );
    assert_eq!(benchmark.manifest.rows[0].labels.modalities, PerModality::default());
    assert!(matches!(mmsa_with("labels.csv", b"seq,label_T\n1,0\n"), Err(DatasetError::Columns { .. })));
}

/// Sheets written by openpyxl: text ids, an id that is a number, votes as numbers.
#[test]
fn spreadsheets_are_read() {
    let from_csv = built(mmsa_with("labels.csv", LABELS.as_bytes()).unwrap());
    let sheet = mmsa_with("labels.xlsx", include_bytes!("fixtures/labels.xlsx")).unwrap();
    assert_eq!(built(sheet).manifest.rows, from_csv.manifest.rows);
    let votes = mmsa_with("votes.xlsx", include_bytes!("fixtures/votes.xlsx")).unwrap();
    assert_eq!(votes.clips[0].modalities, ["0.6", "1.0", "0.2"]);
}

#[test]
fn a_small_sheet_that_unpacks_to_much_is_refused() {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("xl/sharedStrings.xml", options).unwrap();
    let chunk = b"<si/>".repeat(200_000);
    for _ in 0..100 {
        archive.write_all(&chunk).unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert!(bytes.len() < 500_000, "{}", bytes.len());
    let error = mmsa_with("bomb.xlsx", &bytes).unwrap_err();
    assert!(matches!(error, DatasetError::TooLarge { what: "unpacked bytes", .. }), "{error}");
    assert!(mmsa_with("text.xlsx", b"no archive").is_err());
}

/// Fifty kilobytes of formats without end would take a gigabyte.
#[test]
fn a_small_sheet_of_many_formats_is_refused() {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("xl/styles.xml", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(&b"<xf/>".repeat(500_000)).unwrap();
    let error = mmsa_with("formats.xlsx", &archive.finish().unwrap().into_inner()).unwrap_err();
    assert!(matches!(error, DatasetError::TooLarge { what: "bytes of styles", .. }), "{error}");
}

/// A cell in the last corner would be a dense range of 17 billion cells.
#[test]
fn far_cells_are_refused_and_not_allocated() {
    let error = mmsa_with("far.xlsx", include_bytes!("fixtures/far_cell.xlsx")).unwrap_err();
    assert!(matches!(error, DatasetError::TooLarge { what: "columns", .. }), "{error}");
}
