//! The operations of the person network on planes of floats, in single precision.

/// Channels of equal size, each row by row.
///
/// # Shapes
/// `data` is `[channels][height][width]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planes {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) data: Vec<f32>,
}

impl Planes {
    fn filled(channels: usize, height: usize, width: usize, value: f32) -> Self {
        Self { channels, height, width, data: vec![value; channels * height * width] }
    }

    fn plane(&self, channel: usize) -> &[f32] {
        let size = self.height * self.width;
        &self.data[channel * size..(channel + 1) * size]
    }

    fn plane_mut(&mut self, channel: usize) -> &mut [f32] {
        let size = self.height * self.width;
        &mut self.data[channel * size..(channel + 1) * size]
    }

    /// Every value through `f`.
    pub(super) fn map(&self, f: impl Fn(f32) -> f32) -> Self {
        Self { data: self.data.iter().map(|v| f(*v)).collect(), ..*self }
    }

    /// `f` of pairs of values. `other` may have one value for each channel, which then holds for the whole plane.
    pub(super) fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let size = self.height * self.width;
        let data = if other.data.len() == self.data.len() {
            self.data.iter().zip(&other.data).map(|(a, b)| f(*a, *b)).collect()
        } else {
            self.data.iter().enumerate().map(|(i, a)| f(*a, other.data[i / size])).collect()
        };
        Self { data, ..*self }
    }

    /// The mean of each plane, as planes of one value.
    pub(super) fn mean(&self) -> Self {
        let size = (self.height * self.width) as f64;
        let mean = |channel| (self.plane(channel).iter().map(|v| f64::from(*v)).sum::<f64>() / size) as f32;
        Self { channels: self.channels, height: 1, width: 1, data: (0..self.channels).map(mean).collect() }
    }

    /// Twice the size, bilinear between the centres of pixels.
    pub(super) fn double(&self) -> Self {
        let mut doubled = Self::filled(self.channels, 2 * self.height, 2 * self.width, 0.0);
        for channel in 0..self.channels {
            let from = self.plane(channel);
            let width = self.width;
            let to = doubled.plane_mut(channel);
            for (y, row) in to.chunks_exact_mut(2 * width).enumerate() {
                let (above, below, weight) = taps(y, self.height);
                for (x, value) in row.iter_mut().enumerate() {
                    let (left, right, across) = taps(x, width);
                    let at = |y: usize, x: usize| from[y * width + x];
                    let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
                    let upper = mix(at(above, left), at(above, right), across);
                    let lower = mix(at(below, left), at(below, right), across);
                    *value = mix(upper, lower, weight);
                }
            }
        }
        doubled
    }
}

/// The two source pixels of an output pixel at twice the size, and the share of the second.
fn taps(at: usize, size: usize) -> (usize, usize, f32) {
    let half = at / 2;
    match at % 2 {
        0 => (half.saturating_sub(1), half, 0.75),
        _ => (half, (half + 1).min(size - 1), 0.25),
    }
}

