//! What words of `--variants`, `--base` and of a sweep's points name, and what is said of what was learnt or chosen where it
//! is measured; with the router of a sibling module.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::chase::{chase, place};
use crate::process::Outcome;

/// A copy of the router under another name, for what a test writes beside it.
fn router_of_its_own(name: &str) -> PathBuf {
    let (from, to) = (place().join("router"), place().join(name));
    std::fs::create_dir_all(&to).unwrap();
    std::fs::copy(from.join("router.safetensors"), to.join("router.safetensors")).unwrap();
    to
}

fn steered(command: &str, router: &Path, words: &[&str]) -> Outcome {
    let words = [&["--router", router.to_str().unwrap(), "--limit", "2"], words].concat();
    chase(command, place(), &words, &[])
}

fn eval(router: &Path, variants: &str, out: &Path, words: &[&str]) -> Outcome {
    let fixed = ["--variants", variants, "--coalitions", "TAV", "--json", "--out", out.to_str().unwrap()];
    steered("eval", router, &[&fixed[..], words].concat())
}

#[test]
fn a_point_that_names_a_preset_keeps_its_seed_and_gets_the_router_s_heads() {
    let router = router_of_its_own("points-router");
    let tune = ["--tune", "--split", "valid", "--grid", "preset = [\"random_gate@7\"]", "--json"];
    steered("sweep", &router, &tune).objects();
    let chosen = std::fs::read_to_string(router.join("tuned.toml")).unwrap();
    assert!(chosen.contains("seed = 7\n"), "{chosen}");
    let heads = ["--grid", "preset = [\"fixed_heads\", \"random_gate\"]", "--json"];
    let sweep = steered("sweep", &router, &heads).objects().remove(0);
    assert_eq!(sweep["n_points"], 2, "{sweep}");
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

#[test]
fn a_steering_file_has_a_seed_as_presets_have_and_is_refused_by_the_option_that_named_it() {
    let router = place().join("router");
    let (file, out) = (place().join("seedt.toml"), place().join("seedt"));
    std::fs::write(&file, "preset = \"random_gate\"\n").unwrap();
    let done = eval(&router, &format!("{}@3", file.to_str().unwrap()), &out, &[]);
    assert_eq!(done.code, Some(0), "{done}");
    assert_eq!(done.objects()[0]["variants"][1]["name"], "seedt@3");
    let index: Value = serde_json::from_slice(&std::fs::read(out.join("chase.json")).unwrap()).unwrap();
    assert_eq!(index["variants"][1]["kind"]["steered"]["seed"], 3, "{index}");

    let odd = place().join("a+b.toml");
    std::fs::write(&odd, "preset = \"two_pass\"\n").unwrap();
    let base = ["--base", odd.to_str().unwrap(), "--grid", "max_steering = [0.5]"];
    steered("sweep", &router, &base).refused(2, &["--base ", "would be named `a+b`"]);
    let base = ["--base", "nonsense", "--out", "/nowhere"];
    steered("ablate", &router, &base).refused(2, &["--base nonsense"]);
}
