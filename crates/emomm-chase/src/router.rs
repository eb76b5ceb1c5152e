//! The router of Sec. 5.1: one network for all layers that reads a conflict probability and a gate off a layer's state.

use candle_core::{DType, Device, Tensor};

use crate::error::{ChaseError, Result};
use crate::loss::sigmoid;
use crate::preference::softmax;
use crate::rng::Rng;
use crate::router_shape::RouterShape;

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
    use crate::router_shape::RouterForm;

    fn shape(form: RouterForm) -> RouterShape {
        RouterShape { inner_size: 5, form, ..RouterShape::paper(2) }
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
