//! The router of Sec. 5.1: one network for all layers that reads a conflict probability and a gate off a layer's state.

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{ChaseError, Result};
use crate::loss::sigmoid;
use crate::preference::softmax;
use crate::rng::Rng;

/// Width of the hidden layer in the paper.
const PAPER_INNER: usize = 128;
/// Inside the root of the block norms: keeps a block of zeros at zero.
const NORM_EPSILON: f64 = 1e-6;

/// Where Eq. (7) and (8) get their non-linearity. The text says a two-layer MLP of width 128, the equations are linear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterForm {
    /// One hidden layer with GELU under two linear heads.
    #[default]
    SharedTrunk,
    /// A hidden layer for each head.
    SeparateTrunks,
    /// Eq. (7) and (8) to the letter.
    Linear,
}

/// How the four hidden-state blocks of the input are scaled. Residuals grow with depth, the preference does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockNorm {
    /// Each block over its root mean square.
    #[default]
    Rms,
    /// Each block to mean 0 and variance 1.
    LayerNorm,
    /// As they are.
    None,
}

/// Sizes and form.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterShape {
    /// Width d of the model.
    pub hidden_size: usize,
    /// Width of the hidden layer.
    pub inner_size: usize,
    /// Form.
    pub form: RouterForm,
    /// Scaling of the blocks.
    pub norm: BlockNorm,
    /// Factor on π, three numbers among 4 d.
    pub preference_scale: f64,
}

impl RouterShape {
    /// The paper's router on a model of width `hidden_size`.
    pub fn paper(hidden_size: usize) -> Self {
        Self {
            hidden_size,
            inner_size: PAPER_INNER,
            form: RouterForm::SharedTrunk,
            norm: BlockNorm::Rms,
            preference_scale: 1.0,
        }
    }

    /// 4 d + 3
    pub fn input_size(&self) -> usize {
        4 * self.hidden_size + 3
    }

    /// x^ℓ = [h_q; h_T; h_A; h_V; π], each block scaled, zeros where a modality is missing.
    pub fn input(&self, query: &[f32], pooled: [Option<&[f32]>; 3], preference: [f64; 3]) -> Vec<f32> {
        let mut row = Vec::with_capacity(self.input_size());
        for block in [Some(query), pooled[0], pooled[1], pooled[2]] {
            match block {
                Some(values) => self.scaled(values, &mut row),
                None => row.resize(row.len() + self.hidden_size, 0.0),
            }
        }
        row.extend(preference.map(|p| (p * self.preference_scale) as f32));
        row
    }

    fn scaled(&self, values: &[f32], row: &mut Vec<f32>) {
        let n = values.len().max(1) as f64;
        let sum = |f: &dyn Fn(f64) -> f64| values.iter().map(|v| f(f64::from(*v))).sum::<f64>();
        let (mean, scale) = match self.norm {
            BlockNorm::None => (0.0, 1.0),
            BlockNorm::Rms => (0.0, 1.0 / (sum(&|v| v * v) / n + NORM_EPSILON).sqrt()),
            BlockNorm::LayerNorm => {
                let mean = sum(&|v| v) / n;
                (mean, 1.0 / (sum(&|v| (v - mean) * (v - mean)) / n + NORM_EPSILON).sqrt())
            }
        };
        row.extend(values.iter().map(|v| ((f64::from(*v) - mean) * scale) as f32));
    }

    /// Names and shapes of the parameters, in the order in which they are kept.
    pub fn parameters(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (inputs, inner) = (self.input_size(), self.inner_size);
        let trunk = |weight, bias| [(weight, vec![inner, inputs]), (bias, vec![inner])];
        let mut all = match self.form {
            RouterForm::SharedTrunk => trunk("trunk.weight", "trunk.bias").to_vec(),
            RouterForm::SeparateTrunks => {
                let mut both = trunk("conflict_trunk.weight", "conflict_trunk.bias").to_vec();
                both.extend(trunk("gate_trunk.weight", "gate_trunk.bias"));
                both
            }
            RouterForm::Linear => Vec::new(),
        };
        let width = if self.form == RouterForm::Linear { inputs } else { inner };
        all.extend([
            ("conflict.weight", vec![1, width]),
            ("conflict.bias", vec![1]),
            ("gate.weight", vec![3, width]),
            ("gate.bias", vec![3]),
        ]);
        all
    }

