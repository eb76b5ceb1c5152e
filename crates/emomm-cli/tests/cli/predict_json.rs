//! The objects of `predict --json` on a real clip, against the contract and against each other.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use crate::checkpoint::golden;
use crate::media::file;
use crate::process::{Outcome, emomm, finish};

/// Layers and heads of the golden checkpoint.
const LAYERS: usize = 4;
const HEADS: usize = 4;
/// All coalitions in the order in which they are printed.
const COALITIONS: [&str; 8] = ["none", "T", "A", "V", "TA", "TV", "AV", "TAV"];
const MODALITIES: [(&str, char); 3] = [("text", 'T'), ("audio", 'A'), ("video", 'V')];

/// Everything that can be asked for, for all coalitions.
fn all() -> &'static [Value] {
    static ALL: OnceLock<Vec<Value>> = OnceLock::new();
    ALL.get_or_init(|| {
        clip(&["--all-coalitions", "--attention", "--generate", "--max-new-tokens", "4"]).objects()
    })
}

/// Predicts for the clip with picture, sound and transcript.
fn clip(arguments: &[&str]) -> Outcome {
    let mut command = emomm();
    command.arg("predict").arg("--model").arg(golden()).args(["--text", "I won't give up.", "--json"]);
    command.arg("--video").arg(file("clip.mp4")).arg("--audio").arg(file("clip.mp4"));
    finish(command.args(arguments))
}

