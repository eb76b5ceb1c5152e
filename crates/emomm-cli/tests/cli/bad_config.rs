//! Settings files that lack fields or hold absurd values.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::checkpoint::Checkpoint;
use crate::process::{Outcome, emomm, finish};

const MODEL: i32 = 4;
const CONFIG: &str = "config.json";
const FLAT: &str = "preprocessor_config.json";
const SETTINGS: &str = "emomm_settings.json";

/// Fields that decide shapes of tensors, as JSON pointers.
const SHAPES: [&str; 21] = [
    "/text_config/vocab_size",
    "/text_config/hidden_size",
    "/text_config/intermediate_size",
    "/text_config/num_hidden_layers",
    "/text_config/num_attention_heads",
    "/text_config/num_key_value_heads",
    "/text_config/head_dim",
    "/vision_config/depth",
    "/vision_config/hidden_size",
    "/vision_config/intermediate_size",
    "/vision_config/num_heads",
    "/vision_config/in_channels",
    "/vision_config/patch_size",
    "/vision_config/temporal_patch_size",
    "/vision_config/spatial_merge_size",
    "/vision_config/out_hidden_size",
    "/audio_config/num_mel_bins",
    "/audio_config/encoder_layers",
    "/audio_config/encoder_ffn_dim",
    "/audio_config/d_model",
    "/audio_config/output_dim",
];

/// Fields that decide no tensor's shape.
const OTHERS: [&str; 7] = [
    "/text_config/max_position_embeddings",
    "/vision_config/window_size",
    "/audio_config/encoder_attention_heads",
    "/audio_config/n_window",
    "/audio_token_index",
    "/video_token_index",
    "/position_id_per_seconds",
];

fn with_config(change: impl FnOnce(&mut Value)) -> Checkpoint {
    let checkpoint = Checkpoint::copy();
    checkpoint.edit(CONFIG, change);
    checkpoint
}

/// Sets a field, which may be new.
fn set(json: &mut Value, pointer: &str, value: &Value) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    json.pointer_mut(parent).unwrap()[field] = value.clone();
}

/// Predicts with at most 4 GiB of address space, so that an absurd allocation ends the process.
fn predict_in_4_gib(folder: &Path) -> Outcome {
    let limited = "ulimit -v 4194304 && exec \"$0\" \"$@\"";
    let binary = emomm();
    let mut command = Command::new("sh");
    command.args(["-c", limited]).arg(binary.get_program());
    command.args(["predict", "--text", "hi", "--json", "--model"]).arg(folder);
    // Every thread reserves address space.
    command.env("RAYON_NUM_THREADS", "2");
    finish(&mut command)
}

#[test]
fn a_missing_field_is_named() {
    let optional =
        ["/text_config/num_key_value_heads", "/text_config/head_dim", "/vision_config/in_channels"];
    let fields = SHAPES.iter().chain(&OTHERS[1..]).filter(|f| !optional.contains(f));
    let more =
        ["/text_config/rms_norm_eps", "/text_config/rope_theta", "/vision_config/fullatt_block_indexes"];
    for pointer in fields.chain(&more) {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let checkpoint = with_config(|json| {
            json.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
        });
        let name = pointer[1..].replace('/', ".");
        checkpoint
            .predict()
            .refused(MODEL, &[&format!("config.json: no field `{name}`"), "compare the file"]);
    }
    for part in ["text_config", "vision_config", "audio_config"] {
        let checkpoint = with_config(|json| drop(json.as_object_mut().unwrap().remove(part).unwrap()));
        checkpoint
            .predict()
            .refused(MODEL, &[&format!("config.json: no object `{part}`"), "compare the file"]);
    }
}