    fn n_trunks(&self) -> usize {
        match self.form {
            RouterForm::SharedTrunk => 1,
            RouterForm::SeparateTrunks => 2,
            RouterForm::Linear => 0,
        }
    }
}

/// p^ℓ and g^ℓ, Eq. (7) and (8).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RouterOutput {
    /// p in (0, 1).
    pub conflict_prob: f64,
    /// g over T, A, V: sums to 1 over what is present, 0 elsewhere.
    pub gate: [f64; 3],
}

/// The router's parameters.
#[derive(Debug, Clone)]
pub struct Router {
    shape: RouterShape,
    parameters: Vec<Tensor>,
}

/// What the backward pass needs of a forward pass.
pub(crate) struct Forward {
    /// `[rows]`
    pub(crate) conflict_logits: Vec<f64>,
    /// `[rows][3]`
    pub(crate) gate_logits: Vec<[f64; 3]>,
    /// Sums before the activation, one for each trunk.
    sums: Vec<Tensor>,
    /// Inputs of the conflict head and of the gate head.
    heads: [Tensor; 2],
}

impl Router {
    /// Random parameters, uniform within ±1/√(inputs of the layer).
    pub fn random(shape: RouterShape, seed: u64, dtype: DType) -> Result<Self> {
        let mut rng = Rng::new(seed);
        let mut parameters = Vec::new();
        let mut fan_in = 1;
        for (_, dims) in shape.parameters() {
            // A bias follows its weight and has the same bound.
            fan_in = dims.get(1).copied().unwrap_or(fan_in);
            let bound = 1.0 / (fan_in as f64).sqrt();
            let values: Vec<f64> =
                (0..dims.iter().product()).map(|_| (2.0 * rng.unit() - 1.0) * bound).collect();
            parameters.push(Tensor::from_vec(values, dims, &Device::Cpu)?.to_dtype(dtype)?);
        }
        Ok(Self { shape, parameters })
    }

    /// Parameters in the order of [`RouterShape::parameters`].
    pub fn from_parameters(shape: RouterShape, parameters: Vec<Tensor>) -> Result<Self> {
        let expected = shape.parameters();
        let fits = parameters.len() == expected.len()
            && parameters.iter().zip(&expected).all(|(t, (_, dims))| t.dims() == dims.as_slice());
        if fits {
            return Ok(Self { shape, parameters });
        }
        let found: Vec<&[usize]> = parameters.iter().map(Tensor::dims).collect();
        Err(ChaseError::setting("router", format!("{found:?}"), format!("{expected:?}")))
    }

    /// Sizes and form.
    pub fn shape(&self) -> &RouterShape {
        &self.shape
    }

    /// The parameters, in the order of [`RouterShape::parameters`].
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    pub(crate) fn parameters_mut(&mut self) -> &mut [Tensor] {
        &mut self.parameters
    }

