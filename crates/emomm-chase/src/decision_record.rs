//! One decision row in full, for one's own questions: attention as it was really used, residuals, and the letters that each
//! layer's residual would give (logit lens). With or without a hook.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use emomm_dataset::Modality;
use emomm_models::decoder::{DecisionHook, DecisionLayer};
use emomm_models::white_box::DecisionPoint;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::{ChaseError, Result};

/// Version of the file, in its metadata.
const FORMAT_VERSION: u32 = 1;

/// What was seen of a decision row.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRecord {
    /// Attention after bias and softmax: `[layer][head][key]`.
    pub attention: Vec<Vec<Vec<f32>>>,
    /// Input of each layer, then the output of the last: `[layer + 1][hidden]`.
    pub residuals: Vec<Vec<f32>>,
    /// Logits of the letters A to E that last norm and head make of each residual: `[layer + 1][5]`. The last are those of
    /// the answer.
    pub letter_logits: Vec<[f32; 5]>,
    /// For each token of the prompt 0 for text, 1 for audio, 2 for video, 3 for none.
    pub token_classes: Vec<u8>,
}

impl DecisionRecord {
    /// Runs the decision row once.
    pub fn of(point: &DecisionPoint<'_>, hook: Option<&mut dyn DecisionHook>) -> Result<Self> {
        let mut recorder = Recorder { inner: hook, attention: Vec::new(), residuals: Vec::new() };
        let decision = point.decide(1, Some(&mut recorder))?;
        let (attention, mut rows) = (recorder.attention, recorder.residuals);
        rows.push(decision.resid_final.get(0)?);
        let stacked = Tensor::stack(&rows, 0)?;
        let ids = Tensor::new(&point.letters(), stacked.device())?;
        let lens: Vec<Vec<f32>> = point.decoder().unembed(&stacked)?.index_select(&ids, 1)?.to_vec2()?;
        let letter_logits = lens.into_iter().map(|r| [r[0], r[1], r[2], r[3], r[4]]).collect();
        let layout = point.layout();
        let class = |token| layout.class(token).map_or(3, |m: Modality| m.index() as u8);
        Ok(Self {
            attention,
            residuals: stacked.to_dtype(DType::F32)?.to_vec2()?,
            letter_logits,
            token_classes: (0..layout.total()).map(class).collect(),
        })
    }

    /// Writes a safetensors file: `attention [layer, head, key]`, `residuals [layer + 1, hidden]`, `letter_logits [layer + 1,
    /// 5]`, `token_classes [key]`; `about` goes into its metadata.
    pub fn write(&self, path: &Path, about: &[(&str, String)]) -> Result<()> {
        let floats = |values: &mut dyn Iterator<Item = f32>| -> Vec<u8> {
            values.flat_map(f32::to_le_bytes).collect()
        };
        let (layers, heads) = (self.attention.len(), self.attention.first().map_or(0, Vec::len));
        let keys = self.token_classes.len();
        let hidden = self.residuals.first().map_or(0, Vec::len);
        let attention = floats(&mut self.attention.iter().flatten().flatten().copied());
        let residuals = floats(&mut self.residuals.iter().flatten().copied());
        let letters = floats(&mut self.letter_logits.iter().flatten().copied());
        let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).map_err(|e| failed(path, &e));
        let tensors = [
            ("attention", view(Dtype::F32, vec![layers, heads, keys], attention.as_slice())?),
            ("residuals", view(Dtype::F32, vec![self.residuals.len(), hidden], residuals.as_slice())?),
            ("letter_logits", view(Dtype::F32, vec![self.letter_logits.len(), 5], letters.as_slice())?),
            ("token_classes", view(Dtype::U8, vec![keys], self.token_classes.as_slice())?),
        ];
        let mut metadata: HashMap<String, String> =
            about.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        metadata.insert("format_version".to_owned(), FORMAT_VERSION.to_string());
        let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|e| failed(path, &e))?;
        std::fs::write(path, bytes).map_err(|e| ChaseError::io(path, e))
    }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> ChaseError {
    ChaseError::io(path, std::io::Error::other(error.to_string()))
}

struct Recorder<'h> {
    inner: Option<&'h mut dyn DecisionHook>,
    attention: Vec<Vec<Vec<f32>>>,
    residuals: Vec<Tensor>,
}

impl DecisionHook for Recorder<'_> {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        self.residuals.push(layer.resid_pre.get(0)?);
        self.inner.as_mut().map_or(Ok(None), |hook| hook.attn_bias(layer))
    }

    fn observe_pattern(&mut self, layer: usize, pattern: &Tensor) -> candle_core::Result<()> {
        self.attention.push(pattern.get(0)?.to_vec2()?);
        self.inner.as_mut().map_or(Ok(()), |hook| hook.observe_pattern(layer, pattern))
    }
}
