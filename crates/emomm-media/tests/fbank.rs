//! Kaldi's filter bank against `kaldi-native-fbank`, which computes in f32.
//!
//! Tolerance: 2e-4 on natural logarithms. The reference sums in f32 before the logarithm; where a filter's
//! energy is small against the frame's this shows. Frames of exact silence are equal: both stand at the floor.

use std::path::PathBuf;

use emomm_media::KaldiFbank;

fn read(name: &str) -> Vec<f32> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/fbank");
    let bytes = std::fs::read(folder.join(name)).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn features_equal_kaldi_s() {
    let bank = KaldiFbank::new(80, 16_000, 400, 160).unwrap();
    let mut silent = 0;
    for count in [400, 559, 560, 3217] {
        let (samples, expected) =
            (read(&format!("{count}_samples.f32")), read(&format!("{count}_features.f32")));
        assert_eq!(samples.len(), count);
        let ours = bank.compute(&samples).unwrap();
        assert_eq!((ours.n_mels, ours.n_frames), (80, bank.frames(count)));
        assert_eq!(ours.data.len(), expected.len(), "{count} samples");
        for (i, (ours, theirs)) in ours.data.iter().zip(&expected).enumerate() {
            let difference = (ours - theirs).abs();
            assert!(difference < 2e-4, "{count} samples, frame {}, filter {}: {difference}", i / 80, i % 80);
            silent += usize::from(*theirs < -15.9);
        }
    }
    assert!(silent > 0, "a silent frame is among them");
}

#[test]
fn frames_lie_wholly_inside_the_clip() {
    let bank = KaldiFbank::new(80, 16_000, 400, 160).unwrap();
    for (samples, frames) in [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (80_000, 498)] {
        assert_eq!(bank.frames(samples), frames, "{samples} samples");
    }
    let error = bank.compute(&[0.0; 399]).unwrap_err().to_string();
    assert!(error.contains("399 samples") && error.contains("at least 400"), "{error}");
    assert!(KaldiFbank::new(0, 16_000, 400, 160).is_err());
    assert!(KaldiFbank::new(80, 40, 400, 160).is_err());
    assert!(KaldiFbank::new(80, 16_000, 400, 0).is_err());
}
