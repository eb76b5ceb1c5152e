//! AdamW (Loshchilov and Hutter 2019) as PyTorch implements it: decay of every parameter, apart from the moments.

use candle_core::Tensor;

use crate::error::Result;

/// Running means of gradients and of their squares.
#[derive(Debug, Clone)]
pub struct AdamW {
    learning_rate: f64,
    weight_decay: f64,
    step: i32,
    moments: Vec<(Tensor, Tensor)>,
}

/// Decay of the first and of the second moment, and ε: PyTorch's defaults.
const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

impl AdamW {
    /// Moments of zero for parameters of these shapes.
    pub fn new(parameters: &[Tensor], learning_rate: f64, weight_decay: f64) -> Result<Self> {
        let zeros = |p: &Tensor| -> Result<(Tensor, Tensor)> { Ok((p.zeros_like()?, p.zeros_like()?)) };
        let moments = parameters.iter().map(zeros).collect::<Result<_>>()?;
        Ok(Self { learning_rate, weight_decay, step: 0, moments })
    }

    /// Moves the parameters against their gradients.
    pub fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor]) -> Result<()> {
        self.step += 1;
        let correct = |beta: f64| 1.0 - beta.powi(self.step);
        let (first_bias, second_bias) = (correct(BETAS.0), correct(BETAS.1));
        let rate = self.learning_rate / first_bias;
        for ((parameter, gradient), (first, second)) in
            parameters.iter_mut().zip(gradients).zip(&mut self.moments)
        {
            *first = ((&*first * BETAS.0)? + (gradient * (1.0 - BETAS.0))?)?;
            *second = ((&*second * BETAS.1)? + (gradient.sqr()? * (1.0 - BETAS.1))?)?;
            let root = ((second.sqrt()? / second_bias.sqrt())? + EPSILON)?;
            let decayed = (&*parameter * (1.0 - self.learning_rate * self.weight_decay))?;
            *parameter = (decayed - ((&*first / root)? * rate)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// The first step moves by the learning rate against the gradient's sign, whatever its size, after the decay.
    #[test]
    fn the_first_step_by_hand() {
        let mut parameters = vec![Tensor::new(&[1.0_f64, -2.0], &Device::Cpu).unwrap()];
        let mut optimiser = AdamW::new(&parameters, 0.1, 0.5).unwrap();
        let gradient = Tensor::new(&[3.0_f64, -0.01], &Device::Cpu).unwrap();
        optimiser.step(&mut parameters, &[gradient]).unwrap();
        let moved: Vec<f64> = parameters[0].to_vec1().unwrap();
        assert!((moved[0] - (0.95 - 0.1)).abs() < 1e-6, "{moved:?}");
        assert!((moved[1] - (-1.9 + 0.1)).abs() < 1e-6, "{moved:?}");
    }
}
