//! How long the prompts of a clip are, without a model's weights: its configuration, its tokenizer and the lengths of the media
//! say it. For plans that want to know beforehand what they cost.

use std::path::Path;

use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::{Clip, Missingness, prompt};

use crate::error::{ModelError, Result};
use crate::front_end::MediaReader;
use crate::picture::PictureView;
use crate::prompt_tree::{PromptRow, token_floor};
use crate::registry::LoadOptions;
use crate::vision::Grid;

/// Stands for a blank token where only lengths matter: an id that no vocabulary has.
const SOME_BLANK: u32 = u32::MAX;

/// What of a model lays prompts out.
pub(crate) trait Outline {
    /// Patches of a video before merging.
    fn video(&self, reader: &MediaReader, video: &Path) -> Result<Grid>;

    /// Tokens of a file's sound.
    fn audio(&self, reader: &MediaReader, audio: &Path) -> Result<usize>;

    /// The prompt as tokens, all visual ones included.
    fn row(&self, prompt: &prompt::Prompt, video: Option<Grid>, audio_tokens: usize) -> Result<PromptRow>;
}

/// Measures prompts.
pub struct PromptSizer {
    outline: Box<dyn Outline>,
    reader: MediaReader,
    missing: Missingness,
}

/// Lengths of a clip's prompts in tokens, decision tokens included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptSize {
    /// Of each coalition that was asked for.
    pub prompts: Vec<usize>,
    /// Tokens of their prefix tree, see [`token_floor`].
    pub floor: usize,
}

impl PromptSizer {
    /// Reads configuration and tokenizer of a checkpoint folder.
    ///
    /// # Errors
    /// Those of a folder that cannot be loaded, as far as its weights are not needed to find them.
    pub fn open(folder: &Path, options: &LoadOptions, picture: PictureView) -> Result<Self> {
        let reader = MediaReader::new(options.sampling, options.limits.clone()).with_picture(picture);
        Ok(Self { outline: crate::registry::outline(folder)?, reader, missing: Missingness::Omit })
    }

    /// The same for a model from which missing modalities are kept in another way.
    #[must_use]
    pub fn with_missing(self, missing: Missingness) -> Self {
        Self { missing, ..self }
    }

    /// The prompts of a clip. Of a person-only reading the whole picture counts.
    ///
    /// # Errors
    /// A medium that is shown is missing or cannot be read.
    pub fn measure(&self, clip: &Clip, coalitions: &[ModalitySet]) -> Result<PromptSize> {
        let laid_out = |coalition: ModalitySet| self.missing.laid_out(coalition, clip.available());
        let file = |modality: Modality| {
            let path = if modality == Modality::Video { &clip.video } else { &clip.audio };
            coalitions.iter().any(|c| laid_out(*c).contains(modality)).then(|| {
                path.as_deref().ok_or_else(|| {
                    let message = format!("clip {} has no {}", clip.id, modality.name());
                    ModelError::request(message, "leave out coalitions with it")
                })
            })
        };
        let video = match file(Modality::Video).transpose()? {
            Some(path) => Some(self.outline.video(&self.reader, path)?),
            None => None,
        };
        let audio = match file(Modality::Audio).transpose()? {
            Some(path) => self.outline.audio(&self.reader, path)?,
            None => 0,
        };
        let mut rows = Vec::with_capacity(coalitions.len());
        for coalition in coalitions {
            let shown = laid_out(*coalition);
            let prompt = prompt::build(clip.corpus, shown, clip.text.as_deref())?;
            let video = video.filter(|_| shown.contains(Modality::Video));
            let audio = if shown.contains(Modality::Audio) { audio } else { 0 };
            let row = self.outline.row(&prompt, video, audio)?;
            rows.push(row.shown_to(*coalition, shown, self.missing, || Ok(SOME_BLANK))?);
        }
        Ok(PromptSize { prompts: rows.iter().map(|r| r.tokens.len()).collect(), floor: token_floor(&rows) })
    }
}
