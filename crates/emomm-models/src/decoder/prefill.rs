//! The prefix of a prompt after the decoder has read it: keys, values and pooled summaries of every layer.
//!
//! A prefill is a node of a tree: extending it leaves it as it is, so that prompts that begin alike share the work.

use std::ops::Range;

use candle_core::{DType, Result, Tensor};

/// Keys and values of one layer, rotated: `[kv_heads, tokens, head_dim]`, model type.
#[derive(Debug, Clone)]
pub(crate) struct LayerCache {
    pub(crate) k: Tensor,
    pub(crate) v: Tensor,
}

/// A read prefix. Cheap to clone: tensors are shared.
#[derive(Debug, Clone)]
pub struct Prefill {
    /// `None` as long as no token was read.
    pub(crate) layers: Option<Vec<LayerCache>>,
    pub(crate) pooled: PooledSums,
    /// Key positions of each group.
    pub(crate) groups: Vec<Vec<Range<usize>>>,
    pub(crate) len: usize,
    /// What a gradient needs besides; `None` if it is not kept.
    pub(crate) inputs: Option<LayerInputs>,
}

/// Inputs of every layer and positions of a prefix, in the runs in which they were read.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayerInputs {
    /// `[layer]` → for each run `[tokens, hidden]`.
    pub(crate) resid_pre: Vec<Vec<Tensor>>,
    pub(crate) positions: Vec<[u32; 3]>,
}

impl Prefill {
    pub(crate) fn empty(n_groups: usize) -> Self {
        Self {
            layers: None,
            pooled: PooledSums::new(n_groups),
            groups: vec![Vec::new(); n_groups],
            len: 0,
            inputs: None,
        }
    }

    /// Whether the inputs of all layers are kept, from [`super::Decoder::root_keeping_inputs`] on.
    pub fn keeps_inputs(&self) -> bool {
        self.inputs.is_some()
    }

    /// Number of tokens read.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token was read.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Key positions of each group of tokens.
    pub fn groups(&self) -> &[Vec<Range<usize>>] {
        &self.groups
    }

    /// Mean of the layer's input over the tokens of a group (h_T, h_A, h_V of Sec. 5.1), or `None` for a group
    /// without tokens.
    ///
    /// # Shapes
    /// `[hidden]`, f32
    pub fn pooled(&self, layer: usize, group: usize) -> Result<Option<Tensor>> {
        let count = self.groups[group].iter().map(ExactSizeIterator::len).sum::<usize>();
        match &self.pooled.sums[group] {
            Some(layers) if count > 0 => Ok(Some((&layers[layer] / count as f64)?)),
            _ => Ok(None),
        }
    }

    /// Length of each token's value vector in one layer; `None` as long as no token was read.
    ///
    /// # Shapes
    /// `[kv_heads][tokens]`
    pub fn value_norms(&self, layer: usize) -> Result<Option<Vec<Vec<f32>>>> {
        let Some(cache) = self.layers.as_ref().and_then(|layers| layers.get(layer)) else { return Ok(None) };
        cache.v.to_dtype(DType::F32)?.sqr()?.sum(2)?.sqrt()?.to_vec2().map(Some)
    }

    /// Bytes of keys and values.
    pub fn cache_bytes(&self) -> usize {
        let size = |t: &Tensor| t.elem_count() * t.dtype().size_in_bytes();
        self.layers.iter().flatten().map(|l| size(&l.k) + size(&l.v)).sum()
    }
}

/// Running sums of layer inputs over each group of tokens; sums, not means, so that a prefill can be extended.
#[derive(Debug, Clone)]
pub(crate) struct PooledSums {
    /// `[group]` → for each layer `[hidden]`, f32.
    sums: Vec<Option<Vec<Tensor>>>,
}

impl PooledSums {
    fn new(n_groups: usize) -> Self {
        Self { sums: vec![None; n_groups] }
    }

    /// Adds the rows of `resid_pre` that `spans` names, for one layer. Layers are added in ascending order.
    pub(crate) fn add(
        &mut self,
        parent: &Self,
        layer: usize,
        resid_pre: &Tensor,
        spans: &[Vec<Range<usize>>],
    ) -> Result<()> {
        for (group, spans) in spans.iter().enumerate() {
            if spans.is_empty() {
                continue;
            }
            let mut sum: Option<Tensor> = parent.sums[group].as_ref().map(|layers| layers[layer].clone());
            for span in spans {
                let rows = resid_pre.narrow(0, span.start, span.len())?.to_dtype(DType::F32)?.sum(0)?;
                sum = Some(match sum {
                    Some(before) => (before + rows)?,
                    None => rows,
                });
            }
            if layer == 0 {
                self.sums[group] = Some(Vec::new());
            }
            self.sums[group].get_or_insert_with(Vec::new).extend(sum);
        }
        Ok(())
    }
}
