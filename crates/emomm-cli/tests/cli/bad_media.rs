//! Files that are no media, or not the wanted kind, and file names that look like options.

use std::ffi::OsString;

use crate::checkpoint::golden;
use crate::media::{file, folder};
use crate::process::{Outcome, emomm, finish};

/// The code of bad media and text.
const DATA: i32 = 3;

/// Runs `predict` in the folder of the clips.
fn predict(arguments: &[&str]) -> Outcome {
    let mut command = emomm();
    command.arg("predict").arg("--model").arg(golden()).args(arguments).arg("--json");
    finish(command.current_dir(folder()))
}

#[test]
fn every_unusable_file_gives_one_error() {
    for option in ["--video", "--audio"] {
        predict(&[option, "missing.mp4"]).refused(DATA, &["`missing.mp4`, found nothing", "check the path"]);
        predict(&[option, "folder.mp4"])
            .refused(DATA, &["`folder.mp4`, found a directory", "check the path"]);
        predict(&[option, "empty.mp4"])
            .refused(DATA, &["`empty.mp4`, found an empty file", "check the path"]);
        predict(&[option, "text.mp4"]).refused(DATA, &["cannot decode `text.mp4`", "re-encode it"]);
        predict(&[option, "cut.mp4"]).refused(DATA, &["cannot decode `cut.mp4`", "re-encode it"]);
    }
}

#[test]
fn a_file_without_the_wanted_stream_gives_one_error() {
    predict(&["--video", "sound.mp4"])
        .refused(DATA, &["no video stream in `sound.mp4`", "without the video modality"]);
    predict(&["--audio", "picture.mp4"])
        .refused(DATA, &["no audio stream in `picture.mp4`", "without the audio modality"]);
}

#[test]
fn media_that_the_model_cannot_take_are_named() {
    predict(&["--audio", "click.wav"])
        .refused(DATA, &["click.wav: the sound has 2 spectrogram frames", "without the audio modality"]);
    predict(&["--video", "ribbon.mp4"])
        .refused(DATA, &["ribbon.mp4: frames of 2048x8 pixels", "without the video modality"]);
}

#[test]
fn names_that_begin_with_a_hyphen_or_hold_a_colon_are_files() {
    let plain = predict(&["--video", "clip.mp4", "--audio", "clip.mp4"]).answers();
    for name in ["-clip.mp4", "a:clip.mp4"] {
        assert_eq!(predict(&["--video", name, "--audio", name]).answers(), plain, "{name}");
    }
    assert_eq!(plain.len(), 1);
    assert_eq!(predict(&["--video=-clip.mp4", "--audio=-clip.mp4"]).answers(), plain);
    for name in ["-cut.mp4", "a:cut.mp4"] {
        predict(&["--video", name]).refused(DATA, &[&format!("cannot decode `{name}`"), "re-encode it"]);
    }
    for name in ["-missing.mp4", "a:missing.mp4"] {
        predict(&["--audio", name]).refused(DATA, &[&format!("`{name}`, found nothing"), "check the path"]);
    }
}

#[test]
fn a_broken_video_leaves_the_other_coalitions_their_answers() {
    let outcome = predict(&["--video", "cut.mp4", "--text", "hi", "--all-coalitions"]);
    outcome.one_error(DATA, &["cannot decode `cut.mp4`"]);
    assert_eq!(coalitions(&outcome), ["none", "T"]);

    let outcome =
        predict(&["--video", "sound.mp4", "--audio", "sound.mp4", "--text", "hi", "--all-coalitions"]);
    outcome.one_error(DATA, &["no video stream in `sound.mp4`"]);
    assert_eq!(coalitions(&outcome), ["none", "T", "A", "TA"]);
}

#[test]
fn a_file_that_is_broken_for_both_modalities_is_reported_once() {
    let outcome = predict(&["--video", "cut.mp4", "--audio", "cut.mp4", "--text", "hi", "--all-coalitions"]);
    outcome.one_error(DATA, &["cannot decode `cut.mp4`"]);
    assert_eq!(coalitions(&outcome), ["none", "T"]);
}

/// The coalitions that were answered, those of fewer modalities first.
fn coalitions(outcome: &Outcome) -> Vec<String> {
    let mut words: Vec<String> =
        outcome.printed().iter().map(|o| o["coalition"].as_str().unwrap().to_owned()).collect();
    words.sort_by_key(|w| ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"].iter().position(|c| c == w));
    words
}

#[test]
fn a_missing_ffmpeg_is_no_fault_of_the_clip() {
    let nowhere = OsString::from("/nonexistent/ffmpeg");
    let mut command = emomm();
    command.arg("predict").arg("--model").arg(golden()).arg("--video").arg(file("clip.mp4"));
    let outcome = finish(command.env("EMOMM_FFMPEG", &nowhere));
    outcome.refused(2, &["ffmpeg", "/nonexistent/ffmpeg", "EMOMM_FFMPEG"]);
}
