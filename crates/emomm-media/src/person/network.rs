//! MediaPipe's network for one near person (`selfie_segmentation`, Apache-2.0), run as the list of operations that
//! `crates/emomm-media/assets/person/convert.py` wrote.
//!
//! It is one small fixed network of twelve kinds of operations, so it is run here and not by an ONNX runtime.

use std::sync::LazyLock;

use super::planes::{Convolution, Planes, Unfold};

const PROGRAM: &str = include_str!("../../assets/person/network.txt");
const WEIGHTS: &[u8] = include_bytes!("../../assets/person/weights.f16");

/// The network as it lies in this crate.
pub(super) static NETWORK: LazyLock<Network> =
    LazyLock::new(|| Network::parse(PROGRAM, WEIGHTS).expect("the network of this crate is whole"));

/// Side of the square picture that the network takes, and of the mask that it gives.
pub(super) const SIDE: usize = 256;

/// What is done to tensors; they are known by number.
#[derive(Debug)]
enum Operation {
    Full(Convolution),
    Depthwise(Convolution),
    Unfold(Unfold),
    Relu,
    HardSwish,
    Sigmoid,
    Mean,
    Double,
    /// With the second input.
    Add(usize),
    Mul(usize),
}

#[derive(Debug)]
struct Step {
    operation: Operation,
    input: usize,
    output: usize,
}

/// The operations in order, with their weights.
#[derive(Debug)]
pub(super) struct Network {
    input: usize,
    output: usize,
    n_tensors: usize,
    steps: Vec<Step>,
}

impl Network {
    /// Reads a program, one operation a line, and its weights in half precision.
    fn parse(program: &str, weights: &[u8]) -> Result<Self, String> {
        let mut weights = Weights(weights);
        let mut network = Self { input: 0, output: 0, n_tensors: 0, steps: Vec::new() };
        for line in program.lines() {
            let (name, rest) = line.split_once(' ').ok_or_else(|| format!("`{line}` has no numbers"))?;
            let numbers: Vec<usize> = rest
                .split(' ')
                .map(|word| word.parse().map_err(|_| format!("`{line}`: `{word}` is no number")))
                .collect::<Result<_, _>>()?;
            network.read(name, &numbers, &mut weights).map_err(|problem| format!("`{line}`: {problem}"))?;
        }
        if weights.0.is_empty() { Ok(network) } else { Err(format!("{} bytes too many", weights.0.len())) }
    }

    fn read(&mut self, name: &str, numbers: &[usize], weights: &mut Weights<'_>) -> Result<(), String> {
        let (operation, input, output) = match (name, numbers) {
            ("input", &[tensor, 3, SIDE, SIDE]) => {
                self.input = tensor;
                return Ok(());
            }
            ("output", &[tensor]) => {
                self.output = tensor;
                return Ok(());
            }
            ("conv" | "depthwise", &[input, output, outputs, inputs, side, stride, padding]) => {
                let convolution = Convolution {
                    outputs,
                    inputs,
                    side,
                    stride,
                    padding,
                    weight: weights.take(outputs * inputs * side * side)?,
                    bias: weights.take(outputs)?,
                };
                let is_full = name == "conv";
                let kind = if is_full { Operation::Full } else { Operation::Depthwise };
                (kind(convolution), input, output)
            }
            ("unfold", &[input, output, inputs]) => {
                let weight = weights.take(4 * inputs)?;
                let bias = weights.take(1)?[0];
                (Operation::Unfold(Unfold { weight, bias }), input, output)
            }
            ("relu", &[input, output]) => (Operation::Relu, input, output),
            ("hard_swish", &[input, output]) => (Operation::HardSwish, input, output),
            ("sigmoid", &[input, output]) => (Operation::Sigmoid, input, output),
            ("mean", &[input, output]) => (Operation::Mean, input, output),
            ("double", &[input, output]) => (Operation::Double, input, output),
            ("add", &[input, other, output]) => (Operation::Add(other), input, output),
            ("mul", &[input, other, output]) => (Operation::Mul(other), input, output),
            _ => return Err("not an operation".to_owned()),
        };
        self.n_tensors = self.n_tensors.max(output + 1);
        self.steps.push(Step { operation, input, output });
        Ok(())
    }

    /// The probability of a person for each pixel.
    ///
    /// # Shapes
    /// `picture` is `[3][256][256]` in 0..=1, the result `[256][256]` in 0..=1.
    pub(super) fn run(&self, picture: Vec<f32>) -> Vec<f32> {
        let mut tensors: Vec<Option<Planes>> = vec![None; self.n_tensors.max(self.input + 1)];
        tensors[self.input] = Some(Planes { channels: 3, height: SIDE, width: SIDE, data: picture });
        for Step { operation, input, output } in &self.steps {
            let of = |tensor: usize| tensors[tensor].as_ref().expect("operations stand in order");
            let from = of(*input);
            let result = match operation {
                Operation::Full(convolution) => convolution.full(from),
                Operation::Depthwise(convolution) => convolution.depthwise(from),
                Operation::Unfold(unfold) => unfold.run(from),
                Operation::Relu => from.map(|v| v.max(0.0)),
                Operation::HardSwish => from.map(|v| v * (v + 3.0).clamp(0.0, 6.0) / 6.0),
                Operation::Sigmoid => from.map(|v| 1.0 / (1.0 + (-v).exp())),
                Operation::Mean => from.mean(),
                Operation::Double => from.double(),
                Operation::Add(other) => from.zip(of(*other), |a, b| a + b),
                Operation::Mul(other) => from.zip(of(*other), |a, b| a * b),
            };
            tensors[*output] = Some(result);
        }
        tensors.swap_remove(self.output).expect("the last operation gives the mask").data
    }
}

/// Numbers in half precision, little-endian, of which some have been taken.
struct Weights<'a>(&'a [u8]);

impl Weights<'_> {
    fn take(&mut self, count: usize) -> Result<Vec<f32>, String> {
        let (taken, rest) =
            self.0.split_at_checked(2 * count).ok_or_else(|| "the weights end too early".to_owned())?;
        self.0 = rest;
        Ok(taken.chunks_exact(2).map(|b| half(u16::from_le_bytes([b[0], b[1]]))).collect())
    }
}

/// A number of IEEE 754 half precision.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction > 0.0 => f32::NAN,
        31 => f32::INFINITY,
        _ => (1024.0 + fraction) * 2.0_f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_by_hand() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:#06x}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn every_weight_is_used_and_the_steps_are_complete() {
        let network = Network::parse(PROGRAM, WEIGHTS).unwrap();
        assert_eq!(network.steps.len(), PROGRAM.lines().count() - 2);
        assert!(Network::parse(PROGRAM, &WEIGHTS[2..]).unwrap_err().contains("too early"));
        assert!(Network::parse("relu 0", &[]).is_err());
        assert!(Network::parse("input 0 3 256 256\nrelu 0 x", &[]).is_err());
        assert!(Network::parse("relu 0 1", &[0, 0]).unwrap_err().contains("too many"));
    }
}
