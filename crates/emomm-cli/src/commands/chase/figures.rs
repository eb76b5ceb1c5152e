//! Figures of variants: as the contract's object and as tables.

use std::collections::BTreeMap;
use std::fmt::Write;

use emomm_chase::{ALL, SubsetFigures};
use serde_json::{Value, json};

use crate::exit_status::{ExitStatus, Failure};

/// A variant's figures by subset.
pub(super) struct VariantFigures {
    pub(super) name: String,
    pub(super) subsets: BTreeMap<&'static str, SubsetFigures>,
    pub(super) n_failed: usize,
}

/// A figure that could not be computed.
#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
pub(super) fn metric(error: emomm_metrics::MetricError) -> Failure {
    Failure::new(ExitStatus::Data, error.to_string())
}

/// The contract's object: for each variant its name and, under the name of each subset, its figures.
pub(super) fn as_json(figures: &[VariantFigures]) -> Value {
    let variant = |f: &VariantFigures| {
        let mut object = serde_json::Map::new();
        object.insert("name".to_owned(), Value::from(f.name.clone()));
        object.insert("n_failed".to_owned(), Value::from(f.n_failed));
        for (subset, figures) in &f.subsets {
            object.insert((*subset).to_owned(), json!(figures));
        }
        Value::Object(object)
    };
    json!({ "variants": figures.iter().map(variant).collect::<Vec<_>>() })
}

/// Accuracy of each variant by subset, with the difference to the baseline.
pub(super) fn table(figures: &[VariantFigures]) -> String {
    let mut subsets: Vec<&str> = figures.iter().flat_map(|f| f.subsets.keys().copied()).collect();
    subsets.sort_unstable();
    subsets.dedup();
    let mut text = String::new();
    for subset in subsets {
        let n = figures.iter().find_map(|f| f.subsets.get(subset)).map_or(0, |f| f.n);
        let clusters = figures.iter().find_map(|f| f.subsets.get(subset)).map_or(0, |f| f.n_clusters);
        let name = if subset == ALL { "all samples" } else { subset };
        let _ = writeln!(text, "{name}: {n} samples in {clusters} groups");
        let _ = writeln!(
            text,
            "  {:<28} {:>7} {:>7} {:>7}  {:>8} {:>18} {:>7}  flips +/-",
            "variant", "Acc", "F1", "MAE", "Δ Acc", "95 % interval", "p"
        );
        for variant in figures {
            let Some(f) = variant.subsets.get(subset) else { continue };
            let number = |x: Option<f64>, scale: f64, digits: usize| {
                x.map_or("-".to_owned(), |x| format!("{:.*}", digits, x * scale))
            };
            let interval = match f.delta.and_then(|d| Some((d.low?, d.high?))) {
                Some((low, high)) => format!("[{:+.2}, {:+.2}]", 100.0 * low, 100.0 * high),
                None => "-".to_owned(),
            };
            let _ = writeln!(
                text,
                "  {:<28} {:>7} {:>7} {:>7}  {:>8} {:>18} {:>7}  {}/{}",
                variant.name,
                number(f.acc, 100.0, 2),
                number(f.macro_f1, 100.0, 2),
                number(f.mae, 1.0, 3),
                f.delta.map_or("-".to_owned(), |d| format!("{:+.2}", 100.0 * d.value)),
                interval,
                number(f.delta.and_then(|d| d.p), 1.0, 4),
                f.wrong_to_right,
                f.right_to_wrong
            );
        }
    }
    text
}
