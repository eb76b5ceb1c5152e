//! The checkpoint in the program, on held-out clips of its world, against transformers: `tests/golden/embedded`.

use std::path::{Path, PathBuf};

use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::{Clip, PredictOptions};
use emomm_media::{DecodeLimits, SamplingMode};
use emomm_models::{ComputeType, DeviceKind, LoadOptions, embedded};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    clips: Vec<ExpectedClip>,
}

#[derive(Deserialize)]
struct ExpectedClip {
    corpus: Corpus,
    text: String,
    letter_logits: std::collections::BTreeMap<String, [f64; 5]>,
}

/// Sums of f32 in another order, through eight layers and both towers; a grey level in a hundred thousand that is resized
/// to its neighbour moves a logit by less than this.
const TOLERANCE: f64 = 1e-3;

#[test]
fn letters_and_logits_are_the_reference_s_from_media_files() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/embedded");
    let expected = std::fs::read_to_string(golden.join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_str(&expected).unwrap();
    let folder = tempfile::tempdir().unwrap();
    embedded::write(folder.path()).unwrap();
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        dtype: ComputeType::F32,
        sampling: SamplingMode::Qwen,
        limits: DecodeLimits::default(),
    };
    let mut model = emomm_models::open(folder.path(), &options).unwrap();
    assert_eq!(expected.clips.len(), 2);
    for case in expected.clips {
        let medium = |extension: &str| -> Option<PathBuf> {
            Some(golden.join(format!("{}.{extension}", case.corpus)))
        };
        let clip = Clip {
            id: case.corpus.to_string(),
            text: Some(case.text.clone()),
            audio: medium("wav"),
            video: medium("mp4"),
            corpus: case.corpus,
        };
        let found = model.predict(&clip, &ModalitySet::ALL, &PredictOptions::default());
        for (coalition, prediction) in ModalitySet::ALL.into_iter().zip(found) {
            let prediction = prediction.unwrap();
            let want = case.letter_logits[&coalition.to_string()];
            let got = prediction.letter_logits.unwrap();
            for (letter, (a, b)) in got.iter().zip(want).enumerate() {
                let difference = (f64::from(*a) - b).abs();
                assert!(
                    difference < TOLERANCE,
                    "{} {coalition} letter {letter}: {a}, expected {b}",
                    case.corpus
                );
            }
        }
    }
}
