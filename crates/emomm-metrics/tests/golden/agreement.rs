//! Agreement of annotators against statsmodels, krippendorff and scikit-learn.

use emomm_metrics::{
    AlphaLevel, KappaWeights, Ratings, fleiss_kappa, krippendorff_alpha, pairwise_agreement,
};
use serde_json::Value;

use crate::{assert_close, cases, index};

fn ratings(case: &Value) -> Ratings {
    let item = |row: &Value| -> Vec<Option<i32>> {
        row.as_array().unwrap().iter().map(|r| r.as_i64().map(|r| r as i32)).collect()
    };
    let items: Vec<_> = case["ratings"].as_array().unwrap().iter().map(item).collect();
    Ratings::new(items[0].len(), items).unwrap()
}

#[test]
fn kappa_equals_statsmodels() {
    for case in cases("agreement.json", "cases") {
        let ratings = ratings(&case);
        let kappa = fleiss_kappa(&ratings).unwrap();
        assert_close(kappa.value, &case["fleiss"], "Fleiss' kappa");
        assert_eq!(kappa.n_items + kappa.n_skipped, ratings.n_items());
    }
}

#[test]
fn alpha_equals_the_package_of_its_name() {
    for case in cases("agreement.json", "cases") {
        for (name, level) in [
            ("nominal", AlphaLevel::Nominal),
            ("ordinal", AlphaLevel::Ordinal),
            ("interval", AlphaLevel::Interval),
        ] {
            let alpha = krippendorff_alpha(&ratings(&case), level).unwrap();
            assert_close(alpha.value, &case["alpha"][name], name);
        }
    }
}

#[test]
fn pairwise_kappas_equal_scikit_learn() {
    for case in cases("agreement.json", "cases") {
        for (name, weights) in [
            ("unweighted", KappaWeights::Unweighted),
            ("linear", KappaWeights::Linear),
            ("quadratic", KappaWeights::Quadratic),
        ] {
            let agreement = pairwise_agreement(&ratings(&case), weights);
            let expected = case["pairs"].as_array().unwrap();
            assert_eq!(agreement.pairs.len(), expected.len());
            for (pair, expected) in agreement.pairs.iter().zip(expected) {
                assert_eq!(
                    pair.raters.map(serde_json::Value::from).to_vec(),
                    *expected["raters"].as_array().unwrap()
                );
                let share = pair.agreement.unwrap();
                assert_eq!(share.n, index(&expected["n"]));
                assert_close(share.value, &expected["agreement"], "agreement");
                assert_close(pair.kappa.unwrap().value, &expected[name], name);
            }
        }
    }
}
