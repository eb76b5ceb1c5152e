//! The whole way: corpora to a manifest on disk, and what `verify` proves about it.

mod invented;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use emomm_dataset::build::{Benchmark, BuildOptions, Curation, Split, build};
use emomm_dataset::manifest::{
    CARD_FILE, CROISSANT_FILE, CardDetails, HEADER_FILE, Manifest, PARQUET_FILE, verify, verify_media,
};
use emomm_dataset::readers::{
    FolderOptions, Reading, Speakers, read_ch_sims, read_folder, read_mosi, read_speakers,
};
use emomm_dataset::{DatasetError, FindingKind, Policy, Sentiment, Subset};
use invented::{Clip, corpus, score_text, table, write_ch_sims, write_media};

fn options() -> BuildOptions {
    BuildOptions { labels_only: true, ..BuildOptions::default() }
}

fn all() -> BuildOptions {
    BuildOptions { curate: Curation::All, ..options() }
}

fn reading(clips: &[Clip]) -> Reading {
    let folder = tempfile::tempdir().unwrap();
    write_ch_sims(folder.path(), clips);
    read_ch_sims(folder.path()).unwrap()
}

fn built(clips: &[Clip], options: &BuildOptions) -> Benchmark {
    build(&[reading(clips)], &Speakers::default(), options).unwrap()
}

fn failures(manifest: &Manifest) -> Vec<&'static str> {
    verify(manifest).into_iter().filter(|c| !c.holds()).map(|c| c.name).collect()
}

fn files(benchmark: &Benchmark) -> (Vec<u8>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    benchmark.manifest.write(folder.path(), &benchmark.roots).unwrap();
    let read = |file: &str| fs::read(folder.path().join(file)).unwrap();
    (read(PARQUET_FILE), read(HEADER_FILE))
}

#[test]
fn what_is_written_is_read_and_holds() {
    let benchmark = built(&corpus(40, 1), &all());
    assert_eq!(failures(&benchmark.manifest), [""; 0]);
    let checks = verify(&benchmark.manifest);
    assert!(checks.iter().filter(|c| c.checked == 0).all(|c| c.name.contains("file")), "{checks:?}");

    let folder = tempfile::tempdir().unwrap();
    benchmark.manifest.write(&folder.path().join("bench"), &benchmark.roots).unwrap();
    let read = Manifest::read(&folder.path().join("bench")).unwrap();
    assert_eq!(read.rows, benchmark.manifest.rows);
    assert_eq!(read.header.counts, benchmark.manifest.header.counts);
    assert_eq!(Manifest::read_roots(&folder.path().join("bench")).unwrap(), benchmark.roots);
    assert_eq!(failures(&read), [""; 0]);
}

#[test]
fn changed_and_foreign_files_are_refused() {
    let benchmark = built(&corpus(5, 1), &all());
    let folder = tempfile::tempdir().unwrap();
    benchmark.manifest.write(folder.path(), &benchmark.roots).unwrap();
    let header = fs::read_to_string(folder.path().join(HEADER_FILE)).unwrap();
    let newer = header.replace("\"format_version\": 1", "\"format_version\": 2");
    fs::write(folder.path().join(HEADER_FILE), newer).unwrap();
    assert!(matches!(Manifest::read(folder.path()), Err(DatasetError::Version { found: 2, .. })));
    fs::write(folder.path().join(HEADER_FILE), &header).unwrap();
    let mut rows = fs::read(folder.path().join(PARQUET_FILE)).unwrap();
    rows[100] ^= 1;
    fs::write(folder.path().join(PARQUET_FILE), rows).unwrap();
    assert!(matches!(Manifest::read(folder.path()), Err(DatasetError::Parquet { .. })));
}

#[test]
fn the_order_of_rows_does_not_change_a_byte() {
    let clips = corpus(30, 2);
    let mut reversed = clips.clone();
    reversed.reverse();
    let mut rotated = clips.clone();
    rotated.rotate_left(clips.len() / 3);
    let expected = files(&built(&clips, &options()));
    assert_eq!(files(&built(&reversed, &options())), expected);
    assert_eq!(files(&built(&rotated, &options())), expected);
    let other_seed = BuildOptions { seed: 1, ..options() };
    assert_ne!(files(&built(&clips, &other_seed)).0, expected.0);
}

