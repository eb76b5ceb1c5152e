//! One drawing with its size, and several side by side.

use std::fmt::Write;

use super::canvas::{Anchor, Canvas, WORDS, escaped, number, text_width};
use super::palette::{Ink, Theme, fixed, style_sheet};

/// Fonts of drawings: the system's own, then one that the PNG renderer brings along.
const FONTS: &str = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif";

/// Height of a panel's title.
const TITLE: f64 = 26.0;
/// Size of its letters, how much wider bold ones are, and the height of a further line.
const TITLE_SIZE: f64 = WORDS + 0.5;
const BOLD: f64 = 1.12;
const LINE: f64 = 17.0;
/// Space between panels and around them.
const GAP: f64 = 20.0;

/// A drawing without its `svg` element.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Stands above it; may be empty.
    pub title: String,
    /// Width in units of the drawing.
    pub width: f64,
    /// Height in units of the drawing.
    pub height: f64,
    /// Whether a row of panels begins with it.
    pub starts_row: bool,
    pub(crate) body: String,
}

impl Panel {
    pub(crate) fn new(title: &str, width: f64, height: f64, canvas: Canvas) -> Self {
        Self { title: title.to_owned(), width, height, starts_row: false, body: canvas.into_body() }
    }

    /// The same, at the beginning of a row.
    pub(crate) fn starting_row(self) -> Self {
        Self { starts_row: true, ..self }
    }

    /// Room of the title above the drawing.
    fn title_height(&self) -> f64 {
        match self.title_lines().len() {
            0 => 0.0,
            n => TITLE + LINE * (n - 1) as f64,
        }
    }

    /// The title in lines that are no wider than the drawing, broken behind blanks and `/`, and within a word that is wider.
    fn title_lines(&self) -> Vec<String> {
        let is_too_wide = |words: &str| text_width(words.trim_end(), TITLE_SIZE) * BOLD > self.width;
        let mut lines = Vec::new();
        let mut line = String::new();
        for part in self.title.split_inclusive([' ', '/']) {
            if !line.is_empty() && is_too_wide(&format!("{line}{part}")) {
                lines.push(std::mem::take(&mut line));
            }
            for c in part.chars() {
                if !line.is_empty() && is_too_wide(&format!("{line}{c}")) {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(c);
            }
        }
        lines.extend((!line.is_empty()).then_some(line));
        lines
    }

    fn height_with_title(&self) -> f64 {
        self.height + self.title_height()
    }

    fn with_title(&self) -> String {
        if self.title.is_empty() {
            return self.body.clone();
        }
        let mut canvas = Canvas::default();
        for (i, line) in self.title_lines().iter().enumerate() {
            canvas.bold((0.0, 15.0 + LINE * i as f64), line.trim_end(), Anchor::Start, TITLE_SIZE, Ink::Text);
        }
        let mut out = canvas.into_body();
        let _ =
            write!(out, "<g transform=\"translate(0 {})\">{}</g>", number(self.title_height()), self.body);
        out
    }

    /// An `svg` element for a page that defines the colours. `id` must be unique on the page.
    pub fn inline(&self, id: &str, alt: &str) -> String {
        let (width, height) = (self.width, self.height_with_title());
        element(id, &self.title, alt, width, height, "", &self.with_title())
    }
}

/// Panels side by side as a file of its own that follows the reader's theme.
pub(crate) fn standalone(panels: &[Panel], title: &str, alt: &str) -> String {
    compose(panels, title, alt, &format!("<style>{}</style>", style_sheet()))
}

/// Panels side by side in the colours of one theme, for renderers that know no variables.
pub(crate) fn in_theme(panels: &[Panel], title: &str, alt: &str, theme: Theme) -> String {
    fixed(&compose(panels, title, alt, ""), theme)
}

fn compose(panels: &[Panel], title: &str, alt: &str, style: &str) -> String {
    let (mut x, mut y) = (GAP, GAP);
    let (mut width, mut row) = (0.0_f64, 0.0_f64);
    let mut body = String::new();
    for panel in panels {
        if panel.starts_row && x > GAP {
            (x, y) = (GAP, y + row + GAP);
            row = 0.0;
        }
        let _ = write!(
            body,
            "<g transform=\"translate({} {})\">{}</g>",
            number(x),
            number(y),
            panel.with_title()
        );
        x += panel.width + GAP * 1.6;
        (width, row) = (width.max(x - GAP * 0.6), row.max(panel.height_with_title()));
    }
    let height = y + row + GAP;
    let mut ground = Canvas::default();
    ground.rect(super::canvas::Area { x: 0.0, y: 0.0, width, height }, Ink::Ground, 1.0);
    let head = format!("{style}{}", ground.into_body());
    element("figure", title, alt, width, height, &head, &body)
}

fn element(id: &str, title: &str, alt: &str, width: f64, height: f64, head: &str, body: &str) -> String {
    let (w, h) = (number(width), number(height));
    let (id, title, alt) = (escaped(id), escaped(title), escaped(alt));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" \
         aria-labelledby=\"{id}-t {id}-d\" font-family=\"{FONTS}\"><title id=\"{id}-t\">{title}</title>\
         <desc id=\"{id}-d\">{alt}</desc>{head}{body}</svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_titles_are_broken_and_nothing_of_them_is_lost() {
        let panel = |title: &str| Panel::new(title, 190.0, 50.0, Canvas::default());
        assert_eq!(panel("Accuracy").title_lines(), ["Accuracy"]);
        assert_eq!(panel("").title_lines().len(), 0);
        let long = panel(
            "ch-sims/video_0001_of_many/clip_00001, frame 3 of aVeryLongWordWithoutAnyPlaceToBreakItAtAll",
        );
        let lines = long.title_lines();
        assert!(lines.len() > 2 && lines.concat() == long.title, "{lines:?}");
        assert!(lines.iter().all(|l| text_width(l.trim_end(), TITLE_SIZE) * BOLD <= long.width), "{lines:?}");
        // The second line would be 195 wide in the widest of the fonts, DejaVu Sans Bold.
        let clip = Panel::new("cmu-mosi/nKSeMbCZBhB/1, frame\u{a0}1", 190.0, 50.0, Canvas::default());
        assert_eq!(clip.title_lines(), ["cmu-mosi/", "nKSeMbCZBhB/1, ", "frame\u{a0}1"]);
        let height = long.height_with_title();
        assert!((height - 50.0 - TITLE - LINE * (lines.len() - 1) as f64).abs() < 1e-9);
    }

    #[test]
    fn rows_stand_below_each_other() {
        let panel = || Panel::new("", 100.0, 50.0, Canvas::default());
        let places = |panels: &[Panel]| {
            let svg = standalone(panels, "t", "a");
            let moves = svg.split("translate(").skip(1).map(|m| m.split(')').next().unwrap().to_owned());
            (
                moves.collect::<Vec<String>>(),
                svg.split("viewBox=\"").nth(1).unwrap().split('"').next().unwrap().to_owned(),
            )
        };
        let (one, size) = places(&[panel().starting_row(), panel()]);
        assert_eq!((one, size.as_str()), (vec!["20 20".to_owned(), "152 20".to_owned()], "0 0 272 90"));
        let (two, size) = places(&[panel().starting_row(), panel(), panel().starting_row()]);
        assert_eq!(two, ["20 20", "152 20", "20 90"]);
        assert_eq!(size, "0 0 272 160");
    }
}
