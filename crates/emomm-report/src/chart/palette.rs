//! The one visual language: a fixed colour for each modality and for the ground truth, in a light and a dark theme.
//!
//! The three hues are those of Okabe and Ito (2008), which stay apart under the common forms of colour blindness; text is
//! blue, audio orange, video green, as in the paper's Figures 9 and 10. No hue of a modality means anything else: ramps are
//! purple, right and wrong are slate and magenta.
//!
//! Drawings name colours as CSS variables. A page or a file of its own defines them for both themes; where a renderer knows
//! no variables, [`fixed`] puts the colours of one theme in their place.

use std::fmt::Write;

use emomm_dataset::{Modality, Source};

/// Steps of a ramp.
pub const STEPS: usize = 10;

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Dark ink on a light ground.
    Light,
    /// Light ink on a dark ground.
    Dark,
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Words and values.
    Text,
    /// Words of lesser weight.
    Muted,
    /// Lines of a grid.
    Grid,
    /// The ground.
    Ground,
    /// A modality.
    Of(Modality),
    /// The ground truth.
    GroundTruth,
    /// A right answer.
    Right,
    /// A wrong answer.
    Wrong,
    /// One of several runs, counted from 0.
    Run(usize),
    /// A step of the ramp, from 0 (nothing) to [`STEPS`] − 1.
    Ramp(usize),
    /// Words on that step.
    OnRamp(usize),
    /// Heat over a frame.
    Heat,
}

/// Colours of runs.
const RUNS: usize = 6;

/// Variable, light and dark colour of everything but ramps and runs.
const NAMED: [(&str, &str, &str); 11] = [
    ("text", "#1b1f27", "#e8eaf0"),
    ("muted", "#565d6b", "#a4abba"),
    ("grid", "#dfe2e8", "#343a46"),
    ("ground", "#ffffff", "#14171d"),
    ("t", "#0072b2", "#56b4e9"),
    ("a", "#d07a00", "#f2ac3c"),
    ("v", "#00896a", "#2fc79f"),
    ("gt", "#4a5160", "#c3c8d2"),
    ("right", "#47597a", "#9db2d6"),
    ("wrong", "#b3124e", "#ff7aa8"),
    ("heat", "#ff4d00", "#ff6a2b"),
];

const RUN_COLOURS: [(&str, &str); RUNS] = [
    ("#5b6475", "#a9b1c1"),
    ("#7b3fb0", "#c69bf0"),
    ("#8a5a2b", "#d6a878"),
    ("#b3124e", "#ff7aa8"),
    ("#1f6f7a", "#6cc5d1"),
    ("#6d6f00", "#c9cc4d"),
];

/// Light: from the ground to a dark purple. Dark: from the ground to a light one. Words on a step take the colour with the
/// greater contrast.
const RAMP: [(&str, &str); STEPS] = [
    ("#f6f4fa", "#1d1a26"),
    ("#ebe6f4", "#2a2438"),
    ("#ddd5ec", "#392f4d"),
    ("#cbbfe1", "#493b63"),
    ("#b6a6d4", "#5b487b"),
    ("#a692ca", "#6d5691"),
    ("#7a60a8", "#8f76b6"),
    ("#6a4f9b", "#a38bc8"),
    ("#563a88", "#b9a3da"),
    ("#3c2269", "#d9c9ee"),
];

impl Ink {
    /// The colour of a source of labels.
    pub fn of_source(source: Source) -> Self {
        match source {
            Source::GroundTruth => Self::GroundTruth,
            Source::Unimodal(modality) => Self::Of(modality),
        }
    }

    /// The step of a ramp for a value between 0 and 1.
    pub fn ramp(share: f64) -> usize {
        ((share.clamp(0.0, 1.0) * STEPS as f64) as usize).min(STEPS - 1)
    }

    /// The name of the variable without its prefix.
    fn name(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Muted => "muted".to_owned(),
            Self::Grid => "grid".to_owned(),
            Self::Ground => "ground".to_owned(),
            Self::Of(modality) => modality.letter().to_ascii_lowercase().to_string(),
            Self::GroundTruth => "gt".to_owned(),
            Self::Right => "right".to_owned(),
            Self::Wrong => "wrong".to_owned(),
            Self::Run(index) => format!("run{}", index % RUNS),
            Self::Ramp(step) => format!("ramp{}", step.min(STEPS - 1)),
            Self::OnRamp(step) => format!("onramp{}", step.min(STEPS - 1)),
            Self::Heat => "heat".to_owned(),
        }
    }

    /// The colour as CSS.
    pub fn css(self) -> String {
        format!("var(--e-{})", self.name())
    }
}

