//! Points with a fitted line.

use super::Unit;
use super::axis::{Entry, Scale, decimals, extent, legend, round_range, ticks, vertical, vertical_space};
use super::canvas::{Anchor, Area, Canvas, Mark, SMALL, WORDS};
use super::palette::Ink;
use super::panel::Panel;

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Horizontal place.
    pub x: f64,
    /// Vertical place.
    pub y: f64,
    /// Its colour.
    pub ink: Ink,
    /// Its mark.
    pub mark: Mark,
    /// Shown by a pointer.
    pub title: String,
}

/// Points in one plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// Stands above the drawing.
    pub title: String,
    /// What the horizontal axis measures.
    pub x_label: String,
    /// What the vertical axis measures.
    pub y_label: String,
    /// The points.
    pub points: Vec<Point>,
    /// Entries of the legend.
    pub legend: Vec<(String, Ink, Mark)>,
    /// Whether the least-squares line is drawn.
    pub fit: bool,
    /// Words in a corner of the plot.
    pub note: String,
    /// Width of the drawing.
    pub width: f64,
    /// Height of the plot.
    pub height: f64,
}

impl Scatter {
    /// Draws.
    pub fn panel(&self) -> Panel {
        let mut canvas = Canvas::default();
        // Room at the edges, but not beyond what values can be: below 0, or above 1 where all are shares.
        let padded = |(low, high): (f64, f64)| {
            let pad = ((high - low) * 0.06).max(1e-9);
            let top =
                if high <= 1.0 && low >= 0.0 && high > 0.5 { (high + pad).min(1.0) } else { high + pad };
            (if low >= 0.0 { (low - pad).max(0.0) } else { low - pad }, top)
        };
        let ys = padded(extent(self.points.iter().map(|p| p.y)).unwrap_or((0.0, 1.0)));
        let xs = padded(extent(self.points.iter().map(|p| p.x)).unwrap_or((0.0, 1.0)));
        let left = vertical_space(ys, Unit::Plain, &self.y_label);
        let entries: Vec<Entry> = self
            .legend
            .iter()
            .map(|(words, ink, mark)| Entry {
                words: words.clone(),
                ink: *ink,
                mark: Some(*mark),
                dashes: "0 100",
            })
            .collect();
        let mut top = 6.0 + legend(&mut canvas, (left, 0.0), self.width - left, &entries);
        if !self.note.is_empty() {
            // Above the plot, where no point can be.
            canvas.text((left, top + 10.0), &self.note, Anchor::Start, WORDS, Ink::Text);
            top += 20.0;
        }
        let plot = Area { x: left, y: top, width: self.width - left - 8.0, height: self.height };
        let y = vertical(&mut canvas, plot, ys, Unit::Plain, &self.y_label);
        let (low, high, step) = round_range(xs.0, xs.1, 5);
        let x = Scale::new((low, high), (plot.x, plot.x + plot.width));
        let bottom = plot.y + plot.height;
        for tick in ticks(low, high, step) {
            let words = Unit::Plain.words(tick, decimals(step, Unit::Plain));
            canvas.line((x.at(tick), bottom), (x.at(tick), bottom + 4.0), Ink::Muted, 1.0);
            canvas.text((x.at(tick), bottom + 17.0), &words, Anchor::Middle, SMALL, Ink::Muted);
        }
        canvas.text(
            (plot.x + plot.width / 2.0, bottom + 36.0),
            &self.x_label,
            Anchor::Middle,
            WORDS,
            Ink::Muted,
        );
        let pairs: Vec<(f64, f64)> = self.points.iter().map(|p| (p.x, p.y)).collect();
        if let (true, Some((slope, intercept)), Some((from, to))) =
            (self.fit, least_squares(&pairs), extent(pairs.iter().map(|p| p.0)))
        {
            let at = |v: f64| (x.at(v), y.at((slope * v + intercept).clamp(y.low, y.high)));
            canvas.dashed_line(at(from), at(to), Ink::Muted, 2.0, "6 4");
        }
        for point in &self.points {
            canvas
                .titled(&point.title, |c| c.mark((x.at(point.x), y.at(point.y)), point.mark, 5.0, point.ink));
        }
        Panel::new(&self.title, self.width, bottom + 44.0, canvas)
    }
}

/// Slope and intercept; `None` where the points do not say.
pub(crate) fn least_squares(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (mean_x, mean_y) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let xx: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let xy: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    (points.len() >= 2 && xx > 0.0).then(|| (xy / xx, mean_y - xy / xx * mean_x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_points_on_a_line() {
        let (slope, intercept) = least_squares(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]).unwrap();
        assert!((slope - 2.0).abs() < 1e-12 && (intercept - 1.0).abs() < 1e-12);
        assert_eq!(least_squares(&[(1.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(least_squares(&[]), None);
    }
}
