//! Damaged safetensors files, and weights that do not fit the config.

use serde_json::{Value, json};

use crate::checkpoint::{Checkpoint, split};

const MODEL: i32 = 4;

/// A shard with this header and data.
fn shard(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn a_damaged_file_is_named() {
    let checkpoint = Checkpoint::copy();
    let whole = std::fs::read(checkpoint.path("model.safetensors")).unwrap();
    let (header, data) = split(&whole);
    let header_end = whole.len() - data.len();
    let mut huge = whole.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut large = whole.clone();
    large[..8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let mut garbage = whole.clone();
    garbage[8..header_end].fill(b'x');
    let mut not_utf8 = whole.clone();
    not_utf8[20] = 0xff;
    let two = |second: [u64; 2]| {
        let a = json!({ "dtype": "F32", "shape": [1], "data_offsets": [0, 4] });
        let b = json!({ "dtype": "F32", "shape": [1], "data_offsets": second });
        shard(&json!({ "a": a, "b": b }).to_string(), &[0; 8])
    };
    let cases = [
        ("empty", Vec::new()),
        ("cut in the length", whole[..5].to_vec()),
        ("cut in the header", whole[..header_end / 2].to_vec()),
        ("cut in the data", whole[..whole.len() - 1000].to_vec()),
        ("bytes after the data", [&whole[..], &[0; 3]].concat()),
        ("header longer than any memory", huge),
        ("header longer than the file", large),
        ("garbage as header", garbage),
        ("header that is no text", not_utf8),
        ("header that is no object", shard("[1, 2]", b"")),
        ("cut JSON", shard(std::str::from_utf8(header).unwrap().trim_end().trim_end_matches('}'), data)),
        ("overlapping tensors", two([2, 6])),
        ("a gap between tensors", two([5, 9])),
        ("offsets that run backwards", two([8, 4])),
        ("offsets beyond the end", two([4, u64::MAX])),
        ("unknown type", shard(r#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4])),
        (
            "a shape that overflows",
            shard(r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#, &[0; 4]),
        ),
    ];
    for (case, bytes) in cases {
        checkpoint.write("model.safetensors", bytes);
        let outcome = checkpoint.predict();
        assert!(outcome.code == Some(MODEL), "{case}: {outcome}");
        outcome.refused(MODEL, &["model.safetensors: not a valid safetensors file", "download it again"]);
    }
}

#[test]
fn a_tensor_of_the_wrong_shape_is_listed_with_both_shapes() {
    let checkpoint = Checkpoint::copy();
    checkpoint.edit_header(|h| h["model.norm.weight"]["shape"] = json!([8, 8]));
    let outcome = checkpoint.predict();
    let folder = checkpoint.folder().display().to_string();
    outcome.refused(MODEL, &[&folder, "1 problem", "model.norm.weight: shape [8, 8], expected [64]"]);
}

#[test]
fn a_tensor_of_another_type_is_listed() {
    let checkpoint = Checkpoint::copy();
    checkpoint.edit_header(|h| h["model.norm.weight"]["dtype"] = json!("I32"));
    checkpoint
        .predict()
        .refused(MODEL, &["1 problem", "model.norm.weight: type I32, expected F32, F16 or BF16"]);
}

#[test]
fn missing_and_superfluous_tensors_are_listed_together() {
    let rename = |header: &mut serde_json::Map<String, Value>, from: &str, to: &str| {
        let info = header.remove(from).unwrap();
        header.insert(to.to_owned(), info);
    };
    let checkpoint = Checkpoint::copy();
    checkpoint.edit_header(|h| rename(h, "lm_head.weight", "lm_tail.weight"));
    checkpoint.predict().refused(
        MODEL,
        &[
            "2 problems",
            "lm_head.weight: missing, expected [672, 64]",
            "lm_tail.weight: not part of this model",
        ],
    );
    checkpoint.edit_header(|h| {
        rename(h, "visual.blocks.0.norm1.weight", "visual.blocks.9.norm1.weight");
        h["model.norm.weight"]["shape"] = json!([8, 8]);
        rename(h, "audio_tower.proj.bias", "model.norm.bias");
    });
    checkpoint.predict().refused(
        MODEL,
        &[
            "7 problems",
            "lm_head.weight: missing",
            "lm_tail.weight: not part",
            "visual.blocks.0.norm1.weight: missing",
            "visual.blocks.9.norm1.weight: not part",
            "audio_tower.proj.bias: missing",
            "model.norm.bias: not part",
            "model.norm.weight: shape [8, 8], expected [64]",
            "belong to the same checkpoint",
        ],
    );
}

#[test]
fn a_tensor_that_is_stored_twice_is_listed() {
    let checkpoint = Checkpoint::copy();
    checkpoint.edit_header(|h| {
        let info = h["model.norm.weight"].clone();
        // An empty one, so that the offsets stay contiguous.
        let end = info["data_offsets"][1].clone();
        h.insert(
            "thinker.model.norm.weight".to_owned(),
            json!({ "dtype": "F32", "shape": [0], "data_offsets": [end, end] }),
        );
    });
    checkpoint.predict().one_error(MODEL, &["model.norm.weight: stored more than once"]);
}

#[test]
fn a_folder_without_weights_is_named() {
    let checkpoint = Checkpoint::copy();
    checkpoint.remove("model.safetensors");
    let folder = checkpoint.folder().display().to_string();
    checkpoint.predict().refused(MODEL, &[&folder, "no *.safetensors file", "give --model"]);
}

#[test]
fn an_index_must_name_files_of_the_folder() {
    let index = "model.safetensors.index.json";
    let checkpoint = Checkpoint::copy();
    for (text, message) in [
        ("{", "EOF while parsing"),
        ("{}", "no object `weight_map`"),
        (r#"{"weight_map": {"a": 1}}"#, "`weight_map`: a → 1, expected a file name"),
        (r#"{"weight_map": {"a": "../x.safetensors"}}"#, "expected a file name"),
        (r#"{"weight_map": {"a": "/etc/passwd"}}"#, "expected a file name"),
        (r#"{"weight_map": {"a": ""}}"#, "expected a file name"),
    ] {
        checkpoint.write(index, text);
        checkpoint.predict().refused(MODEL, &[index, message]);
    }
    checkpoint.write(index, r#"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#);
    checkpoint.predict().refused(MODEL, &["model-00001-of-00002.safetensors: No such file"]);
}
