//! What questions can cost, before anything is asked.

use emomm_dataset::ModalitySet;
use emomm_eval::{Clip, PredictError, PredictErrorKind};

use super::Server;
use crate::medium::ClipMedia;
use crate::name::WireFormat;
use crate::options::VideoForm;
use crate::predictor::about;
use crate::prices::ModelPrices;
use crate::wire::Wire;

impl Server {
    /// The prices of its model; `None` where the price table does not know it.
    pub fn prices(&self) -> Option<&ModelPrices> {
        self.prices.as_ref()
    }

    /// The most that questions about a clip can cost in US dollars, one sum for each coalition, all of its askings together: what
    /// a budget is checked against. Media are decoded; nothing is asked. Where it is not known how a server takes videos, single
    /// frames are counted. A coalition that cannot be sent is an error of its own.
    ///
    /// # Errors
    /// There is no price.
    pub fn most_usd(
        &self,
        clip: &Clip,
        coalitions: &[ModalitySet],
        most_tokens: usize,
    ) -> Result<Vec<Result<f64, PredictError>>, PredictError> {
        let prices = self.prices.as_ref().ok_or_else(|| PredictError {
            kind: PredictErrorKind::Setup,
            message: format!("the price table does not know {}", self.name.model),
            hint: Some("give a table with this model by --prices".to_owned()),
        })?;
        let wire = self.dearest_wire();
        let media = |ffmpeg| ClipMedia::new(clip, ffmpeg, &self.access.limits, wire.picture());
        let mut media = self.ffmpeg.as_ref().map(media);
        let most = |coalition: &ModalitySet| {
            let question = about(clip, *coalition, most_tokens, &mut media)?.ask;
            Ok(prices.bound(&question.bound(wire.frames_per_second())) * self.condition.repeats as f64)
        };
        Ok(coalitions.iter().map(most).collect())
    }

    fn dearest_wire(&self) -> Box<dyn Wire> {
        let is_known = self.can.video.is_some() || self.condition.video == VideoForm::VideoUrl;
        if self.name.format == WireFormat::Gemini || is_known {
            return self.wire();
        }
        let mut wire = self.openai();
        wire.can.video = Some(VideoForm::Frames);
        Box::new(wire)
    }
}