/// Enough clips of every kind for the paper's numbers.
fn large_ch_sims() -> Vec<Clip> {
    let mut clips = corpus(500, 3);
    for i in 0..600 {
        let text = score_text([-5, -3, 0, 3, 5][i % 5]);
        clips.push(Clip::new(
            &format!("equal_{:03}", i / 6),
            &format!("{i:05}"),
            &format!("e {i}"),
            [&text; 4],
        ));
    }
    for i in 0..600 {
        let (truth, near) = [("-1.0", "-0.2"), ("-0.4", "-0.8"), ("0.4", "0.8"), ("1.0", "0.2")][i % 4];
        clips.push(Clip::new(
            &format!("same_{:03}", i / 6),
            &format!("{i:05}"),
            &format!("s {i}"),
            [truth, near, truth, truth],
        ));
    }
    clips
}

#[test]
fn the_paper_s_curation_takes_a_thousand_and_twice_five_hundred() {
    let benchmark = built(&large_ch_sims(), &options());
    let mut strata: BTreeMap<&str, usize> = BTreeMap::new();
    let mut classes: BTreeMap<(&str, Sentiment), usize> = BTreeMap::new();
    for row in benchmark.manifest.rows.iter().filter(|r| r.is_full()) {
        let stratum = row.agreement.map_or("conflict", |a| a.name());
        *strata.entry(stratum).or_default() += 1;
        *classes.entry((stratum, row.labels.ground_truth.class)).or_default() += 1;
    }
    assert_eq!(strata, BTreeMap::from([("conflict", 1000), ("equal", 500), ("same-polarity", 500)]));
    assert!(Sentiment::ALL.iter().all(|c| classes[&("equal", *c)] == 100));
    assert_eq!(classes[&("same-polarity", Sentiment::Negative)], 125);
    assert!(benchmark.manifest.header.shortfalls.is_empty());
    assert_eq!(failures(&benchmark.manifest), [""; 0]);
    let counts = &benchmark.manifest.header.counts;
    assert_eq!((counts.clips, counts.rows), (2000, 8000));
    for (split, share) in [("train", 1400_i64), ("valid", 200), ("test", 400)] {
        let n = counts.clips_by_split[split] as i64;
        assert!((n - share).abs() <= 5, "{split}: {n}");
    }
}

#[test]
fn shortfalls_are_counted() {
    let benchmark = built(&corpus(30, 4), &options());
    let shortfalls = &benchmark.manifest.header.shortfalls;
    assert_eq!(shortfalls.iter().map(|s| s.wanted).collect::<Vec<_>>(), [1000, 500, 500]);
    let taken: usize = shortfalls.iter().map(|s| s.taken).sum();
    assert_eq!(taken, benchmark.manifest.header.counts.clips);
}

fn mosi(folder: &Path, counts: [usize; 5]) -> Reading {
    let texts = ["-2.4", "-1.0", "0.0", "1.0", "2.4"];
    let mut clips = Vec::new();
    for (text, n) in texts.into_iter().zip(counts) {
        for i in 0..n {
            let video = format!("_v-{}-{:02}", text.len(), i % 40);
            clips.push(Clip::new(
                &video,
                &format!("{text}{i}"),
                &format!("W {text} {i}"),
                [text, "", "", ""],
            ));
        }
    }
    fs::write(folder.join("label.csv"), table(&clips)).unwrap();
    read_mosi(folder).unwrap()
}

#[test]
fn mosi_is_drawn_to_the_ground_truth_of_table_3() {
    let folder = tempfile::tempdir().unwrap();
    let reading = mosi(folder.path(), [455, 503, 234, 462, 545]);
    let benchmark = build(&[reading], &Speakers::default(), &options()).unwrap();
    let mut classes = [0; 5];
    for row in benchmark.manifest.rows.iter().filter(|r| r.is_full()) {
        classes[row.labels.ground_truth.class.index()] += 1;
    }
    assert_eq!(classes, [408, 491, 232, 462, 407]);
    assert!(benchmark.manifest.header.shortfalls.is_empty());
    // Half-known labels are no subset, but the splits hold all the same.
    assert_eq!(failures(&benchmark.manifest), [""; 0]);
}

