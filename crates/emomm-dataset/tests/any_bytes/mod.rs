//! Any bytes in place of a file that is read: a reading or an error, never a panic; and what was read can be built.
//!
//! Shared by `noise.rs`, by the replay of the kept inputs in `corpus.rs`, and by the fuzz targets, which name this file
//! by its path.

use std::fs;
use std::path::Path;

use emomm_dataset::build::{BuildOptions, Curation, build, read_target_tables};
use emomm_dataset::manifest::{Manifest, verify};
use emomm_dataset::readers::{
    FolderOptions, Reading, Speakers, add_unimodal_labels, read_ch_sims, read_folder, read_mosi,
    read_speakers,
};

/// Reads bytes as a file; true if they were accepted.
pub(crate) type Reader = fn(&[u8]) -> bool;

/// Every reader of files that people give us, under the name of its fuzz target; true if the bytes were accepted.
pub(crate) const READERS: [(&str, Reader); 11] = [
    ("ch_sims", ch_sims),
    ("mmsa", mmsa),
    ("opinions", opinions),
    ("transcripts", transcripts),
    ("unimodal", unimodal),
    ("sheet", sheet),
    ("metadata", metadata),
    ("parquet", parquet),
    ("sequences", sequences),
    ("speakers", speakers),
    ("manifest", manifest),
];

/// What was read can be built, and what was built holds.
fn used(reading: Reading) -> bool {
    let options = BuildOptions { curate: Curation::All, labels_only: true, ..BuildOptions::default() };
    if let Ok(benchmark) = build(&[reading], &Speakers::default(), &options) {
        for check in verify(&benchmark.manifest) {
            assert!(check.holds(), "{}: {:?}", check.name, check.violations);
        }
    }
    true
}

fn in_folder<T>(files: &[(&str, &[u8])], read: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    read(folder.path())
}

/// `meta.csv`.
pub(crate) fn ch_sims(bytes: &[u8]) -> bool {
    in_folder(&[("meta.csv", bytes)], |folder| read_ch_sims(folder).is_ok_and(used))
}

/// `label.csv`, with or without a header, of CH-SIMS v1 and of CMU-MOSI.
pub(crate) fn mmsa(bytes: &[u8]) -> bool {
    in_folder(&[("label.csv", bytes)], |folder| {
        read_ch_sims(folder).is_ok_and(used) & read_mosi(folder).is_ok_and(used)
    })
}

/// `OpinionLevelSentiment.csv`.
pub(crate) fn opinions(bytes: &[u8]) -> bool {
    in_folder(&[("OpinionLevelSentiment.csv", bytes)], |folder| read_mosi(folder).is_ok_and(used))
}

/// The transcripts of one video.
pub(crate) fn transcripts(bytes: &[u8]) -> bool {
    let labels = b"0,1,v-_1,1,0.6\r\n1,2,v-_1,2,-3\r\n2,3,v-_1,03,0\r\n";
    let files: [(&str, &[u8]); 2] =
        [("OpinionLevelSentiment.csv", labels), ("Raw/Transcript/Segmented/v-_1.annotprocessed", bytes)];
    in_folder(&files, |folder| read_mosi(folder).is_ok_and(used))
}

fn beside_clips(name: &str, bytes: &[u8]) -> bool {
    let clips = b"video_id,clip_id,text,label\nv,1,t,0\nv-_a,2,t,0.2\n";
    in_folder(&[("meta.csv", clips), (name, bytes)], |folder| {
        let mut reading = read_ch_sims(folder).unwrap();
        let is_read = add_unimodal_labels(&mut reading, &folder.join(name)).is_ok();
        used(reading) && is_read
    })
}

/// Unimodal labels or votes in CSV.
pub(crate) fn unimodal(bytes: &[u8]) -> bool {
    beside_clips("labels.csv", bytes)
}

/// Unimodal labels or votes in XLSX.
pub(crate) fn sheet(bytes: &[u8]) -> bool {
    beside_clips("labels.xlsx", bytes)
}

/// `metadata.csv` and `metadata.jsonl`.
pub(crate) fn metadata(bytes: &[u8]) -> bool {
    let read = |name| {
        in_folder(&[(name, bytes)], |folder| read_folder(folder, &FolderOptions::default()).is_ok_and(used))
    };
    read("metadata.csv") | read("metadata.jsonl")
}

/// `metadata.parquet`.
pub(crate) fn parquet(bytes: &[u8]) -> bool {
    in_folder(&[("metadata.parquet", bytes)], |folder| {
        read_folder(folder, &FolderOptions::default()).is_ok_and(used)
    })
}

/// Labels or words of the CMU Multimodal SDK, the other file being as it should.
pub(crate) fn sequences(bytes: &[u8]) -> bool {
    let labels = include_bytes!("../../../../tests/golden/sequences/plain/CMU_MOSI_Opinion_Labels.csd");
    let words = include_bytes!("../../../../tests/golden/sequences/plain/CMU_MOSI_TimestampedWords.csd");
    let read = |labels: &[u8], words: &[u8]| {
        let files = [("CMU_MOSI_Opinion_Labels.csd", labels), ("CMU_MOSI_TimestampedWords.csd", words)];
        in_folder(&files, |folder| read_mosi(folder).is_ok_and(used))
    };
    read(bytes, words) | read(labels, bytes)
}

/// The file of speakers, and tables to be matched.
pub(crate) fn speakers(bytes: &[u8]) -> bool {
    in_folder(&[("file", bytes)], |folder| {
        let file = folder.join("file");
        read_speakers(&file).is_ok() | read_target_tables(&file).is_ok()
    })
}

/// `manifest.json` beside a manifest that fits none, and the rows themselves under a header that names their digest.
pub(crate) fn manifest(bytes: &[u8]) -> bool {
    let clips = b"video_id,clip_id,text,label,label_T,label_A,label_V\nv,1,t,0,0,0,0\nw,2,t,0.2,1,-1,0\n";
    in_folder(&[("meta.csv", clips)], |folder| {
        let options = BuildOptions { curate: Curation::All, labels_only: true, ..BuildOptions::default() };
        let reading = read_ch_sims(folder).unwrap();
        let benchmark = build(&[reading], &Speakers::default(), &options).unwrap();
        benchmark.manifest.write(folder, &benchmark.roots).unwrap();
        let header = fs::read_to_string(folder.join("manifest.json")).unwrap();
        fs::write(folder.join("manifest.json"), bytes).unwrap();
        let as_header = Manifest::read(folder);
        // As rows: the header is made to agree, as one who tampers would.
        fs::write(folder.join("manifest.parquet"), bytes).unwrap();
        let named = with_digest(&header, bytes);
        fs::write(folder.join("manifest.json"), named).unwrap();
        let as_rows = Manifest::read(folder);
        [as_header, as_rows].into_iter().flatten().map(|found| verify(&found).len()).sum::<usize>() > 0
    })
}

fn with_digest(header: &str, rows: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let hex = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap());
    let digest: String = Sha256::digest(rows).iter().flat_map(hex).collect();
    let (before, after) = header.split_once("\"parquet_sha256\": \"").unwrap();
    format!("{before}\"parquet_sha256\": \"{digest}\"{}", &after[65..])
}
