//! Grouped bars with intervals.

use std::fmt::Write;

use super::Unit;
use super::axis::{Entry, extent, legend, vertical, vertical_space};
use super::canvas::{Anchor, Area, Canvas, SMALL, WORDS, text_width};
use super::palette::Ink;
use super::panel::Panel;

/// One bar.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bar {
    /// Its height; `None` leaves the place empty.
    pub value: Option<f64>,
    /// The interval.
    pub interval: Option<(f64, f64)>,
    /// Another value to compare with, drawn as a rhombus.
    pub reference: Option<f64>,
}

impl Bar {
    /// A bar without an interval.
    pub fn of(value: f64) -> Self {
        Self { value: Some(value), ..Self::default() }
    }
}

/// Bars of one colour, one for each group.
#[derive(Debug, Clone, PartialEq)]
pub struct BarSeries {
    /// Its name in the legend.
    pub name: String,
    /// Its colour.
    pub ink: Ink,
    /// Drawn with a hatch, to tell it from another series of the same colour.
    pub hatched: bool,
    /// One bar for each group.
    pub bars: Vec<Bar>,
}

/// Groups of bars.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// Stands above the drawing.
    pub title: String,
    /// What the bars measure.
    pub label: String,
    /// How values are written.
    pub unit: Unit,
    /// Decimals of values; `None` writes no values at the bars.
    pub values: Option<usize>,
    /// Words below the groups.
    pub groups: Vec<String>,
    /// The series.
    pub series: Vec<BarSeries>,
    /// What a rhombus is; empty where there is none.
    pub reference: String,
    /// The colours of groups instead of series, where there is one series only.
    pub group_inks: Vec<Ink>,
    /// The greatest value that there can be, where the axis is not to go beyond it.
    pub greatest: Option<f64>,
    /// Width of the drawing.
    pub width: f64,
    /// Height of the plot.
    pub height: f64,
}

impl Default for Bars {
    fn default() -> Self {
        Self {
            title: String::new(),
            label: String::new(),
            unit: Unit::Plain,
            values: None,
            groups: Vec::new(),
            series: Vec::new(),
            reference: String::new(),
            group_inks: Vec::new(),
            greatest: None,
            width: 460.0,
            height: 240.0,
        }
    }
}

impl Bars {
    /// Draws.
    pub fn panel(&self) -> Panel {
        let mut canvas = Canvas::default();
        let bars = || self.series.iter().flat_map(|s| &s.bars);
        let ends = bars().flat_map(|b| {
            let (low, high) = b.interval.unzip();
            [b.value, low, high, b.reference]
        });
        let (low, high) = extent(ends.flatten()).unwrap_or((0.0, 1.0));
        // Room for values above the highest bar.
        let room = if self.values.is_some() { (high.max(0.0) - low.min(0.0)) * 0.06 } else { 0.0 };
        let bottom = if low < 0.0 { low - room } else { 0.0 };
        let top = match high.max(0.0) + room {
            // Nothing but zeros: no axis below what bars can be.
            0.0 if low >= 0.0 => self.greatest.unwrap_or(0.1),
            top => top.min(self.greatest.unwrap_or(f64::INFINITY)),
        };
        let range = (bottom, top);
        let left = vertical_space(range, self.unit, &self.label);
        let mut top = 6.0;
        if self.series.len() > 1 || !self.reference.is_empty() {
            let mut entries: Vec<Entry> = Vec::new();
            if self.series.len() > 1 {
                entries.extend(self.series.iter().map(|s| Entry {
                    words: s.name.clone(),
                    ink: s.ink,
                    mark: None,
                    dashes: "",
                }));
            }
            if !self.reference.is_empty() {
                let mark = Some(super::Mark::Rhombus);
                entries.push(Entry { words: self.reference.clone(), ink: Ink::Text, mark, dashes: "0 100" });
            }
            top += legend(&mut canvas, (left, 0.0), self.width - left, &entries);
        }
        if self.values.is_some() {
            // Values above bars that reach the top of the axis.
            top += 12.0;
        }
        let plot = Area { x: left, y: top, width: self.width - left - 4.0, height: self.height };
        let scale = vertical(&mut canvas, plot, range, self.unit, &self.label);
        let step = plot.width / self.groups.len().max(1) as f64;
        let n = self.series.len().max(1) as f64;
        let gap = step * if n > 1.0 { 0.2 } else { 0.36 };
        let thickness = ((step - gap) / n).min(64.0);
        for (g, group) in self.groups.iter().enumerate() {
            let middle = plot.x + step * (g as f64 + 0.5);
            for (s, series) in self.series.iter().enumerate() {
                let Some(bar) = series.bars.get(g) else { continue };
                let x = middle + thickness * (s as f64 - n / 2.0);
                let place =
                    Area { x, y: 0.0, width: thickness - if n > 1.0 { 1.5 } else { 0.0 }, height: 0.0 };
                let ink = self.group_inks.get(g).copied().unwrap_or(series.ink);
                let title = self.title_of(group, series, bar);
                canvas.titled(&title, |c| self.draw(c, bar, place, (ink, series.hatched), &scale));
            }
            Self::word_below(&mut canvas, group, (middle, plot.y + plot.height), step);
        }
        let lines = self.lines_below(step);
        Panel::new(&self.title, self.width, plot.y + plot.height + 10.0 + 16.0 * lines as f64, canvas)
    }

