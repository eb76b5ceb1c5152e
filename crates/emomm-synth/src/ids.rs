//! Names of videos and clips, of the forms that the real corpora have.

use std::collections::BTreeSet;

use emomm_dataset::Corpus;

use crate::draw::Draw;

/// Distinct names of `n` videos, ascending in each family.
pub(crate) fn video_ids(draw: &mut Draw, corpus: Corpus, n: usize) -> Vec<String> {
    match corpus {
        Corpus::ChSims => {
            let n_plain = n.div_ceil(2);
            let plain = (1..=n_plain).map(|i| format!("video_{i:04}"));
            let families = ["aqgy3", "aqgy4", "aqgy5", "csbgs2"];
            let others = (0..n - n_plain).map(|i| format!("{}_{:04}", families[i % 4], i / 4 + 1));
            let mut all: Vec<String> = plain.chain(others).collect();
            all.sort();
            all
        }
        Corpus::CmuMosi => {
            let mut all = BTreeSet::new();
            while all.len() < n {
                all.insert(eleven_characters(draw));
            }
            all.into_iter().collect()
        }
    }
}

/// As video sites name videos: some hold `-` or `_`.
fn eleven_characters(draw: &mut Draw) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // A name that begins with `-` looks like an option, here as in the real corpus.
    (0..11).map(|_| char::from(*draw.pick(LETTERS))).collect()
}

/// Names of the `n` clips of a video: 4 digits in the older part of CH-SIMS, 5 in the newer one, a few of which end in
/// `_0`; plain numbers from 1 in CMU-MOSI.
pub(crate) fn clip_ids(draw: &mut Draw, corpus: Corpus, video_id: &str, n: usize) -> Vec<String> {
    (1..=n)
        .map(|i| match corpus {
            Corpus::CmuMosi => i.to_string(),
            Corpus::ChSims if video_id.starts_with("video_") => format!("{i:04}"),
            Corpus::ChSims if draw.chance(0.04) => format!("{i:05}_0"),
            Corpus::ChSims => format!("{i:05}"),
        })
        .collect()
}