    /// The same router in another type.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        let parameters = self.parameters.iter().map(|p| p.to_dtype(dtype)).collect::<Result<_, _>>()?;
        Ok(Self { shape: self.shape, parameters })
    }

    /// p and g of rows of inputs, each with the modalities that it has.
    ///
    /// # Shapes
    /// `rows [row][4 d + 3]`
    pub fn read(&self, rows: &[Vec<f32>], present: &[[bool; 3]]) -> Result<Vec<RouterOutput>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let width = self.shape.input_size();
        let flat: Vec<f32> = rows.iter().flatten().copied().collect();
        let inputs = Tensor::from_vec(flat, (rows.len(), width), &Device::Cpu)?;
        let forward = self.forward(&inputs.to_dtype(self.parameters[0].dtype())?)?;
        Ok(outputs(&forward, present))
    }

    /// # Shapes
    /// `inputs [rows, 4 d + 3]`, of the parameters' type
    pub(crate) fn forward(&self, inputs: &Tensor) -> Result<Forward> {
        let n_trunks = self.shape.n_trunks();
        let mut sums = Vec::with_capacity(n_trunks);
        let mut hidden = Vec::with_capacity(n_trunks);
        for trunk in 0..n_trunks {
            let (weight, bias) = (&self.parameters[2 * trunk], &self.parameters[2 * trunk + 1]);
            let sum = inputs.matmul(&weight.t()?)?.broadcast_add(bias)?;
            hidden.push(sum.gelu_erf()?);
            sums.push(sum);
        }
        let head_input = |at: usize| hidden.get(at).or(hidden.last()).unwrap_or(inputs).clone();
        let heads = [head_input(0), head_input(1)];
        let logits = |head: usize| -> Result<Vec<Vec<f64>>> {
            let at = 2 * n_trunks + 2 * head;
            let (weight, bias) = (&self.parameters[at], &self.parameters[at + 1]);
            let out = heads[head].matmul(&weight.t()?)?.broadcast_add(bias)?;
            Ok(out.to_dtype(DType::F64)?.to_vec2()?)
        };
        let conflict_logits = logits(0)?.into_iter().map(|row| row[0]).collect();
        let gate_logits = logits(1)?.into_iter().map(|row| [row[0], row[1], row[2]]).collect();
        Ok(Forward { conflict_logits, gate_logits, sums, heads })
    }

    /// Gradients of the parameters from those of the logits.
    pub(crate) fn backward(
        &self,
        inputs: &Tensor,
        forward: &Forward,
        conflict: &[f64],
        gate: &[[f64; 3]],
    ) -> Result<Vec<Tensor>> {
        let dtype = inputs.dtype();
        let rows = conflict.len();
        let column = Tensor::from_vec(conflict.to_vec(), (rows, 1), &Device::Cpu)?.to_dtype(dtype)?;
        let flat: Vec<f64> = gate.iter().flatten().copied().collect();
        let columns = Tensor::from_vec(flat, (rows, 3), &Device::Cpu)?.to_dtype(dtype)?;
        let n_trunks = self.shape.n_trunks();

        let mut at_hidden: Vec<Option<Tensor>> = vec![None; n_trunks];
        let mut head_gradients = Vec::with_capacity(4);
        for (head, slope) in [column, columns].iter().enumerate() {
            let weight = &self.parameters[2 * n_trunks + 2 * head];
            head_gradients.push(slope.t()?.matmul(&forward.heads[head])?);
            head_gradients.push(slope.sum(0)?);
            if n_trunks > 0 {
                let trunk = head.min(n_trunks - 1);
                let share = slope.matmul(weight)?;
                at_hidden[trunk] = Some(match at_hidden[trunk].take() {
                    Some(other) => (other + share)?,
                    None => share,
                });
            }
        }
        let mut gradients = Vec::with_capacity(self.parameters.len());
        for (sum, at_hidden) in forward.sums.iter().zip(at_hidden) {
            let slope = gelu_slope(sum)?;
            let at_sum = match at_hidden {
                Some(gradient) => (gradient * slope)?,
                None => slope.zeros_like()?,
            };
            gradients.push(at_sum.t()?.matmul(inputs)?);
            gradients.push(at_sum.sum(0)?);
        }
        gradients.extend(head_gradients);
        Ok(gradients)
    }
}

/// p and g from logits, Eq. (7) and (8).
pub(crate) fn outputs(forward: &Forward, present: &[[bool; 3]]) -> Vec<RouterOutput> {
    let rows = forward.conflict_logits.iter().zip(&forward.gate_logits).zip(present);
    rows.map(|((conflict, gate), present)| RouterOutput {
        conflict_prob: sigmoid(*conflict),
        gate: if present.contains(&true) { softmax(*gate, *present) } else { [0.0; 3] },
    })
    .collect()
}

