//! Writes SVG: shapes and words with escaped text, numbers of bounded length and titles that a pointer shows.

use std::fmt::Write;

use super::palette::Ink;

/// Size of words in a drawing, in units of the drawing.
pub(crate) const WORDS: f64 = 13.0;
/// Size of small words.
pub(crate) const SMALL: f64 = 11.5;

/// Where words begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Shape of a mark: a second sign beside its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A disc.
    Disc,
    /// A square.
    Square,
    /// A triangle.
    Triangle,
    /// A rhombus.
    Rhombus,
}

/// A drawing in the making.
#[derive(Debug, Default)]
pub(crate) struct Canvas {
    body: String,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Canvas {
    pub(crate) fn into_body(self) -> String {
        self.body
    }

    /// Shapes that share a title, which a pointer shows.
    pub(crate) fn titled(&mut self, title: &str, draw: impl FnOnce(&mut Self)) {
        let _ = write!(self.body, "<g><title>{}</title>", escaped(title));
        draw(self);
        self.body.push_str("</g>");
    }

    pub(crate) fn rect(&mut self, area: Area, fill: Ink, opacity: f64) {
        let Area { x, y, width, height } = area;
        let _ = write!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"",
            number(x),
            number(y),
            number(width.max(0.0)),
            number(height.max(0.0)),
            fill.css()
        );
        if opacity < 1.0 {
            let _ = write!(self.body, " fill-opacity=\"{}\"", number(opacity));
        }
        self.body.push_str("/>");
    }

    /// The edge of a rectangle.
    pub(crate) fn frame(&mut self, area: Area, stroke: Ink, width: f64) {
        let _ = write!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"/>",
            number(area.x),
            number(area.y),
            number(area.width),
            number(area.height),
            stroke.css(),
            number(width)
        );
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Ink, width: f64) {
        self.dashed_line(from, to, stroke, width, "");
    }

    pub(crate) fn dashed_line(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        stroke: Ink,
        width: f64,
        dashes: &str,
    ) {
        let _ = write!(
            self.body,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"{}\"",
            number(from.0),
            number(from.1),
            number(to.0),
            number(to.1),
            stroke.css(),
            number(width)
        );
        self.end_dashed(dashes);
    }

    fn end_dashed(&mut self, dashes: &str) {
        if !dashes.is_empty() {
            let _ = write!(self.body, " stroke-dasharray=\"{dashes}\"");
        }
        self.body.push_str("/>");
    }

    /// An open line through points.
    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], stroke: Ink, width: f64, dashes: &str) {
        let _ = write!(
            self.body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"",
            listed(points),
            stroke.css(),
            number(width)
        );
        self.end_dashed(dashes);
    }

    /// A filled polygon.
    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], fill: Ink, opacity: f64) {
        let _ = write!(
            self.body,
            "<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"{}\"/>",
            listed(points),
            fill.css(),
            number(opacity)
        );
    }

    /// A filled path, for example a flow between two columns.
    pub(crate) fn path(&mut self, path: &str, fill: Ink, opacity: f64) {
        let _ = write!(
            self.body,
            "<path d=\"{path}\" fill=\"{}\" fill-opacity=\"{}\"/>",
            fill.css(),
            number(opacity)
        );
    }

    /// A mark of a point with a rim in the colour of the ground.
    pub(crate) fn mark(&mut self, (x, y): (f64, f64), mark: Mark, radius: f64, fill: Ink) {
        let rim = format!("fill=\"{}\" stroke=\"{}\" stroke-width=\"1\"", fill.css(), Ink::Ground.css());
        let _ = match mark {
            Mark::Disc => {
                write!(
                    self.body,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {rim}/>",
                    number(x),
                    number(y),
                    number(radius)
                )
            }
            Mark::Square => {
                let side = radius * 1.8;
                write!(
                    self.body,
                    "<rect x=\"{}\" y=\"{}\" width=\"{side:.2}\" height=\"{side:.2}\" {rim}/>",
                    number(x - side / 2.0),
                    number(y - side / 2.0)
                )
            }
            Mark::Triangle => {
                let r = radius * 1.25;
                let points = [(x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)];
                write!(self.body, "<polygon points=\"{}\" {rim}/>", listed(&points))
            }
            Mark::Rhombus => {
                let r = radius * 1.3;
                let points = [(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
                write!(self.body, "<polygon points=\"{}\" {rim}/>", listed(&points))
            }
        };
    }

    pub(crate) fn text(&mut self, at: (f64, f64), words: &str, anchor: Anchor, size: f64, ink: Ink) {
        self.styled_text(at, words, anchor, size, ink, "");
    }

    pub(crate) fn bold(&mut self, at: (f64, f64), words: &str, anchor: Anchor, size: f64, ink: Ink) {
        self.styled_text(at, words, anchor, size, ink, " font-weight=\"600\"");
    }

    /// Words that run upwards.
    pub(crate) fn upward(&mut self, (x, y): (f64, f64), words: &str, size: f64, ink: Ink) {
        let turned = format!(" transform=\"rotate(-90 {} {})\"", number(x), number(y));
        self.styled_text((x, y), words, Anchor::Middle, size, ink, &turned);
    }

    fn styled_text(
        &mut self,
        (x, y): (f64, f64),
        words: &str,
        anchor: Anchor,
        size: f64,
        ink: Ink,
        style: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let _ = write!(
            self.body,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\"{anchor}{style} fill=\"{}\">{}</text>",
            number(x),
            number(y),
            number(size),
            ink.css(),
            escaped(words)
        );
    }

    /// An image of the given address, which must be a data URL.
    pub(crate) fn image(&mut self, area: Area, data_url: &str) {
        let _ = write!(
            self.body,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" href=\"{}\" preserveAspectRatio=\"none\"/>",
            number(area.x),
            number(area.y),
            number(area.width),
            number(area.height),
            escaped(data_url)
        );
    }
}

/// At most two decimals, none where they are zero. What is not finite becomes 0, so that no drawing breaks.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn listed(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{},{}", number(*x), number(*y))).collect::<Vec<_>>().join(" ")
}

/// Text for XML, without characters that XML does not allow.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// About how wide words are. Letters of a common sans serif take a little over half their size, Chinese ones all of it.
pub(crate) fn text_width(words: &str, size: f64) -> f64 {
    let of = |c: char| match c {
        'i' | 'l' | 'j' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | 'I' | 'f' | 't' | 'r' => 0.38,
        'm' | 'w' | 'M' | 'W' | '%' => 0.9,
        '−' | '+' | '±' | '=' | '<' | '>' | '≥' | '≤' => 0.84,
        '0'..='9' => 0.64,
        c if (c as u32) >= 0x2e80 => 1.0,
        c if c.is_uppercase() => 0.68,
        _ => 0.6,
    };
    words.chars().map(of).sum::<f64>() * size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_leave_their_place() {
        let mut canvas = Canvas::default();
        canvas.titled("</title><script>", |c| {
            c.text((0.0, 0.0), "a<b & \"c\"\u{0}", Anchor::Start, 12.0, Ink::Text);
        });
        let body = canvas.into_body();
        assert!(body.contains("<title>&lt;/title&gt;&lt;script&gt;</title>"), "{body}");
        assert!(body.contains(">a&lt;b &amp; &quot;c&quot;\u{fffd}</text>"), "{body}");
    }

    #[test]
    fn numbers_are_short_and_finite() {
        assert_eq!(number(1.0), "1");
        assert_eq!(number(-0.001), "0");
        assert_eq!(number(12.345), "12.35");
        assert_eq!(number(f64::NAN), "0");
    }
}
