//! Where the evidence enters: the change of the right letter's margin by layer and modality, from a knock-out trace.

use emomm_dataset::Modality;
use serde_json::Value;

use crate::chart::{HeatCell, HeatMap, Panel, Unit};
use crate::figure::Figure;
use crate::table::{Cell, Column, Form, Table};

/// Groups that are drawn, in this order, where they occur.
const GROUPS: [&str; 5] =
    ["TAV align", "TAV conflict", "TAV only T right", "TAV only A right", "TAV only V right"];

/// The figure of a trace; `None` where no group of full clips is there.
pub(super) fn knock_out(name: &str, trace: &Value) -> Option<Figure> {
    let groups = trace["groups"].as_array()?;
    let mode = trace["mode"].as_str().unwrap_or("block");
    let mut data = Table::new(
        name,
        "Change of the right letter",
        vec![
            Column::plain("group", "Group"),
            Column::plain("n", "n"),
            Column::plain("modality", "Modality"),
            Column::plain("first_layer", "First layer"),
            Column::plain("last_layer", "Last layer"),
            Column::number("logit", "Logit", Form::Decimals(3)),
            Column::number("margin", "Margin", Form::Decimals(3)),
        ],
    );
    let (mut panels, mut told) = (Vec::new(), Vec::new());
    for wanted in GROUPS {
        let Some(group) = groups.iter().find(|g| g["group"].as_str().is_some_and(|n| same(n, wanted))) else {
            continue;
        };
        let n = group["n"].as_u64().unwrap_or(0) as usize;
        let mut rows: Vec<(Modality, Vec<Window>)> = Vec::new();
        for modality in Modality::ALL {
            let Some(windows) = group["modalities"][modality.name()].as_array() else { continue };
            let mut cells = Vec::new();
            for window in windows {
                let number = |key: &str| window[key].as_f64();
                let (Some(first), Some(last), Some(margin)) =
                    (number("first_layer"), number("last_layer"), number("margin"))
                else {
                    continue;
                };
                cells.push((first as usize, last as usize, margin));
                data.push(vec![
                    Cell::text(wanted),
                    Cell::Count(n),
                    Cell::text(modality.name()),
                    Cell::Count(first as usize),
                    Cell::Count(last as usize),
                    Cell::number(number("logit")),
                    Cell::number(Some(margin)),
                ]);
            }
            rows.push((modality, cells));
        }
        let strongest = rows
            .iter()
            .flat_map(|(m, cells)| cells.iter().map(move |c| (*m, *c)))
            .max_by(|a, b| a.1.2.abs().total_cmp(&b.1.2.abs()));
        if let Some((modality, (first, _, margin))) = strongest {
            told.push(format!(
                "{wanted} ({n} clips): most at {} from layer {first} on, {margin:.2}",
                modality.name()
            ));
            panels.push(panel(&format!("{wanted}, n = {n}"), &rows));
        }
    }
    if panels.is_empty() {
        return None;
    }
    let (what, reading) = if mode == "restore" {
        (
            "is hidden everywhere but in the window",
            "Near 0: what the row sees in the window alone is enough. Negative: what it sees elsewhere held the right letter up.",
        )
    } else {
        ("is hidden in the window alone", "Negative: the modality held the right letter up there.")
    };
    let width = match trace["window"].as_u64().unwrap_or(1) {
        1 => "each window is one layer".to_owned(),
        n => format!("windows of {n} layers"),
    };
    Some(Figure {
        name: format!("chase-{name}"),
        title: "Where the evidence enters: attention knock-out".to_owned(),
        alt: told.join("; ") + ".",
        note: format!(
            "Mean change of the right letter's margin over the best other letter where a modality {what} from the decision \
             row. {reading} The stronger the colour, the greater the change; {width}."
        ),
        panels,
        data,
    })
}

/// Groups are named with a modality's letter or its word.
fn same(found: &str, wanted: &str) -> bool {
    let words = Modality::ALL.iter().fold(found.to_owned(), |words, m| {
        words.replace(&format!("only {} right", m.name()), &format!("only {} right", m.letter()))
    });
    words == wanted
}

/// First and last layer, and what the right letter's margin loses.
type Window = (usize, usize, f64);

fn panel(title: &str, rows: &[(Modality, Vec<Window>)]) -> Panel {
    let most = rows.iter().flat_map(|(_, cells)| cells).map(|c| c.2.abs()).fold(0.0, f64::max);
    let columns: Vec<String> = rows.first().map_or_else(Vec::new, |(_, cells)| {
        cells
            .iter()
            .map(|(first, last, _)| if first == last { first.to_string() } else { format!("{first}-{last}") })
            .collect()
    });
    let cell = |value: f64| HeatCell {
        share: if most > 0.0 { value.abs() / most } else { 0.0 },
        words: Unit::Plain.words(value, 2),
        title: Unit::Plain.words(value, 4),
    };
    let map = HeatMap {
        title: title.to_owned(),
        rows: rows.iter().map(|(m, _)| m.name().to_owned()).collect(),
        columns,
        cells: rows.iter().map(|(_, cells)| cells.iter().map(|c| Some(cell(c.2))).collect()).collect(),
        row_label: String::new(),
        column_label: "layer".to_owned(),
        scale: None,
        cell: (46.0, 34.0),
    };
    map.panel()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_map_of_layers_and_modalities() {
        let windows = |margins: [f64; 2]| {
            json!([
                { "first_layer": 1, "last_layer": 1, "logit": -1.0, "margin": margins[0] },
                { "first_layer": 2, "last_layer": 2, "logit": -1.0, "margin": margins[1] },
            ])
        };
        let trace = json!({ "mode": "block", "window": 1, "groups": [{
            "group": "TAV conflict", "n": 4,
            "modalities": { "text": windows([-0.5, 0.1]), "audio": windows([-2.0, 0.0]), "video": null },
        }]});
        let figure = knock_out("trace", &trace).unwrap();
        assert_eq!(figure.panels.len(), 1);
        assert!(
            figure.alt.contains("TAV conflict (4 clips): most at audio from layer 1 on, -2.00"),
            "{}",
            figure.alt
        );
        assert!(figure.data.csv().contains("TAV conflict,4,audio,1,1,-1,-2"), "{}", figure.data.csv());
        assert!(figure.note.contains("the modality held the right letter up there"), "{}", figure.note);
        // Where all else is hidden, a loss is what the window does not give.
        let restored =
            knock_out("trace", &json!({ "mode": "restore", "window": 1, "groups": trace["groups"] }));
        let note = restored.unwrap().note;
        assert!(
            note.contains("what it sees elsewhere held the right letter up") && !note.contains("up there"),
            "{note}"
        );
        // In a dark theme the greatest change is the lightest.
        assert!(!note.contains("Darker"), "{note}");
        assert!(knock_out("trace", &json!({ "groups": [] })).is_none());
    }
}
