//! Scales with round ticks, and the frame of a plot.

use super::Unit;
use super::canvas::{Anchor, Area, Canvas, SMALL, WORDS, text_width};
use super::palette::Ink;

/// A linear scale from values to places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// From `low` at `from` to `high` at `to`.
    pub(crate) fn new((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { low, high, from, to }
    }

    pub(crate) fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }
}

/// The range of values widened to round numbers, and the step between ticks. Values that are all the same stand in the middle of a
/// range as wide as they are great; zeros in one of a twentieth to both sides.
pub(crate) fn round_range(low: f64, high: f64, n_ticks: usize) -> (f64, f64, f64) {
    let half = if low == 0.0 { 0.05 } else { low.abs() / 2.0 };
    let (low, high) = if high > low { (low, high) } else { (low - half, low + half) };
    let rough = (high - low) / n_ticks.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|s| s * power >= rough * 0.999).unwrap_or(10.0) * power;
    ((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step, step)
}

/// Ticks of a range.
pub(crate) fn ticks(low: f64, high: f64, step: f64) -> Vec<f64> {
    let n = ((high - low) / step).round() as usize;
    (0..=n.min(50)).map(|i| low + step * i as f64).collect()
}

/// Decimals that tell ticks apart.
pub(crate) fn decimals(step: f64, unit: Unit) -> usize {
    let step = if unit.is_of_shares() { step * 100.0 } else { step };
    (0..6).find(|d| (step * 10_f64.powi(*d as i32)).fract().abs() < 1e-6).unwrap_or(6)
}

/// Least and greatest of finite values; `None` without any.
pub(crate) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|v| v.is_finite()).fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((f64::min(low, v), f64::max(high, v))),
    })
}

/// A vertical axis on the left with lines across the plot. Returns the scale.
pub(crate) fn vertical(canvas: &mut Canvas, plot: Area, range: (f64, f64), unit: Unit, label: &str) -> Scale {
    let (low, high, step) = round_range(range.0, range.1, 5);
    let scale = Scale::new((low, high), (plot.y + plot.height, plot.y));
    let places = decimals(step, unit);
    for tick in ticks(low, high, step) {
        let y = scale.at(tick);
        let (ink, width) = if tick.abs() < step * 1e-6 { (Ink::Muted, 1.0) } else { (Ink::Grid, 1.0) };
        canvas.line((plot.x, y), (plot.x + plot.width, y), ink, width);
        let words = unit.words(tick, places);
        canvas.text((plot.x - 7.0, y + 4.0), &words, Anchor::End, SMALL, Ink::Muted);
    }
    if !label.is_empty() {
        canvas.upward((12.0, plot.y + plot.height / 2.0), label, WORDS, Ink::Muted);
    }
    scale
}

/// Space that the words of a vertical axis take.
pub(crate) fn vertical_space(range: (f64, f64), unit: Unit, label: &str) -> f64 {
    let (low, high, step) = round_range(range.0, range.1, 5);
    let places = decimals(step, unit);
    let widest =
        [low, high].map(|v| text_width(&unit.words(v, places), SMALL)).into_iter().fold(0.0, f64::max);
    widest + 11.0 + if label.is_empty() { 0.0 } else { 20.0 }
}

/// An entry of a legend: a swatch and words.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) words: String,
    pub(crate) ink: Ink,
    pub(crate) mark: Option<super::Mark>,
    pub(crate) dashes: &'static str,
}

/// Entries in lines from (x, y), no wider than `width`. Returns the height.
pub(crate) fn legend(canvas: &mut Canvas, (x, y): (f64, f64), width: f64, entries: &[Entry]) -> f64 {
    let (mut at, mut line) = (x, 0.0);
    for entry in entries {
        let needed = 26.0 + text_width(&entry.words, WORDS);
        if at > x && at + needed > x + width {
            at = x;
            line += 20.0;
        }
        let middle = y + line + 8.0;
        match entry.mark {
            Some(mark) => {
                canvas.dashed_line((at, middle), (at + 20.0, middle), entry.ink, 2.0, entry.dashes);
                canvas.mark((at + 10.0, middle), mark, 4.0, entry.ink);
            }
            None => {
                canvas.rect(Area { x: at + 4.0, y: middle - 6.0, width: 12.0, height: 12.0 }, entry.ink, 1.0);
            }
        }
        canvas.text((at + 24.0, middle + 4.5), &entry.words, Anchor::Start, WORDS, Ink::Text);
        at += needed + 14.0;
    }
    if entries.is_empty() { 0.0 } else { line + 24.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_on_round_numbers() {
        let (low, high, step) = round_range(0.0, 0.47, 5);
        assert!(
            (low, (high * 1e6).round(), (step * 1e6).round()) == (0.0, 500_000.0, 100_000.0),
            "{low} {high} {step}"
        );
        assert_eq!(ticks(0.0, 0.5, 0.1).len(), 6);
        assert_eq!(decimals(0.1, Unit::Plain), 1);
        assert_eq!(decimals(0.1, Unit::Percent), 0);
        assert_eq!(decimals(0.025, Unit::Percent), 1);
    }

    #[test]
    fn a_range_without_width_is_widened() {
        let (low, high, _) = round_range(0.3, 0.3, 5);
        assert!(low < 0.3 && high > 0.3);
        let (low, high, _) = round_range(0.0, 0.0, 6);
        assert!(low >= -0.061 && high <= 0.061 && low < 0.0 && high > 0.0, "{low} {high}");
    }

    #[test]
    fn nothing_has_no_extent() {
        assert_eq!(extent([f64::NAN]), None);
        assert_eq!(extent([2.0, 1.0]), Some((1.0, 2.0)));
    }
}
