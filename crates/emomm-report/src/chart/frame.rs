//! Heat over a frame: how much of the attention or importance each patch of a picture takes (Figures 12 and 13).

use super::Unit;
use super::canvas::{Area, Canvas};
use super::palette::Ink;
use super::panel::Panel;

/// One frame with a value for each patch.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameHeat {
    /// Stands above the drawing.
    pub title: String,
    /// The frame as a data URL; empty where pictures may not be shown.
    pub picture: String,
    /// Values by patch, `[row][column]`.
    pub values: Vec<Vec<f64>>,
    /// The greatest value of all frames that are to be compared.
    pub greatest: f64,
    /// Width of the drawing.
    pub width: f64,
    /// Height over width of the frame.
    pub aspect: f64,
}

impl FrameHeat {
    /// Draws.
    pub fn panel(&self) -> Panel {
        let mut canvas = Canvas::default();
        let height = self.width * self.aspect;
        let whole = Area { x: 0.0, y: 0.0, width: self.width, height };
        if self.picture.is_empty() {
            canvas.rect(whole, Ink::Grid, 1.0);
        } else {
            canvas.image(whole, &self.picture);
        }
        let rows = self.values.len().max(1) as f64;
        for (r, row) in self.values.iter().enumerate() {
            let columns = row.len().max(1) as f64;
            for (c, value) in row.iter().enumerate() {
                let area = Area {
                    x: self.width * c as f64 / columns,
                    y: height * r as f64 / rows,
                    width: self.width / columns,
                    height: height / rows,
                };
                let share = if self.greatest > 0.0 { (value / self.greatest).clamp(0.0, 1.0) } else { 0.0 };
                let title = format!("row {}, column {}: {}", r + 1, c + 1, Unit::Plain.words(*value, 5));
                canvas.titled(&title, |canvas| canvas.rect(area, Ink::Heat, 0.85 * share));
            }
        }
        canvas.frame(whole, Ink::Muted, 1.0);
        Panel::new(&self.title, self.width, height, canvas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_value_is_the_most_opaque() {
        let frame = FrameHeat {
            title: String::new(),
            picture: String::new(),
            values: vec![vec![0.0, 0.1], vec![0.2, 0.05]],
            greatest: 0.2,
            width: 100.0,
            aspect: 1.0,
        };
        let body = frame.panel().body;
        assert!(body.contains("<title>row 2, column 1: 0.20000</title>"), "{body}");
        assert_eq!(body.matches("fill-opacity=\"0.85\"").count(), 1);
    }
}