/// Every variable with its colour in a theme.
fn variables(theme: Theme) -> Vec<(String, &'static str)> {
    let pick = |light: &'static str, dark: &'static str| if theme == Theme::Light { light } else { dark };
    let mut all: Vec<(String, &str)> =
        NAMED.iter().map(|(name, light, dark)| ((*name).to_owned(), pick(light, dark))).collect();
    all.extend(RUN_COLOURS.iter().enumerate().map(|(i, (l, d))| (format!("run{i}"), pick(l, d))));
    for (step, (light, dark)) in RAMP.iter().enumerate() {
        let ground = pick(light, dark);
        all.push((format!("ramp{step}"), ground));
        all.push((format!("onramp{step}"), most_contrasting(ground)));
    }
    all
}

/// Declarations of all variables for a rule of CSS.
pub fn declarations(theme: Theme) -> String {
    let mut out = String::new();
    for (name, colour) in variables(theme) {
        let _ = write!(out, "--e-{name}:{colour};");
    }
    out
}

/// A style sheet that defines the variables for both themes.
pub fn style_sheet() -> String {
    format!(
        ":root{{{}}}@media(prefers-color-scheme:dark){{:root{{{}}}}}",
        declarations(Theme::Light),
        declarations(Theme::Dark)
    )
}

/// A drawing with the colours of one theme in the place of variables.
pub fn fixed(drawing: &str, theme: Theme) -> String {
    let colours = variables(theme);
    let mut out = String::with_capacity(drawing.len());
    let mut rest = drawing;
    while let Some((before, after)) = rest.split_once("var(--e-") {
        out.push_str(before);
        let (name, behind) = after.split_once(')').unwrap_or((after, ""));
        let colour = colours.iter().find(|(known, _)| known == name).map_or("#000000", |(_, colour)| colour);
        out.push_str(colour);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Near-white or near-black, whichever stands out more.
fn most_contrasting(ground: &str) -> &'static str {
    let (dark, light) = ("#14171d", "#ffffff");
    if contrast(ground, dark) >= contrast(ground, light) { dark } else { light }
}

/// Contrast ratio of WCAG 2.1, from 1 to 21.
pub(crate) fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance of `#rrggbb`, WCAG 2.1.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = colour.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let share = f64::from(value) / 255.0;
        if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(theme: Theme, name: &str) -> &'static str {
        variables(theme).into_iter().find(|(known, _)| known == name).unwrap().1
    }

    /// WCAG 2.1: 4.5 for words, 3 for shapes.
    #[test]
    fn words_and_shapes_stand_out_in_both_themes() {
        for theme in [Theme::Light, Theme::Dark] {
            let ground = colour(theme, "ground");
            for word in ["text", "muted", "wrong", "right"] {
                assert!(contrast(colour(theme, word), ground) >= 4.5, "{theme:?} {word}");
            }
            for shape in ["t", "a", "v", "gt", "run0", "run1", "run2", "run3", "run4", "run5"] {
                assert!(contrast(colour(theme, shape), ground) >= 3.0, "{theme:?} {shape}");
            }
            for step in 0..STEPS {
                let (on, below) =
                    (colour(theme, &format!("onramp{step}")), colour(theme, &format!("ramp{step}")));
                assert!(contrast(on, below) >= 4.5, "{theme:?} ramp {step}: {}", contrast(on, below));
            }
        }
    }

    #[test]
    fn a_fixed_drawing_names_no_variable() {
        let drawing =
            format!("<rect fill=\"{}\" stroke=\"{}\"/>", Ink::Of(Modality::Text).css(), Ink::Grid.css());
        assert_eq!(fixed(&drawing, Theme::Light), "<rect fill=\"#0072b2\" stroke=\"#dfe2e8\"/>");
        assert_eq!(fixed(&drawing, Theme::Dark), "<rect fill=\"#56b4e9\" stroke=\"#343a46\"/>");
    }

    #[test]
    fn ends_of_the_ramp_are_its_first_and_last_step() {
        assert_eq!((Ink::ramp(0.0), Ink::ramp(0.999), Ink::ramp(1.0), Ink::ramp(f64::NAN)), (0, 9, 9, 0));
    }
}
