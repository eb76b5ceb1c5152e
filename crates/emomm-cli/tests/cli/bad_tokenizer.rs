//! Tokenizers that lack what the model needs.

use serde_json::{Value, json};

use crate::checkpoint::Checkpoint;

const MODEL: i32 = 4;
const FILE: &str = "tokenizer.json";

#[test]
fn every_special_token_is_needed() {
    for token in [
        "<|im_start|>",
        "<|im_end|>",
        "<|endoftext|>",
        "<|vision_bos|>",
        "<|vision_eos|>",
        "<|audio_bos|>",
        "<|audio_eos|>",
        "<|VIDEO|>",
        "<|AUDIO|>",
    ] {
        let checkpoint = Checkpoint::copy();
        checkpoint.edit(FILE, |json| remove(json, &[token]));
        checkpoint
            .predict()
            .refused(MODEL, &["tokenizer.json: special tokens missing", token, "copy tokenizer.json"]);
    }
}

#[test]
fn several_missing_tokens_are_one_error() {
    let checkpoint = Checkpoint::copy();
    checkpoint.edit(FILE, |json| remove(json, &["<|VIDEO|>", "<|AUDIO|>", "<|im_end|>"]));
    checkpoint.predict().refused(
        MODEL,
        &["tokenizer.json: special tokens missing: <|im_end|>, <|VIDEO|>, <|AUDIO|>", "copy tokenizer.json"],
    );
}

fn remove(tokenizer: &mut Value, tokens: &[&str]) {
    let added = tokenizer["added_tokens"].as_array_mut().unwrap();
    let before = added.len();
    added.retain(|t| !tokens.contains(&t["content"].as_str().unwrap()));
    assert_eq!(added.len() + tokens.len(), before);
}

#[test]
fn an_id_beyond_the_vocabulary_is_refused() {
    let checkpoint = Checkpoint::copy();
    checkpoint.edit(FILE, |json| json["model"]["vocab"]["zzzz"] = json!(70_000));
    checkpoint.predict().refused(
        MODEL,
        &["tokenizer.json: token \"zzzz\" has id 70000", "expected less than the vocabulary size 672"],
    );
}

#[test]
fn placeholders_must_have_the_ids_of_the_config() {
    for (field, token) in [("audio_token_index", "<|AUDIO|>"), ("video_token_index", "<|VIDEO|>")] {
        let checkpoint = Checkpoint::copy();
        checkpoint.edit("config.json", |json| json[field] = json!(7));
        let message = format!("token {token} has id ");
        let expected = format!("expected 7, the config's `{field}`");
        checkpoint.predict().refused(MODEL, &["tokenizer.json: ", &message, &expected]);
    }
    // Ids of later tokens move up where an earlier one is missing.
    let checkpoint = Checkpoint::copy();
    checkpoint.edit(FILE, |json| {
        json["added_tokens"].as_array_mut().unwrap().retain(|t| t["content"] != "<|vision_pad|>");
    });
    checkpoint.predict().refused(MODEL, &["tokenizer.json: token <|VIDEO|> has id ", "copy tokenizer.json"]);
}

#[test]
fn a_letter_must_be_one_token() {
    let checkpoint = Checkpoint::copy();
    checkpoint.edit(FILE, |json| {
        // Without its own entry the letter has no token at all.
        json["model"]["vocab"].as_object_mut().unwrap().remove("C").unwrap();
        json["model"]["merges"] = json!([]);
    });
    checkpoint.predict().refused(MODEL, &["tokenizer.json: ", "the letter C is 0 tokens, expected 1"]);
}

#[test]
fn a_broken_file_is_named() {
    let checkpoint = Checkpoint::copy();
    let whole = std::fs::read(checkpoint.path(FILE)).unwrap();
    for bytes in [&b""[..], b"{}", b"[]", b"null", b"\xff\xfe", &whole[..whole.len() / 2]] {
        checkpoint.write(FILE, bytes);
        checkpoint.predict().refused(MODEL, &["tokenizer.json: ", "copy tokenizer.json"]);
    }
    checkpoint.write(FILE, whole);
    checkpoint.edit(FILE, |json| {
        json["pre_tokenizer"] =
            json!({ "type": "Split", "pattern": { "Regex": "(" }, "behavior": "Isolated", "invert": false });
    });
    checkpoint.predict().refused(MODEL, &["tokenizer.json: ", "copy tokenizer.json"]);
    checkpoint.remove(FILE);
    checkpoint.predict().refused(MODEL, &["tokenizer.json: No such file"]);
}
