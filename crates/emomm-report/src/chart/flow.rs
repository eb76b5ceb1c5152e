//! Flows between two columns of classes: which answers became which.

use super::canvas::{Anchor, Area, Canvas, SMALL, WORDS, number, text_width};
use super::palette::Ink;
use super::panel::Panel;

/// Counts from each class on the left to each on the right.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// Stands above the drawing.
    pub title: String,
    /// Heads of the two columns.
    pub heads: [String; 2],
    /// Names of the classes and their colours, the same on both sides.
    pub classes: Vec<(String, Ink)>,
    /// `[left][right]`.
    pub counts: Vec<Vec<usize>>,
    /// Width of the drawing.
    pub width: f64,
    /// Height of the columns.
    pub height: f64,
}

/// Space between classes.
const GAP: f64 = 10.0;
/// Width of a column.
const COLUMN: f64 = 16.0;

impl Flow {
    /// Draws.
    pub fn panel(&self) -> Panel {
        let mut canvas = Canvas::default();
        let k = self.classes.len();
        let total: usize = self.counts.iter().flatten().sum();
        let count = |l: usize, r: usize| self.counts.get(l).and_then(|row| row.get(r)).copied().unwrap_or(0);
        let lefts: Vec<usize> = (0..k).map(|l| (0..k).map(|r| count(l, r)).sum()).collect();
        let rights: Vec<usize> = (0..k).map(|r| (0..k).map(|l| count(l, r)).sum()).collect();
        let room = self
            .classes
            .iter()
            .map(|(name, _)| text_width(&format!("{name} 00000"), WORDS))
            .fold(0.0, f64::max);
        let (x0, x1) = (room + 8.0, self.width - room - 8.0);
        let unit = (self.height - GAP * k.saturating_sub(1) as f64) / total.max(1) as f64;
        let tops = |sums: &[usize]| {
            let mut y = 26.0;
            sums.iter()
                .map(|n| {
                    let top = y;
                    y += unit * *n as f64 + GAP;
                    top
                })
                .collect::<Vec<f64>>()
        };
        let (left_tops, right_tops) = (tops(&lefts), tops(&rights));
        canvas.bold((x0 + COLUMN, 14.0), &self.heads[0], Anchor::End, WORDS, Ink::Text);
        canvas.bold((x1 - COLUMN, 14.0), &self.heads[1], Anchor::Start, WORDS, Ink::Text);
        let mut from = left_tops.clone();
        let mut to = right_tops.clone();
        for (l, from) in from.iter_mut().enumerate() {
            for (r, to) in to.iter_mut().enumerate() {
                let n = count(l, r);
                if n == 0 {
                    continue;
                }
                let h = unit * n as f64;
                let title = format!("{} to {}: {n}", self.classes[l].0, self.classes[r].0);
                let path = ribbon((x0 + COLUMN, *from), (x1 - COLUMN, *to), h);
                let opacity = if l == r { 0.22 } else { 0.6 };
                canvas.titled(&title, |c| c.path(&path, self.classes[r].1, opacity));
                *from += h;
                *to += h;
            }
        }
        for (index, (name, ink)) in self.classes.iter().enumerate() {
            let sides = [
                (x0, left_tops[index], lefts[index], Anchor::End, x0 - 6.0),
                (x1 - COLUMN, right_tops[index], rights[index], Anchor::Start, x1 + 6.0),
            ];
            for (x, y, n, anchor, words_at) in sides {
                if n == 0 {
                    continue;
                }
                let h = unit * n as f64;
                canvas.rect(Area { x, y, width: COLUMN, height: h }, *ink, 1.0);
                let size = if h < 11.0 { SMALL } else { WORDS };
                canvas.text((words_at, y + h / 2.0 + 4.5), &format!("{name} {n}"), anchor, size, Ink::Text);
            }
        }
        Panel::new(&self.title, self.width, self.height + 34.0, canvas)
    }
}

fn ribbon((x0, y0): (f64, f64), (x1, y1): (f64, f64), h: f64) -> String {
    let middle = f64::midpoint(x0, x1);
    let [x0, y0, x1, y1, m] = [x0, y0, x1, y1, middle].map(number);
    let (low0, low1) = (y0.parse::<f64>().unwrap_or(0.0) + h, y1.parse::<f64>().unwrap_or(0.0) + h);
    let (low0, low1) = (number(low0), number(low1));
    format!("M{x0} {y0}C{m} {y0} {m} {y1} {x1} {y1}L{x1} {low1}C{m} {low1} {m} {low0} {x0} {low0}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flow_names_its_count() {
        let flow = Flow {
            title: String::new(),
            heads: ["A".to_owned(), "B".to_owned()],
            classes: vec![("right".to_owned(), Ink::Right), ("wrong".to_owned(), Ink::Wrong)],
            counts: vec![vec![5, 1], vec![0, 4]],
            width: 400.0,
            height: 200.0,
        };
        let body = flow.panel().body;
        assert!(
            body.contains("<title>right to wrong: 1</title>") && !body.contains("wrong to right"),
            "{body}"
        );
        assert!(body.contains(">right 6</text>") && body.contains(">wrong 5</text>"), "{body}");
    }
}
