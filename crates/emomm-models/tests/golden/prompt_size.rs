//! Prompts measured without weights are as long as those that the loaded model reads; the same of every family.

use std::path::{Path, PathBuf};
use std::process::Command;

use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::{Clip, PredictOptions};
use emomm_media::{DecodeLimits, SamplingMode, SubtitleBand, SubtitleTreatment};
use emomm_models::picture::PictureView;
use emomm_models::prompt_size::PromptSizer;
use emomm_models::{ComputeType, DeviceKind, LoadOptions, open_with_picture};

const FAMILIES: [&str; 2] = ["qwen2_5_omni/gqa", "vita_1_5/inside"];

/// Moving pictures and a tone of so many seconds.
fn clip(folder: &Path, seconds: &str) -> Clip {
    let path = folder.join(format!("clip-{seconds}.mp4"));
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc=size=168x112:rate=8:duration={seconds}"))
        .args(["-f", "lavfi", "-i"])
        .arg(format!("sine=frequency=300:duration={seconds}"))
        .args(["-pix_fmt", "yuv420p", "-shortest", "-y"])
        .arg(&path)
        .status()
        .expect("ffmpeg starts");
    assert!(made.success());
    Clip {
        id: "clip".to_owned(),
        text: Some("words of a transcript".to_owned()),
        audio: Some(path.clone()),
        video: Some(path),
        corpus: Corpus::CmuMosi,
    }
}

fn checkpoint(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(family).join("checkpoint")
}

fn options() -> LoadOptions {
    LoadOptions {
        device: DeviceKind::Cpu,
        dtype: ComputeType::F32,
        sampling: SamplingMode::Qwen,
        limits: DecodeLimits::default(),
    }
}

#[test]
fn the_loaded_model_reads_as_many_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let cropped = SubtitleBand::new(SubtitleTreatment::Crop, 0.8, 1.0).unwrap();
    let pictures = [PictureView::default(), PictureView { subtitles: cropped, ..PictureView::default() }];
    for family in FAMILIES {
        for (seconds, picture) in ["1", "2.5"].into_iter().zip(pictures.clone()) {
            let clip = clip(folder.path(), seconds);
            let sizer = PromptSizer::open(&checkpoint(family), &options(), picture.clone()).unwrap();
            let size = sizer.measure(&clip, &ModalitySet::ALL).unwrap();
            let mut model = open_with_picture(&checkpoint(family), &options(), picture).unwrap();
            let read: Vec<usize> = model
                .predict(&clip, &ModalitySet::ALL, &PredictOptions::default())
                .into_iter()
                .map(|p| p.unwrap().tokens.unwrap().total)
                .collect();
            assert_eq!(size.prompts, read, "{family}, {seconds} s");
            let cost = model.token_cost().unwrap();
            assert_eq!(size.floor as u64, cost.floor, "{family}, {seconds} s");
            assert_eq!(size.prompts.iter().sum::<usize>() as u64, cost.separate, "{family}, {seconds} s");
        }
    }
}

#[test]
fn media_are_read_only_where_they_are_shown() {
    let sizer = PromptSizer::open(&checkpoint(FAMILIES[0]), &options(), PictureView::default()).unwrap();
    let clip = Clip {
        id: "clip".to_owned(),
        text: Some("words".to_owned()),
        audio: Some("/no/such/sound.wav".into()),
        video: None,
        corpus: Corpus::ChSims,
    };
    let coalitions = |words: &[&str]| words.iter().map(|w| w.parse().unwrap()).collect::<Vec<ModalitySet>>();
    let size = sizer.measure(&clip, &coalitions(&["none", "T"])).unwrap();
    assert!(size.prompts[0] < size.prompts[1] && size.floor < size.prompts.iter().sum());
    assert!(sizer.measure(&clip, &coalitions(&["A"])).is_err());
    let error = sizer.measure(&clip, &coalitions(&["TV"])).unwrap_err().to_string();
    assert!(error.contains("clip has no video"), "{error}");
}
