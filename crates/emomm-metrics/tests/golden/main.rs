//! Every metric against an independent implementation.
//!
//! Expected values come from `tests/golden/metrics/export.py`, which calls scikit-learn, statsmodels, krippendorff
//! and scipy. The README there gives the reason for each tolerance.

mod agreement;
mod classification;
mod intra_class;
mod modalities;
mod resampling;
mod statistical_tests;

use std::path::Path;

use emomm_dataset::Sentiment;
use serde_json::Value;

/// For figures that both sides compute exactly, up to the order of additions.
const EXACT: f64 = 1e-9;

/// The cases under `key` of a golden file.
fn cases(file: &str, key: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/metrics").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file: Value = serde_json::from_str(&text).expect("golden file is JSON");
    let cases = file[key].as_array().expect("a list of cases").clone();
    assert!(!cases.is_empty());
    cases
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

fn index(value: &Value) -> usize {
    value.as_u64().expect("a whole number") as usize
}

fn indices(value: &Value) -> Vec<usize> {
    value.as_array().expect("a list").iter().map(index).collect()
}

fn class(value: &Value) -> Sentiment {
    Sentiment::from_index(index(value)).expect("a class")
}

fn classes(value: &Value) -> Vec<Sentiment> {
    value.as_array().expect("a list").iter().map(class).collect()
}

/// Pairs (truth, answer); `null` is no answer.
fn pairs(truth: &Value, predicted: &Value) -> Vec<(Sentiment, Option<Sentiment>)> {
    let predicted = predicted.as_array().expect("a list").iter();
    classes(truth).into_iter().zip(predicted.map(|p| (!p.is_null()).then(|| class(p)))).collect()
}

#[track_caller]
fn assert_close(found: f64, expected: &Value, what: &str) {
    let expected = number(expected);
    let difference = (found - expected).abs() / expected.abs().max(1.0);
    assert!(difference <= EXACT, "{what}: found {found}, expected {expected}");
}
