//! The significant video tokens S_v (Sec. 5.2, App. D.2): those whose normalised importance reaches a percentile.

use emomm_metrics::quantile;

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
        let mut ascending = importance.to_vec();
        ascending.sort_by(f64::total_cmp);
        let threshold = quantile(&ascending, significant_percentile / 100.0).unwrap_or(f64::INFINITY);
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
    fn the_top_tenth_of_ten_tokens_is_one() {
        let importance: Vec<f64> = [3, 9, 1, 4, 7, 2, 8, 0, 5, 6].map(f64::from).to_vec();
        let tokens: Vec<usize> = (20..30).collect();
        assert_eq!(significant_tokens(&tokens, &importance, 90.0, None), [21]);
        assert_eq!(significant_tokens(&tokens, &importance, 0.0, None), tokens);
        assert_eq!(significant_tokens(&tokens, &importance, 90.0, Some(3)), [21, 24, 26]);
        assert!(significant_tokens(&[], &[], 90.0, None).is_empty());
    }
}
