//! Frame sizes, pixels, patches, mel frames and positions.

use emomm_models::qwen2_5_omni::{Run, VideoSettings, log_mel, patchify, scale_frames, smart_resize, tmrope};
use emomm_models::vision::Grid;

use super::cases::{Case, pictures, read_json, read_tensors, waveform, worst_difference};

/// ±1 of 255: sums of a few f32 products in another order may round to the neighbouring level.
#[test]
fn scaled_frames_agree_to_one_level() {
    for case in Case::all() {
        let ours = scale_frames(&case.frames, &case.model.processor, case.model.merge_pixels()).unwrap();
        let theirs = case.both_stages();
        assert_eq!(ours.len(), theirs.len());
        let (mut unequal, mut all) = (0, 0);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!((ours.width, ours.height), (theirs.width, theirs.height), "{}", case.name);
            for (a, b) in ours.data.iter().zip(&theirs.data) {
                assert!((a - b).abs() <= 1.0, "{}: {a}, expected {b}", case.name);
                unequal += usize::from((a - b).abs() > 0.5);
                all += 1;
            }
        }
        assert!(unequal * 10_000 < all, "{}: {unequal} of {all} differ", case.name);
    }
}

/// On equal pixels what is left is one subtraction and one division in f32, and in `other_sizes` the second stage's
/// sums of products.
#[test]
fn patches_agree() {
    for case in Case::all() {
        let ours = patchify(&case.both_stages(), &case.model.processor, &case.model.config.vision).unwrap();
        let grid: Vec<i64> = case.expected["video_grid_thw"].flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!([ours.grid.t, ours.grid.h, ours.grid.w].map(|n| n as i64).to_vec(), grid);
        let dim = case.model.config.vision.patch_dim();
        // Large clips store a sample of the rows.
        let (rows, theirs) = match case.expected.get("pixel_values_videos") {
            Some(all) => ((0..ours.grid.patches() as i64).collect(), all),
            None => (
                case.expected["pixel_values_videos.rows"].to_vec1::<i64>().unwrap(),
                &case.expected["pixel_values_videos.sample"],
            ),
        };
        let theirs: Vec<Vec<f32>> = theirs.to_vec2().unwrap();
        assert_eq!(rows.len(), theirs.len());
        for (row, theirs) in rows.into_iter().zip(theirs) {
            let ours = &ours.data[row as usize * dim..(row as usize + 1) * dim];
            let worst = worst_difference(ours, &theirs);
            assert!(worst < 1e-5, "{} patch {row}: {worst}", case.name);
        }
    }
}

/// A strong reduction, and a budget so tight that the second stage resizes again, on floats. One of the cases' pixels
/// may round to the neighbouring level, which is 0.015 in a patch.
#[test]
fn both_stages_agree() {
    let tensors = read_tensors("preprocessing.safetensors");
    let case = Case::open("gqa");
    let mut processor = case.model.processor.clone();
    for name in ["reduced", "twice"] {
        let bounds: Vec<i64> = tensors[&format!("{name}.bounds")].to_vec1().unwrap();
        processor.video.min_pixels = Some(bounds[0] as f64);
        processor.video.max_pixels = Some(bounds[1] as f64);
        processor.video.total_pixels = bounds[2] as f64;
        processor.processor_pixels = processor.video.processor_bounds();
        let frames = pictures(&tensors[&format!("{name}.frames")]);
        let scaled = scale_frames(&frames, &processor, 28).unwrap();
        let ours = patchify(&scaled, &processor, &case.model.config.vision).unwrap();
        let grid: Vec<i64> = tensors[&format!("{name}.grid_thw")].to_vec1().unwrap();
        assert_eq!([ours.grid.t, ours.grid.h, ours.grid.w].map(|n| n as i64).to_vec(), grid, "{name}");
        let rows: Vec<i64> = tensors[&format!("{name}.rows")].to_vec1().unwrap();
        let theirs: Vec<Vec<f32>> = tensors[&format!("{name}.patches")].to_vec2().unwrap();
        let dim = case.model.config.vision.patch_dim();
        for (row, theirs) in rows.into_iter().zip(theirs) {
            let ours = &ours.data[row as usize * dim..(row as usize + 1) * dim];
            let worst = worst_difference(ours, &theirs);
            assert!(worst < 0.016, "{name} patch {row}: {worst}");
        }
    }
}

