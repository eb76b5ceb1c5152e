//! McNemar, Holm, detectable differences and clustered standard errors against statsmodels and scipy.

use emomm_metrics::{Clusters, Flips, cluster_standard_error, holm, mcnemar, smallest_detectable_difference};

use crate::{assert_close, cases, index, indices, number, numbers};

#[test]
fn mcnemar_equals_statsmodels() {
    for case in cases("tests.json", "mcnemar") {
        let (right_to_wrong, wrong_to_right) = (index(&case["b"]), index(&case["c"]));
        let n = right_to_wrong + wrong_to_right + 16;
        let p = mcnemar(Flips { right_to_wrong, wrong_to_right, n }).unwrap();
        assert_close(p, &case["p"], &format!("{right_to_wrong} against {wrong_to_right}"));
        // Small p-values keep their digits too.
        assert!((p / number(&case["p"]) - 1.0).abs() < 1e-9);
    }
}

#[test]
fn holm_equals_statsmodels() {
    for case in cases("tests.json", "holm") {
        let adjusted = holm(&numbers(&case["p"])).unwrap();
        for (i, found) in adjusted.iter().enumerate() {
            assert_close(*found, &case["adjusted"][i], &format!("{:?}", case["p"]));
        }
    }
}

#[test]
fn detectable_differences_use_scipy_s_quantiles() {
    for case in cases("tests.json", "detectable") {
        let [error, alpha, power] = ["standard_error", "alpha", "power"].map(|key| number(&case[key]));
        let difference = smallest_detectable_difference(error, alpha, power).unwrap();
        assert_close(difference, &case["difference"], "difference");
    }
}

#[test]
fn clustered_errors_equal_those_of_a_regression_on_a_constant() {
    for case in cases("tests.json", "clustered") {
        let clusters = Clusters::by_key(indices(&case["clusters"]));
        let error = cluster_standard_error(&numbers(&case["differences"]), &clusters).unwrap().unwrap();
        assert_close(error.value, &case["standard_error"], "standard error");
    }
}