fn shows(object: &Value, letter: char) -> bool {
    let word = object["coalition"].as_str().unwrap();
    word != "none" && word.contains(letter)
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn every_coalition_is_answered_once() {
    let words: Vec<&str> = all().iter().map(|o| o["coalition"].as_str().unwrap()).collect();
    assert_eq!(words, COALITIONS);
}

/// The table under "Keys of each object" of the contract.
fn contract_keys() -> BTreeSet<String> {
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contract.md");
    let contract = std::fs::read_to_string(contract).unwrap();
    let table = contract.split("Keys of each object:").nth(1).expect("the contract has the table");
    let rows = table.lines().skip_while(|l| !l.starts_with('|')).take_while(|l| l.starts_with('|'));
    let names = |row: &str| -> Vec<String> {
        let cell = row.split('|').nth(1).unwrap_or_default();
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    rows.flat_map(names).collect()
}

#[test]
fn the_keys_are_those_of_the_contract() {
    let contract = contract_keys();
    for object in all() {
        let mut found = keys(object);
        // Absent when empty.
        found.insert("reply_notes".to_owned());
        // Absent without `--steer`.
        found.insert("steering".to_owned());
        // Absent of models that are not served.
        found.insert("served".to_owned());
        assert_eq!(found, contract, "{object}");
    }
    let mut plain = contract;
    for key in ["reply", "reply_letter", "reply_score", "reply_notes", "nmas", "mass", "steering", "served"] {
        assert!(plain.remove(key), "{key}");
    }
    for object in clip(&["--all-coalitions"]).objects() {
        assert_eq!(keys(&object), plain, "{object}");
    }
}

#[test]
fn tokens_add_up() {
    for object in all() {
        let tokens = &object["tokens"];
        let expected: BTreeSet<String> =
            ["text", "audio", "video", "other", "total"].map(str::to_owned).into();
        assert_eq!(keys(tokens), expected);
        let classes = ["text", "audio", "video", "other"].map(|c| count(&tokens[c]));
        assert_eq!(classes.iter().sum::<u64>(), count(&tokens["total"]), "{object}");
        for (name, letter) in MODALITIES {
            assert_eq!(count(&tokens[name]) > 0, shows(object, letter), "{name}: {object}");
        }
    }
}

#[test]
fn the_letter_is_that_of_the_greatest_logit() {
    let classes = ["negative", "weakly-negative", "neutral", "weakly-positive", "positive"];
    let centres = [-0.9, -0.4, 0.0, 0.4, 0.9];
    for object in all() {
        let logits = object["letter_logits"].as_object().unwrap();
        let names: Vec<&str> = logits.keys().map(String::as_str).collect();
        assert_eq!(names, ["A", "B", "C", "D", "E"]);
        let values: Vec<f64> = logits.values().map(number).collect();
        let best = (0..5).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap();
        assert_eq!(object["letter"], names[best], "{object}");
        assert_eq!(object["label"], classes[best], "{object}");
        assert!((number(&object["centre_score"]) - centres[best]).abs() < 1e-9, "{object}");
    }
}

#[test]
fn media_are_null_unless_shown() {
    for object in all() {
        let media = &object["media"];
        let (grid, size, times) = (&object["grid_thw"], &media["frame_size"], &media["frame_times"]);
        if shows(object, 'V') {
            let grid: Vec<u64> = grid.as_array().unwrap().iter().map(count).collect();
            let size: Vec<u64> = size.as_array().unwrap().iter().map(count).collect();
            let times: Vec<f64> = times.as_array().unwrap().iter().map(number).collect();
            // Patches of 14 pixels and two frames; four patches are a token.
            assert_eq!((size[0], size[1]), (grid[2] * 14, grid[1] * 14), "{object}");
            assert_eq!(times.len() as u64, grid[0] * 2, "{object}");
            assert_eq!(count(&object["tokens"]["video"]), grid.iter().product::<u64>() / 4, "{object}");
            assert!(times.is_sorted() && times[0].abs() < 1e-9 && times[times.len() - 1] < 2.0, "{object}");
        } else {
            assert!(grid.is_null() && size.is_null() && times.is_null(), "{object}");
        }
        if shows(object, 'A') {
            assert!((number(&media["audio_seconds"]) - 2.0).abs() < 0.1, "{object}");
        } else {
            assert!(media["audio_seconds"].is_null(), "{object}");
        }
        assert!(number(&object["ms"]) > 0.0, "{object}");
    }
}

/// `[layer][head]`
fn table(value: &Value) -> Vec<Vec<f64>> {
    let row = |row: &Value| row.as_array().unwrap().iter().map(number).collect();
    value.as_array().unwrap().iter().map(row).collect()
}

#[test]
fn attention_is_by_layer_and_head_or_null() {
    for object in all() {
        let mut total = vec![vec![0.0; HEADS]; LAYERS];
        for (name, letter) in MODALITIES {
            let (nmas, mass) = (&object["nmas"][name], &object["mass"][name]);
            if !shows(object, letter) {
                assert!(nmas.is_null() && mass.is_null(), "{name}: {object}");
                continue;
            }
            let (nmas, mass) = (table(nmas), table(mass));
            for each in [&nmas, &mass] {
                assert_eq!(each.len(), LAYERS);
                assert!(each.iter().all(|row| row.len() == HEADS));
            }
            let tokens = count(&object["tokens"][name]) as f64;
            for (layer, head) in (0..LAYERS).flat_map(|l| (0..HEADS).map(move |h| (l, h))) {
                // Eq. (5): the mean over the tokens of which the mass is the sum; both are rounded to f32.
                assert!((nmas[layer][head] * tokens - mass[layer][head]).abs() < 1e-5, "{name}: {object}");
                assert!(mass[layer][head] > 0.0, "{name}: {object}");
                total[layer][head] += mass[layer][head];
            }
        }
        // The rest goes to the tokens of no modality.
        assert!(total.iter().flatten().all(|sum| *sum < 1.0), "{object}");
    }
}

#[test]
fn a_reply_is_text_and_what_could_be_read_of_it() {
    for object in all() {
        assert!(object["reply"].is_string(), "{object}");
        let letter = &object["reply_letter"];
        assert!(letter.is_null() || ["A", "B", "C", "D", "E"].iter().any(|l| letter == l), "{object}");
        let score = &object["reply_score"];
        assert!(score.is_null() || number(score).abs() <= 1.0, "{object}");
        let notes = object.get("reply_notes").map(|n| n.as_array().unwrap());
        assert!(notes.is_none_or(|n| !n.is_empty() && n.iter().all(Value::is_string)), "{object}");
        if letter.is_null() || score.is_null() {
            assert!(notes.is_some(), "{object}");
        }
    }
}

#[test]
fn one_coalition_alone_is_answered_as_among_all() {
    for among in all() {
        let coalition = among["coalition"].as_str().unwrap();
        let alone = clip(&["--coalition", coalition, "--attention"]).objects();
        assert_eq!(alone.len(), 1);
        for key in ["coalition", "tokens", "grid_thw", "letter", "label", "centre_score", "media"] {
            assert_eq!(alone[0][key], among[key], "{key} of {coalition}");
        }
        // Prefixes are shared among all, which changes the order of f32 sums.
        for letter in ["A", "B", "C", "D", "E"] {
            let pair = [&alone[0], among].map(|o| number(&o["letter_logits"][letter]));
            assert!((pair[0] - pair[1]).abs() < 1e-4, "{letter} of {coalition}: {pair:?}");
        }
        for (name, shown) in MODALITIES {
            if !shows(among, shown) {
                assert!(alone[0]["nmas"][name].is_null());
                continue;
            }
            let pair = [&alone[0], among].map(|o| table(&o["nmas"][name]));
            let close =
                pair[0].iter().flatten().zip(pair[1].iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(close, "{name} of {coalition}: {pair:?}");
        }
    }
}
