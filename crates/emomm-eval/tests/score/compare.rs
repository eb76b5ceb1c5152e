//! Comparisons against scikit-learn, statsmodels and an enumeration of all swaps; what is refused.

use std::path::{Path, PathBuf};

use emomm_eval::score::{
    AnswerRow, ClusterBy, CompareError, CompareOptions, ComparedPart, ReadOptions, compare, read,
};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/compare").join(name)
}

fn rows(name: &str) -> Vec<AnswerRow> {
    read(&golden(name), &ReadOptions::default()).unwrap().rows
}

/// Counts, and quotients of counts: rounding is all that may differ.
fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what}: {expected}"));
    assert!((found - expected).abs() < 1e-12, "{what}: {found}, expected {expected}");
}

fn check(part: &ComparedPart, expected: &Value, what: &str) {
    assert_eq!(part.n as u64, expected["n"].as_u64().unwrap(), "{what}");
    assert_eq!(part.n_clusters as u64, expected["n_clusters"].as_u64().unwrap(), "{what}");
    let acc = part.acc.unwrap();
    close(acc.a, &expected["acc"]["a"], what);
    close(acc.b, &expected["acc"]["b"], what);
    close(acc.delta, &expected["acc"]["delta"], what);
    // Eight groups have 256 swaps, all of which are looked at on both sides.
    close(acc.p.unwrap(), &expected["acc"]["p"], what);
    let f1 = part.macro_f1.unwrap();
    close(f1.a, &expected["macro_f1"]["a"], what);
    close(f1.b, &expected["macro_f1"]["b"], what);
    assert!(acc.low.unwrap() <= acc.delta && acc.delta <= acc.high.unwrap(), "{what}");
    let flips = serde_json::to_value(part.flips).unwrap();
    assert_eq!(flips, expected["flips"], "{what}");
    // The logarithm of a factorial, and then a sum of up to some hundred terms.
    let exact = expected["mcnemar"].as_f64().unwrap();
    assert!((part.mcnemar.unwrap() - exact).abs() < 1e-9 * exact.max(1e-6), "{what}");
}

#[test]
fn differences_tests_and_flips_equal_the_reference() {
    let expected: Value = serde_json::from_slice(&std::fs::read(golden("expected.json")).unwrap()).unwrap();
    let report = compare(&rows("a.csv"), &rows("b.csv"), false, &CompareOptions::default()).unwrap();
    assert_eq!(report.rows, "overall");
    check(&report.top, &expected, "overall");
    for (name, part) in expected["subsets"].as_object().unwrap() {
        check(&report.subsets[name], part, name);
    }
    check(&report.coalitions["none"], &expected["coalitions"]["none"], "none");
    for (name, p) in expected["holm"].as_object().unwrap() {
        // The reference has no row for Same-polarity, which is empty here.
        let found = report.holm.comparisons.iter().find(|c| c.name == format!("{name}, acc")).unwrap();
        close(found.adjusted, p, name);
    }
    let flips = report.top.flips;
    assert_eq!(report.flipped.len(), flips.right_to_wrong + flips.wrong_to_right);
}

#[test]
fn the_other_way_round_signs_change_and_p_values_stay() {
    let (a, b) = (rows("a.csv"), rows("b.csv"));
    let there = compare(&a, &b, false, &CompareOptions::default()).unwrap().top;
    let back = compare(&b, &a, false, &CompareOptions::default()).unwrap().top;
    let (there, back) = (there.acc.unwrap(), back.acc.unwrap());
    assert!((there.delta + back.delta).abs() < 1e-15);
    assert_eq!(there.p, back.p);
    let same = compare(&a, &a, false, &CompareOptions::default()).unwrap().top;
    assert_eq!((same.acc.unwrap().delta, same.acc.unwrap().p, same.mcnemar), (0.0, Some(1.0), Some(1.0)));
}

#[test]
fn single_rows_are_tested_after_mcnemar() {
    let (mut a, mut b) = (rows("a.csv"), rows("b.csv"));
    a.retain(|r| r.coalition == emomm_dataset::ModalitySet::FULL);
    b.retain(|r| r.coalition == emomm_dataset::ModalitySet::FULL);
    let options = CompareOptions { cluster: ClusterBy::Clip, ..CompareOptions::default() };
    let top = compare(&a, &b, false, &options).unwrap().top;
    assert_eq!((top.n, top.n_clusters), (60, 60));
    assert_eq!(top.acc.unwrap().p, top.mcnemar);
}

#[test]
fn other_samples_and_other_truths_are_refused() {
    let (a, b) = (rows("a.csv"), rows("b.csv"));
    let options = CompareOptions::default();
    let fewer = &b[..b.len() - 2];
    let error = compare(&a, fewer, false, &options).unwrap_err();
    assert!(matches!(error, CompareError::UnlikeSamples { only_a: 2, only_b: 0, .. }), "{error}");
    assert!(error.hint().unwrap().contains("--common"));
    assert_eq!(compare(&a, fewer, true, &options).unwrap().n_left_out, 2);
    assert!(matches!(compare(&a, &[], true, &options), Err(CompareError::Empty)));
    let mut other = b.clone();
    for row in &mut other {
        row.labels.ground_truth = emomm_dataset::Sentiment::Neutral;
    }
    assert!(matches!(compare(&a, &other, false, &options), Err(CompareError::UnlikeTruth { .. })));
}