#[test]
fn mel_frames_agree_under_both_paddings() {
    let tensors = read_tensors("preprocessing.safetensors");
    let mut processor = Case::open("gqa").model.processor;
    let mut checked = 0;
    for samples in [1_usize, 159, 160, 161, 320, 400, 1000, 3217] {
        let waveform = waveform(tensors[&format!("mel_{samples}.waveform")].to_vec1().unwrap());
        for (side, pad_left) in [("right", false), ("left", true)] {
            processor.pad_left = pad_left;
            let ours = log_mel(&waveform, &processor).unwrap();
            let theirs = &tensors[&format!("mel_{samples}.{side}")];
            assert_eq!(ours.n_frames, theirs.dim(1).unwrap(), "{samples} samples, {side}");
            let theirs: Vec<f32> = theirs.flatten_all().unwrap().to_vec1().unwrap();
            let worst = worst_difference(&ours.data, &theirs);
            assert!(worst < MEL, "{samples} samples, {side}: {worst}");
            checked += 1;
        }
    }
    assert_eq!(checked, 16);
}

/// The reference takes the logarithm of an f32 spectrum of its own FFT.
const MEL: f32 = 1e-4;

#[test]
fn mel_frames_agree() {
    for case in Case::all() {
        let ours = log_mel(&case.waveform, &case.model.processor).unwrap();
        let theirs = &case.expected["input_features"];
        assert_eq!((ours.n_mels, ours.n_frames), theirs.dims2().unwrap(), "{}", case.name);
        let theirs: Vec<f32> = theirs.flatten_all().unwrap().to_vec1().unwrap();
        let worst = worst_difference(&ours.data, &theirs);
        assert!(worst < MEL, "{}: {worst}", case.name);
    }
}

#[test]
fn frame_sizes_agree() {
    let json = read_json("smart_resize.json");
    let sizes = json["sizes"].as_array().unwrap();
    let mut checked = 0;
    for entry in sizes {
        let number = |field: &str| entry[field].as_u64().unwrap() as usize;
        let settings: VideoSettings = serde_json::from_value(entry["settings"].clone()).unwrap();
        let bounds = settings.frame_bounds(number("frames"));
        let ours = smart_resize(number("height"), number("width"), 28, bounds);
        if entry.get("error").is_some() {
            assert!(ours.is_err(), "{entry}");
            continue;
        }
        // Very long frames get a side of zero there, on which the reference then fails; here a side is at least one
        // token.
        if entry["stage1"].as_array().unwrap().contains(&serde_json::json!(0)) {
            let (h, w) = ours.unwrap();
            assert!(h >= 28 && w >= 28, "{entry}");
            continue;
        }
        let (h, w) = ours.unwrap();
        assert_eq!(serde_json::json!([h, w]), entry["stage1"], "{entry}");
        if let Some(expected) = entry.get("processor") {
            let (h, w) = smart_resize(h, w, 28, settings.processor_bounds()).unwrap();
            assert_eq!(&serde_json::json!([h, w]), expected, "{entry}");
            checked += 1;
        }
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn positions_agree() {
    let json = read_json("rope_index.json");
    let per_second = json["position_id_per_seconds"].as_u64().unwrap() as u32;
    let mut checked = 0;
    for prompt in json["prompts"].as_array().unwrap() {
        // Still images and sound interleaved with its video do not occur in this tool's prompts.
        let parts = prompt["parts"].as_array().unwrap();
        let known = |p: &serde_json::Value| ["text", "audio", "video"].contains(&p[0].as_str().unwrap());
        if prompt["use_audio_in_video"] == true || !parts.iter().all(known) {
            continue;
        }
        let mut runs = Vec::new();
        let mut grids = prompt["grid_thw"].as_array().unwrap().iter();
        let mut mels = prompt["mel_lengths"].as_array().unwrap().iter();
        for part in parts {
            match part[0].as_str().unwrap() {
                "text" => runs.push(Run::Text(part[1].as_u64().unwrap() as usize)),
                "audio" => {
                    let frames = mels.next().unwrap().as_u64().unwrap() as usize;
                    let tokens = emomm_models::audio::AudioConfig::tokens(frames);
                    runs.extend([Run::Text(1), Run::Audio(tokens), Run::Text(1)]);
                }
                _ => {
                    let side = |i: usize, grid: &serde_json::Value| grid[i].as_u64().unwrap() as usize;
                    let grid = grids.next().unwrap();
                    let grid = Grid { t: side(0, grid), h: side(1, grid), w: side(2, grid) };
                    let seconds_per_grid = prompt["second_per_grid"].as_f64().unwrap();
                    runs.extend([
                        Run::Text(1),
                        Run::Video { grid, merge: 2, seconds_per_grid },
                        Run::Text(1),
                    ]);
                }
            }
        }
        let ours = tmrope(&runs, per_second);
        let theirs: Vec<Vec<u32>> = serde_json::from_value(prompt["positions"].clone()).unwrap();
        for (row, expected) in theirs.iter().enumerate() {
            let ours: Vec<u32> = ours.as_slice().iter().map(|p| p[row]).collect();
            assert_eq!(&ours, expected, "{} row {row}", prompt["name"]);
        }
        checked += 1;
    }
    assert!(checked >= 12, "{checked} prompts");
}
