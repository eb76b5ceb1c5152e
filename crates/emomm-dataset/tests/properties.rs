//! What holds for every corpus.

mod invented;

use std::collections::BTreeMap;
use std::fs;

use emomm_dataset::build::{Benchmark, BuildOptions, Curation, build};
use emomm_dataset::manifest::{Manifest, verify};
use emomm_dataset::readers::{Speakers, read_ch_sims};
use invented::{Clip, score_text, table};
use proptest::prelude::*;

/// Ids as corpora have them, and worse.
fn id() -> impl Strategy<Value = String> {
    "[-_0-9a-zA-Z中]{1,8}"
}

fn clip() -> impl Strategy<Value = Clip> {
    (id(), id(), "[a-z, \"中]{0,6}[a-z]", prop::array::uniform4(-5_i64..=5)).prop_map(
        |(video, clip, text, steps)| {
            let scores = steps.map(score_text);
            Clip::new(&video, &clip, &text, [&scores[0], &scores[1], &scores[2], &scores[3]])
        },
    )
}

/// Distinct clips of few videos, so that groups have several.
fn corpus() -> impl Strategy<Value = Vec<Clip>> {
    (prop::collection::vec(clip(), 1..40), prop::collection::vec(id(), 1..6)).prop_map(|(clips, videos)| {
        let mut distinct: BTreeMap<(String, String), Clip> = BTreeMap::new();
        for (index, mut clip) in clips.into_iter().enumerate() {
            clip.video_id.clone_from(&videos[index % videos.len()]);
            distinct.insert((clip.video_id.clone(), clip.segment_id.clone()), clip);
        }
        distinct.into_values().collect()
    })
}

fn built(clips: &[Clip], seed: u64) -> Benchmark {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("meta.csv"), table(clips)).unwrap();
    let options = BuildOptions { seed, curate: Curation::All, labels_only: true, ..BuildOptions::default() };
    build(&[read_ch_sims(folder.path()).unwrap()], &Speakers::default(), &options).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn ids_and_texts_survive_the_round_trip(clips in corpus()) {
        let benchmark = built(&clips, 0);
        let folder = tempfile::tempdir().unwrap();
        benchmark.manifest.write(folder.path(), &benchmark.roots).unwrap();
        let read = Manifest::read(folder.path()).unwrap();
        prop_assert_eq!(&read.rows, &benchmark.manifest.rows);
        let found: BTreeMap<(String, String), String> = read
            .rows
            .iter()
            .filter_map(|r| Some(((r.video_id.clone(), r.clip_id.clone()), r.text.clone()?)))
            .collect();
        let given: BTreeMap<(String, String), String> =
            clips.iter().map(|c| ((c.video_id.clone(), c.segment_id.clone()), c.text.clone())).collect();
        prop_assert_eq!(found, given);
    }

    #[test]
    fn masked_copies_never_leave_their_split(clips in corpus(), seed in 0_u64..4) {
        let manifest = built(&clips, seed).manifest;
        let splits: BTreeMap<&str, _> = manifest.rows.iter().map(|r| (r.id.as_str(), r.split)).collect();
        for row in &manifest.rows {
            let source = row.source_id.as_deref().unwrap_or(&row.id);
            prop_assert_eq!(splits[source], row.split);
        }
        for check in verify(&manifest) {
            prop_assert!(check.holds(), "{:?}", check);
        }
    }

    #[test]
    fn the_manifest_does_not_depend_on_the_order_of_rows(clips in corpus(), by in 0_usize..40) {
        let mut other = clips.clone();
        other.rotate_left(by % clips.len());
        other.reverse();
        prop_assert_eq!(built(&clips, 0).manifest, built(&other, 0).manifest);
    }
}