#[test]
fn speakers_keep_their_videos_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speakers.csv");
    let clips = corpus(24, 5);
    let lines: Vec<String> = (0..23).map(|v| format!("video_{v:04},speaker {}", v % 6)).collect();
    fs::write(&path, format!("video_id,speaker\n{}\n", lines.join("\n"))).unwrap();
    let speakers = read_speakers(&path).unwrap();
    let benchmark = build(&[reading(&clips)], &speakers, &all()).unwrap();
    let groups: BTreeSet<&str> = benchmark.manifest.rows.iter().map(|r| r.group.as_str()).collect();
    assert_eq!(groups.len(), 7);
    assert!(groups.contains("ch-sims/video_0023"));
    let unknown: Vec<_> =
        benchmark.findings.iter().filter(|f| f.kind == FindingKind::UnknownSpeaker).collect();
    assert_eq!(unknown.len(), 1);
    assert_eq!(failures(&benchmark.manifest), [""; 0]);
    fs::write(&path, "video_id,speaker\nv,a\nv,b\n").unwrap();
    assert!(matches!(read_speakers(&path), Err(DatasetError::Table { row: 3, .. })));
}

#[test]
fn faults_of_the_file_of_speakers_are_reported_and_may_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speakers.csv");
    let clips = corpus(6, 5);
    let lines = "video_0000,a,20\nvideo_0001,,20\nvideo_0002, ,20\nvideo_0003,b\n";
    fs::write(&path, format!("\u{feff}video_id,speaker,age\n{lines}")).unwrap();
    let speakers = read_speakers(&path).unwrap();
    let benchmark = build(&[reading(&clips)], &speakers, &all()).unwrap();
    // Videos without a speaker are not one speaker's.
    assert_eq!(benchmark.manifest.header.counts.groups, 6);
    let found: Vec<_> = benchmark
        .findings
        .iter()
        .filter(|f| f.file == "speakers.csv" && f.kind != FindingKind::UnknownSpeaker)
        .map(|f| (f.kind, f.row))
        .collect();
    assert_eq!(
        found,
        [
            (FindingKind::Encoding, None),
            (FindingKind::UnknownColumn, None),
            (FindingKind::MalformedRow, Some(3)),
            (FindingKind::MalformedRow, Some(4)),
            (FindingKind::MalformedRow, Some(5)),
        ]
    );
    for kind in [FindingKind::Encoding, FindingKind::UnknownColumn, FindingKind::MalformedRow] {
        let mut options = all();
        options.policies.set(kind, Policy::Error).unwrap();
        assert!(matches!(build(&[reading(&clips)], &speakers, &options), Err(DatasetError::Refused { .. })));
    }
}

/// CH-SIMS v1 is contained in v2 whole; given as a folder of its own it must not leak.
#[test]
fn one_clip_under_two_corpora_stays_in_one_split() {
    let clips = corpus(30, 6);
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("copy");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("metadata.csv"), table(&clips)).unwrap();
    let copy = read_folder(&folder, &FolderOptions::default()).unwrap();
    let benchmark = build(&[reading(&clips), copy], &Speakers::default(), &all()).unwrap();
    assert_eq!(failures(&benchmark.manifest), [""; 0]);
    let mut splits: BTreeMap<(&str, &str), BTreeSet<Split>> = BTreeMap::new();
    for row in &benchmark.manifest.rows {
        splits.entry((&row.video_id, &row.clip_id)).or_default().insert(row.split);
    }
    assert!(splits.values().all(|s| s.len() == 1));
    let twice = build(&[reading(&clips), reading(&clips)], &Speakers::default(), &all());
    assert!(matches!(twice, Err(DatasetError::Option { .. })));
}

