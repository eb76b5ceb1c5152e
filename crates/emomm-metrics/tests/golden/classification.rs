//! Classes and scores against scikit-learn and scipy.

use emomm_metrics::{Acc2, Classification, Confusion, Unparsed, binary, five_class, mae, pearson, polarity};
use serde_json::Value;

use crate::{assert_close, cases, index, numbers, pairs};

const POLICIES: [(&str, Unparsed); 2] = [("wrong", Unparsed::Wrong), ("excluded", Unparsed::Excluded)];

fn assert_figures<const K: usize>(matrix: &Confusion<K>, unparsed: Unparsed, expected: &Value, what: &str) {
    let acc = matrix.accuracy(unparsed).unwrap();
    assert_close(acc.value, &expected["acc"], &format!("{what}: acc"));
    let averages = [
        ("macro_f1", matrix.macro_f1(unparsed)),
        ("weighted_f1", matrix.weighted_f1(unparsed)),
        ("uar", matrix.uar(unparsed)),
    ];
    for (name, average) in averages {
        let average = average.unwrap();
        assert_close(average.value, &expected[name], &format!("{what}: {name}"));
        assert_eq!((average.n, acc.n), (index(&expected["n"]), index(&expected["n"])), "{what}");
    }
}

#[test]
fn five_three_and_two_classes_equal_scikit_learn() {
    for (i, case) in cases("classification.json", "cases").iter().enumerate() {
        let pairs = pairs(&case["truth"], &case["predicted"]);
        for (policy, unparsed) in POLICIES {
            let expected = &case[policy];
            let what = format!("case {i}, {policy}");
            assert_figures(&five_class(pairs.iter().copied()), unparsed, &expected["five"], &what);
            assert_figures(&polarity(pairs.iter().copied()), unparsed, &expected["three"], &what);
            for reading in [Acc2::NegativePositive, Acc2::NonZero, Acc2::HasZero] {
                let name = serde_json::to_value(reading).unwrap();
                let name = name.as_str().unwrap();
                let two = binary(pairs.iter().copied(), reading);
                assert_figures(&two, unparsed, &expected["two"][name], &format!("{what}, {name}"));
            }
        }
    }
}

#[test]
fn matrix_precision_recall_and_support_equal_scikit_learn() {
    for case in cases("classification.json", "cases") {
        let matrix = five_class(pairs(&case["truth"], &case["predicted"]));
        assert_eq!(serde_json::to_value(matrix).unwrap()["counts"], case["confusion"]);
        for (policy, unparsed) in POLICIES {
            for class in 0..5 {
                let score = matrix.class_score(class, unparsed);
                assert_eq!(score.support, index(&case[policy]["support"][class]));
                for (name, found) in [("precision", score.precision), ("recall", score.recall)] {
                    match (&case[policy][name][class], found) {
                        (Value::Null, found) => assert_eq!(found, None, "{name} of {class}"),
                        (expected, found) => assert_close(found.unwrap(), expected, name),
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_holds_the_same_figures() {
    for case in cases("classification.json", "cases") {
        let pairs = pairs(&case["truth"], &case["predicted"]);
        let row = Classification::of(&pairs, Unparsed::Wrong, Acc2::HasZero);
        let expected = &case["wrong"];
        assert_close(row.acc.unwrap().value, &expected["five"]["acc"], "acc");
        assert_close(row.macro_f1.unwrap().value, &expected["five"]["macro_f1"], "macro F1");
        assert_close(row.weighted_f1.unwrap().value, &expected["five"]["weighted_f1"], "weighted F1");
        assert_close(row.uar.unwrap().value, &expected["five"]["uar"], "UAR");
        assert_close(row.acc3.unwrap().value, &expected["three"]["acc"], "ACC-3");
        assert_close(row.acc2.unwrap().value, &expected["two"]["has-zero"]["acc"], "ACC-2");
        assert_eq!(row.n_parsed, index(&case["excluded"]["five"]["n"]));
    }
}

#[test]
fn correlation_equals_scipy_and_mae_scikit_learn() {
    for case in cases("scores.json", "cases") {
        let pairs: Vec<(f64, f64)> = numbers(&case["x"]).into_iter().zip(numbers(&case["y"])).collect();
        assert_close(pearson(&pairs).unwrap().unwrap().value, &case["pearson"], "Pearson's r");
        assert_close(mae(&pairs).unwrap().unwrap().value, &case["mae"], "MAE");
    }
}
