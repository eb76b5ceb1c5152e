//! What words of `--variants`, `--base` and of a sweep's points name, and what is said of what was learnt or chosen where it
//! is measured; with the router of a sibling module.

use std::path::Path;

use serde_json::Value;

use crate::chase::{chase, place};
use crate::process::Outcome;

fn steered(command: &str, router: &Path, words: &[&str]) -> Outcome {
    let words = [&["--router", router.to_str().unwrap(), "--limit", "2"], words].concat();
    chase(command, place(), &words, &[])
}

fn eval(router: &Path, variants: &str, out: &Path, words: &[&str]) -> Outcome {
    let fixed = ["--variants", variants, "--coalitions", "TAV", "--json", "--out", out.to_str().unwrap()];
    steered("eval", router, &[&fixed[..], words].concat())
}

/// γ beyond all sense: its biases are no f32.
#[test]
fn a_variant_whose_row_is_no_number_fails_alone() {
    let (file, out) = (place().join("wild.toml"), place().join("wild"));
    std::fs::write(&file, "preset = \"always_on\"\ninter_strength = 1e300\n").unwrap();
    let list = format!("two_pass,{}", file.to_str().unwrap());
    let done = eval(&place().join("router"), &list, &out, &[]);
    assert_eq!(done.code, Some(1), "{done}");
    let printed: Value = serde_json::from_str(done.stdout.trim()).unwrap();
    let failed: Vec<_> =
        printed["variants"].as_array().unwrap().iter().map(|v| v["n_failed"].as_u64()).collect();
    assert_eq!(failed, [Some(0), Some(0), Some(2)], "{printed}");
    let log = std::fs::read_to_string(out.join("wild/log.jsonl")).unwrap();
    let record: Value = serde_json::from_str(log.lines().nth(1).unwrap()).unwrap();
    let error = &record["error"];
    assert!(error["message"].as_str().unwrap().contains("expected a finite number"), "{record}");
    assert!(error["hint"].as_str().unwrap().contains("lower"), "{record}");
}
