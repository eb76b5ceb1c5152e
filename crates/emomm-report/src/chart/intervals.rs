//! Values with intervals below each other, one row each: for more of them than bars have room for.

use super::Unit;
use super::axis::{Scale, decimals, extent, round_range, ticks};
use super::canvas::{Anchor, Area, Canvas, Mark, SMALL, WORDS, text_width};
use super::palette::Ink;
use super::panel::Panel;

/// Height of a row: its name and value, its interval below them.
const ROW: f64 = 36.0;
/// Where the letters of a row stand, and its interval.
const LETTERS: f64 = 15.0;
const LINE: f64 = 26.0;
/// Room for half a word of the axis at both sides.
const SIDE: f64 = 16.0;
/// Least space between a name and its value.
const GAP: f64 = 14.0;
/// Room for the axis below.
const AXIS: f64 = 34.0;

/// About so many parts of the axis: words below it need room.
const TICKS: usize = 5;
/// No axis of shares is narrower than twice this.
const LEAST_POINTS: f64 = 0.01;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalRow {
    /// Stands above its interval.
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
    /// Width of the plot: a panel of a phone's width can be read without scrolling. A name that is longer is broken.
    pub width: f64,
}

impl Intervals {
    /// Draws.
    pub fn panel(&self) -> Panel {
        let mut canvas = Canvas::default();
        let value_of = |row: &IntervalRow| self.unit.words(row.value, 1);
        let width = self.width;
        let names: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| broken(&row.name, width - GAP - text_width(&value_of(row), SMALL)))
            .collect();
        let (low, high, step) = self.range();
        let scale = Scale::new((low, high), (SIDE, SIDE + width));
        let x = |value: f64| scale.at(value);
        let height: f64 = names.iter().map(|lines| ROW + LETTERS * (lines.len() - 1) as f64).sum();
        for tick in ticks(low, high, step) {
            let is_zero = tick.abs() < step / 2.0;
            let (ink, width) = if is_zero { (Ink::Muted, 1.5) } else { (Ink::Grid, 1.0) };
            canvas.line((x(tick), 0.0), (x(tick), height), ink, width);
            let words = self.unit.words(tick, decimals(step, self.unit));
            canvas.text((x(tick), height + 14.0), &words, Anchor::Middle, SMALL, Ink::Muted);
        }
        let points = if self.unit == Unit::Points { " points" } else { "" };
        let mut top = 0.0;
        for (row, lines) in self.rows.iter().zip(&names) {
            let value = value_of(row);
            let more = LETTERS * (lines.len() - 1) as f64;
            let ends = row.ends.map_or_else(String::new, |(a, b)| {
                format!(" [{}, {}]", self.unit.words(a, 1), self.unit.words(b, 1))
            });
            let mut write = |left: f64, line: usize, words: &str, size: f64, ink: Ink| {
                let at = top + LETTERS * line as f64;
                // Letters are not crossed by the grid.
                let behind =
                    Area { x: left, y: at + 2.0, width: text_width(words, size), height: LETTERS + 2.0 };
                canvas.rect(behind, Ink::Ground, 1.0);
                canvas.text((left, at + LETTERS), words, Anchor::Start, size, ink);
            };
            for (i, line) in lines.iter().enumerate() {
                write(SIDE, i, line, WORDS, Ink::Text);
            }
            write(SIDE + width - text_width(&value, SMALL), 0, &value, SMALL, Ink::Muted);
            let y = top + LINE + more;
            canvas.titled(&format!("{}: {value}{points}{ends}", row.name), |canvas| {
                canvas.rect(Area { x: SIDE, y: top, width, height: ROW + more }, Ink::Ground, 0.0);
                if let Some((a, b)) = row.ends {
                    canvas.line((x(a), y), (x(b), y), row.ink, 2.5);
                }
                canvas.mark((x(row.value), y), Mark::Disc, 4.5, row.ink);
            });
            top += ROW + more;
        }
        canvas.text((SIDE + width / 2.0, height + 30.0), &self.label, Anchor::Middle, SMALL, Ink::Muted);
        Panel::new(&self.title, width + 2.0 * SIDE, height + AXIS, canvas)
    }

    /// All ends and 0, widened to round numbers, and the distance of grid lines.
    fn range(&self) -> (f64, f64, f64) {
        let values = self.rows.iter().flat_map(|r| {
            let (a, b) = r.ends.unwrap_or((r.value, r.value));
            [a, b, r.value]
        });
        let (low, high) = extent(values.chain([0.0])).unwrap_or((0.0, 0.0));
        // Differences far below a point are no landscape.
        let least = if self.unit.is_of_shares() { LEAST_POINTS } else { 0.0 };
        if high - low < least { round_range(-least, least, TICKS) } else { round_range(low, high, TICKS) }
    }
}

/// A name in lines of at most `width`, broken behind blanks and `+`; a part that is wider alone stays whole.
fn broken(name: &str, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for part in name.split_inclusive([' ', '+']) {
        let last = lines
            .last_mut()
            .filter(|line| line.is_empty() || text_width(format!("{line}{part}").trim_end(), WORDS) <= width);
        match last {
            Some(line) => line.push_str(part),
            None => lines.push(part.to_owned()),
        }
    }
    lines
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
            unit: Unit::Points,
            rows: vec![row("two pass", 0.1, Some((0.05, 0.15))), row("placebo", -0.02, None)],
            width: 300.0,
        };
        let panel = chart.panel();
        assert!(panel.body.contains("<title>two pass: 10.0 points [5.0, 15.0]</title>"), "{}", panel.body);
        assert!(panel.body.contains(">0<") && panel.body.contains("−2.0<"), "{}", panel.body);
        assert!((panel.height - (2.0 * ROW + AXIS)).abs() < 1e-9);
    }

    /// A phone of 390 pixels leaves 336 for a drawing; names that are longer are broken.
    #[test]
    fn a_phone_shows_it_without_scrolling() {
        let row =
            |name: &str| IntervalRow { name: name.to_owned(), ink: Ink::Run(1), value: -0.1, ends: None };
        let (short, long) =
            ("shuffled router (placebo)", "two pass+all heads+full strength+random heads (placebo)");
        let chart = Intervals {
            title: String::new(),
            label: "Accuracy against the first run, points".to_owned(),
            unit: Unit::Points,
            rows: vec![row(short), row(long)],
            width: 300.0,
        };
        let panel = chart.panel();
        assert!(panel.width <= 336.0 && (panel.height - (2.0 * ROW + LETTERS + AXIS)).abs() < 1e-9);
        let lines = broken(long, 260.0);
        assert!(lines.len() == 2 && lines.concat() == long, "{lines:?}");
        assert!(lines.iter().all(|line| text_width(line.trim_end(), WORDS) <= 260.0), "{lines:?}");
        assert_eq!(broken(short, 260.0), [short]);
    }
}
