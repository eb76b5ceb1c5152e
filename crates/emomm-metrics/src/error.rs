//! What can be wrong with the input of a metric. An empty input is no error: its figure is `None`.

use emomm_dataset::ModalitySet;
use thiserror::Error;

/// Why a figure could not be computed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MetricError {
    /// Two inputs that belong together have different lengths.
    #[error("{what}: found {found}, expected {expected}")]
    Length {
        /// What was counted.
        what: &'static str,
        /// How many there were.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A number lies outside its range, or is not finite.
    #[error("{what} is {found}, expected {expected}")]
    Range {
        /// Which number.
        what: &'static str,
        /// Its value.
        found: f64,
        /// The values that would have been accepted.
        expected: &'static str,
    },
    /// A number of a list is NaN or infinite.
    #[error("{what} {index} is {found}, expected a finite number")]
    NotFinite {
        /// Which list.
        what: &'static str,
        /// Position in the list.
        index: usize,
        /// The value.
        found: f64,
    },
    /// Eq. (2) needs the value of every coalition.
    #[error("no value for {}, PSMV needs all eight coalitions", words(missing))]
    MissingCoalitions {
        /// The coalitions without a value.
        missing: Vec<ModalitySet>,
    },
    /// Figures that are compared were not computed from the same number of samples.
    #[error("{what} was computed from {found} samples, expected {expected} as for {reference}")]
    UnequalSamples {
        /// The figure.
        what: String,
        /// Its number of samples.
        found: usize,
        /// The figure that it is compared with.
        reference: String,
        /// The number of samples of the other.
        expected: usize,
    },
    /// Samples of different coalitions were to be averaged.
    #[error("sample {index} shows {found}, expected {expected} as in sample 0")]
    MixedCoalitions {
        /// Position of the sample.
        index: usize,
        /// Its coalition.
        found: ModalitySet,
        /// The coalition of the first sample.
        expected: ModalitySet,
    },
}

impl MetricError {
    /// What to do about it, where something can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingCoalitions { .. } => {
                Some("run the model on all coalitions, the one without evidence included".to_owned())
            }
            Self::UnequalSamples { .. } => {
                Some("compare only samples that have a prediction on both sides".to_owned())
            }
            Self::MixedCoalitions { .. } => Some("average each coalition on its own".to_owned()),
            Self::Length { .. } | Self::Range { .. } | Self::NotFinite { .. } => None,
        }
    }

    /// Refuses a list whose length is not the expected one.
    pub(crate) fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), Self> {
        if found == expected { Ok(()) } else { Err(Self::Length { what, found, expected }) }
    }

    /// Refuses a list with a number that is not finite.
    pub(crate) fn check_finite(what: &'static str, numbers: &[f64]) -> Result<(), Self> {
        match numbers.iter().position(|x| !x.is_finite()) {
            Some(index) => Err(Self::NotFinite { what, index, found: numbers[index] }),
            None => Ok(()),
        }
    }

    /// Refuses a number that is not strictly between 0 and 1.
    pub(crate) fn check_open_unit(what: &'static str, found: f64) -> Result<(), Self> {
        if found > 0.0 && found < 1.0 {
            Ok(())
        } else {
            Err(Self::Range { what, found, expected: "a number between 0 and 1, both excluded" })
        }
    }
}

fn words(coalitions: &[ModalitySet]) -> String {
    coalitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_coalitions_are_named_together() {
        let error = MetricError::MissingCoalitions { missing: vec![ModalitySet::NONE, ModalitySet::FULL] };
        assert_eq!(error.to_string(), "no value for none, TAV, PSMV needs all eight coalitions");
        assert!(error.hint().unwrap().contains("without evidence"));
    }

    #[test]
    fn the_first_number_that_is_not_finite_is_named() {
        let error = MetricError::check_finite("score", &[0.0, f64::NAN]).unwrap_err();
        assert_eq!(error.to_string(), "score 1 is NaN, expected a finite number");
    }
}
