//! CMU-MOSI as sequences of the CMU Multimodal SDK, against `tests/golden/sequences`: what h5py reads of the same files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use emomm_dataset::FindingKind;
use emomm_dataset::build::{BuildOptions, Curation, build};
use emomm_dataset::manifest::verify;
use emomm_dataset::readers::{Layout, RawClip, Reading, Speakers, read_mosi};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/sequences")
}

const FILES: [&str; 2] = ["CMU_MOSI_Opinion_Labels.csd", "CMU_MOSI_TimestampedWords.csd"];

/// The sequences of a case alone, in a folder of their own.
fn sequences(case: &str) -> (tempfile::TempDir, Reading) {
    let folder = tempfile::tempdir().unwrap();
    for file in FILES {
        std::fs::copy(golden().join(case).join(file), folder.path().join(file)).unwrap();
    }
    let reading = read_mosi(folder.path()).unwrap();
    (folder, reading)
}

fn by_name(reading: &Reading) -> BTreeMap<String, (String, f64)> {
    let score = |clip: &RawClip| clip.ground_truth.parse::<f64>().unwrap();
    reading.clips.iter().map(|clip| (clip.name(), (clip.text.clone(), score(clip)))).collect()
}

#[test]
fn clips_transcripts_and_scores_are_those_that_h5py_reads() {
    for (case, n) in [("plain", 23), ("packed", 326)] {
        let (_folder, ours) = sequences(case);
        let theirs = read_mosi(&golden().join(case)).unwrap();
        assert_eq!((ours.corpus.layout, theirs.corpus.layout), (Layout::MosiSequences, Layout::Mmsa));
        assert_eq!(ours.clips.len(), n, "{case}");
        assert_eq!(by_name(&ours), by_name(&theirs), "{case}");
        let names: Vec<&str> = ours.sources.iter().map(|s| s.file.as_str()).collect();
        assert_eq!(names, FILES);
    }
}

#[test]
fn segments_are_clips_from_one_on_and_faults_are_findings() {
    let (_folder, reading) = sequences("plain");
    let clip = reading.clips.iter().find(|c| c.name() == "_v-000_B/4").unwrap();
    assert_eq!(clip.video_path.as_deref(), Some("Raw/Video/Segmented/_v-000_B_4.mp4"));
    assert_eq!(clip.audio_path.as_deref(), Some("Raw/Audio/WAV_16000/Segmented/_v-000_B_4.wav"));
    // The fourth segment of a video with that many has no length.
    let faulty: Vec<_> = reading.findings.iter().filter(|f| f.kind == FindingKind::FaultyClip).collect();
    assert!(faulty.iter().any(|f| f.clip.as_deref() == Some("_v-000_B/4")), "{faulty:?}");
    assert!(faulty.iter().all(|f| f.clip.as_ref().unwrap().ends_with("/4")), "{faulty:?}");
    let options = BuildOptions { curate: Curation::All, labels_only: true, ..BuildOptions::default() };
    let built = build(&[reading], &Speakers::default(), &options).unwrap();
    assert!(verify(&built.manifest).iter().all(|check| check.holds()));
    assert!(built.manifest.rows.len() > 50);
}

#[test]
fn what_cannot_be_read_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let error = |labels: &[u8]| {
        std::fs::write(folder.path().join(FILES[0]), labels).unwrap();
        read_mosi(folder.path()).unwrap_err()
    };
    let labels = std::fs::read(golden().join("plain").join(FILES[0])).unwrap();
    // Without words there are no transcripts.
    let newest = std::fs::read(golden().join("newest").join(FILES[0])).unwrap();
    let refused = error(&newest);
    assert!(refused.to_string().contains("a superblock of version 3, expected 0 or 1"), "{refused}");
    assert!(refused.hint().unwrap().contains("csd_to_label_csv.py"));
    let alone = error(&labels);
    assert!(alone.to_string().contains("CMU_MOSI_TimestampedWords.csd"), "{alone}");
    for (bytes, what) in [(&b"\x89HDF"[..], "8 bytes at 0"), (b"text, no sequence", "no HDF5 file")] {
        assert!(error(bytes).to_string().contains(what), "{}", error(bytes));
    }
}

/// Bytes changed all over two files, and one of them cut at many places: an error or a reading, never a panic.
#[test]
fn damaged_sequences_do_no_harm() {
    let labels = std::fs::read(golden().join("plain").join(FILES[0])).unwrap();
    let packed = std::fs::read(golden().join("packed").join(FILES[1])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(golden().join("plain").join(FILES[1]), folder.path().join(FILES[1])).unwrap();
    let path = folder.path().join(FILES[0]);
    let mut accepted = 0;
    let mut read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        accepted += usize::from(read_mosi(folder.path()).is_ok());
    };
    for at in (0..labels.len()).step_by(19) {
        let mut damaged = labels.clone();
        damaged[at] ^= 1 << (at % 8);
        read(&damaged);
    }
    for at in (0..packed.len()).step_by(709) {
        let mut damaged = packed.clone();
        damaged[at] = damaged[at].wrapping_add(128);
        read(&damaged);
    }
    for end in (0..labels.len()).step_by(50) {
        read(&labels[..end]);
    }
    assert!(accepted > 50, "{accepted}");
}
