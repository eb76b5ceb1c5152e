//! What the demo says of CHASE: accuracy under conflict with and without steering, from the file that names the variants.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::exit_status::{ExitStatus, Failure};

/// Accuracy of one variant on the full clips of a subset.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Row {
    variant: String,
    subset: &'static str,
    n: u64,
    acc: f64,
}

/// What steering did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Steering {
    rows: Vec<Row>,
}

/// Variants that are told of, and what they are.
const TOLD: [(&str, &str); 5] = [
    ("baseline", "as it is"),
    ("paper", "CHASE, the paper's settings"),
    ("two_pass", "CHASE, read first and then steered"),
    ("two_pass+random_gate", "the same with a random gate (placebo)"),
    ("two_pass+oracle_gate", "the same with the true gate (bound)"),
];
const SUBSETS: [&str; 2] = ["align", "conflict"];

impl Steering {
    /// Reads `chase.json` of a folder of variants.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("chase.json");
        let failed =
            |message: String| Failure::new(ExitStatus::Data, format!("{}: {message}", path.display()));
        let bytes = std::fs::read(&path).map_err(|e| failed(e.to_string()))?;
        let index: Value = serde_json::from_slice(&bytes).map_err(|e| failed(e.to_string()))?;
        Ok(Self::of(&index["figures"]["variants"]))
    }

    fn of(variants: &Value) -> Self {
        let mut rows = Vec::new();
        for variant in variants.as_array().into_iter().flatten() {
            for subset in SUBSETS {
                let (Some(name), Some(n), Some(acc)) = (
                    variant["name"].as_str(),
                    variant[subset]["n"].as_u64(),
                    variant[subset]["acc"].as_f64(),
                ) else {
                    continue;
                };
                rows.push(Row { variant: name.to_owned(), subset, n, acc });
            }
        }
        Self { rows }
    }

    pub(super) fn text(&self) -> String {
        let cell = |variant: &str, subset: &str| {
            self.rows.iter().find(|r| r.variant == variant && r.subset == subset)
        };
        let n = |subset: &str| cell("baseline", subset).map_or(0, |r| r.n);
        let mut text = format!(
            "\n{:<42}{:>14}{:>14}\n",
            "steered, test split",
            heading("align", n("align")),
            heading("conflict", n("conflict"))
        );
        for (variant, what) in TOLD {
            let shown = |subset| {
                cell(variant, subset).map_or_else(|| "-".to_owned(), |r| format!("{:.1}%", 100.0 * r.acc))
            };
            let _ = writeln!(text, "{what:<42}{:>14}{:>14}", shown("align"), shown("conflict"));
        }
        text.push_str(
            "The router learnt from few clips: these figures show the way, not what it is worth. The page on CHASE has intervals.\n",
        );
        text
    }
}

fn heading(subset: &str, n: u64) -> String {
    format!("{subset} ({n})")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subset_without_clips_has_no_figure() {
        let variants = json!([
            { "name": "baseline", "conflict": { "n": 8, "acc": 0.5 }, "align": { "n": 0, "acc": null } },
            { "name": "two_pass", "conflict": { "n": 8, "acc": 0.75 } },
        ]);
        let text = Steering::of(&variants).text();
        assert!(text.contains("conflict (8)") && text.contains("75.0%"), "{text}");
        assert!(
            text.lines().any(|l| l.starts_with("as it is") && l.contains('-') && l.contains("50.0%")),
            "{text}"
        );
    }
}
