//! Holm's correction: p-values of a family of comparisons, so that the chance of any false finding stays below α.
//!
//! S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).

use serde::{Deserialize, Serialize};

use crate::error::MetricError;

/// Adjusted p-values, in the order given: the i-th smallest of m becomes max over j ≤ i of min(1, (m − j + 1)
/// p_(j)).
///
/// ```
/// use emomm_metrics::holm;
///
/// assert_eq!(holm(&[0.25, 0.125, 0.5]).unwrap(), [0.5, 0.375, 0.5]);
/// ```
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, MetricError> {
    if let Some(found) = p_values.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(MetricError::Range { what: "p-value", found: *found, expected: "a number from 0 to 1" });
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut so_far = 0.0_f64;
    for (rank, index) in order.into_iter().enumerate() {
        let remaining = (p_values.len() - rank) as f64;
        so_far = so_far.max((remaining * p_values[index]).min(1.0));
        adjusted[index] = so_far;
    }
    Ok(adjusted)
}

/// One comparison before correction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What is compared, for example `conflict, acc`.
    pub name: String,
    /// Its p-value.
    pub p_value: f64,
}

/// One comparison after correction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adjusted {
    /// What is compared.
    pub name: String,
    /// The p-value before.
    pub p_value: f64,
    /// The p-value after, at least as large.
    pub adjusted: f64,
}

/// Comparisons that are judged together. Which belong together is decided before looking at them, so a family has a
/// name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// What the comparisons have in common.
    pub name: String,
    /// The comparisons in the order given; their number is the m of the correction.
    pub comparisons: Vec<Adjusted>,
}

impl Family {
    /// Corrects the comparisons.
    pub fn adjust(name: impl Into<String>, comparisons: Vec<Comparison>) -> Result<Self, MetricError> {
        let p_values: Vec<f64> = comparisons.iter().map(|c| c.p_value).collect();
        let adjusted = holm(&p_values)?;
        let comparisons = comparisons
            .into_iter()
            .zip(adjusted)
            .map(|(c, adjusted)| Adjusted { name: c.name, p_value: c.p_value, adjusted })
            .collect();
        Ok(Self { name: name.into(), comparisons })
    }

    /// The comparisons whose adjusted p-value is at most `alpha`.
    pub fn significant(&self, alpha: f64) -> impl Iterator<Item = &Adjusted> {
        self.comparisons.iter().filter(move |c| c.adjusted <= alpha)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sorted 0.01, 0.02, 0.03, 0.04 by 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04 raised to 0.06.
    #[test]
    fn adjusted_values_do_not_fall() {
        let adjusted = holm(&[0.04, 0.01, 0.03, 0.02]).unwrap();
        for (found, expected) in adjusted.iter().zip([0.06, 0.04, 0.06, 0.06]) {
            assert!((found - expected).abs() < 1e-15, "{adjusted:?}");
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the numbers are exact in binary")]
    fn a_family_keeps_names_and_order() {
        let comparison = |name: &str, p_value| Comparison { name: name.to_owned(), p_value };
        let family = Family::adjust("Table 1", vec![comparison("acc", 0.5), comparison("f1", 0.0)]).unwrap();
        assert_eq!(family.comparisons[0].adjusted, 0.5);
        let names: Vec<&str> = family.significant(0.05).map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["f1"]);
    }

    #[test]
    fn what_is_no_p_value_is_refused() {
        assert_eq!(holm(&[]).unwrap(), [] as [f64; 0]);
        for wrong in [-0.1, 1.1, f64::NAN] {
            assert!(holm(&[0.5, wrong]).is_err());
        }
    }
}
