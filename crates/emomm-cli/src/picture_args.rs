//! Options that change what a model sees of the picture: the subtitle band, readings of the person alone.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use emomm_media::{SubtitleBand, SubtitleTreatment};
use emomm_models::ModelError;
use emomm_models::picture::{PersonReading, PersonSource, PersonView, PictureView, TruthMasks};

use crate::exit_status::{ExitStatus, Failure};

/// What is done to pictures before the model sees them.
#[derive(Debug, Clone, Args)]
pub(crate) struct PictureArgs {
    /// What is done about subtitles in the picture: keep, crop (cut the band off) or mask (black)
    #[arg(long, value_name = "NAME", default_value = "keep", value_parser = treatment)]
    pub(crate) subtitle_band: SubtitleTreatment,
    /// The band as shares of the height from the top; it reaches one edge of the frame
    #[arg(long, value_name = "FROM-TO", default_value = "0.8-1", value_parser = rows)]
    pub(crate) subtitle_rows: (f64, f64),
    /// Show the person alone: drop (the background's tokens), blank (its pixels) or suppress (attention to it)
    #[arg(long, value_name = "READING", value_parser = reading)]
    pub(crate) person: Option<PersonReading>,
    /// Masks of persons that are known, as `emomm synth` writes them; without it a network looks for the person
    #[arg(long, value_name = "FILE", requires = "person")]
    pub(crate) person_masks: Option<PathBuf>,
}

impl PictureArgs {
    /// What the options ask for.
    pub(crate) fn view(&self) -> Result<PictureView, Failure> {
        let (from, to) = self.subtitle_rows;
        let subtitles = SubtitleBand::new(self.subtitle_band, from, to).map_err(|e| {
            Failure::new(ExitStatus::Usage, format!("--subtitle-rows: {e}"))
                .with_hint("for example --subtitle-rows 0.8-1 for the lowest fifth")
        })?;
        let source = match &self.person_masks {
            None => PersonSource::Network,
            Some(path) => PersonSource::Truth(Arc::new(TruthMasks::read(path).map_err(unreadable)?)),
        };
        let person = self.person.map(|reading| PersonView { reading, source });
        Ok(PictureView { subtitles, person })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn unreadable(error: ModelError) -> Failure {
    Failure { status: ExitStatus::Data, hint: error.hint(), message: error.to_string() }
}

fn treatment(word: &str) -> Result<SubtitleTreatment, String> {
    word.parse().map_err(|_| "expected keep, crop or mask".to_owned())
}

fn reading(word: &str) -> Result<PersonReading, String> {
    word.parse().map_err(|_| "expected drop, blank or suppress".to_owned())
}

fn rows(text: &str) -> Result<(f64, f64), String> {
    let parts = text.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    parts.ok_or_else(|| "expected two shares of the height, for example 0.8-1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_two_shares() {
        assert_eq!(rows("0.8-1"), Ok((0.8, 1.0)));
        for text in ["0.8", "a-b", "", "0.8-"] {
            assert!(rows(text).is_err(), "{text}");
        }
    }
}