/// d GELU(x) / dx = Φ(x) + x φ(x)
fn gelu_slope(x: &Tensor) -> Result<Tensor> {
    let cumulative = (((x / std::f64::consts::SQRT_2)?.erf()? + 1.0)? * 0.5)?;
    let density = ((x.sqr()? * -0.5)?.exp()? / (2.0 * std::f64::consts::PI).sqrt())?;
    Ok((cumulative + (x * density)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(form: RouterForm) -> RouterShape {
        RouterShape { inner_size: 5, form, ..RouterShape::paper(2) }
    }

    #[test]
    fn the_paper_s_router_has_1_84_million_parameters_at_width_3584() {
        let count = |shape: RouterShape| -> usize {
            shape.parameters().iter().map(|(_, dims)| dims.iter().product::<usize>()).sum()
        };
        assert_eq!(count(RouterShape::paper(3584)), 14_339 * 128 + 128 + 4 * 128 + 4);
    }

    #[test]
    fn blocks_are_scaled_and_missing_ones_stay_zero() {
        let row =
            shape(RouterForm::Linear).input(&[3.0, 4.0], [None, Some(&[0.0, 0.0]), None], [1.0, 0.0, 0.0]);
        assert_eq!(row.len(), 11);
        let rms = 12.5_f32.sqrt();
        assert!((row[0] - 3.0 / rms).abs() < 1e-6 && (row[1] - 4.0 / rms).abs() < 1e-6);
        assert!(row[2..8].iter().all(|v| v.to_bits() == 0));
        assert_eq!(row[8..], [1.0, 0.0, 0.0]);
    }

    /// Every parameter's gradient is the slope of Σ (c · conflict logits + g · gate logits).
    #[test]
    fn gradients_are_slopes_in_every_form() {
        let inputs: Vec<f64> = (0..3 * 11).map(|i| f64::from(i * 7 % 13) / 6.0 - 1.0).collect();
        let inputs = Tensor::from_vec(inputs, (3, 11), &Device::Cpu).unwrap();
        let (c, g) = ([0.5, -1.0, 2.0], [[0.1, 0.2, -0.3], [1.0, 0.0, 0.5], [-0.7, 0.4, 0.9]]);
        for form in [RouterForm::SharedTrunk, RouterForm::SeparateTrunks, RouterForm::Linear] {
            let router = Router::random(shape(form), 4, DType::F64).unwrap();
            let value = |router: &Router| -> f64 {
                let f = router.forward(&inputs).unwrap();
                let conflict: f64 = f.conflict_logits.iter().zip(c).map(|(a, b)| a * b).sum();
                let gate = f.gate_logits.iter().flatten().zip(g.iter().flatten()).map(|(a, b)| a * b);
                conflict + gate.sum::<f64>()
            };
            let forward = router.forward(&inputs).unwrap();
            let gradients = router.backward(&inputs, &forward, &c, &g).unwrap();
            assert_eq!(gradients.len(), router.parameters().len());
            for (at, gradient) in gradients.iter().enumerate() {
                assert_eq!(gradient.dims(), router.parameters()[at].dims());
                let found: Vec<f64> = gradient.flatten_all().unwrap().to_vec1().unwrap();
                for (i, found) in found.iter().enumerate() {
                    let moved = |by: f64| {
                        let mut other = router.clone();
                        let tensor = &other.parameters[at];
                        let mut values: Vec<f64> = tensor.flatten_all().unwrap().to_vec1().unwrap();
                        values[i] += by;
                        other.parameters[at] = Tensor::from_vec(values, tensor.dims(), &Device::Cpu).unwrap();
                        value(&other)
                    };
                    let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                    assert!((slope - found).abs() < 1e-6, "{form:?} {at} {i}: {slope} {found}");
                }
            }
        }
    }

    #[test]
    fn outputs_are_a_probability_and_a_distribution_over_what_is_present() {
        let router = Router::random(shape(RouterForm::SharedTrunk), 1, DType::F32).unwrap();
        let rows = vec![vec![0.3_f32; 11]; 2];
        let read = router.read(&rows, &[[true, false, true], [false; 3]]).unwrap();
        assert!((read[0].gate.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(read[0].gate[1].to_bits(), 0);
        assert!(read[0].conflict_prob > 0.0 && read[0].conflict_prob < 1.0);
        assert_eq!(read[1].gate.map(f64::to_bits), [0; 3]);
        let same = Router::random(shape(RouterForm::SharedTrunk), 1, DType::F32).unwrap();
        assert_eq!(same.read(&rows, &[[true, false, true], [false; 3]]).unwrap(), read);
    }
}
