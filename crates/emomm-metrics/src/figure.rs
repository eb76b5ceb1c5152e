//! A figure and the number of samples behind it: no metric of this crate is given without.

use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// A value and the number of samples from which it was computed, at least 1.
///
/// Where there is no sample, there is no figure: functions return `None`, never 0.0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The value.
    pub value: f64,
    /// Samples that entered it.
    pub n: usize,
}

impl Figure {
    /// `numerator / n`, `None` without samples.
    pub(crate) fn mean(numerator: f64, n: usize) -> Option<Self> {
        (n > 0).then(|| Self { value: numerator / n as f64, n })
    }

    /// `self − other`, refused unless both were computed from equally many samples.
    ///
    /// The names say in the error which two figures were compared.
    pub fn minus(self, name: &str, other: Self, other_name: &str) -> Result<Self, MetricError> {
        if self.n != other.n {
            return Err(MetricError::UnequalSamples {
                what: name.to_owned(),
                found: self.n,
                reference: other_name.to_owned(),
                expected: other.n,
            });
        }
        Ok(Self { value: self.value - other.value, n: self.n })
    }
}

/// What becomes of samples whose reply held no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unparsed {
    /// They are wrong, as c_x = 0 "otherwise" in Eq. (3). A model cannot gain by not answering. The default.
    #[default]
    Wrong,
    /// They are left out, and n is the number of answers.
    Excluded,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_nothing_is_none() {
        assert_eq!(Figure::mean(0.0, 0), None);
        assert_eq!(Figure::mean(3.0, 4), Some(Figure { value: 0.75, n: 4 }));
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the numbers are exact in binary")]
    fn figures_of_different_samples_are_not_subtracted() {
        let (a, b) = (Figure { value: 0.5, n: 4 }, Figure { value: 0.25, n: 3 });
        let error = a.minus("TAV", b, "TA").unwrap_err();
        assert_eq!(error.to_string(), "TAV was computed from 4 samples, expected 3 as for TA");
        assert_eq!(a.minus("TAV", Figure { n: 4, ..b }, "TA").unwrap().value, 0.25);
    }
}
