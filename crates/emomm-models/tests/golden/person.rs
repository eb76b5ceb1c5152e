//! Readings of the person alone: what is left out, what stays where it was, what gets no attention; the same of every
//! family.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::{AttentionDetail, Clip, PredictOptions, Prediction};
use emomm_media::{DecodeLimits, SamplingMode, SubtitleBand, SubtitleTreatment};
use emomm_models::picture::{PersonReading, PersonSource, PersonView, PictureView, TruthMasks};
use emomm_models::{ComputeType, DeviceKind, LoadOptions, open_with_picture};

/// A checkpoint of each family. The first has tokens over the whole frame and of two frames each, the second over the middle
/// square and of one frame.
const FAMILIES: [&str; 2] = ["qwen2_5_omni/gqa", "vita_1_5/inside"];

/// Frames of the clip, and the side of a cell of its masks.
const FRAMES: usize = 8;
const CELL: usize = 4;

/// A clip of 112 by 112 pixels below `folder`.
fn clip(folder: &Path) -> PathBuf {
    clip_of(folder, 112)
}

/// A clip 112 pixels high.
fn clip_of(folder: &Path, width: usize) -> PathBuf {
    let path = folder.join("clip.mp4");
    let source = format!("testsrc=size={width}x112:rate={FRAMES}:duration=1");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p", "-y"])
        .arg(&path)
        .status()
        .expect("ffmpeg starts");
    assert!(made.success());
    path
}

/// Masks in which the columns from `first` on are the person, of 28.
fn masks(folder: &Path, first: usize) -> PersonSource {
    let row: Vec<u8> = (0..28).map(|column| u8::from(column >= first)).collect();
    masks_of(folder, &row)
}

/// Masks whose rows are all alike; 1 is the person.
fn masks_of(folder: &Path, row: &[u8]) -> PersonSource {
    let cells: Vec<u8> = row.iter().copied().cycle().take(row.len() * 28).collect();
    // Runs outside and inside by turns, beginning outside.
    let (mut runs, mut inside) = (vec![0], 0);
    for cell in cells {
        if cell != inside {
            runs.push(0);
            inside = cell;
        }
        *runs.last_mut().unwrap() += 1;
    }
    let frame = serde_json::json!({ "person_mask": runs });
    let size = [row.len() * CELL, 112];
    let line = serde_json::json!({
        "file": "clip.mp4", "frame_size": size, "mask_cell": CELL, "frames": vec![frame; FRAMES],
    });
    let path = folder.join("truth.jsonl");
    std::fs::write(&path, format!("{line}\n")).unwrap();
    PersonSource::Truth(Arc::new(TruthMasks::read(&path).unwrap()))
}

fn predict(family: &str, video: &Path, picture: PictureView, coalition: &str) -> Prediction {
    predict_with(family, video, picture, coalition, AttentionDetail::Summary)
}

fn predict_with(
    family: &str,
    video: &Path,
    picture: PictureView,
    coalition: &str,
    attention: AttentionDetail,
) -> Prediction {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        dtype: ComputeType::F32,
        sampling: SamplingMode::Qwen,
        limits: DecodeLimits::default(),
    };
    let mut model = open_with_picture(&golden.join(family).join("checkpoint"), &options, picture).unwrap();
    let clip = Clip {
        id: "clip".to_owned(),
        text: Some("words".to_owned()),
        audio: None,
        video: Some(video.to_owned()),
        corpus: Corpus::ChSims,
    };
    let coalition: ModalitySet = coalition.parse().unwrap();
    let importance = attention == AttentionDetail::Full;
    let options = PredictOptions { attention, importance, ..PredictOptions::default() };
    model.predict(&clip, &[coalition], &options).remove(0).unwrap()
}

fn view(reading: PersonReading, source: &PersonSource) -> PictureView {
    PictureView { person: Some(PersonView { reading, source: source.clone() }), ..PictureView::default() }
}

fn attention(prediction: &Prediction) -> f32 {
    let mass = prediction.attention.as_ref().unwrap().mass.video.as_ref().unwrap();
    mass.iter().flatten().sum()
}

