//! A heat map with a value in every cell, in an ink that stands out from the cell.

use super::Unit;
use super::canvas::{Anchor, Area, Canvas, SMALL, WORDS, text_width};
use super::palette::{Ink, STEPS};
use super::panel::Panel;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatCell {
    /// Its colour: where the value lies between the ends of the ramp, 0 to 1.
    pub share: f64,
    /// Written in the cell.
    pub words: String,
    /// Shown by a pointer, after row and column.
    pub title: String,
}

/// Rows and columns of cells.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// Stands above the drawing.
    pub title: String,
    /// Heads of the rows.
    pub rows: Vec<String>,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// `[row][column]`; `None` where there is no value.
    pub cells: Vec<Vec<Option<HeatCell>>>,
    /// What the rows are; may be empty.
    pub row_label: String,
    /// What the columns are; may be empty.
    pub column_label: String,
    /// Values at the ends of the ramp, where a scale is to be shown.
    pub scale: Option<(f64, f64)>,
    /// Size of a cell.
    pub cell: (f64, f64),
}

impl HeatMap {
    /// A map of values with a linear ramp between `low` and `high`.
    pub fn of_values(values: &[Vec<Option<f64>>], (low, high): (f64, f64), decimals: usize) -> Self {
        let cell = |value: f64| HeatCell {
            share: if high > low { (value - low) / (high - low) } else { 0.5 },
            words: Unit::Plain.words(value, decimals),
            title: Unit::Plain.words(value, 4),
        };
        Self {
            title: String::new(),
            rows: Vec::new(),
            columns: Vec::new(),
            cells: values.iter().map(|row| row.iter().map(|v| v.map(cell)).collect()).collect(),
            row_label: String::new(),
            column_label: String::new(),
            scale: Some((low, high)),
            cell: (64.0, 46.0),
        }
    }

    /// Draws.
    pub fn panel(&self) -> Panel {
        let mut canvas = Canvas::default();
        let head = self.rows.iter().map(|r| text_width(r, WORDS)).fold(0.0, f64::max);
        let left = head + 10.0 + if self.row_label.is_empty() { 0.0 } else { 20.0 };
        let top = 22.0 + if self.column_label.is_empty() { 0.0 } else { 18.0 };
        let (w, h) = self.cell;
        let width = w * self.columns.len() as f64;
        let height = h * self.rows.len() as f64;
        if !self.column_label.is_empty() {
            canvas.text((left + width / 2.0, 13.0), &self.column_label, Anchor::Middle, WORDS, Ink::Muted);
        }
        if !self.row_label.is_empty() {
            canvas.upward((12.0, top + height / 2.0), &self.row_label, WORDS, Ink::Muted);
        }
        for (c, column) in self.columns.iter().enumerate() {
            let x = left + w * (c as f64 + 0.5);
            canvas.text((x, top - 7.0), column, Anchor::Middle, WORDS, Ink::Text);
        }
        for (r, (row, cells)) in self.rows.iter().zip(&self.cells).enumerate() {
            let y = top + h * r as f64;
            canvas.text((left - 8.0, y + h / 2.0 + 4.5), row, Anchor::End, WORDS, Ink::Text);
            for (c, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
                let area = Area { x: left + w * c as f64, y, width: w - 1.5, height: h - 1.5 };
                let Some(cell) = cell else {
                    canvas.frame(area, Ink::Grid, 1.0);
                    continue;
                };
                let step = Ink::ramp(cell.share);
                canvas.titled(&format!("{row}, {column}: {}", cell.title), |canvas| {
                    canvas.rect(area, Ink::Ramp(step), 1.0);
                    let at = (area.x + area.width / 2.0, y + area.height / 2.0 + 4.5);
                    canvas.text(at, &cell.words, Anchor::Middle, WORDS, Ink::OnRamp(step));
                });
            }
        }
        let mut bottom = top + height + 4.0;
        if let Some((low, high)) = self.scale {
            scale(&mut canvas, (left, bottom + 8.0), width, (low, high));
            bottom += 34.0;
        }
        Panel::new(&self.title, left + width, bottom, canvas)
    }
}

fn scale(canvas: &mut Canvas, (x, y): (f64, f64), width: f64, (low, high): (f64, f64)) {
    let long = (width * 0.6).min(200.0);
    let x = x + (width - long) / 2.0;
    for step in 0..STEPS {
        let w = long / STEPS as f64;
        canvas.rect(Area { x: x + w * step as f64, y, width: w + 0.5, height: 9.0 }, Ink::Ramp(step), 1.0);
    }
    let words = |v| Unit::Plain.words(v, 2);
    canvas.text((x - 6.0, y + 9.0), &words(low), Anchor::End, SMALL, Ink::Muted);
    canvas.text((x + long + 6.0, y + 9.0), &words(high), Anchor::Start, SMALL, Ink::Muted);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_take_the_step_of_their_value_and_an_ink_that_fits() {
        let mut map = HeatMap::of_values(&[vec![Some(0.5), None, Some(1.0)]], (0.5, 1.0), 3);
        map.rows = vec!["GT".to_owned()];
        map.columns = ["T", "A", "V"].map(str::to_owned).to_vec();
        let body = map.panel().body;
        assert!(
            body.contains("<title>GT, T: 0.5000</title>") && body.contains("var(--e-onramp0)\">0.500<"),
            "{body}"
        );
        assert!(body.contains("var(--e-onramp9)\">1.000<"), "{body}");
        assert!(!body.contains("GT, A"), "{body}");
    }
}
