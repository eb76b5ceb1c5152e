//! Pearson's r: between scores, and between nMAS and GTAR (Fig. 3, right).

use crate::error::MetricError;
use crate::figure::Figure;

/// Pearson's correlation of pairs, in [−1, 1].
///
/// `None` for fewer than two pairs, or where one side does not vary: the correlation is then undefined. Two passes;
/// refused where a number is not finite.
///
/// ```
/// let r = emomm_metrics::pearson(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]).unwrap().unwrap();
/// assert!((r.value - 1.0).abs() < 1e-15);
/// assert_eq!(emomm_metrics::pearson(&[(1.0, 2.0), (1.0, 4.0)]).unwrap(), None);
/// ```
pub fn pearson(pairs: &[(f64, f64)]) -> Result<Option<Figure>, MetricError> {
    for (index, (x, y)) in pairs.iter().enumerate() {
        for found in [*x, *y] {
            if !found.is_finite() {
                return Err(MetricError::NotFinite { what: "pair", index, found });
            }
        }
    }
    let n = pairs.len();
    let varies =
        |value: fn(&(f64, f64)) -> f64| pairs.iter().any(|p| (value(p) - value(&pairs[0])).abs() > 0.0);
    if n < 2 || !varies(|p| p.0) || !varies(|p| p.1) {
        return Ok(None);
    }
    let mean_x = pairs.iter().map(|p| p.0).sum::<f64>() / n as f64;
    let mean_y = pairs.iter().map(|p| p.1).sum::<f64>() / n as f64;
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xx += dx * dx;
        yy += dy * dy;
        xy += dx * dy;
    }
    // Roots taken apart: the product of the sums could leave the range of f64.
    let value = (xy / xx.sqrt() / yy.sqrt()).clamp(-1.0, 1.0);
    // Numbers so close together that their squares vanish do not vary within f64.
    Ok(value.is_finite().then_some(Figure { value, n }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deviations (−1, 0, 1) and (0, −1, 1): Σxy = 1, Σxx = Σyy = 2.
    #[test]
    fn three_pairs_by_hand() {
        let r = pearson(&[(1.0, 1.0), (2.0, 0.0), (3.0, 2.0)]).unwrap().unwrap();
        assert!((r.value - 0.5).abs() < 1e-15);
        assert_eq!(r.n, 3);
    }

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        assert_eq!(pearson(&[]).unwrap(), None);
        assert_eq!(pearson(&[(1.0, 1.0)]).unwrap(), None);
        assert_eq!(pearson(&[(0.1, 1.0), (0.1, 2.0), (0.1, 3.0)]).unwrap(), None);
        assert!(pearson(&[(1.0, f64::NAN)]).is_err());
    }
}
