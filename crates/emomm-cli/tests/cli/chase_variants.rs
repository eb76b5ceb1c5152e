//! What words of `--variants`, `--base` and of a sweep's points name, and what is said of what was learnt or chosen where it
//! is measured; with the router of a sibling module.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::chase::{chase, n_failed, place};
use crate::process::Outcome;

/// A copy of the router under another name, for what a test writes beside it.
fn router_of_its_own(name: &str) -> PathBuf {
    let (from, to) = (place().join("router"), place().join(name));
    std::fs::create_dir_all(&to).unwrap();
    std::fs::copy(from.join("router.safetensors"), to.join("router.safetensors")).unwrap();
    to
}

/// Changes the card in the metadata of a router's file. Safetensors by hand: length of the header, header, data.
fn change_card(router: &Path, change: impl FnOnce(&mut Value)) {
    let path = router.join("router.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    let card = header["__metadata__"].as_object_mut().unwrap().values_mut().next().unwrap();
    let mut fields: Value = serde_json::from_str(card.as_str().unwrap()).unwrap();
    change(&mut fields);
    *card = Value::from(fields.to_string());
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let whole = [&(header.len() as u64).to_le_bytes()[..], &header, data].concat();
    std::fs::write(&path, whole).unwrap();
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
    assert_eq!(n_failed(&done), [Some(0), Some(0), Some(2)], "{done}");
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
    let plan = place().join("odd-plan.toml");
    std::fs::write(&plan, format!("about = \"x\"\nvariants = [{:?}]\n", odd.to_str().unwrap())).unwrap();
    let words = ["--plan", plan.to_str().unwrap(), "--out", "/nowhere"];
    let said = format!("--plan {}: variants {}: the variant", plan.display(), odd.display());
    steered("eval", &router, &words).refused(2, &[&said]);
    let base = ["--base", "nonsense", "--out", "/nowhere"];
    steered("ablate", &router, &base).refused(2, &["--base nonsense"]);
}

/// A copy under another name holds the same settings, and a file of another router's has its own search beside it.
#[test]
fn settings_that_were_chosen_on_what_is_measured_are_warned_of_under_any_name() {
    let (mine, other) = (router_of_its_own("chosen-router"), router_of_its_own("other-router"));
    let tune = |router: &Path, steering: &str| {
        let grid = format!("max_steering = [{steering}]");
        steered("sweep", router, &["--tune", "--split", "valid", "--grid", &grid, "--json"]).objects();
    };
    tune(&mine, "0.5");
    tune(&other, "0.25");
    let folder = place().join("copies");
    std::fs::create_dir_all(&folder).unwrap();
    let copy = folder.join("mytuned.toml");
    std::fs::copy(mine.join("tuned.toml"), &copy).unwrap();
    let theirs = other.join("tuned.toml");
    let on = |split: &str, word: &str, out: &str| eval(&mine, word, &place().join(out), &["--split", split]);
    let path = |p: &Path| p.to_str().unwrap().to_owned();
    for (at, (word, name)) in [
        ("tuned".to_owned(), "tuned"),
        (path(&copy), "mytuned"),
        (format!("{}+random_gate@3", path(&copy)), "mytuned"),
        (path(&theirs), "tuned"),
    ]
    .into_iter()
    .enumerate()
    {
        let said = format!("`{name}` was chosen on the valid split of this benchmark");
        let valid = on("valid", &word, &format!("chosen-valid-{at}"));
        assert!(valid.stderr.contains(&said), "{word}: {valid}");
        let test = on("test", &word, &format!("chosen-test-{at}"));
        assert!(!test.stderr.contains("no evidence"), "{word}: {test}");
    }
    // The other's search was on the validation split; that this router's would have been on another is nothing to it.
    let search = mine.join("tuned-search.json");
    let text = std::fs::read_to_string(&search).unwrap();
    let splits: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(splits["splits"], serde_json::json!(["valid"]));
    let on_test = serde_json::json!({ "manifest_sha256": splits["manifest_sha256"], "splits": ["test"] });
    std::fs::write(&search, on_test.to_string()).unwrap();
    let test = on("test", &path(&theirs), "chosen-theirs");
    assert!(!test.stderr.contains("no evidence"), "{test}");
    // Whose search nobody has is not known.
    std::fs::remove_file(other.join("tuned-search.json")).unwrap();
    let unknown = on("test", &path(&theirs), "chosen-unknown");
    assert!(unknown.stderr.contains("where `tuned` was chosen is not known"), "{unknown}");
}

/// Cards from before do not name the clips, but the benchmark.
#[test]
fn a_router_from_before_is_known_to_have_learnt_from_the_train_split_of_its_benchmark() {
    let router = router_of_its_own("old-router");
    change_card(&router, |card| assert!(card.as_object_mut().unwrap().remove("train_clips").is_some()));
    let said = "the router was trained on the train split of this benchmark";
    let train = eval(&router, "paper", &place().join("old-train"), &["--split", "train"]);
    assert!(train.stderr.contains(said), "{train}");
    let test = eval(&router, "paper", &place().join("old-test"), &["--split", "test"]);
    assert!(!test.stderr.contains("no evidence"), "{test}");
    change_card(&router, |card| card["manifest_sha256"] = Value::from("0".repeat(64)));
    let another = eval(&router, "paper", &place().join("old-another"), &["--split", "train"]);
    assert!(!another.stderr.contains("no evidence"), "{another}");
}
