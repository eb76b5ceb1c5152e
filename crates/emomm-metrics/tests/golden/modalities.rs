//! PSMV, GTAR and C_ij against other definitions of the same numbers.

use emomm_dataset::{Labels, Modality, PerModality, Sentiment, Source};
use emomm_metrics::{ConflictReading, ConsistencyMatrix, Figure, Gtar, GtarOptions, GtarSample, Psmv};
use serde_json::Value;

use crate::{assert_close, cases, class, index, number};

fn sample(row: &Value) -> GtarSample {
    let modalities = PerModality::from_fn(|m| Some(class(&row[m.letter().to_string()])));
    GtarSample {
        available: row["available"].as_str().unwrap().parse().unwrap(),
        labels: Labels { ground_truth: class(&row["gt"]), modalities },
        predicted: Some(class(&row["predicted"])),
    }
}

/// Eq. (2) is the Shapley value: the mean gain over all orders in which the modalities can come.
#[test]
fn psmv_is_the_mean_gain_over_all_orders() {
    for case in cases("modalities.json", "psmv") {
        let value = |s: emomm_dataset::ModalitySet| number(&case["values"][s.to_string()]);
        let psmv = Psmv::of(|s| Some(Figure { value: value(s), n: 1 })).unwrap();
        for (m, found) in psmv.values.iter() {
            assert_close(*found, &case["psmv"][m.letter().to_string()], m.name());
        }
    }
}

#[test]
fn gtar_equals_the_filtered_sums() {
    for case in cases("modalities.json", "labels") {
        let samples: Vec<GtarSample> = case["rows"].as_array().unwrap().iter().map(sample).collect();
        for (key, reading) in
            [("exactly_one", ConflictReading::ExactlyOne), ("at_least_one", ConflictReading::AtLeastOne)]
        {
            let options = GtarOptions { reading, ..GtarOptions::default() };
            let gtar = Gtar::of(samples.iter().copied(), options);
            for m in Modality::ALL {
                let expected = &case[key][m.letter().to_string()];
                let rate = gtar.rates.get(m);
                assert_eq!(
                    (rate.numerator, rate.denominator),
                    (index(&expected[0]), index(&expected[1])),
                    "{m}, {key}"
                );
            }
        }
    }
}

#[test]
fn consistency_equals_the_mean_absolute_error() {
    for case in cases("modalities.json", "labels") {
        let labels: Vec<Labels<Sentiment>> =
            case["rows"].as_array().unwrap().iter().map(|row| sample(row).labels).collect();
        let matrix = ConsistencyMatrix::of(&labels);
        for i in Source::ALL {
            for j in Source::ALL.into_iter().skip(i.index() + 1) {
                let key = format!("{i}-{j}").replace("GT", "gt");
                assert_close(matrix.get(i, j).unwrap().value, &case["consistency"][&key], &key);
            }
        }
    }
}
