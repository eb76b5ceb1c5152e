//! Curves of a sweep: accuracy on Align and Conflict against each setting that varies.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::chart::palette::Ink;
use crate::chart::{Line, Lines, Mark, Unit};
use crate::figure::Figure;
use crate::table::{Cell, Column, Form, Table};

/// Symbols of the paper, and a word where it has none.
const SYMBOLS: [(&str, &str); 8] = [
    ("conflict_threshold", "τ"),
    ("max_steering", "η"),
    ("n_heads_steered", "K"),
    ("inter_strength", "γ"),
    ("intra_strength", "β"),
    ("significant_percentile", "P"),
    ("target_mass", "ψ̂"),
    ("gate_sharpness", "sharpness of g"),
];
const SUBSETS: [(&str, Ink, Mark, &str); 2] =
    [("align", Ink::Run(0), Mark::Disc, "5 3"), ("conflict", Ink::Run(1), Mark::Square, "")];

/// One figure for a sweep; `None` where no numeric setting varies.
pub(super) fn curves(name: &str, sweep: &Value) -> Option<Figure> {
    let points = sweep["points"].as_array()?;
    let mut data = Table::new(
        name,
        "Accuracy by setting",
        vec![
            Column::plain("setting", "Setting"),
            Column::number("value", "Value", Form::Decimals(3)),
            Column::plain("subset", "Subset"),
            Column::plain("points", "Points"),
            Column::number("acc", "Acc %", Form::Percent(1)),
        ],
    );
    let (mut panels, mut told) = (Vec::new(), Vec::new());
    for (key, symbol) in SYMBOLS {
        // Points that change this setting alone; where there is none, the mean over all that have a value.
        let alone = |p: &&Value| p["settings"].as_object().is_some_and(|s| s.len() == 1);
        let of_key: Vec<&Value> = points.iter().filter(|p| p["settings"][key].is_number()).collect();
        let single: Vec<&Value> = of_key.iter().copied().filter(|p| alone(p)).collect();
        let used = if single.is_empty() { of_key } else { single };
        let mut lines = Vec::new();
        for (subset, ink, mark, dashes) in SUBSETS {
            let mut by_value: BTreeMap<u64, (f64, f64, usize)> = BTreeMap::new();
            for point in &used {
                let (Some(x), Some(acc)) =
                    (point["settings"][key].as_f64(), point["subsets"][subset]["acc"].as_f64())
                else {
                    continue;
                };
                // Settings are not negative, so that bits sort as numbers do.
                let (_, sum, n) = by_value.entry(x.to_bits()).or_insert((x, 0.0, 0));
                *sum += acc;
                *n += 1;
            }
            if by_value.len() < 2 {
                continue;
            }
            let mut drawn = Vec::new();
            for (x, sum, n) in by_value.into_values() {
                let acc = sum / n as f64;
                data.push(vec![
                    Cell::text(key),
                    Cell::number(Some(x)),
                    Cell::text(subset),
                    Cell::Count(n),
                    Cell::number(Some(acc)),
                ]);
                drawn.push((x, Some(acc), None));
            }
            if subset == "conflict"
                && let (Some((a, Some(first), _)), Some((b, Some(last), _))) = (drawn.first(), drawn.last())
            {
                told.push(format!(
                    "{symbol} from {a} to {b}: {:.1} to {:.1} % on Conflict",
                    100.0 * first,
                    100.0 * last
                ));
            }
            // All points answer the same clips.
            let n = used.iter().find_map(|point| point["subsets"][subset]["n"].as_u64());
            let name = n.map_or(subset.to_owned(), |n| format!("{subset}, n = {n}"));
            lines.push(Line { name, ink, mark, dashes, points: drawn });
        }
        if !lines.is_empty() {
            let chart = Lines {
                title: format!("{symbol}  ({})", key.replace('_', " ")),
                x_label: symbol.to_owned(),
                y_label: "Accuracy".to_owned(),
                unit: Unit::Percent,
                lines,
                width: 300.0,
                height: 180.0,
                ..Lines::default()
            };
            panels.push(chart.panel());
        }
    }
    if panels.is_empty() {
        return None;
    }
    let splits: Vec<&str> = sweep["splits"].as_array()?.iter().filter_map(Value::as_str).collect();
    Some(Figure {
        name: format!("chase-{name}"),
        title: format!("What each setting does, from {}", sweep["base"].as_str().unwrap_or("paper")),
        alt: told.join("; ") + ".",
        note: format!(
            "Full clips of the splits {}. Where points change several settings at once, the mean over the others is drawn.",
            splits.join(", ")
        ),
        panels,
        data,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn points_that_change_one_setting_are_drawn_and_others_averaged() {
        let point = |settings: Value, conflict: f64| json!({ "settings": settings, "subsets": { "conflict": { "acc": conflict, "n": 31 }, "align": { "acc": 0.9 } } });
        let sweep = json!({ "base": "paper", "splits": ["valid"], "points": [
            point(json!({ "max_steering": 0.0 }), 0.5),
            point(json!({ "max_steering": 1.0 }), 0.7),
            point(json!({ "conflict_threshold": 0.2, "inter_strength": 1.0 }), 0.6),
            point(json!({ "conflict_threshold": 0.2, "inter_strength": 1.4 }), 0.8),
            point(json!({ "conflict_threshold": 0.7, "inter_strength": 1.0 }), 0.5),
        ]});
        let figure = curves("sweep", &sweep).unwrap();
        assert_eq!(figure.panels.len(), 3);
        let body = &figure.panels[0].body;
        assert!(body.contains("conflict, n = 31") && body.contains(">align<"), "{body}");
        let csv = figure.data.csv();
        assert!(csv.contains("max_steering,1,conflict,1,0.7"), "{csv}");
        assert!(csv.contains("conflict_threshold,0.2,conflict,2,0.7"), "{csv}");
        assert!(curves("sweep", &json!({ "points": [], "splits": [] })).is_none());
    }
}