#[test]
fn a_value_of_another_kind_is_named() {
    for pointer in SHAPES.iter().chain(&OTHERS) {
        let name = pointer[1..].replace('/', ".");
        for value in [json!(-1), json!(1.5), json!("64"), json!(u64::MAX)] {
            let checkpoint = with_config(|json| set(json, pointer, &value));
            let message = format!("config.json: `{name}` is {value}");
            checkpoint.predict().refused(MODEL, &[&message, "expected a whole number", "compare the file"]);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn absurd_sizes_are_refused_without_memory_for_them() {
    for pointer in SHAPES {
        for value in [0, 1 << 20, u64::from(u32::MAX)] {
            let checkpoint = with_config(|json| set(json, pointer, &json!(value)));
            let outcome = predict_in_4_gib(checkpoint.folder());
            outcome.refused(MODEL, &[&checkpoint.folder().display().to_string()]);
        }
    }
    for pointer in OTHERS {
        for value in [0, 1 << 20, u64::from(u32::MAX)] {
            let checkpoint = with_config(|json| set(json, pointer, &json!(value)));
            let outcome = predict_in_4_gib(checkpoint.folder());
            match outcome.code {
                Some(0) => assert_eq!(outcome.objects().len(), 1),
                Some(code @ (3 | 4)) => outcome.one_error(code, &[]),
                _ => panic!("{pointer} = {value}: {outcome}"),
            }
        }
    }
    // All at once: every tensor is misshapen.
    let checkpoint = with_config(|json| {
        for pointer in
            ["/text_config/intermediate_size", "/text_config/vocab_size", "/audio_config/encoder_ffn_dim"]
        {
            set(json, pointer, &json!(1 << 20));
        }
        for pointer in
            ["/text_config/num_hidden_layers", "/vision_config/depth", "/audio_config/encoder_layers"]
        {
            set(json, pointer, &json!(1024));
        }
    });
    predict_in_4_gib(checkpoint.folder()).refused(
        MODEL,
        &[&checkpoint.folder().display().to_string(), "model.layers.1023.self_attn.q_proj.weight: missing"],
    );
}

#[test]
fn numbers_that_make_no_sense_are_named() {
    for (pointer, value) in [
        ("/text_config/rms_norm_eps", json!(-1.0)),
        ("/text_config/rms_norm_eps", json!("small")),
        ("/text_config/rope_theta", json!(0)),
        ("/text_config/rope_theta", json!(-1e6)),
        ("/text_config/rope_scaling/mrope_section", json!([])),
        ("/text_config/rope_scaling/mrope_section", json!([2, 3])),
        ("/text_config/rope_scaling/mrope_section", json!([-2, 3, 7])),
        ("/text_config/rope_scaling/mrope_section", json!([u64::MAX, u64::MAX, 10])),
        ("/text_config/rope_scaling/rope_type", json!("yarn")),
        ("/text_config/hidden_act", json!("gelu")),
        ("/text_config/use_sliding_window", json!(true)),
        ("/vision_config/fullatt_block_indexes", json!(["first"])),
        ("/vision_config/hidden_act", json!("relu")),
        ("/audio_config/activation_function", json!("silu")),
    ] {
        let checkpoint = with_config(|json| set(json, pointer, &value));
        let field = pointer.rsplit_once('/').unwrap().1;
        checkpoint.predict().refused(MODEL, &["config.json: ", field, "expected", "compare the file"]);
    }
    // What JSON itself cannot say.
    let checkpoint = Checkpoint::copy();
    let text = std::fs::read_to_string(checkpoint.path(CONFIG)).unwrap();
    for number in ["NaN", "Infinity", "1e999"] {
        checkpoint.write(CONFIG, text.replace("1e-06", number));
        checkpoint.predict().refused(MODEL, &["config.json: ", " at line "]);
    }
}

#[test]
fn a_config_that_is_none_is_named() {
    let checkpoint = Checkpoint::copy();
    for text in [&b""[..], b"{", b"[]", b"null", b"{}", b"\xff\xfe", "[".repeat(100_000).as_bytes()] {
        checkpoint.write(CONFIG, text);
        checkpoint.predict().refused(MODEL, &["config.json: "]);
    }
    checkpoint.remove(CONFIG);
    checkpoint.predict().refused(MODEL, &["config.json: No such file", "give --model"]);
}

#[test]
fn an_unknown_model_is_named_with_those_that_are_known() {
    let checkpoint = with_config(|json| json["model_type"] = json!("gpt2"));
    checkpoint.predict().refused(
        MODEL,
        &["config.json: model type `gpt2` is not supported", "qwen2_5_omni_thinker", "emomm models"],
    );
    for value in [Value::Null, json!(3)] {
        let checkpoint = with_config(|json| json["model_type"] = value);
        checkpoint.predict().refused(MODEL, &["config.json: no field `model_type`"]);
    }
}

#[test]
fn the_processor_s_settings_are_needed_and_checked() {
    let checkpoint = Checkpoint::copy();
    checkpoint.remove("processor_config.json");
    for (field, value) in [
        ("sampling_rate", json!(0)),
        ("sampling_rate", json!(1_u64 << 32)),
        ("n_fft", json!(-400)),
        ("n_fft", json!(u64::MAX)),
        ("hop_length", json!(0)),
        ("hop_length", json!("160")),
        ("chunk_length", json!(1e18)),
        ("chunk_length", json!(80_000)),
        ("feature_size", json!(1_u64 << 40)),
        ("image_mean", json!([0.5])),
        ("image_std", json!([0.5, 0.0, 0.5])),
        ("image_std", json!("bright")),
        ("padding_side", json!("top")),
    ] {
        let flat = std::fs::read(checkpoint.path(FLAT)).unwrap();
        checkpoint.edit(FLAT, |json| json[field] = value);
        checkpoint
            .predict()
            .refused(MODEL, &["preprocessor_config.json: ", field, "expected", "compare the file"]);
        checkpoint.write(FLAT, flat);
    }
    checkpoint.edit(FLAT, |json| json["feature_size"] = json!(80));
    checkpoint.predict().refused(MODEL, &["config.json: ", "num_mel_bins", "feature_size", "80"]);
    checkpoint.write(FLAT, "{");
    checkpoint.predict().refused(MODEL, &["preprocessor_config.json: ", "EOF"]);
    checkpoint.remove(FLAT);
    checkpoint.predict().refused(MODEL, &["preprocessor_config.json: No such file"]);
}

#[test]
fn the_settings_file_is_checked() {
    let checkpoint = Checkpoint::copy();
    for video in [
        json!({ "fps": 0 }),
        json!({ "fps": -2.0 }),
        json!({ "min_frames": 0 }),
        json!({ "min_frames": 8, "max_frames": 4 }),
        json!({ "max_frames": 1, "min_frames": 1 }),
        json!({ "min_pixels": 0 }),
        json!({ "min_pixels": 1e18 }),
        json!({ "min_pixels": 20_000, "max_pixels": 10_000 }),
        json!({ "total_pixels": 0 }),
        json!({ "max_frames": "many" }),
        json!({ "max_frame": 8 }),
        json!("fast"),
    ] {
        checkpoint.write(SETTINGS, json!({ "video": video }).to_string());
        checkpoint.predict().refused(MODEL, &["emomm_settings.json: ", "expected"]);
    }
    checkpoint.write(SETTINGS, "{");
    checkpoint.predict().refused(MODEL, &["emomm_settings.json: ", "EOF"]);
}
