//! Options that change what a model sees of the picture: the subtitle band, readings of the person alone.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use emomm_dataset::digest_of_bytes;
use emomm_media::{SubtitleBand, SubtitleTreatment};
use emomm_models::ModelError;
use emomm_models::picture::{PersonReading, PersonSource, PersonView, PictureView, TruthMasks};
use serde_json::{Value, json};

use crate::exit_status::{ExitStatus, Failure};

/// What is done to pictures before the model sees them.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct PictureArgs {
    /// What is done about subtitles in the picture: keep (default), crop (cut the band off) or mask (black)
    #[arg(long, value_name = "NAME", value_parser = treatment)]
    pub(crate) subtitle_band: Option<SubtitleTreatment>,
    /// The band as shares of the height from the top, 0.8-1 without this option; it reaches one edge of the frame
    #[arg(long, value_name = "FROM-TO")]
    pub(crate) subtitle_rows: Option<Rows>,
    /// Show the person alone: drop (the background's tokens), blank (its pixels) or suppress (attention to it);
    /// observe only records where the person is
    #[arg(long, value_name = "READING", value_parser = reading)]
    pub(crate) person: Option<PersonReading>,
    /// Masks of persons that are known, as `emomm synth` writes them; without it a network looks for the person
    #[arg(long, value_name = "FILE")]
    pub(crate) person_masks: Option<PathBuf>,
}

impl PictureArgs {
    /// What the options ask for.
    pub(crate) fn view(&self) -> Result<PictureView, Failure> {
        let subtitles = self.band()?;
        let source = match (&self.person_masks, self.person) {
            (None, _) => PersonSource::Network,
            (Some(_), None) => {
                let message = "--person-masks without a person-only reading";
                return Err(Failure::new(ExitStatus::Usage, message).with_hint(
                    "say with --person how the person is shown: drop, blank, suppress or observe",
                ));
            }
            (Some(path), Some(_)) => {
                PersonSource::Truth(Arc::new(TruthMasks::read(path).map_err(unreadable)?))
            }
        };
        let person = self.person.map(|reading| PersonView { reading, source });
        Ok(PictureView { subtitles, person })
    }

    fn band(&self) -> Result<SubtitleBand, Failure> {
        let treatment = self.subtitle_band.unwrap_or_default();
        let default = SubtitleBand::default().rows();
        let Rows(from, to) = self.subtitle_rows.unwrap_or(Rows(default[0], default[1]));
        SubtitleBand::new(treatment, from, to).map_err(|e| {
            Failure::new(ExitStatus::Usage, format!("--subtitle-rows: {e}"))
                .with_hint("for example --subtitle-rows 0.8-1 for the lowest fifth")
        })
    }

    /// What of this decides a prediction, for the plan of a run; `None` where pictures stay as they are.
    pub(crate) fn settings(&self) -> Result<Option<Value>, Failure> {
        let band = self.band()?;
        if band.treatment == SubtitleTreatment::Keep && self.person.is_none() {
            return Ok(None);
        }
        let sha256 = self.person_masks.as_deref().map(digest).transpose()?;
        Ok(Some(json!({
            "subtitle_band": band.treatment.name(),
            "subtitle_rows": band.rows(),
            "person": self.person.map(PersonReading::name),
            "person_masks": self.person_masks.as_ref().map(|path| path.display().to_string()),
            "person_masks_sha256": sha256,
        })))
    }

    /// The options of a run's settings; `None` for words that are not known.
    pub(crate) fn of_settings(settings: Option<&Value>) -> Option<Self> {
        let Some(settings) = settings else { return Some(Self::default()) };
        let word = |key: &str| settings.get(key).and_then(Value::as_str);
        let rows = settings.get("subtitle_rows").and_then(Value::as_array)?;
        let [from, to] = [rows.first()?.as_f64()?, rows.get(1)?.as_f64()?];
        Some(Self {
            subtitle_band: Some(word("subtitle_band")?.parse().ok()?),
            subtitle_rows: Some(Rows(from, to)),
            person: word("person").map(str::parse).transpose().ok()?,
            person_masks: word("person_masks").map(PathBuf::from),
        })
    }
}

fn digest(path: &Path) -> Result<String, Failure> {
    std::fs::read(path).map(|bytes| digest_of_bytes(&bytes)).map_err(|e| {
        Failure::new(ExitStatus::Data, format!("{}: {e}", path.display()))
            .with_hint("give the truth.jsonl that `emomm synth` wrote")
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn unreadable(error: ModelError) -> Failure {
    Failure { status: ExitStatus::Data, hint: error.hint(), message: error.to_string() }
}

/// A treatment on the command line.
pub(crate) fn treatment(word: &str) -> Result<SubtitleTreatment, String> {
    word.parse().map_err(|_| "expected keep, crop or mask".to_owned())
}

/// A person-only reading on the command line.
pub(crate) fn reading(word: &str) -> Result<PersonReading, String> {
    word.parse().map_err(|_| "expected drop, blank, suppress or observe".to_owned())
}

/// Two shares of the height, as `0.8-1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rows(pub(crate) f64, pub(crate) f64);

impl FromStr for Rows {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('-').and_then(|(a, b)| Some(Self(a.parse().ok()?, b.parse().ok()?)));
        parts.ok_or_else(|| "expected two shares of the height, for example 0.8-1".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_two_shares() {
        assert_eq!("0.8-1".parse(), Ok(Rows(0.8, 1.0)));
        for text in ["0.8", "a-b", "", "0.8-"] {
            assert!(text.parse::<Rows>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_run_is_computed_again_as_it_was() {
        let asked = PictureArgs {
            subtitle_band: Some(SubtitleTreatment::Crop),
            subtitle_rows: Some(Rows(0.0, 0.1)),
            person: Some(PersonReading::Drop),
            person_masks: None,
        };
        let settings = asked.settings().unwrap_or_default();
        assert_eq!(PictureArgs::of_settings(settings.as_ref()), Some(asked));
        assert_eq!(PictureArgs::default().settings().unwrap_or_default(), None);
        assert_eq!(PictureArgs::of_settings(None), Some(PictureArgs::default()));
        assert_eq!(PictureArgs::of_settings(Some(&json!({ "person": "glow" }))), None);
    }

    #[test]
    fn masks_need_a_reading() {
        let masks = PictureArgs { person_masks: Some(PathBuf::from("x")), ..PictureArgs::default() };
        assert_eq!(masks.view().err().map(|f| f.status), Some(ExitStatus::Usage));
        let gone = PictureArgs { person: Some(PersonReading::Blank), ..masks };
        assert_eq!(gone.view().err().map(|f| f.status), Some(ExitStatus::Data));
        assert_eq!(gone.settings().err().map(|f| f.status), Some(ExitStatus::Data));
    }
}
