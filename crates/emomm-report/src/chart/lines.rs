//! Lines over layers or another ordered axis, with bands for intervals.

use std::fmt::Write;

use super::Unit;
use super::axis::{Entry, Scale, decimals, extent, legend, round_range, ticks, vertical, vertical_space};
use super::canvas::{Anchor, Area, Canvas, Mark, SMALL, WORDS};
use super::palette::Ink;
use super::panel::Panel;

/// A point of a line: x, y and the interval of y.
pub type LinePoint = (f64, Option<f64>, Option<(f64, f64)>);

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// Its mark.
    pub mark: Mark,
    /// Its dashes, as SVG writes them; empty for a solid line.
    pub dashes: &'static str,
    /// Its points. Where y is `None` the line is broken.
    pub points: Vec<LinePoint>,
}

/// Lines in one plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// Stands above the drawing.
    pub title: String,
    /// What the horizontal axis counts.
    pub x_label: String,
    /// What the vertical axis measures.
    pub y_label: String,
    /// How values are written.
    pub unit: Unit,
    /// Range of the vertical axis; from the values where it is `None`.
    pub range: Option<(f64, f64)>,
    /// The lines.
    pub lines: Vec<Line>,
    /// Width of the drawing.
    pub width: f64,
    /// Height of the plot.
    pub height: f64,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            title: String::new(),
            x_label: String::new(),
            y_label: String::new(),
            unit: Unit::Plain,
            range: None,
            lines: Vec::new(),
            width: 460.0,
            height: 250.0,
        }
    }
}

impl Lines {
    /// Draws.
    pub fn panel(&self) -> Panel {
        let mut canvas = Canvas::default();
        let points = || self.lines.iter().flat_map(|l| &l.points);
        let ends = points().flat_map(|(_, y, interval)| {
            let (low, high) = interval.unzip();
            [*y, low, high]
        });
        let found = extent(ends.flatten()).unwrap_or((0.0, 1.0));
        let range = self.range.unwrap_or((found.0.min(0.0), found.1));
        let left = vertical_space(range, self.unit, &self.y_label);
        let entries: Vec<Entry> = self
            .lines
            .iter()
            .map(|l| Entry { words: l.name.clone(), ink: l.ink, mark: Some(l.mark), dashes: l.dashes })
            .collect();
        let top = 6.0 + legend(&mut canvas, (left, 0.0), self.width - left, &entries);
        let plot = Area { x: left, y: top, width: self.width - left - 8.0, height: self.height };
        let y = vertical(&mut canvas, plot, range, self.unit, &self.y_label);
        let (first, last) = extent(points().map(|p| p.0)).unwrap_or((0.0, 1.0));
        let x = Scale::new((first, last), (plot.x + 6.0, plot.x + plot.width - 6.0));
        self.below(&mut canvas, plot, &x);
        for line in &self.lines {
            draw_band(&mut canvas, line, &x, &y);
        }
        for line in &self.lines {
            self.draw_line(&mut canvas, line, &x, &y);
        }
        Panel::new(&self.title, self.width, plot.y + plot.height + 44.0, canvas)
    }

    fn below(&self, canvas: &mut Canvas, plot: Area, x: &Scale) {
        let bottom = plot.y + plot.height;
        let (low, high, step) = round_range(x.low, x.high, 7);
        // Layers and counts have no ticks between them; settings such as τ have.
        let step = if self.is_whole() { step.max(1.0) } else { step };
        let places = decimals(step, Unit::Plain);
        let near = step * 1e-6;
        for tick in ticks(low, high, step).into_iter().filter(|t| *t >= x.low - near && *t <= x.high + near) {
            canvas.line((x.at(tick), bottom), (x.at(tick), bottom + 4.0), Ink::Muted, 1.0);
            canvas.text(
                (x.at(tick), bottom + 17.0),
                &format!("{tick:.places$}"),
                Anchor::Middle,
                SMALL,
                Ink::Muted,
            );
        }
        canvas.text(
            (plot.x + plot.width / 2.0, bottom + 36.0),
            &self.x_label,
            Anchor::Middle,
            WORDS,
            Ink::Muted,
        );
    }

    /// Whether the horizontal axis counts in whole numbers.
    fn is_whole(&self) -> bool {
        self.lines.iter().flat_map(|l| &l.points).all(|(at, _, _)| at.fract().abs() < 1e-9)
    }

    fn draw_line(&self, canvas: &mut Canvas, line: &Line, x: &Scale, y: &Scale) {
        for part in unbroken(line) {
            let places: Vec<(f64, f64)> = part.iter().map(|(a, b)| (x.at(*a), y.at(*b))).collect();
            canvas.polyline(&places, line.ink, 2.2, line.dashes);
        }
        for (at, value, interval) in &line.points {
            let Some(value) = value else { continue };
            let mut title = format!("{} {at}, {}: {}", self.x_label, line.name, self.unit.words(*value, 3));
            if let Some((low, high)) = interval {
                let _ = write!(title, " [{}, {}]", self.unit.words(*low, 3), self.unit.words(*high, 3));
            }
            let radius = if line.points.len() > 40 { 2.0 } else { 3.4 };
            canvas.titled(&title, |c| c.mark((x.at(*at), y.at(*value)), line.mark, radius, line.ink));
        }
    }
}

fn draw_band(canvas: &mut Canvas, line: &Line, x: &Scale, y: &Scale) {
    let mut upper = Vec::new();
    let mut lower = Vec::new();
    for (at, _, interval) in &line.points {
        if let Some((low, high)) = interval {
            upper.push((x.at(*at), y.at(*high)));
            lower.push((x.at(*at), y.at(*low)));
        }
    }
    if upper.len() > 1 {
        upper.extend(lower.into_iter().rev());
        canvas.polygon(&upper, line.ink, 0.16);
    }
}

/// The parts of a line between absent values.
fn unbroken(line: &Line) -> Vec<Vec<(f64, f64)>> {
    let mut parts: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (x, y, _) in &line.points {
        match (y, parts.last_mut()) {
            (Some(y), Some(part)) => part.push((*x, *y)),
            _ => parts.push(Vec::new()),
        }
    }
    parts.retain(|p| p.len() > 1);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_there_is_no_value() {
        let points = vec![
            (1.0, Some(0.1), None),
            (2.0, Some(0.2), None),
            (3.0, None, None),
            (4.0, Some(0.3), None),
            (5.0, Some(0.4), None),
        ];
        let line = Line { name: "T".to_owned(), ink: Ink::Text, mark: Mark::Disc, dashes: "", points };
        let chart = Lines { x_label: "layer".to_owned(), lines: vec![line], ..Lines::default() };
        let body = chart.panel().body;
        assert_eq!(body.matches("<polyline").count(), 2);
        assert!(body.contains("<title>layer 4, T: 0.300</title>"), "{body}");
    }

    #[test]
    fn settings_between_0_and_1_have_ticks_of_their_own() {
        let points = [0.1, 0.3, 0.5, 0.7, 0.9].map(|at| (at, Some(0.5), None)).to_vec();
        let line = Line { name: "align".to_owned(), ink: Ink::Text, mark: Mark::Disc, dashes: "", points };
        let chart = Lines { x_label: "τ".to_owned(), lines: vec![line], ..Lines::default() };
        let body = chart.panel().body;
        for tick in [">0.2<", ">0.8<", "<title>τ 0.3, align: 0.500</title>"] {
            assert!(body.contains(tick), "{tick} in {body}");
        }
    }
}
