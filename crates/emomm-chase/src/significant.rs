//! The significant video tokens S_v (Sec. 5.2, App. D.2): those whose normalised importance reaches a percentile.

/// The p-th percentile, p in [0, 100], interpolated linearly between order statistics; `None` without values.
pub fn percentile(values: &[f64], p: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let position = (p / 100.0).clamp(0.0, 1.0) * last as f64;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64))
}

/// S_v = {k ∈ K_V : Î_k ≥ τ_P}, ascending. With `count` the so many tokens of the greatest importance instead; ties go to
/// the earlier token. A percentile of 0 takes all.
///
/// `tokens` are the places of K_V in the prompt, `importance` their Î_k of Eq. (25).
pub fn significant_tokens(
    tokens: &[usize],
    importance: &[f64],
    significant_percentile: f64,
    count: Option<usize>,
) -> Vec<usize> {
    let chosen: Vec<usize> = if let Some(count) = count {
        crate::heads::ranked(importance).into_iter().take(count).collect()
    } else {
        let threshold = percentile(importance, significant_percentile).unwrap_or(f64::INFINITY);
        (0..importance.len()).filter(|i| importance[*i] >= threshold).collect()
    };
    let mut places: Vec<usize> = chosen.into_iter().filter_map(|i| tokens.get(i).copied()).collect();
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate() {
        let values = [4.0, 1.0, 2.0];
        assert_eq!(percentile(&values, 0.0), Some(1.0));
        assert_eq!(percentile(&values, 75.0), Some(3.0));
        assert_eq!(percentile(&values, 100.0), Some(4.0));
        assert_eq!(percentile(&[], 50.0), None);
    }

    #[test]
    fn the_top_tenth_of_ten_tokens_is_one() {
        let importance: Vec<f64> = [3, 9, 1, 4, 7, 2, 8, 0, 5, 6].map(f64::from).to_vec();
        let tokens: Vec<usize> = (20..30).collect();
        assert_eq!(significant_tokens(&tokens, &importance, 90.0, None), [21]);
        assert_eq!(significant_tokens(&tokens, &importance, 0.0, None), tokens);
        assert_eq!(significant_tokens(&tokens, &importance, 90.0, Some(3)), [21, 24, 26]);
        assert!(significant_tokens(&[], &[], 90.0, None).is_empty());
    }
}
