//! Heat over frames as a card gets it: one letter a token, so that a clip takes a few hundred bytes.

use serde_json::{Map, Value, json};

use super::encode::level_letter;
use super::media::FRAMES;
use crate::study::Heat;

/// The steps that a card shows, packed: values as shares of the greatest, `.` for a token that was dropped.
pub(super) fn packed(heat: &Heat) -> Value {
    let steps = heat.steps(FRAMES);
    let mut out = Map::new();
    out.insert("g".to_owned(), json!(heat.grid));
    out.insert("s".to_owned(), json!(steps));
    let mut put = |key: &str, values: &[Option<f32>]| {
        let shown: Vec<Option<f32>> =
            steps.iter().flat_map(|step| heat.step(values, *step)).copied().collect();
        let greatest = shown.iter().flatten().fold(0.0_f32, |most, v| most.max(*v));
        let letter = |value: &Option<f32>| match value {
            None => '.',
            Some(value) if greatest > 0.0 => level_letter(value / greatest),
            Some(_) => level_letter(0.0),
        };
        out.insert(key.to_owned(), Value::String(shown.iter().map(letter).collect()));
        // Four digits are enough for a title.
        out.insert(format!("{key}m"), json!(format!("{greatest:.3e}").parse::<f64>().unwrap_or(0.0)));
    };
    put("a", &heat.attention);
    if let Some(importance) = &heat.importance {
        put("i", importance);
    }
    if let Some(person) = &heat.person {
        let marks = steps.iter().flat_map(|step| heat.step(person, *step));
        out.insert("p".to_owned(), Value::String(marks.map(|is| if *is { '1' } else { '0' }).collect()));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_letter_and_a_hole_a_point() {
        let heat = Heat {
            grid: [1, 1, 4],
            attention: vec![Some(0.02), None, Some(0.0), Some(0.01)],
            importance: None,
            person: Some(vec![true, false, false, true]),
        };
        let packed = packed(&heat);
        assert_eq!((packed["a"].as_str(), packed["p"].as_str()), (Some("/.Ag"), Some("1001")));
        assert!((packed["am"].as_f64().unwrap() - 0.02).abs() < 1e-9);
        assert_eq!((packed["s"].to_string(), packed.get("i")), ("[0]".to_owned(), None));
    }
}
