//! Intra-class correlation against pingouin.

use std::path::Path;

use emomm_metrics::{Ratings, intra_class};
use serde_json::Value;

use crate::{assert_close, index};

#[test]
fn both_coefficients_equal_pingouin() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/intra_class/expected.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let items: Vec<Vec<Option<i32>>> = case["ratings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row.as_array().unwrap().iter().map(|r| r.as_i64().map(|r| r as i32)).collect())
            .collect();
        let icc = intra_class(&Ratings::new(items[0].len(), items).unwrap()).unwrap();
        assert_close(icc.single, &case["single"], "ICC(2,1)");
        assert_close(icc.average, &case["average"], "ICC(2,k)");
        assert_eq!(icc.n_items, index(&case["n_items"]));
    }
}
