//! Answers beside a benchmark: what the manifest knows, the file need not say.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use emomm_dataset::build::{BuildOptions, Curation, build};
use emomm_dataset::manifest::Manifest;
use emomm_dataset::readers::{FolderOptions, Speakers, read_folder};
use emomm_dataset::{ModalitySet, PolaritySource, Sentiment, Subset};
use emomm_eval::score::{
    Answers, BenchTruth, GivenAnswer, OnBadRow, ReadOptions, ScoreFileError, ScoreRow, join, read_beside,
};

use crate::{answers, file, row, scored};

const METADATA: &str = "video_id,clip_id,text,label,label_T,label_A,label_V\n\
    v1,1,a,0.8,0.8,1.0,0.8\n\
    v1,2,b,0.8,0.4,0.8,0.8\n\
    v2,1,c,0.8,0.8,-0.2,0.8\n\
    v3,1,d,-0.4,-0.4,-0.4,\n";

fn manifest() -> Manifest {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("mine");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("metadata.csv"), METADATA).unwrap();
    let options = BuildOptions { curate: Curation::All, labels_only: true, ..BuildOptions::default() };
    let reading = read_folder(&folder, &FolderOptions::default()).unwrap();
    build(&[reading], &Speakers::default(), &options).unwrap().manifest
}

fn beside(content: &str) -> Result<Answers, ScoreFileError> {
    let (_folder, path) = file("p.csv", content);
    read_beside(&path, &ReadOptions::default(), &BenchTruth::of(&manifest()))
}

#[test]
fn id_and_answer_are_enough() {
    let answers = beside("id,label\nmine/v1/1,E\nmine/v1/2,E\nmine/v2/1,A\nmine/v3/1,\n").unwrap();
    let found: Vec<_> = answers.rows.iter().map(|r| (r.labels.ground_truth, r.subset, &*r.group)).collect();
    assert_eq!(
        found,
        [
            (Sentiment::Positive, Some(Subset::Equal), "mine/v1"),
            (Sentiment::Positive, Some(Subset::SamePolarity), "mine/v1"),
            (Sentiment::Positive, Some(Subset::Conflict), "mine/v2"),
            (Sentiment::WeaklyNegative, None, "mine/v3"),
        ]
    );
    assert_eq!(answers.rows[0].corpus.name, "mine");
    assert_eq!(answers.rows[0].truth_score.unwrap().steps(), 4);
    let report = scored(&answers);
    assert_eq!(row(&report, "mine", "TAV", "align").n, 2);
    assert_eq!(row(&report, "mine", "TAV", "all").acc.map(|a| a.value), Some(0.5));
}

/// The same file with the labels written into it gives the same report.
#[test]
fn the_manifest_s_labels_score_as_the_file_s() {
    let coalitions = ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"];
    let labels = [("1/1", "0.8,0.8,1.0,0.8"), ("1/2", "0.8,0.4,0.8,0.8"), ("2/1", "0.8,0.8,-0.2,0.8")];
    let mut bare = "id,coalition,label,score\n".to_owned();
    let mut full = "id,coalition,label,score,ground_truth,label_T,label_A,label_V,group,corpus\n".to_owned();
    for (clip, (id, values)) in labels.iter().enumerate() {
        for (i, coalition) in coalitions.iter().enumerate() {
            let letter = char::from(b'A' + ((3 * i + clip) % 5) as u8);
            let head = format!("mine/v{id},{coalition},{letter},0.4");
            let _ = writeln!(bare, "{head}");
            let _ = writeln!(full, "{head},{values},mine/v{},mine", &id[..1]);
        }
    }
    let (bare, full) = (scored(&beside(&bare).unwrap()), scored(&answers("p.csv", &full)));
    assert_eq!((&bare.rows, &bare.psmv, &bare.gtar), (&full.rows, &full.psmv, &full.gtar));
    assert_eq!((bare.n, bare.psmv.unwrap().all.n), (24, 3));
}

/// Figure 3: V alone on Conflict is of clips in Conflict, whatever V alone says.
#[test]
fn one_modality_is_counted_in_the_subset_of_its_clip() {
    let answers = beside("id,coalition,label\nmine/v2/1,V,E\nmine/v2/1,TV,E\nmine/v1/1,V,A\n").unwrap();
    let report = scored(&answers);
    assert_eq!(row(&report, "mine", "V", "conflict").acc.map(|a| a.value), Some(1.0));
    assert_eq!(row(&report, "mine", "V", "align").acc.map(|a| a.value), Some(0.0));
    assert_eq!(row(&report, "mine", "TV", "conflict").n, 1);
    assert_eq!(row(&report, "mine", "TV", "missing-align").n, 1);
    let pooled = report.rows.iter().filter(|r| r.coalition == "overall");
    assert_eq!(pooled.map(ScoreRow::subset_name).collect::<Vec<_>>(), ["all", "missing-align"].repeat(2));
}

