//! What single tokens of a prompt take of the decision row's attention, and how important they are: the data behind heat
//! over frames (Fig. 12, 13) and the spatial statistics of Sec. 4.3.

use emomm_dataset::PerModality;

/// Attention and importance of the tokens of one prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenMaps {
    /// Attention of the decision row, mean over heads: `[layer][token]`, the tokens of the modality in the order of the prompt.
    pub attention: PerModality<Option<Vec<Vec<f32>>>>,
    /// Where the visual tokens lie; `None` without video or for a model whose tokens have no places.
    pub places: Option<TokenPlaces>,
    /// Î_k of Eq. (25) of each visual token, of the answer without steering; `None` unless it was asked for.
    pub importance: Option<Vec<f32>>,
}

/// Where visual tokens lie in the picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenPlaces {
    /// Steps of time, rows and columns of the whole picture's tokens.
    pub grid: [usize; 3],
    /// Number of each token in that grid, in the order of reading, ascending: all of them unless some were dropped.
    pub numbers: Vec<u32>,
    /// For each token whether it shows the person; `None` where nobody looked.
    pub person: Option<Vec<bool>>,
    /// For each token whether it shows the face; `None` where that is not known.
    pub face: Option<Vec<bool>>,
}

impl TokenPlaces {
    /// Values by token as a grid `[step][row][column]`; `None` where a token was dropped.
    pub fn on_grid(&self, values: &[f32]) -> Vec<Vec<Vec<Option<f32>>>> {
        let [steps, rows, columns] = self.grid;
        let mut grid = vec![vec![vec![None; columns]; rows]; steps];
        for (number, value) in self.numbers.iter().zip(values) {
            let number = *number as usize;
            let (row, column) = (number / columns.max(1) % rows.max(1), number % columns.max(1));
            if let Some(step) = grid.get_mut(number / (rows * columns).max(1)) {
                step[row][column] = Some(*value);
            }
        }
        grid
    }
}

/// Entropy of values as shares of their sum, divided by that of equal shares: 1 where all are equal, 0 where one has all.
/// `None` for fewer than two values, for a sum that is not positive, and for values that are no shares.
pub fn relative_entropy(values: &[f32]) -> Option<f64> {
    let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
    if values.len() < 2 || !(sum > 0.0 && sum.is_finite()) || values.iter().any(|v| *v < 0.0) {
        return None;
    }
    let shares = values.iter().map(|v| f64::from(*v) / sum).filter(|p| *p > 0.0);
    Some(-shares.map(|p| p * p.ln()).sum::<f64>() / (values.len() as f64).ln())
}

/// The share of the sum of `values` that those take of which `is_inside` holds; `None` for a sum that is not positive.
pub fn share_inside(values: &[f32], is_inside: &[bool]) -> Option<f64> {
    let sum: f64 = values.iter().map(|v| f64::from(*v)).sum();
    let inside: f64 = values.iter().zip(is_inside).filter(|(_, is)| **is).map(|(v, _)| f64::from(*v)).sum();
    (sum > 0.0 && sum.is_finite()).then(|| inside / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.entropy([.5, .25, .125, .125]) / log(4)` is 0.875 exactly.
    #[test]
    fn entropy_is_that_of_shares() {
        assert_eq!(relative_entropy(&[4.0, 2.0, 1.0, 1.0]), Some(0.875));
        assert_eq!(relative_entropy(&[0.0, 3.0, 0.0]), Some(0.0));
        let even = relative_entropy(&[0.1; 7]).unwrap();
        assert!((even - 1.0).abs() < 1e-12, "{even}");
        for none in [&[][..], &[1.0], &[0.0, 0.0], &[1.0, -0.5], &[f32::NAN, 1.0]] {
            assert_eq!(relative_entropy(none), None, "{none:?}");
        }
    }

    #[test]
    fn shares_inside_are_of_the_whole_sum() {
        assert_eq!(share_inside(&[1.0, 2.0, 1.0], &[true, false, true]), Some(0.5));
        assert_eq!(share_inside(&[0.0, 0.0], &[true, false]), None);
    }

    #[test]
    fn dropped_tokens_leave_holes_in_the_grid() {
        let places = TokenPlaces { grid: [2, 1, 3], numbers: vec![0, 2, 4], person: None, face: None };
        let grid = places.on_grid(&[0.5, 0.25, 0.125]);
        assert_eq!(grid, [[[Some(0.5), None, Some(0.25)]], [[None, Some(0.125), None]]]);
    }
}
