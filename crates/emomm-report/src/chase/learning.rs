//! Learning from few labels: what a router trained on so many clips is worth on the validation split.

use serde_json::Value;

use crate::chart::palette::Ink;
use crate::chart::{Line, Lines, Mark, Unit};
use crate::figure::Figure;
use crate::table::{Cell, Column, Form, Table};

/// The figure of a learning curve; `None` with fewer than two points.
pub(super) fn learning(name: &str, curve: &Value) -> Option<Figure> {
    let points = curve["curve"].as_array()?;
    let mut data = Table::new(
        name,
        "The router by the number of training clips",
        vec![
            Column::plain("n_clips", "Training clips"),
            Column::plain("n_samples", "Training samples"),
            Column::number("accuracy", "p right %", Form::Percent(1)),
            Column::number("base_rate", "Base rate %", Form::Percent(1)),
            Column::number("gate_top1", "Greatest g right %", Form::Percent(1)),
            Column::number("loss", "Validation loss", Form::Decimals(3)),
        ],
    );
    let (mut conflict, mut gate) = (Vec::new(), Vec::new());
    for point in points {
        let (Some(clips), best) = (point["n_clips"].as_u64(), &point["best"]) else { continue };
        let accuracy = best["valid_conflict"]["accuracy"].as_f64();
        let top1 = best["valid_gate_top1"].as_f64();
        data.push(vec![
            Cell::Count(clips as usize),
            Cell::Count(point["n_samples"].as_u64().unwrap_or(0) as usize),
            Cell::number(accuracy),
            Cell::number(best["valid_conflict"]["base_rate"].as_f64()),
            Cell::number(top1),
            Cell::number(best["valid_loss"].as_f64()),
        ]);
        conflict.push((clips as f64, accuracy));
        gate.push((clips as f64, top1));
    }
    if data.rows.len() < 2 {
        return None;
    }
    let told = |points: &[(f64, Option<f64>)]| -> String {
        let told = points.iter().filter_map(|(n, y)| Some(format!("{:.1} % with {n}", 100.0 * (*y)?)));
        told.collect::<Vec<_>>().join(", ")
    };
    let alt = format!(
        "On validation, by the number of training clips: p right in {}; greatest g right in {}.",
        told(&conflict),
        told(&gate)
    );
    let line = |name: &str, ink, mark, dashes, points: Vec<(f64, Option<f64>)>| {
        let points = points.into_iter().map(|(n, y)| (n, y, None)).collect();
        Line { name: name.to_owned(), ink, mark, dashes, points }
    };
    let chart = Lines {
        title: "Router on the validation split".to_owned(),
        x_label: "Training clips".to_owned(),
        y_label: "Right".to_owned(),
        unit: Unit::Percent,
        range: Some((0.0, 1.0)),
        width: 320.0,
        height: 200.0,
        lines: vec![
            line("p", Ink::Run(0), Mark::Disc, "5 3", conflict),
            line("greatest g", Ink::Run(1), Mark::Square, "", gate),
        ],
    };
    let samples = match curve["n_valid"].as_u64() {
        Some(n) => format!("One row for each of {n} validation samples and each layer."),
        None => "One row for each validation sample and layer.".to_owned(),
    };
    Some(Figure {
        name: format!("chase-{name}"),
        title: "How many labelled clips the router needs".to_owned(),
        alt,
        note: format!(
            "{samples} p: the side of 0.5 agrees with p*; the base rate stands in the table. g: its greatest entry is a \
             modality that is right, over rows that have one."
        ),
        panels: vec![chart.panel()],
        data,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn points_become_lines_and_a_table() {
        let point = |n: u64, accuracy: f64| {
            json!({ "n_clips": n, "n_samples": 4 * n, "best": {
                "valid_loss": 2.5, "valid_gate_top1": 0.9,
                "valid_conflict": { "accuracy": accuracy, "base_rate": 0.66 } } })
        };
        let figure = learning("curve", &json!({ "curve": [point(60, 0.64), point(120, 0.75)] })).unwrap();
        assert_eq!(figure.panels.len(), 1);
        assert!(figure.alt.contains("64.0 % with 60, 75.0 % with 120"), "{}", figure.alt);
        assert!(figure.data.csv().contains("60,240,0.64,0.66,0.9,2.5"), "{}", figure.data.csv());
        assert!(learning("curve", &json!({ "curve": [point(60, 0.64)] })).is_none());
        assert!(learning("curve", &json!({ "points": [] })).is_none());
        let counted = json!({ "n_valid": 17, "curve": [point(60, 0.64), point(120, 0.75)] });
        assert!(
            learning("curve", &counted)
                .unwrap()
                .note
                .starts_with("One row for each of 17 validation samples")
        );
    }
}