#[test]
fn dropped_tokens_are_the_background_s() {
    for family in FAMILIES {
        let folder = tempfile::tempdir().unwrap();
        let video = clip(folder.path());
        let half = masks(folder.path(), 14);
        let whole = predict(family, &video, PictureView::default(), "TV");
        let dropped = predict(family, &video, view(PersonReading::Drop, &half), "TV");
        let (all, left) = (whole.tokens.unwrap().video, dropped.tokens.unwrap().video);
        let person = dropped.media.picture.as_ref().unwrap().person.clone().unwrap();
        assert_eq!((person.tokens, person.person_tokens), (all, left));
        // Half of the columns, the middle one by its greater part.
        assert!(left * 2 > all * 4 / 5 && left * 2 < all * 6 / 5, "{left} of {all}");
        assert_eq!(dropped.tokens.unwrap().total, whole.tokens.unwrap().total - (all - left));
        assert_eq!(dropped.grid_thw, whole.grid_thw);
        assert_ne!(dropped.letter_logits, whole.letter_logits);
        assert!(whole.media.picture.is_none());
    }
}

#[test]
fn a_person_everywhere_or_nowhere_is_the_whole_picture() {
    for family in FAMILIES {
        let folder = tempfile::tempdir().unwrap();
        let video = clip(folder.path());
        let whole = predict(family, &video, PictureView::default(), "V");
        for first in [0, 28] {
            let source = masks(folder.path(), first);
            for reading in [PersonReading::Drop, PersonReading::Suppress] {
                let read = predict(family, &video, view(reading, &source), "V");
                assert_eq!(read.letter_logits, whole.letter_logits, "{reading:?} {first}");
                assert_eq!(read.media.warnings.len(), usize::from(first == 28));
            }
        }
    }
}

/// Without attention to the background the decision sees less of the picture, and nothing else is changed.
#[test]
fn suppressed_tokens_stay_and_get_no_attention() {
    for family in FAMILIES {
        let folder = tempfile::tempdir().unwrap();
        let video = clip(folder.path());
        let half = masks(folder.path(), 14);
        let whole = predict(family, &video, PictureView::default(), "V");
        let suppressed = predict(family, &video, view(PersonReading::Suppress, &half), "V");
        assert_eq!(suppressed.tokens, whole.tokens);
        let (before, after) = (attention(&whole), attention(&suppressed));
        assert!(after < 0.8 * before, "{before} {after}");
    }
}

#[test]
fn a_blanked_background_is_another_picture_of_the_same_size() {
    for family in FAMILIES {
        let folder = tempfile::tempdir().unwrap();
        let video = clip(folder.path());
        let half = masks(folder.path(), 14);
        let whole = predict(family, &video, PictureView::default(), "V");
        let blanked = predict(family, &video, view(PersonReading::Blank, &half), "V");
        assert_eq!((blanked.tokens, blanked.grid_thw), (whole.tokens, whole.grid_thw));
        assert_ne!(blanked.letter_logits, whole.letter_logits);
    }
}

#[test]
fn a_subtitle_band_is_cut_off_or_black_and_recorded() {
    for family in FAMILIES {
        let folder = tempfile::tempdir().unwrap();
        let video = clip(folder.path());
        let whole = predict(family, &video, PictureView::default(), "V");
        for (treatment, is_lower) in [(SubtitleTreatment::Crop, true), (SubtitleTreatment::Mask, false)] {
            let subtitles = SubtitleBand::new(treatment, 0.5, 1.0).unwrap();
            let read = predict(family, &video, PictureView { subtitles, person: None }, "V");
            let (size, before) = (read.media.frame_size.unwrap(), whole.media.frame_size.unwrap());
            // A tower that sees a square sees one whatever the frame's size is.
            let is_lower = is_lower && family == FAMILIES[0];
            assert_eq!(size[1] * before[0] < before[1] * size[0], is_lower, "{size:?} {before:?}");
            let record = read.media.picture.unwrap();
            assert_eq!((&*record.subtitle_band, record.subtitle_rows), (treatment.name(), [0.5, 1.0]));
            assert_ne!(read.letter_logits, whole.letter_logits);
        }
    }
}

