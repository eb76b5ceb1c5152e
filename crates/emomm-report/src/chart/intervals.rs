//! Values with intervals below each other, one row each: for more of them than bars have room for.

use super::Unit;
use super::axis::{Scale, decimals, extent, round_range, ticks};
use super::canvas::{Anchor, Area, Canvas, Mark, SMALL, WORDS, text_width};
use super::palette::Ink;
use super::panel::Panel;

/// Height of a row.
const ROW: f64 = 21.0;
/// Room for the axis below.
const AXIS: f64 = 34.0;

/// About so many parts of the axis: words below it need room.
const TICKS: usize = 5;
/// No axis of shares is narrower than twice this.
const LEAST_POINTS: f64 = 0.01;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalRow {
    /// Stands at its left.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// The value and its interval.
    pub value: f64,
    /// The ends.
    pub ends: Option<(f64, f64)>,
}

/// Rows over one axis, with a line at 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervals {
    /// Stands above the drawing.
    pub title: String,
    /// What the axis measures.
    pub label: String,
    /// How values are written.
    pub unit: Unit,
    /// The rows, from above.
    pub rows: Vec<IntervalRow>,
    /// Width of the plot, without names and values.
    pub width: f64,
}

impl Intervals {
    /// Draws.
    pub fn panel(&self) -> Panel {
        let mut canvas = Canvas::default();
        let left = self.rows.iter().map(|r| text_width(&r.name, WORDS)).fold(0.0, f64::max) + 12.0;
        let (low, high, step) = self.range();
        let scale = Scale::new((low, high), (left, left + self.width));
        let x = |value: f64| scale.at(value);
        let height = ROW * self.rows.len() as f64;
        for tick in ticks(low, high, step) {
            let is_zero = tick.abs() < step / 2.0;
            let (ink, width) = if is_zero { (Ink::Muted, 1.5) } else { (Ink::Grid, 1.0) };
            canvas.line((x(tick), 0.0), (x(tick), height), ink, width);
            let words = self.unit.words(tick, decimals(step, self.unit));
            canvas.text((x(tick), height + 14.0), &words, Anchor::Middle, SMALL, Ink::Muted);
        }
        for (i, row) in self.rows.iter().enumerate() {
            let y = ROW * (i as f64 + 0.5);
            let ends = row.ends.map_or_else(String::new, |(a, b)| {
                format!(" [{}, {}]", self.unit.words(a, 1), self.unit.words(b, 1))
            });
            let title = format!("{}: {}{ends}", row.name, self.unit.words(row.value, 1));
            canvas.text((left - 8.0, y + 4.5), &row.name, Anchor::End, WORDS, Ink::Text);
            canvas.titled(&title, |canvas| {
                let whole = Area { x: left, y: y - ROW / 2.0, width: self.width, height: ROW };
                canvas.rect(whole, Ink::Ground, 0.0);
                if let Some((a, b)) = row.ends {
                    canvas.line((x(a), y), (x(b), y), row.ink, 2.5);
                }
                canvas.mark((x(row.value), y), Mark::Disc, 4.5, row.ink);
            });
            let at = (left + self.width + 12.0, y + 4.5);
            canvas.text(at, &self.unit.words(row.value, 1), Anchor::Start, SMALL, Ink::Muted);
        }
        canvas.text((left + self.width / 2.0, height + 30.0), &self.label, Anchor::Middle, SMALL, Ink::Muted);
        Panel::new(&self.title, left + self.width + 66.0, height + AXIS, canvas)
    }

    /// All ends and 0, widened to round numbers, and the distance of grid lines.
    fn range(&self) -> (f64, f64, f64) {
        let values = self.rows.iter().flat_map(|r| {
            let (a, b) = r.ends.unwrap_or((r.value, r.value));
            [a, b, r.value]
        });
        let (low, high) = extent(values.chain([0.0])).unwrap_or((0.0, 0.0));
        // Differences far below a point are no landscape.
        let least = if self.unit == Unit::Percent { LEAST_POINTS } else { 0.0 };
        if high - low < least { round_range(-least, least, TICKS) } else { round_range(low, high, TICKS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Intervals of no width at 0 do not stretch the axis, nor do they shrink it to nothing.
    #[test]
    fn zeros_stand_on_an_axis_of_a_point() {
        for value in [0.0, 1e-7] {
            let row = IntervalRow { name: "a".to_owned(), ink: Ink::Run(1), value, ends: Some((0.0, value)) };
            let (title, label) = (String::new(), String::new());
            let chart = Intervals { title, label, unit: Unit::Percent, rows: vec![row], width: 300.0 };
            let (low, high, _) = chart.range();
            assert!((low + 0.01).abs() < 1e-9 && (high - 0.01).abs() < 1e-9, "{low} {high}");
        }
    }

    #[test]
    fn rows_have_their_values_and_the_line_at_zero_is_there() {
        let row = |name: &str, value: f64, ends| IntervalRow {
            name: name.to_owned(),
            ink: Ink::Run(1),
            value,
            ends,
        };
        let chart = Intervals {
            title: String::new(),
            label: "points".to_owned(),
            unit: Unit::Percent,
            rows: vec![row("two pass", 0.1, Some((0.05, 0.15))), row("placebo", -0.02, None)],
            width: 300.0,
        };
        let panel = chart.panel();
        assert!(panel.body.contains("<title>two pass: 10.0 % [5.0 %, 15.0 %]</title>"), "{}", panel.body);
        assert!(panel.body.contains(">0 %<") && panel.body.contains("−2.0 %"), "{}", panel.body);
        assert!(panel.width > 300.0 && (panel.height - (2.0 * ROW + AXIS)).abs() < 1e-9);
    }
}
