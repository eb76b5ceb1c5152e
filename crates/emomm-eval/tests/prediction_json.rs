//! The JSON of a prediction has the keys of `docs/contract.md`, and reads back as it was written.

use emomm_dataset::{Corpus, ModalitySet, Sentiment};
use emomm_eval::{AttentionSummary, LetterMass, MediaRecord, PerModality, Prediction, TokenCounts, reply};

fn prediction() -> Prediction {
    Prediction {
        coalition: "TV".parse().unwrap(),
        tokens: Some(TokenCounts { text: 5, audio: 0, video: 60, other: 300, total: 365 }),
        grid_thw: Some([5, 8, 6]),
        letter_logits: Some([0.5, -1.25, 0.0, 2.0, 1.5]),
        letter_mass: None,
        letter: Some('D'),
        label: Some(Sentiment::WeaklyPositive),
        centre_score: Some(0.4),
        reply: None,
        attention: None,
        token_maps: None,
        steering: None,
        served: None,
        media: MediaRecord {
            frame_times: Some(vec![0.0, 0.5]),
            frame_size: Some([84, 112]),
            frame_pixel_bounds: Some([100_352.0, 602_112.0]),
            sampling: Some("qwen".to_owned()),
            picture: None,
            audio_seconds: None,
            ffmpeg: Some("5.1.9".to_owned()),
            warnings: Vec::new(),
        },
        ms: 12.5,
    }
}

fn keys(prediction: &Prediction) -> Vec<String> {
    serde_json::to_value(prediction).unwrap().as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_keys_without_options() {
    assert_eq!(
        keys(&prediction()),
        [
            "coalition",
            "tokens",
            "grid_thw",
            "letter_logits",
            "letter",
            "label",
            "centre_score",
            "media",
            "ms"
        ]
    );
}

/// A prediction with all that can be asked for.
fn full() -> Prediction {
    let table = || Some(vec![vec![0.5, 0.25]]);
    let mut full = prediction();
    full.reply = Some(reply::parse("D\nScore: 0.6 or so", Corpus::CmuMosi));
    full.attention = Some(AttentionSummary {
        nmas: PerModality { text: table(), audio: None, video: table() },
        mass: PerModality { text: table(), audio: None, video: table() },
    });
    full.letter_mass = Some(LetterMass { bare: 0.75, spaced: Some(0.125) });
    full.media.warnings.push("truncated".to_owned());
    full
}

#[test]
fn the_keys_with_generation_and_attention() {
    let full = full();
    let json = serde_json::to_value(&full).unwrap();
    for key in ["reply", "reply_letter", "reply_score", "nmas", "mass"] {
        assert!(json.get(key).is_some(), "{key}");
    }
    assert_eq!(json["reply_letter"], "D");
    assert_eq!(json["nmas"]["audio"], serde_json::Value::Null);
    assert_eq!(json["nmas"]["text"][0][1], 0.25);
    assert_eq!(serde_json::from_value::<Prediction>(json).unwrap(), full);
}

/// Every key, at any depth, stands in backticks in the contract.
#[test]
fn the_contract_names_every_key() {
    fn collect(value: &serde_json::Value, keys: &mut Vec<String>) {
        for (key, inner) in value.as_object().into_iter().flatten() {
            keys.push(key.clone());
            collect(inner, keys);
        }
    }
    let mut keys = Vec::new();
    collect(&serde_json::to_value(full()).unwrap(), &mut keys);
    assert!(keys.contains(&"reply_notes".to_owned()), "{keys:?}");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.md");
    let contract = std::fs::read_to_string(path).unwrap();
    for key in keys.iter().filter(|k| k.len() > 1) {
        assert!(contract.contains(&format!("`{key}`")), "the contract does not name `{key}`");
    }
}

#[test]
fn what_was_not_asked_for_reads_back_as_absent() {
    let text = serde_json::to_string(&prediction()).unwrap();
    assert!(text.contains(r#""coalition":"TV""#), "{text}");
    assert!(text.contains(r#""letter_logits":{"A":0.5,"B":-1.25,"C":0.0,"D":2.0,"E":1.5}"#), "{text}");
    assert!(text.contains(r#""label":"weakly-positive""#), "{text}");
    assert_eq!(serde_json::from_str::<Prediction>(&text).unwrap(), prediction());
}

#[test]
fn a_model_that_shows_no_logits_writes_null() {
    let closed = Prediction {
        coalition: ModalitySet::NONE,
        tokens: None,
        grid_thw: None,
        letter_logits: None,
        letter: None,
        label: None,
        centre_score: None,
        ..prediction()
    };
    let json = serde_json::to_value(&closed).unwrap();
    assert_eq!(json["coalition"], "none");
    for key in ["tokens", "grid_thw", "letter_logits", "letter", "label", "centre_score"] {
        assert!(json[key].is_null(), "{key}");
        assert!(json.get(key).is_some(), "{key} is absent");
    }
    assert_eq!(serde_json::from_value::<Prediction>(json).unwrap(), closed);
}
