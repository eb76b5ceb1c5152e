//! Shares of a whole, one bar for each row.

use super::axis::{Entry, legend};
use super::canvas::{Anchor, Area, Canvas, SMALL, WORDS, text_width};
use super::palette::Ink;
use super::panel::Panel;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareRow {
    /// Its name.
    pub name: String,
    /// One share for each part; they need not sum to 1 exactly. `None`: no shares exist.
    pub shares: Option<Vec<f64>>,
    /// Said in the place of shares that do not exist.
    pub why_none: String,
}

/// Bars of shares.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// Stands above the drawing.
    pub title: String,
    /// Names and colours of the parts.
    pub parts: Vec<(String, Ink)>,
    /// The bars.
    pub rows: Vec<ShareRow>,
    /// Width of the drawing.
    pub width: f64,
}

impl Shares {
    /// Draws.
    pub fn panel(&self) -> Panel {
        let mut canvas = Canvas::default();
        let head = self.rows.iter().map(|r| text_width(&r.name, WORDS)).fold(0.0, f64::max);
        let left = head + 12.0;
        let entries: Vec<Entry> = self
            .parts
            .iter()
            .map(|(words, ink)| Entry { words: words.clone(), ink: *ink, mark: None, dashes: "" })
            .collect();
        let top = 6.0 + legend(&mut canvas, (left, 0.0), self.width - left, &entries);
        let (thick, gap) = (34.0, 12.0);
        let width = self.width - left - 2.0;
        for (index, row) in self.rows.iter().enumerate() {
            let y = top + (thick + gap) * index as f64;
            canvas.text((left - 9.0, y + thick / 2.0 + 4.5), &row.name, Anchor::End, WORDS, Ink::Text);
            let Some(shares) = &row.shares else {
                canvas.frame(Area { x: left, y, width, height: thick }, Ink::Grid, 1.0);
                let at = (left + 10.0, y + thick / 2.0 + 4.5);
                canvas.text(at, &row.why_none, Anchor::Start, SMALL, Ink::Muted);
                continue;
            };
            let sum: f64 = shares.iter().sum();
            let mut x = left;
            for ((name, ink), share) in self.parts.iter().zip(shares) {
                let w = if sum > 0.0 { width * share / sum } else { 0.0 };
                let words = format!("{:.1} %", 100.0 * share);
                canvas.titled(&format!("{}, {name}: {words}", row.name), |c| {
                    c.rect(Area { x, y, width: (w - 1.5).max(0.0), height: thick }, *ink, 1.0);
                    if text_width(&words, WORDS) + 8.0 < w {
                        let at = (x + w / 2.0, y + thick / 2.0 + 4.5);
                        c.bold(at, &words, Anchor::Middle, WORDS, Ink::Ground);
                    }
                });
                x += w;
            }
        }
        let height = top + (thick + gap) * self.rows.len() as f64;
        Panel::new(&self.title, self.width, height, canvas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fill_the_bar_and_absent_ones_are_said() {
        let row =
            |name: &str, shares| ShareRow { name: name.to_owned(), shares, why_none: "no shares".to_owned() };
        let chart = Shares {
            title: String::new(),
            parts: vec![("T".to_owned(), Ink::Text), ("V".to_owned(), Ink::Muted)],
            rows: vec![row("a", Some(vec![0.75, 0.25])), row("b", None)],
            width: 400.0,
        };
        let body = chart.panel().body;
        assert!(
            body.contains("<title>a, T: 75.0 %</title>") && body.contains("<title>a, V: 25.0 %</title>"),
            "{body}"
        );
        assert!(body.contains(">no shares</text>") && !body.contains("b, T"), "{body}");
    }
}
