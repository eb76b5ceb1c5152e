//! How small a difference could have been found: the smallest detectable difference of two models.
//!
//! J. Bloom, "Minimum detectable effects", Evaluation Review 19 (1995); the design effect is Kish's (1965). All is
//! by the normal approximation, meant for planning and for reading a null result, not as a test.

use crate::clusters::Clusters;
use crate::error::MetricError;
use crate::figure::Figure;

/// (z_{1−α/2} + z_{power}) × standard error: the true difference that a two-sided test at `alpha` finds with
/// probability `power`. For α = 0.05 and power 0.8 the factor is 2.80.
///
/// ```
/// use emomm_metrics::{paired_standard_error, smallest_detectable_difference};
///
/// // 400 pairs of which a fifth are answered differently: 2.80 × √(0.2 / 400), about six points.
/// let error = paired_standard_error(0.2, 400.0).unwrap();
/// let difference = smallest_detectable_difference(error, 0.05, 0.8).unwrap();
/// assert!((difference - 0.0626).abs() < 1e-4);
/// ```
pub fn smallest_detectable_difference(
    standard_error: f64,
    alpha: f64,
    power: f64,
) -> Result<f64, MetricError> {
    MetricError::check_open_unit("alpha", alpha)?;
    MetricError::check_open_unit("power", power)?;
    if !(standard_error >= 0.0 && standard_error.is_finite()) {
        let (what, expected) = ("standard error", "a number not below 0");
        return Err(MetricError::Range { what, found: standard_error, expected });
    }
    Ok((-normal_quantile(alpha / 2.0) + normal_quantile(power)) * standard_error)
}

/// Standard error of a difference of two accuracies on the same samples, √(ψ / n), where ψ is the share of samples
/// that only one of the two gets right. The exact variance, (ψ − d²) / n, is smaller by d²: this errs on the safe
/// side.
pub fn paired_standard_error(discordant_share: f64, n_effective: f64) -> Result<f64, MetricError> {
    if !(0.0..=1.0).contains(&discordant_share) {
        let (what, expected) = ("discordant share", "a number from 0 to 1");
        return Err(MetricError::Range { what, found: discordant_share, expected });
    }
    if !(n_effective > 0.0 && n_effective.is_finite()) {
        let (what, expected) = ("effective number of samples", "a number above 0");
        return Err(MetricError::Range { what, found: n_effective, expected });
    }
    Ok((discordant_share / n_effective).sqrt())
}

/// The number of independent samples that clustered ones are worth: n / (1 + (m − 1) ρ), with m = Σ mᵢ² / n for
/// clusters of sizes mᵢ, and ρ the correlation of two samples of a cluster. `None` without samples.
pub fn effective_samples(clusters: &Clusters, correlation: f64) -> Result<Option<f64>, MetricError> {
    if !(0.0..=1.0).contains(&correlation) {
        let (what, expected) = ("correlation within clusters", "a number from 0 to 1");
        return Err(MetricError::Range { what, found: correlation, expected });
    }
    let n = clusters.n_samples() as f64;
    let squares: f64 = clusters.members().iter().map(|c| (c.len() * c.len()) as f64).sum();
    Ok((n > 0.0).then(|| n / (1.0 + (squares / n - 1.0) * correlation)))
}

/// Standard error of the mean of paired differences, samples of a cluster being dependent:
/// √(k / (k − 1) Σ_c (Σ_{i∈c} (dᵢ − d̄))²) / n over k clusters. `None` with fewer than two clusters.
pub fn cluster_standard_error(
    differences: &[f64],
    clusters: &Clusters,
) -> Result<Option<Figure>, MetricError> {
    MetricError::check_length("differences", differences.len(), clusters.n_samples())?;
    MetricError::check_finite("difference", differences)?;
    let (n, k) = (differences.len(), clusters.len() as f64);
    if clusters.len() < 2 {
        return Ok(None);
    }
    let mean = differences.iter().sum::<f64>() / n as f64;
    let centred: Vec<f64> = differences.iter().map(|d| d - mean).collect();
    let squares: f64 = clusters.sums(&centred).iter().map(|s| s * s).sum();
    Ok(Some(Figure { value: (k / (k - 1.0) * squares).sqrt() / n as f64, n }))
}

/// z with Φ(z) = p, for p in (0, 1), by halving an interval until it holds no further number.
fn normal_quantile(p: f64) -> f64 {
    // The upper tail is the negative of the lower one, where small probabilities keep their digits.
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    let distribution = |z: f64| libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2) / 2.0;
    // Φ(−40) is below the smallest positive number.
    let (mut low, mut high) = (-40.0, 0.0);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return high;
        }
        if distribution(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of scipy.stats.norm.ppf.
    #[test]
    fn quantiles_of_the_normal_distribution() {
        for (p, z) in [
            (0.025, -1.959_963_984_540_054_5),
            (0.8, 0.841_621_233_572_914_4),
            (0.5, 0.0),
            (1e-10, -6.361_340_902_404_056),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-12, "{p}: {}", normal_quantile(p));
        }
    }

    /// Clusters of 3 and 1 samples: m = 10/4; with ρ = 1 the four are worth 4/2.5.
    #[test]
    fn clusters_are_worth_fewer_samples() {
        let clusters = Clusters::by_key(["a", "a", "a", "b"]);
        assert_eq!(effective_samples(&clusters, 0.0).unwrap(), Some(4.0));
        assert_eq!(effective_samples(&clusters, 1.0).unwrap(), Some(1.6));
        assert_eq!(effective_samples(&Clusters::singletons(0), 0.5).unwrap(), None);
    }

    /// Alone, the formula is the sample standard deviation over √n: for 0, 1, 2 that is 1/√3.
    #[test]
    fn singletons_have_the_usual_standard_error() {
        let error = cluster_standard_error(&[0.0, 1.0, 2.0], &Clusters::singletons(3)).unwrap().unwrap();
        assert!((error.value - 1.0 / 3.0_f64.sqrt()).abs() < 1e-15);
        assert_eq!(cluster_standard_error(&[1.0, 2.0], &Clusters::by_key([0, 0])).unwrap(), None);
    }

    #[test]
    fn senseless_arguments_are_refused() {
        assert!(smallest_detectable_difference(-1.0, 0.05, 0.8).is_err());
        assert!(smallest_detectable_difference(0.1, 0.0, 0.8).is_err());
        assert!(smallest_detectable_difference(0.1, 0.05, 1.0).is_err());
        assert!(paired_standard_error(1.5, 10.0).is_err());
        assert!(paired_standard_error(0.5, 0.0).is_err());
        assert!(effective_samples(&Clusters::singletons(2), -0.1).is_err());
        assert!(cluster_standard_error(&[1.0], &Clusters::singletons(2)).is_err());
    }
}
