//! Charts as SVG. Each chart is plain data with a method `panel`; a figure puts panels side by side.
//!
//! Nothing here knows what is shown: values come in, drawings go out. What has no value is left out, never drawn as 0.

mod axis;
mod bars;
mod canvas;
mod flow;
mod frame;
mod heat_map;
mod intervals;
mod lines;
pub mod palette;
mod panel;
mod scatter;
mod shares;

pub use bars::{Bar, BarSeries, Bars};
pub use canvas::Mark;
pub use flow::Flow;
pub use frame::FrameHeat;
pub use heat_map::{HeatCell, HeatMap};
pub use intervals::{IntervalRow, Intervals};
pub use lines::{Line, LinePoint, Lines};
pub use panel::Panel;
pub use scatter::{Point, Scatter};
pub use shares::{ShareRow, Shares};

pub(crate) use panel::{in_theme, standalone};

use emomm_dataset::Modality;

/// The mark of a modality: a second sign beside its colour.
pub fn mark_of(modality: Modality) -> Mark {
    match modality {
        Modality::Text => Mark::Disc,
        Modality::Audio => Mark::Square,
        Modality::Video => Mark::Triangle,
    }
}

/// How values are written on an axis and beside marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// As they are.
    #[default]
    Plain,
    /// Times 100, with a percent sign.
    Percent,
    /// Times 100, without a sign: differences of shares.
    Points,
}

impl Unit {
    /// Whether values are shares of 1.
    pub(crate) fn is_of_shares(self) -> bool {
        self != Self::Plain
    }

    /// The value as words, with `decimals` places.
    pub fn words(self, value: f64, decimals: usize) -> String {
        let text = match self {
            Self::Plain => format!("{value:.decimals$}"),
            Self::Percent => format!("{:.decimals$} %", 100.0 * value),
            Self::Points => format!("{:.decimals$}", 100.0 * value),
        };
        // A negative zero is a zero.
        let is_zero = text.trim_start_matches('-').chars().all(|c| !c.is_ascii_digit() || c == '0');
        text.strip_prefix('-')
            .filter(|_| is_zero)
            .map_or(text.clone(), str::to_owned)
            .replace('-', "\u{2212}")
    }
}