/// The network finds nobody in a test card, and says so.
#[test]
fn the_network_is_asked_where_no_masks_are_known() {
    for family in FAMILIES {
        let folder = tempfile::tempdir().unwrap();
        let video = clip(folder.path());
        let read = predict(family, &video, view(PersonReading::Drop, &PersonSource::Network), "V");
        let person = read.media.picture.unwrap().person.unwrap();
        assert_eq!(person.source, "network");
        assert_eq!(read.media.warnings.is_empty(), person.person_tokens > 0);
    }
}

/// A tower that sees the middle square of a wide frame has its tokens there: a person beside the square is nobody, and one in
/// the left half of the square is half of the tokens.
#[test]
fn tokens_of_a_square_tower_lie_in_the_middle_of_a_wide_frame() {
    let folder = tempfile::tempdir().unwrap();
    let video = clip_of(folder.path(), 224);
    let family = FAMILIES[1];
    let person = |columns: std::ops::Range<usize>| -> Vec<u8> {
        (0..56).map(|column| u8::from(columns.contains(&column))).collect()
    };
    let beside = view(PersonReading::Drop, &masks_of(folder.path(), &person(0..14)));
    let read = predict(family, &video, beside, "V");
    assert_eq!(read.media.warnings.len(), 1, "{:?}", read.media.warnings);
    let whole = predict(family, &video, PictureView::default(), "V");
    assert_eq!(read.letter_logits, whole.letter_logits);
    let left = view(PersonReading::Drop, &masks_of(folder.path(), &person(0..28)));
    let read = predict(family, &video, left, "V");
    let (all, left) = (whole.tokens.unwrap().video, read.tokens.unwrap().video);
    assert_eq!(left * 2, all);
    assert_ne!(read.letter_logits, whole.letter_logits);
}

/// What single tokens take adds up to the modality's mass, and looking for the person changes no logit. With the background
/// dropped only the person's tokens are left, at their places.
#[test]
fn attention_by_token_adds_up_and_lies_where_the_person_is() {
    let folder = tempfile::tempdir().unwrap();
    let video = clip(folder.path());
    let half = masks(folder.path(), 14);
    let plain = predict(FAMILIES[0], &video, PictureView::default(), "TV");
    let seen =
        predict_with(FAMILIES[0], &video, view(PersonReading::Observe, &half), "TV", AttentionDetail::Full);
    assert_eq!(seen.letter_logits, plain.letter_logits);
    assert!(plain.token_maps.is_none());
    let (maps, mass) = (seen.token_maps.unwrap(), seen.attention.unwrap().mass);
    for (m, layers) in maps.attention.iter() {
        assert_eq!(layers.is_some(), mass.get(m).is_some(), "{m}");
        for (tokens, heads) in layers.iter().flatten().zip(mass.get(m).iter().flatten()) {
            let sum: f32 = tokens.iter().sum();
            let mean = heads.iter().sum::<f32>() / heads.len() as f32;
            // Sums of at most some hundred f32.
            assert!((sum - mean).abs() < 1e-6, "{m} {sum} {mean}");
        }
    }
    let importance = maps.importance.unwrap();
    assert!((importance.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    let places = maps.places.unwrap();
    let all: usize = places.grid.iter().product();
    assert_eq!((places.numbers.len(), importance.len()), (all, seen.tokens.unwrap().video));
    let person = places.person.unwrap();
    // The right half of each row shows the person.
    let (first_row, columns) = (&person[..places.grid[2]], places.grid[2]);
    assert!(!first_row[0] && first_row[columns - 1], "{first_row:?}");
    assert_eq!(places.face, None);

    let dropped =
        predict_with(FAMILIES[0], &video, view(PersonReading::Drop, &half), "TV", AttentionDetail::Full);
    let left = dropped.token_maps.unwrap().places.unwrap();
    let wanted = (0..all as u32).filter(|n| person[*n as usize]).collect::<Vec<u32>>();
    assert_eq!((left.grid, left.numbers), (places.grid, wanted));
    assert!(left.person.unwrap().iter().all(|is| *is));
}
