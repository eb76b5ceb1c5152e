//! The media of one clip after their towers, and what stands for them where a prompt withholds them.

use candle_core::Tensor;
use emomm_dataset::{Modality, ModalitySet};
use emomm_eval::PredictError;

use crate::error::{ModelError, Result};
use crate::front_end::{Encoded, Evidence, FrontEnd};
use crate::prompt_tree::{MediaEmbeddings, PromptRow};
use crate::token_maps::token_places;
use crate::white_box::EvidenceRecord;

/// Media of one clip; `Err` where they could not be read or were not asked for.
pub(crate) struct ClipMedia {
    pub(crate) video: Result<Encoded, PredictError>,
    pub(crate) audio: Result<Encoded, PredictError>,
    /// Rows that stand for the picture where it is blank.
    pub(crate) black: Option<Tensor>,
    /// Rows that stand for the sound where it is blank.
    pub(crate) silence: Option<Tensor>,
}

impl ClipMedia {
    /// The media of a coalition, or the first error among them.
    pub(crate) fn evidence(&self, coalition: ModalitySet) -> Result<Evidence<'_>, PredictError> {
        let shown = |m: Modality, medium| if coalition.contains(m) { Some(medium) } else { None };
        let video: Option<&Result<_, _>> = shown(Modality::Video, &self.video);
        let audio: Option<&Result<_, _>> = shown(Modality::Audio, &self.audio);
        Ok(Evidence {
            video: video.map(Result::as_ref).transpose().map_err(Clone::clone)?,
            audio: audio.map(Result::as_ref).transpose().map_err(Clone::clone)?,
        })
    }

    /// Places of the row that its decision may not attend to.
    pub(crate) fn suppressed(&self, coalition: ModalitySet, row: &PromptRow) -> Vec<usize> {
        match &self.video {
            Ok(video) if coalition.contains(Modality::Video) && !video.suppressed.is_empty() => {
                row.video_places(&video.suppressed)
            }
            _ => Vec::new(),
        }
    }

    /// What a prediction of the coalition says of its evidence.
    pub(crate) fn record(&self, coalition: ModalitySet, patches_per_side: usize) -> EvidenceRecord {
        // A row exists, so its evidence does.
        let evidence = self.evidence(coalition).unwrap_or_default();
        let mut media = evidence.video.map(|v| v.record.clone()).unwrap_or_default();
        if let Some(audio) = evidence.audio {
            media.add_sound(&audio.record);
        }
        let grid_thw = evidence.video.and_then(|v| v.grid).map(|g| [g.t, g.h, g.w]);
        let token_places = evidence.video.and_then(|v| token_places(v, patches_per_side));
        EvidenceRecord { grid_thw, media, token_places }
    }

    pub(crate) fn embeddings(&self) -> Result<MediaEmbeddings> {
        let tensor = |medium: &Result<Encoded, PredictError>, blank: &Option<Tensor>| {
            let real = medium.as_ref().ok().map(|e| e.embeddings.clone());
            Ok::<_, ModelError>(match (real, blank) {
                (Some(real), Some(blank)) => Some(Tensor::cat(&[&real, &blank.to_dtype(real.dtype())?], 0)?),
                (real, _) => real,
            })
        };
        Ok(MediaEmbeddings {
            audio: tensor(&self.audio, &self.silence)?,
            video: tensor(&self.video, &self.black)?,
        })
    }
}

/// Rows that stand for a medium, one for each of its own.
pub(crate) fn blank_rows<F: FrontEnd>(front_end: &F, modality: Modality, real: &Encoded) -> Result<Tensor> {
    let rows = match modality {
        Modality::Video => front_end.black(real)?,
        _ => front_end.silence(real)?,
    };
    let rows = match &real.kept {
        Some(kept) => {
            let kept = Tensor::from_slice(kept, kept.len(), rows.device())?;
            rows.index_select(&kept, 0)?
        }
        None => rows,
    };
    if rows.dims() != real.embeddings.dims() {
        let message = format!(
            "a blank {} of {:?} rows and columns, expected those of the clip's own, {:?}",
            modality.name(),
            rows.dims(),
            real.embeddings.dims()
        );
        return Err(ModelError::request(message, "withhold modalities in another way: omit or mask"));
    }
    Ok(rows)
}