    fn title_of(&self, group: &str, series: &BarSeries, bar: &Bar) -> String {
        let words =
            |v: f64| self.unit.words(v, 4_usize.saturating_sub(2 * usize::from(self.unit.is_of_shares())));
        let mut title = format!("{group}, {}: ", series.name);
        title.push_str(&bar.value.map_or("no value".to_owned(), words));
        if let Some((low, high)) = bar.interval {
            let _ = write!(title, " [{}, {}]", words(low), words(high));
        }
        if let Some(reference) = bar.reference {
            let _ = write!(title, ", {}: {}", self.reference, words(reference));
        }
        title
    }

    fn draw(
        &self,
        canvas: &mut Canvas,
        bar: &Bar,
        place: Area,
        (ink, hatched): (Ink, bool),
        scale: &super::axis::Scale,
    ) {
        let middle = place.x + place.width / 2.0;
        if let Some(value) = bar.value {
            let (zero, end) = (scale.at(0.0), scale.at(value));
            let area = Area { y: zero.min(end), height: (zero - end).abs().max(0.8), ..place };
            canvas.rect(area, ink, if hatched { 0.35 } else { 1.0 });
            if hatched {
                canvas.frame(area, ink, 1.5);
            }
            let (mut above, mut below) = (zero.min(end), zero.max(end));
            if let Some((low, high)) = bar.interval {
                let (low, high) = (scale.at(low), scale.at(high));
                let whisker = (place.width * 0.3).min(5.0);
                // A rim of the ground's colour, as bars may be about as light or dark as the lines.
                for (ink, width) in [(Ink::Ground, 3.4), (Ink::Text, 1.3)] {
                    canvas.line((middle, low), (middle, high), ink, width);
                    for end in [low, high] {
                        canvas.line((middle - whisker, end), (middle + whisker, end), ink, width);
                    }
                }
                (above, below) = (above.min(high), below.max(low));
            }
            if let Some(places) = self.values {
                let words = self.unit.words(value, places).replace(" %", "");
                // Values that would touch their neighbours are left to the title.
                if text_width(&words, SMALL) <= place.width * 1.35 {
                    let mut y = if value < 0.0 { below + 14.0 } else { above - 5.0 };
                    // A reference in the same place pushes the value further out.
                    if let Some(mark) =
                        bar.reference.map(|r| scale.at(r)).filter(|m| (m - (y - 4.0)).abs() < 10.0)
                    {
                        y = if value < 0.0 { mark + 17.0 } else { mark - 8.0 };
                    }
                    canvas.text((middle, y), &words, Anchor::Middle, SMALL, Ink::Text);
                }
            }
        }
        if let Some(reference) = bar.reference {
            canvas.mark((middle, scale.at(reference)), super::Mark::Rhombus, 4.2, Ink::Text);
        }
    }

