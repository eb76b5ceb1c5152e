//! What the lead decides about a project, stored with it.

use serde::{Deserialize, Serialize};

use crate::clock::{MINUTE, Millis};
use crate::error::AnnotateError;
use crate::scheme::Scheme;
use crate::view::View;

/// Who labels what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Design {
    /// Everybody labels everything (the paper's five).
    #[default]
    Full,
    /// Teams, each with a range of `seq`.
    Ranges,
    /// Every clip goes to some annotators, so that pairs of annotators share equally many.
    Balanced,
}

/// In which order the modalities come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PassOrder {
    /// Text, audio, video for everybody (Sec. 3.1).
    #[default]
    Paper,
    /// Rotated from annotator to annotator.
    LatinSquare,
}

/// When the next pass opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// When the annotator has finished the one before.
    #[default]
    OwnDone,
    /// When all annotators have finished the one before.
    AllDone,
    /// When the lead opens it.
    Lead,
}

macro_rules! word_enum {
    ($type:ty, $option:literal, $expected:literal) => {
        impl std::str::FromStr for $type {
            type Err = AnnotateError;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                serde_json::from_value(serde_json::Value::from(word)).map_err(|_| AnnotateError::Option {
                    option: $option.to_owned(),
                    found: word.to_owned(),
                    expected: $expected.to_owned(),
                })
            }
        }
    };
}

word_enum!(Design, "design", "full, ranges or balanced");
word_enum!(PassOrder, "order", "paper or latin-square");
word_enum!(Gate, "gate", "own-done, all-done or lead");

/// The rules of a project. All of them stand in the audit trail when the project is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How labels are given.
    pub scheme: Scheme,
    /// Who labels what.
    pub design: Design,
    /// Labels wanted for each clip and modality; for `full` all annotators give one.
    pub votes: usize,
    /// Order of the modalities.
    pub pass_order: PassOrder,
    /// Whether a last pass shows all modalities together.
    pub multimodal_pass: bool,
    /// When the next pass opens.
    pub gate: Gate,
    /// Least minutes between two modalities of one clip.
    pub min_gap_minutes: u32,
    /// Whether media must have been played once to the end before a label is taken.
    pub must_play: bool,
    /// Share of the items that come a second time, to see whether an annotator agrees with themselves.
    pub repeat_share: f64,
    /// Share of the clips with known labels that become gold items when they are imported.
    pub gold_share: f64,
    /// Least number of items between the two times.
    pub repeat_distance: usize,
    /// Clips of the training round of each modality, with feedback.
    pub training: usize,
    /// Clips of the calibration round of each modality.
    pub calibration: usize,
    /// Share of right labels that passes the calibration round.
    pub calibration_pass: f64,
    /// Rounds that may be tried before the lead has to decide.
    pub calibration_attempts: u32,
    /// Minutes of work after which a break is proposed; 0 for never.
    pub break_after_minutes: u32,
    /// Minutes of a break.
    pub break_minutes: u32,
    /// Minutes of work a day; 0 for no limit.
    pub daily_minutes: u32,
    /// Labels that may be taken back.
    pub undo_depth: u32,
    /// A label given sooner after the item appeared is called too fast.
    pub too_fast_ms: i64,
    /// So many equal labels in a row are called straight-lining.
    pub straight_run: usize,
    /// Low-pass frequency of the sound in Hz, a condition of its own: words are hard to make out, prosody stays.
    pub low_pass_hz: Option<u32>,
    /// Share of the height that is cut off below, against burned-in subtitles.
    pub crop_bottom: Option<f64>,
    /// Version of the consent text.
    pub consent_version: u32,
    /// Whom annotators can ask, shown on the consent page.
    pub contact: String,
    /// Seed of all orders.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scheme: Scheme::Ternary,
            design: Design::Full,
            votes: 5,
            pass_order: PassOrder::Paper,
            multimodal_pass: false,
            gate: Gate::OwnDone,
            min_gap_minutes: 12 * 60,
            must_play: true,
            repeat_share: 0.05,
            gold_share: 0.04,
            repeat_distance: 50,
            training: 5,
            calibration: 10,
            calibration_pass: 0.6,
            calibration_attempts: 3,
            break_after_minutes: 25,
            break_minutes: 5,
            daily_minutes: 240,
            undo_depth: 5,
            too_fast_ms: 1200,
            straight_run: 15,
            low_pass_hz: None,
            crop_bottom: None,
            consent_version: 1,
            contact: String::new(),
            seed: 0,
        }
    }
}

impl Settings {
    /// Refuses values that make no sense, all of them named as options.
    pub fn check(&self) -> Result<(), AnnotateError> {
        let option = |option: &str, found: String, expected: &str| {
            Err(AnnotateError::Option { option: option.to_owned(), found, expected: expected.to_owned() })
        };
        if !(0.0..=0.5).contains(&self.repeat_share) {
            return option("repeats", self.repeat_share.to_string(), "a share from 0 to 0.5");
        }
        if !(0.0..=0.5).contains(&self.gold_share) {
            return option("gold", self.gold_share.to_string(), "a share from 0 to 0.5");
        }
        if !(0.0..=1.0).contains(&self.calibration_pass) {
            return option("calibration-pass", self.calibration_pass.to_string(), "a share from 0 to 1");
        }
        if let Some(share) = self.crop_bottom
            && !(0.0..=0.5).contains(&share)
        {
            return option("crop-bottom", share.to_string(), "a share from 0 to 0.5");
        }
        if let Some(hz) = self.low_pass_hz
            && !(100..=8000).contains(&hz)
        {
            return option("low-pass", hz.to_string(), "100 to 8000 Hz");
        }
        if self.votes == 0 {
            return option("votes", self.votes.to_string(), "at least 1");
        }
        Ok(())
    }

    /// The views of annotator number `index`, in the order of their passes.
    pub fn views(&self, index: usize) -> Vec<View> {
        let mut views = View::UNIMODAL.to_vec();
        if self.pass_order == PassOrder::LatinSquare {
            views.rotate_left(index % 3);
        }
        if self.multimodal_pass {
            views.push(View::Multimodal);
        }
        views
    }

    /// The least time between two modalities of a clip.
    pub fn min_gap(&self) -> Millis {
        Millis::from(self.min_gap_minutes) * MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latin_square_puts_every_modality_at_every_place() {
        let settings = Settings { pass_order: PassOrder::LatinSquare, ..Settings::default() };
        for place in 0..3 {
            let mut views: Vec<View> = (0..3).map(|annotator| settings.views(annotator)[place]).collect();
            views.sort();
            assert_eq!(views, View::UNIMODAL);
        }
        assert_eq!(Settings::default().views(1), View::UNIMODAL);
    }

    #[test]
    fn shares_out_of_range_are_refused_by_name() {
        let settings = Settings { crop_bottom: Some(0.9), ..Settings::default() };
        assert_eq!(
            settings.check().unwrap_err().to_string(),
            "crop-bottom is 0.9, expected a share from 0 to 0.5"
        );
    }
}
