//! Features and targets as one matrix: what the router is trained and measured on.

use candle_core::{DType, Device, Tensor};

use crate::error::{ChaseError, Result};
use crate::features::Features;
use crate::preference::PreferenceOptions;
use crate::reading::router_inputs;
use crate::router_shape::RouterShape;
use crate::target::Target;
use emomm_dataset::ModalitySet;

/// Samples with the router's inputs at each of its layers.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    /// `[sample · layer, 4 d + 3]`
    inputs: Tensor,
    n_layers: usize,
    shown: Vec<ModalitySet>,
    targets: Vec<Target>,
}

impl TrainingSet {
    /// From a matrix of inputs, the rows of a sample's layers one after the other.
    pub fn new(
        inputs: Tensor,
        n_layers: usize,
        shown: Vec<ModalitySet>,
        targets: Vec<Target>,
    ) -> Result<Self> {
        let rows = inputs.dim(0)?;
        if targets.is_empty() || n_layers == 0 {
            return Err(ChaseError::Empty { what: "samples to train on" });
        }
        if rows != targets.len() * n_layers || shown.len() != targets.len() {
            let expected = format!("{} samples times {n_layers} layers", targets.len());
            return Err(ChaseError::setting("rows of inputs", rows, expected));
        }
        Ok(Self { inputs, n_layers, shown, targets })
    }

    /// From features, layer `first_layer` (counted from 1) to the last.
    pub fn of_features<'a>(
        samples: impl IntoIterator<Item = (&'a Features, ModalitySet, Target)>,
        shape: &RouterShape,
        preference: PreferenceOptions,
        first_layer: usize,
        dtype: DType,
    ) -> Result<Self> {
        let (mut rows, mut shown, mut targets, mut n_layers) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (features, coalition, target) in samples {
            n_layers = features.layers.len().saturating_sub(first_layer - 1);
            rows.extend(
                router_inputs(features, shape, preference).into_iter().skip(first_layer - 1).flatten(),
            );
            shown.push(coalition);
            targets.push(target);
        }
        let n_rows = n_layers * targets.len();
        if n_rows == 0 {
            return Err(ChaseError::Empty { what: "samples to train on" });
        }
        let inputs = Tensor::from_vec(rows, (n_rows, shape.input_size()), &Device::Cpu)?.to_dtype(dtype)?;
        Self::new(inputs, n_layers, shown, targets)
    }

    /// Samples.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Layers of each sample.
    pub fn n_layers(&self) -> usize {
        self.n_layers
    }

    /// p* and g* of each sample.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The modalities that each sample shows.
    pub fn shown(&self) -> &[ModalitySet] {
        &self.shown
    }

    /// The first `n` samples alone.
    pub fn head(&self, n: usize) -> Result<Self> {
        let n = n.min(self.len());
        let inputs = self.inputs.narrow(0, 0, n * self.n_layers)?;
        Self::new(inputs, self.n_layers, self.shown[..n].to_vec(), self.targets[..n].to_vec())
    }

    /// The inputs of some samples, all their layers.
    pub(crate) fn rows(&self, samples: &[usize]) -> Result<Tensor> {
        let rows: Vec<u32> = samples
            .iter()
            .flat_map(|s| (0..self.n_layers).map(move |layer| (s * self.n_layers + layer) as u32))
            .collect();
        let rows = Tensor::new(rows.as_slice(), &Device::Cpu)?;
        Ok(self.inputs.index_select(&rows, 0)?)
    }
}