    fn lines_below(&self, step: f64) -> usize {
        self.groups.iter().map(|g| wrapped(g, step - 6.0).len()).max().unwrap_or(1)
    }

    fn word_below(canvas: &mut Canvas, group: &str, (x, y): (f64, f64), step: f64) {
        for (line, words) in wrapped(group, step - 6.0).iter().enumerate() {
            let y = y + 17.0 + 15.0 * line as f64;
            canvas.text((x, y), words, Anchor::Middle, WORDS - 0.5, Ink::Text);
        }
    }
}

/// Words in lines no wider than `width`, broken at blanks only.
pub(crate) fn wrapped(words: &str, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), WORDS) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars() -> Bars {
        Bars {
            label: "Accuracy".to_owned(),
            unit: Unit::Percent,
            values: Some(1),
            groups: vec!["T".to_owned(), "A".to_owned()],
            series: vec![BarSeries {
                name: "Align".to_owned(),
                ink: Ink::Run(0),
                hatched: false,
                bars: vec![
                    Bar { value: Some(0.5), interval: Some((0.4, 0.6)), reference: None },
                    Bar { value: None, interval: None, reference: None },
                ],
            }],
            ..Bars::default()
        }
    }

    #[test]
    fn a_bar_has_its_height_and_an_absent_one_none() {
        let panel = bars().panel();
        // The axis runs from 0 to 80 %: 240 units for 0.8.
        let height = super::super::canvas::number(240.0 * 0.5 / 0.8);
        assert!(
            panel.body.contains(&format!("height=\"{height}\" fill=\"var(--e-run0)\"")),
            "{}",
            panel.body
        );
        assert!(panel.body.contains("<title>T, Align: 50.00 % [40.00 %, 60.00 %]</title>"));
        assert!(panel.body.contains("<title>A, Align: no value</title></g>"));
    }

    /// An accuracy of 0 everywhere stands on an axis of accuracies, not on one that goes below 0.
    #[test]
    fn zeros_have_no_axis_below_zero() {
        let mut chart = bars();
        chart.series[0].bars = vec![Bar { value: Some(0.0), interval: None, reference: None }; 2];
        for (greatest, top) in [(Some(1.0), ">100 %<"), (None, ">10 %<")] {
            chart.greatest = greatest;
            let body = chart.panel().body;
            assert!(body.contains(top) && !body.contains("\u{2212}"), "{body}");
        }
    }

    #[test]
    fn a_reference_does_not_lie_on_the_value() {
        let mut chart = bars();
        let place = |body: &str| -> f64 {
            let (_, rest) = body.split_once(">50.0<").map(|(before, after)| (after, before)).unwrap();
            rest.rsplit_once(" y=\"").unwrap().1.split('"').next().unwrap().parse().unwrap()
        };
        let free = place(&chart.panel().body);
        // 5 units above the end of the interval at 60 %, with the axis to 80 % in 240 units.
        chart.series[0].bars[0].reference = Some(0.62);
        let pushed = place(&chart.panel().body);
        assert!(pushed < free - 5.0, "{pushed} {free}");
        chart.series[0].bars[0].reference = Some(0.2);
        assert!((place(&chart.panel().body) - free).abs() < 0.01);
    }

    #[test]
    fn negative_bars_hang_below_zero() {
        let mut chart = bars();
        chart.series[0].bars[1] = Bar::of(-0.2);
        let body = chart.panel().body;
        assert!(body.contains("<title>A, Align: \u{2212}20.00 %</title>"), "{body}");
    }
}
