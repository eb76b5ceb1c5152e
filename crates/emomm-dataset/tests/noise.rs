//! Any bytes in place of a label file: a reading or an error, never a panic.

use std::fs;

use emomm_dataset::build::{BuildOptions, build};
use emomm_dataset::readers::{
    FolderOptions, Reading, Speakers, add_unimodal_labels, read_ch_sims, read_folder, read_mosi,
};
use proptest::prelude::*;

/// Text that looks like a table, or any bytes.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "(video_id,clip_id,text,label\n)?([a-z0-9.,\"_\r\n-]{0,20}\n){0,6}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..200),
    ]
}

fn use_up(reading: Reading) {
    let options = BuildOptions { labels_only: true, ..BuildOptions::default() };
    drop(build(&[reading], &Speakers::default(), &options));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_reader_panics(bytes in content()) {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(folder.path().join(name), &bytes).unwrap();
        write("meta.csv");
        if let Ok(reading) = read_ch_sims(folder.path()) { use_up(reading) }
        write("OpinionLevelSentiment.csv");
        if let Ok(reading) = read_mosi(folder.path()) { use_up(reading) }
        for name in ["metadata.parquet", "metadata.jsonl", "metadata.csv"] {
            write(name);
            if let Ok(reading) = read_folder(folder.path(), &FolderOptions::default()) { use_up(reading) }
        }
        fs::write(folder.path().join("meta.csv"), "video_id,clip_id,text,label\nv,1,t,0\n").unwrap();
        let mut reading = read_ch_sims(folder.path()).unwrap();
        for name in ["labels.csv", "labels.xlsx"] {
            write(name);
            drop(add_unimodal_labels(&mut reading, &folder.path().join(name)));
        }
        use_up(reading);
    }

    #[test]
    fn a_damaged_parquet_file_is_an_error_or_a_table(at in 0_usize..3816, to in any::<u8>()) {
        let mut bytes = include_bytes!("fixtures/metadata.parquet").to_vec();
        bytes[at] = to;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("metadata.parquet"), &bytes).unwrap();
        if let Ok(reading) = read_folder(folder.path(), &FolderOptions::default()) { use_up(reading) }
    }
}