/// Each violation is found by the check that is named after it.
#[test]
fn verify_finds_what_is_wrong() {
    let manifest = built(&corpus(40, 7), &all()).manifest;
    let broken = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        failures(&manifest)
    };
    let other = |split: Split| if split == Split::Train { Split::Test } else { Split::Train };
    let moved_copy = broken(&|m| m.rows[1].split = other(m.rows[1].split));
    assert!(moved_copy.contains(&"no group is in two splits"), "{moved_copy:?}");
    assert!(moved_copy.iter().any(|n| n.starts_with("a masked copy has")), "{moved_copy:?}");

    let moved_clip = broken(&|m| {
        m.rows[..4].iter_mut().for_each(|r| {
            r.split = other(r.split);
            r.group = "ch-sims/new".to_owned();
        });
    });
    assert!(moved_clip.contains(&"no video is in two splits"), "{moved_clip:?}");

    let repeated = broken(&|m| m.rows[5].id = m.rows[0].id.clone());
    assert!(repeated.iter().any(|n| n.starts_with("ids are unique")), "{repeated:?}");
    let shown = broken(&|m| m.rows[3].text = Some("seen".to_owned()));
    assert!(shown.iter().any(|n| n.starts_with("a masked copy has")), "{shown:?}");
    let hash = broken(&|m| m.rows[1].video_sha256 = Some("of what is hidden".to_owned()));
    assert!(hash.iter().any(|n| n.starts_with("a masked copy has")), "{hash:?}");
    let other_clip = broken(&|m| m.rows[1].text = m.rows[8].text.clone());
    assert!(other_clip.iter().any(|n| n.starts_with("a masked copy has")), "{other_clip:?}");
    let lost = broken(&|m| drop(m.rows.remove(2)));
    assert!(lost.iter().any(|n| n.starts_with("every clip has")), "{lost:?}");
    assert!(lost.contains(&"the header's counts are those of the rows"), "{lost:?}");
    let subset = broken(&|m| m.rows[0].subset = Some(Subset::MissingAlign));
    assert!(subset.contains(&"the subset follows from the observed labels"), "{subset:?}");
    let class = broken(&|m| {
        let label = &mut m.rows[0].labels.ground_truth;
        label.class = Sentiment::ALL[(label.class.index() + 1) % 5];
    });
    assert!(class.iter().any(|n| n.starts_with("classes follow")), "{class:?}");
    let agreement = broken(&|m| m.rows.iter_mut().filter(|r| r.is_full()).for_each(|r| r.agreement = None));
    assert!(agreement.iter().any(|n| n.starts_with("equal and same-polarity")), "{agreement:?}");
    let twin = broken(&|m| {
        let (clip, text) = (m.rows[0].clip_id.clone(), m.rows[0].text.clone());
        let (video, split) = (m.rows[0].video_id.clone(), m.rows[0].split);
        let last = m.rows.iter_mut().rev().find(|r| r.is_full() && r.split != split).unwrap();
        last.corpus = "copy".to_owned();
        (last.clip_id, last.text, last.video_id) = (clip, text, video);
    });
    assert!(twin.contains(&"no clip is in two splits under two corpora"), "{twin:?}");
}

#[test]
fn media_are_compared_with_their_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let clips = corpus(4, 8);
    write_ch_sims(folder.path(), &clips);
    for clip in &clips {
        write_media(folder.path(), clip);
    }
    let options = BuildOptions { labels_only: false, ..all() };
    let benchmark = build(&[read_ch_sims(folder.path()).unwrap()], &Speakers::default(), &options).unwrap();
    let check = verify_media(&benchmark.manifest, &benchmark.roots);
    assert_eq!((check.checked, check.failed), (clips.len(), 0));
    let changed =
        folder.path().join("Raw").join(&clips[0].video_id).join(format!("{}.mp4", clips[0].segment_id));
    fs::write(changed, "other").unwrap();
    let check = verify_media(&benchmark.manifest, &benchmark.roots);
    assert_eq!(check.failed, 1);
    assert!(check.violations[0].contains("instead of"), "{:?}", check.violations);
    assert_eq!(verify_media(&benchmark.manifest, &BTreeMap::new()).failed, clips.len());
}

/// Words of the card and of the description that others read by machine.
#[test]
fn card_and_croissant_describe_the_manifest() {
    let benchmark = built(&corpus(20, 9), &options());
    let folder = tempfile::tempdir().unwrap();
    benchmark.manifest.write(folder.path(), &benchmark.roots).unwrap();
    benchmark.manifest.write_card(folder.path(), &CardDetails::default()).unwrap();
    let card = fs::read_to_string(folder.path().join(CARD_FILE)).unwrap();
    assert!(card.starts_with("---\npretty_name: EmoMM\n"), "{card}");
    assert!(
        card.contains("| conflict |") && card.contains("media were neither looked for nor hashed"),
        "{card}"
    );
    let json = fs::read_to_string(folder.path().join(CROISSANT_FILE)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["conformsTo"][0], "http://mlcommons.org/croissant/1.1");
    assert_eq!(json["recordSet"][0]["field"].as_array().unwrap().len(), 29);
    let digest = Manifest::read(folder.path()).unwrap().header.parquet_sha256;
    assert_eq!(json["distribution"][0]["sha256"], digest.as_str());
}