/// A convolution with a square kernel, the same for both directions. The output is the input's size divided by the
/// stride, rounded up.
#[derive(Debug, Clone)]
pub(super) struct Convolution {
    pub(super) outputs: usize,
    /// Input channels that one output looks at: all, or 1 for a depthwise convolution.
    pub(super) inputs: usize,
    pub(super) side: usize,
    pub(super) stride: usize,
    /// Zeros before the first row and column.
    pub(super) padding: usize,
    /// `[outputs][inputs][side][side]`
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Convolution {
    /// Each output channel looks at the channel of its own number.
    pub(super) fn depthwise(&self, input: &Planes) -> Planes {
        self.run(input, |output| output..output + 1)
    }

    /// Each output channel looks at all input channels.
    pub(super) fn full(&self, input: &Planes) -> Planes {
        self.run(input, |_| 0..input.channels)
    }

    fn run(&self, input: &Planes, looked_at: impl Fn(usize) -> std::ops::Range<usize>) -> Planes {
        let (height, width) = (input.height.div_ceil(self.stride), input.width.div_ceil(self.stride));
        let mut out = Planes::filled(self.outputs, height, width, 0.0);
        for output in 0..self.outputs {
            let plane = out.plane_mut(output);
            plane.fill(self.bias[output]);
            for (i, channel) in looked_at(output).enumerate() {
                let kernel = &self.weight[(output * self.inputs + i) * self.side * self.side..];
                let from = input.plane(channel);
                if self.side == 1 && self.stride == 1 {
                    let weight = kernel[0];
                    plane.iter_mut().zip(from).for_each(|(sum, v)| *sum += weight * v);
                } else {
                    self.add(plane, (height, width), from, (input.height, input.width), kernel);
                }
            }
        }
        out
    }

    /// Adds one channel under one kernel.
    fn add(
        &self,
        to: &mut [f32],
        (height, width): (usize, usize),
        from: &[f32],
        (rows, columns): (usize, usize),
        kernel: &[f32],
    ) {
        for ky in 0..self.side {
            for kx in 0..self.side {
                let weight = kernel[ky * self.side + kx];
                let (ys, xs) = (self.inside(ky, height, rows), self.inside(kx, width, columns));
                for y in ys {
                    let row = &from[(y * self.stride + ky - self.padding) * columns..][..columns];
                    let first = xs.start * self.stride + kx - self.padding;
                    let values = row[first.min(columns)..].iter().step_by(self.stride);
                    let sums = &mut to[y * width..][xs.clone()];
                    sums.iter_mut().zip(values).for_each(|(sum, v)| *sum += weight * v);
                }
            }
        }
    }

    /// The outputs along one direction whose input at kernel offset `k` is not padding.
    fn inside(&self, k: usize, outputs: usize, inputs: usize) -> std::ops::Range<usize> {
        let first = self.padding.saturating_sub(k).div_ceil(self.stride);
        // The greatest output o with o · stride + k − padding < inputs.
        let end = (inputs + self.padding).saturating_sub(k).div_ceil(self.stride).min(outputs);
        first.min(end)..end
    }
}

/// A transposed convolution of one output channel with a kernel and a stride of 2: each pixel becomes four.
#[derive(Debug, Clone)]
pub(super) struct Unfold {
    /// `[inputs][2][2]`
    pub(super) weight: Vec<f32>,
    pub(super) bias: f32,
}

impl Unfold {
    pub(super) fn run(&self, input: &Planes) -> Planes {
        let mut out = Planes::filled(1, 2 * input.height, 2 * input.width, self.bias);
        let width = out.width;
        for channel in 0..input.channels {
            let kernel = &self.weight[4 * channel..4 * channel + 4];
            for (at, value) in input.plane(channel).iter().enumerate() {
                let (y, x) = (2 * (at / input.width), 2 * (at % input.width));
                for (k, weight) in kernel.iter().enumerate() {
                    out.data[(y + k / 2) * width + x + k % 2] += weight * value;
                }
            }
        }
        out
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the numbers are exact in binary, or are not computed")]
mod tests {
    use super::*;

    fn planes(height: usize, width: usize, data: &[f32]) -> Planes {
        Planes { channels: data.len() / (height * width), height, width, data: data.to_vec() }
    }

    /// Rows and columns by hand: 0.75 and 0.25 of neighbours, edges repeated.
    #[test]
    fn doubling_is_bilinear_between_centres() {
        let doubled = planes(1, 2, &[0.0, 4.0]).double();
        assert_eq!((doubled.height, doubled.width), (2, 4));
        assert_eq!(doubled.data, [0.0, 1.0, 3.0, 4.0, 0.0, 1.0, 3.0, 4.0]);
    }

    #[test]
    fn a_convolution_pads_with_zeros() {
        let convolution = Convolution {
            outputs: 1,
            inputs: 1,
            side: 3,
            stride: 1,
            padding: 1,
            weight: vec![1.0; 9],
            bias: vec![0.5],
        };
        let summed = convolution.full(&planes(2, 2, &[1.0, 2.0, 3.0, 4.0]));
        assert_eq!(summed.data, [10.5; 4]);
    }

    /// Stride 2 on an even size: no zeros in front, one behind.
    #[test]
    fn strides_skip_pixels() {
        let convolution = Convolution {
            outputs: 2,
            inputs: 1,
            side: 3,
            stride: 2,
            padding: 0,
            weight: [[1.0; 9], [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]].concat(),
            bias: vec![0.0, 0.0],
        };
        let data: Vec<f32> = (0..32).map(|i| i as f32).collect();
        let out = convolution.depthwise(&planes(4, 4, &data));
        // The first plane is summed, of the second the middle of each window is taken.
        assert_eq!(out.data, [45.0, 39.0, 66.0, 50.0, 21.0, 23.0, 29.0, 31.0]);
    }

    #[test]
    fn a_pixel_unfolds_into_four() {
        let unfold = Unfold { weight: vec![1.0, 2.0, 3.0, 4.0], bias: 1.0 };
        let out = unfold.run(&planes(1, 2, &[1.0, 10.0]));
        assert_eq!(out.data, [2.0, 3.0, 11.0, 21.0, 4.0, 5.0, 31.0, 41.0]);
    }

    #[test]
    fn one_value_holds_for_its_plane() {
        let both = planes(1, 2, &[1.0, 2.0, 3.0, 4.0]);
        let means = both.mean();
        assert_eq!(means.data, [1.5, 3.5]);
        assert_eq!(both.zip(&means, |a, b| a * b).data, [1.5, 3.0, 10.5, 14.0]);
    }
}
