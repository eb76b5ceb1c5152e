//! Vision and audio towers on their own: ragged grids, short and odd lengths.
//!
//! Tolerance 1e-4: f32 on both sides, sums in another order.

use candle_core::DType;
use emomm_models::qwen2_5_omni::Patches;
use emomm_models::vision::Grid;

use super::cases::{Case, max_difference, read_tensors};

const EMBEDDINGS: f32 = 1e-4;

#[test]
fn vision_agrees_on_ragged_grids() {
    let case = Case::open("gqa");
    let towers = read_tensors("gqa/towers.safetensors");
    let grids = [(1, 26, 34), (1, 2, 2), (2, 8, 8), (3, 10, 6)];
    for (t, h, w) in grids {
        let name = format!("vision_grid_{t}x{h}x{w}");
        let levels = towers[&format!("{name}.patches_u8")].to_dtype(DType::F32).unwrap();
        // The tower is given byte / 127.5 − 1.
        let data: Vec<f32> =
            (levels / 127.5).and_then(|x| x - 1.0).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        let patches = Patches { data, grid: Grid { t, h, w }, frame_size: [14 * w, 14 * h] };
        let ours = case.model.encode_video(&patches).unwrap();
        let difference = max_difference(&ours, &towers[&format!("{name}.embeddings")]);
        assert!(difference < EMBEDDINGS, "{name}: {difference}");
    }
}

#[test]
fn audio_agrees_on_all_lengths() {
    let case = Case::open("gqa");
    let towers = read_tensors("gqa/towers.safetensors");
    for frames in [1, 2, 3, 4, 199, 200, 201, 202, 500] {
        let mel: Vec<f32> =
            towers[&format!("audio_len_{frames}.features")].flatten_all().unwrap().to_vec1().unwrap();
        let theirs = &towers[&format!("audio_len_{frames}.embeddings")];
        match case.model.encode_audio(&mel, frames) {
            Ok(ours) => {
                let difference = max_difference(&ours, theirs);
                assert!(difference < EMBEDDINGS, "{frames} frames: {difference}");
            }
            Err(error) => {
                // The reference returns no tokens at all; we say so.
                assert_eq!(theirs.dim(0).unwrap(), 0, "{frames} frames: {error}");
                assert!(error.to_string().contains("expected at least 3"), "{error}");
            }
        }
    }
}

#[test]
fn both_towers_agree_on_the_cases_clips() {
    for case in Case::all() {
        let (media, _) = case.media();
        for (name, ours) in [("video", media.video.unwrap()), ("audio", media.audio.unwrap())] {
            let difference = max_difference(&ours, &case.expected[&format!("{name}_embeddings")]);
            assert!(difference < EMBEDDINGS, "{} {name}: {difference}", case.name);
        }
    }
}
