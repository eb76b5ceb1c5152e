//! The server is shown the media of the coalition and nothing else, and a server that counts more is not believed.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::run::RecordStatus;
use emomm_media::{DecodeLimits, Ffmpeg, ProbedKind, probe};
use serde_json::Value;

use crate::mock::{Asked, Fault, Mock, Skills};
use crate::stage::{FORMS, HIDDEN, Stage, WORDS};

/// The media of a question as they were sent: kind and bytes.
fn media_of(asked: &Asked) -> Vec<(String, Vec<u8>)> {
    let mut media = Vec::new();
    let decode = |text: &str| {
        let bare = text.split_once(";base64,").map_or(text, |(_, bare)| bare);
        STANDARD.decode(bare).expect("base64")
    };
    for part in asked.json["contents"][0]["parts"].as_array().into_iter().flatten() {
        if let Some(data) = part.get("inlineData") {
            let kind = data["mimeType"].as_str().unwrap().split('/').next().unwrap();
            media.push((kind.to_owned(), decode(data["data"].as_str().unwrap())));
        }
    }
    for part in asked.json["messages"][1]["content"].as_array().into_iter().flatten() {
        let url = |name: &str| decode(part[name]["url"].as_str().unwrap());
        match part["type"].as_str().unwrap() {
            "video_url" => media.push(("video".to_owned(), url("video_url"))),
            "image_url" => media.push(("image".to_owned(), url("image_url"))),
            "input_audio" => {
                media.push(("audio".to_owned(), decode(part["input_audio"]["data"].as_str().unwrap())));
            }
            _ => {}
        }
    }
    media
}

/// The coalition that the prompt of a question names.
fn named(asked: &Asked) -> ModalitySet {
    let body = String::from_utf8_lossy(&asked.body);
    let (_, rest) = body.split_once("Based on the provided modalities (").unwrap();
    let (list, _) = rest.split_once(')').unwrap();
    let of = |m: Modality| {
        list.contains(match m {
            Modality::Text => "transcript text",
            Modality::Audio => "audio",
            Modality::Video => "video",
        })
    };
    Modality::ALL.into_iter().filter(|m| of(*m)).collect()
}

/// The streams of some bytes, by what they hold.
fn streams(folder: &Path, bytes: &[u8], extension: &str) -> Vec<ProbedKind> {
    let file = folder.join(format!("sent.{extension}"));
    std::fs::write(&file, bytes).unwrap();
    let ffmpeg = Ffmpeg::locate().unwrap();
    probe(&ffmpeg, &file, &DecodeLimits::default()).unwrap().streams.into_iter().map(|s| s.kind).collect()
}

fn holds(bytes: &[u8], mark: &str) -> bool {
    bytes.windows(mark.len()).any(|w| w == mark.as_bytes())
}

#[test]
fn each_of_the_eight_coalitions_shows_its_own_media_and_no_other() {
    for (form, video) in [("openai", true), ("openai", false), ("gemini", true)] {
        let stage = Stage::new(form, Mock::new(Skills { video, ..Skills::default() }));
        stage.session(1);
        let questions = stage.mock.questions();
        let coalitions: BTreeSet<ModalitySet> = questions.iter().map(named).collect();
        assert_eq!((questions.len(), coalitions.len()), (8, 8), "{form}");
        let picture_kind = if video { "video" } else { "image" };
        for asked in &questions {
            let coalition = named(asked);
            let media = media_of(asked);
            let kinds: BTreeSet<&str> = media.iter().map(|(kind, _)| kind.as_str()).collect();
            let mut expected = BTreeSet::new();
            if coalition.contains(Modality::Video) {
                expected.insert(picture_kind);
            }
            if coalition.contains(Modality::Audio) {
                expected.insert("audio");
            }
            assert_eq!(kinds, expected, "{form} {coalition}");
            assert_eq!(holds(&asked.body, WORDS), coalition.contains(Modality::Text), "{form} {coalition}");
            assert!(!holds(&asked.body, HIDDEN), "{form} {coalition}");
            // Neither the clip's name nor where its file lies.
            assert!(!holds(&asked.body, "made-up") && !holds(&asked.body, "clip.mp4"), "{form} {coalition}");
            for (kind, bytes) in &media {
                assert!(!holds(bytes, HIDDEN), "{form} {coalition} {kind}");
                let (extension, only) = match kind.as_str() {
                    "video" => ("mp4", ProbedKind::Video),
                    "audio" => ("wav", ProbedKind::Audio),
                    _ => continue,
                };
                assert_eq!(streams(stage.folder.path(), bytes, extension), [only], "{form} {coalition}");
            }
        }
        // A modality is the same in every coalition that shows it.
        for kind in [picture_kind, "audio"] {
            let all: Vec<Vec<Vec<u8>>> = questions
                .iter()
                .map(|q| media_of(q).into_iter().filter(|(k, _)| k == kind).map(|(_, b)| b).collect())
                .filter(|all: &Vec<Vec<u8>>| !all.is_empty())
                .collect();
            assert_eq!(all.len(), 4);
            assert!(all.iter().all(|one| *one == all[0]), "{form} {kind}");
        }
        for record in stage.records() {
            assert_eq!(record.status, RecordStatus::Ok, "{record:?}");
            assert!(record.letter.is_none() && record.letter_logits.is_none() && record.tokens.is_none());
            assert!(record.reply_letter.is_some() && record.label.is_some());
            let how = record.media.unwrap().sampling;
            assert_eq!(how.is_some(), record.coalition.contains(Modality::Video));
            assert_eq!(
                how.is_some_and(|h| h.contains("image_url")),
                record.coalition.contains(Modality::Video) && !video
            );
        }
    }
}

#[test]
fn gemini_s_frame_rate_is_sent_and_recorded() {
    let mut stage = Stage::new("gemini", Mock::new(Skills::default()));
    stage.condition.fps = 2.5;
    stage.coalitions = vec!["V".parse().unwrap()];
    stage.session(1);
    let part = &stage.mock.questions()[0].json["contents"][0]["parts"][0];
    assert_eq!(part["videoMetadata"]["fps"], Value::from(2.5));
    assert!(stage.records()[0].media.as_ref().unwrap().sampling.as_ref().unwrap().contains("2.5"));
}

#[test]
fn a_counted_modality_that_was_not_sent_is_a_leak() {
    for form in FORMS {
        for (fault, modality) in [(Fault::Leak, Modality::Audio), (Fault::LeakedPicture, Modality::Video)] {
            let stage = Stage::new(form, Mock::with(Skills::default(), move |_, _| fault.clone()));
            stage.session(1);
            for record in stage.records() {
                let is_leak = record.error.as_ref().is_some_and(|e| e.kind == "leak");
                assert_eq!(is_leak, !record.coalition.contains(modality), "{form} {record:?}");
                assert_eq!(record.answer().is_none(), is_leak);
            }
        }
    }
}