#[test]
fn a_masked_copy_has_an_id_of_its_own() {
    let given = "id,coalition,label\nmine/v2/1/TV,,E\nmine/v2/1/AV,AV,E\n";
    let answers = beside(given).unwrap();
    let found: Vec<_> = answers.rows.iter().map(|r| (&*r.id, r.coalition.to_string(), r.subset)).collect();
    assert_eq!(
        found,
        [
            ("mine/v2/1", "TV".to_owned(), Some(Subset::MissingAlign)),
            ("mine/v2/1", "AV".to_owned(), Some(Subset::MissingConflict)),
        ]
    );
    let error = beside("id,coalition,label\nmine/v2/1/TV,TA,E\n").unwrap_err().to_string();
    assert!(error.contains("found TA beside `mine/v2/1/TV`, which shows TV"), "{error}");
    // The copy and the clip under its coalition are the same row.
    let error = beside("id,coalition,label\nmine/v2/1/TV,,E\nmine/v2/1,TV,E\n").unwrap_err().to_string();
    assert!(error.contains("with coalition TV again"), "{error}");
}

#[test]
fn ids_of_no_clip_are_faults_of_their_rows() {
    let error = beside("id,label\nmine/v1/1,E\nv9/1,E\n").unwrap_err();
    let text = format!("{error} {}", error.hint());
    for part in ["row 2 (line 3), column id: found `v9/1`", "such as `mine/v1/1`", "manifest.parquet"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(beside("id,corpus,label\nv1/1,mine,E\n").unwrap().rows[0].id, "mine/v1/1");
}

#[test]
fn what_the_benchmark_says_is_not_read_from_the_file() {
    let answers = beside("id,label,ground_truth,subset,mood\nmine/v1/1,E,nonsense,nonsense,x\n").unwrap();
    assert_eq!(answers.rows[0].labels.ground_truth, Sentiment::Positive);
    let notes = answers.notes.join("\n");
    assert!(notes.contains("columns that are not read: mood"), "{notes}");
    assert!(notes.contains("because the benchmark says what they say: ground_truth, subset"), "{notes}");
    assert!(notes.contains("the file answers 1 of "), "{notes}");
}

#[test]
fn answers_of_a_run_are_joined_as_those_of_a_file() {
    let truth = BenchTruth::of(&manifest());
    let given = |row, id: &str, coalition| GivenAnswer {
        row,
        line: 0,
        id: id.to_owned(),
        corpus: String::new(),
        coalition,
        answer: Some(Sentiment::Positive),
        stated: None,
    };
    let good = [given(1, "mine/v1/1", Some(ModalitySet::FULL)), given(2, "mine/v2/1", None)];
    let joined = join(Path::new("run"), &good, &truth, "letter", OnBadRow::Error).unwrap();
    assert_eq!((joined.rows.len(), joined.answer_column), (2, "letter"));
    let bad = [given(1, "mine/v1/1", None), given(2, "gone", None)];
    let error = join(Path::new("run"), &bad, &truth, "letter", OnBadRow::Error).unwrap_err().to_string();
    assert!(error.contains("run: row 2, column id: found `gone`"), "{error}");
    let skipped = join(Path::new("run"), &bad, &truth, "letter", OnBadRow::Skip).unwrap();
    assert_eq!((skipped.rows.len(), skipped.skipped.len()), (1, 1));
    assert!(matches!(
        join(Path::new("run"), &[], &truth, "letter", OnBadRow::Error),
        Err(ScoreFileError::Empty { .. })
    ));
}

/// A subset that the manifest states by other rules than ours is the manifest's.
#[test]
fn the_rules_of_the_benchmark_hold() {
    let mut manifest = manifest();
    assert_eq!(manifest.header.options.polarity, PolaritySource::Class);
    for row in &mut manifest.rows {
        row.subset = Some(if row.is_full() { Subset::Conflict } else { Subset::MissingConflict });
        row.agreement = None;
    }
    let (_folder, path) = file("p.csv", "id,label\nmine/v1/1,E\n");
    let answers = read_beside(&path, &ReadOptions::default(), &BenchTruth::of(&manifest)).unwrap();
    assert_eq!(answers.rows[0].subset, Some(Subset::Conflict));
}
