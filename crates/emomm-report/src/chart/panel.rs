//! One drawing with its size, and several side by side.

use std::fmt::Write;

use super::canvas::{Anchor, Canvas, WORDS, escaped, number};
use super::palette::{Ink, Theme, fixed, style_sheet};

/// Fonts of drawings: the system's own, then one that the PNG renderer brings along.
const FONTS: &str = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif";

/// Height of a panel's title.
const TITLE: f64 = 26.0;
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
    pub(crate) body: String,
}

impl Panel {
    pub(crate) fn new(title: &str, width: f64, height: f64, canvas: Canvas) -> Self {
        Self { title: title.to_owned(), width, height, body: canvas.into_body() }
    }

    fn height_with_title(&self) -> f64 {
        if self.title.is_empty() { self.height } else { self.height + TITLE }
    }

    fn with_title(&self) -> String {
        if self.title.is_empty() {
            return self.body.clone();
        }
        let mut canvas = Canvas::default();
        canvas.bold((0.0, 15.0), &self.title, Anchor::Start, WORDS + 0.5, Ink::Text);
        let mut out = canvas.into_body();
        let _ = write!(out, "<g transform=\"translate(0 {TITLE})\">{}</g>", self.body);
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
    let mut x = GAP;
    let mut body = String::new();
    let height = panels.iter().map(Panel::height_with_title).fold(0.0, f64::max) + 2.0 * GAP;
    for panel in panels {
        let _ = write!(
            body,
            "<g transform=\"translate({} {})\">{}</g>",
            number(x),
            number(GAP),
            panel.with_title()
        );
        x += panel.width + GAP * 1.6;
    }
    let width = x - GAP * 0.6;
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
