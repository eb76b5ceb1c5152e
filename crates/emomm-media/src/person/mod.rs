//! Where the person is in a picture (App. C.2): the mask of a small network, or one that is known, pooled to the cells
//! of a grid of visual tokens.

mod network;
mod planes;

use network::{NETWORK, SIDE};

use crate::image::RgbImage;
use crate::resize::resize_bicubic;

/// A part of a picture, as shares of its width and of its height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// First column and end.
    pub columns: [f64; 2],
    /// First row and end.
    pub rows: [f64; 2],
}

impl Window {
    /// The whole picture.
    pub const WHOLE: Self = Self { columns: [0.0, 1.0], rows: [0.0, 1.0] };
}

/// The probability that a pixel shows the person.
///
/// # Shapes
/// `probability` is `[height][width]`. The mask lies over the whole picture, whatever the sizes of both.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonMask {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Values in 0..=1, row by row.
    pub probability: Vec<f32>,
}

impl PersonMask {
    /// Looks for the person by MediaPipe's network of one near person. Several people are taken together; small figures
    /// far away are not found.
    pub fn of(picture: &RgbImage) -> Self {
        let square = resize_bicubic(picture, SIDE, SIDE);
        let channel = |c: usize| square.data.iter().skip(c).step_by(3).map(|v| f32::from(*v) / 255.0);
        let planes: Vec<f32> = (0..3).flat_map(channel).collect();
        Self { width: SIDE, height: SIDE, probability: NETWORK.run(planes) }
    }

    /// A mask that is known: 0 is background, 255 the person. `None` if the number of values is not `width · height`,
    /// or a side is 0.
    pub fn known(width: usize, height: usize, values: &[u8]) -> Option<Self> {
        let is_whole = width > 0 && width.checked_mul(height) == Some(values.len()) && height > 0;
        is_whole.then(|| Self {
            width,
            height,
            probability: values.iter().map(|v| f32::from(*v) / 255.0).collect(),
        })
    }

    /// The part of the mask that a cropped picture shows: rows `from..to` as shares of the height.
    #[must_use]
    pub fn rows(&self, from: f64, to: f64) -> Self {
        let row = |share: f64| ((share * self.height as f64).round() as usize).min(self.height);
        let (first, last) = (row(from), row(to));
        let last = last.max(first + 1).min(self.height);
        let first = first.min(last - 1);
        Self {
            width: self.width,
            height: last - first,
            probability: self.probability[first * self.width..last * self.width].to_vec(),
        }
    }

    /// The mean probability in each cell of a grid that lies over the picture.
    ///
    /// # Shapes
    /// → `[rows][columns]`; pixels that a border of cells cuts count in both by their area.
    pub fn cells(&self, rows: usize, columns: usize) -> Vec<f32> {
        self.cells_in(Window::WHOLE, rows, columns)
    }

    /// As [`PersonMask::cells`], for a grid that lies over a part of the picture.
    pub fn cells_in(&self, window: Window, rows: usize, columns: usize) -> Vec<f32> {
        let across = shares(self.width, window.columns, columns);
        let down = shares(self.height, window.rows, rows);
        let mut cells = Vec::with_capacity(rows * columns);
        for of_row in &down {
            for of_column in &across {
                let mut sum = 0.0;
                for (y, weight) in of_row {
                    let row = &self.probability[y * self.width..(y + 1) * self.width];
                    sum += weight * of_column.iter().map(|(x, w)| w * f64::from(row[*x])).sum::<f64>();
                }
                cells.push(sum as f32);
            }
        }
        cells
    }

    /// Whether the person is more likely than `threshold` anywhere in a part of the picture.
    pub fn is_anybody_in(&self, window: Window, threshold: f32) -> bool {
        let inside = |index: usize, size: usize, [from, to]: [f64; 2]| {
            let (start, end) = (index as f64 / size as f64, (index + 1) as f64 / size as f64);
            start < to && end > from
        };
        self.probability.iter().enumerate().any(|(index, probability)| {
            *probability > threshold
                && inside(index % self.width, self.width, window.columns)
                && inside(index / self.width, self.height, window.rows)
        })
    }

    /// The probability at a place, each in 0..1 of the width and of the height.
    pub fn at(&self, x: f64, y: f64) -> f32 {
        let index = |share: f64, size: usize| ((share * size as f64) as usize).min(size - 1);
        self.probability[index(y, self.height) * self.width + index(x, self.width)]
    }

    /// The picture with one colour wherever the person is not more likely than `threshold`.
    pub fn blank_background(&self, picture: &RgbImage, threshold: f32, colour: [u8; 3]) -> RgbImage {
        let mut blanked = picture.clone();
        for (index, pixel) in blanked.data.chunks_exact_mut(3).enumerate() {
            let (x, y) = (index % picture.width, index / picture.width);
            let place = |at: usize, size: usize| (at as f64 + 0.5) / size as f64;
            if self.at(place(x, picture.width), place(y, picture.height)) <= threshold {
                pixel.copy_from_slice(&colour);
            }
        }
        blanked
    }
}

/// For each of `cells` equal parts of `window` in `pixels`, the pixels it covers with their weights, which add up to 1.
fn shares(pixels: usize, window: [f64; 2], cells: usize) -> Vec<Vec<(usize, f64)>> {
    let [from, to] = window.map(|share| share * pixels as f64);
    let side = (to - from) / cells as f64;
    (0..cells)
        .map(|cell| {
            let (start, end) = (from + cell as f64 * side, from + (cell + 1) as f64 * side);
            let last = (end.ceil() as usize).min(pixels);
            let covered = |pixel: usize| (end.min((pixel + 1) as f64) - start.max(pixel as f64)).max(0.0);
            (start as usize..last).map(|pixel| (pixel, covered(pixel) / side)).collect()
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the numbers are exact in binary, or are not computed")]
mod tests {
    use super::*;

    fn mask(width: usize, values: &[u8]) -> PersonMask {
        PersonMask::known(width, values.len() / width, values).unwrap()
    }

    #[test]
    fn cells_are_means_weighted_by_area() {
        let known = mask(3, &[255, 0, 0, 255, 0, 0]);
        assert_eq!(known.cells(1, 3), [1.0, 0.0, 0.0]);
        let two = known.cells(1, 2);
        assert!((two[0] - 2.0 / 3.0).abs() < 1e-6 && two[1].abs() < 1e-6, "{two:?}");
        // A grid finer than the mask repeats its values.
        assert_eq!(known.cells(4, 3)[9..], [1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_grid_may_lie_over_a_part() {
        // The middle two of four columns, cut into two; the lower row alone.
        let known = mask(4, &[0, 0, 0, 0, 0, 255, 0, 255]);
        let window = Window { columns: [0.25, 0.75], rows: [0.5, 1.0] };
        assert_eq!(known.cells_in(window, 1, 2), [1.0, 0.0]);
        assert_eq!(known.cells_in(window, 1, 1), [0.5]);
        // A border within a pixel takes its part.
        let window = Window { columns: [0.375, 1.0], rows: [0.0, 1.0] };
        let cell = known.cells_in(window, 1, 1)[0];
        assert!((cell - (0.5 + 1.0) / 5.0).abs() < 1e-6, "{cell}");
        assert_eq!(known.cells_in(Window::WHOLE, 2, 4), known.cells(2, 4));
        assert!(known.is_anybody_in(Window { columns: [0.0, 1.0], rows: [0.5, 1.0] }, 0.5));
        assert!(!known.is_anybody_in(Window { columns: [0.0, 1.0], rows: [0.0, 0.5] }, 0.5));
        assert!(!known.is_anybody_in(Window { columns: [0.5, 0.75], rows: [0.0, 1.0] }, 0.5));
    }

    #[test]
    fn a_crop_takes_its_rows() {
        let known = mask(1, &[0, 255, 255, 0]);
        assert_eq!(known.rows(0.25, 0.75).probability, [1.0, 1.0]);
        assert_eq!(known.rows(0.0, 0.0).height, 1);
        assert_eq!(known.rows(1.0, 1.0).probability, [0.0]);
    }

    #[test]
    fn the_background_is_blanked_and_the_person_stays() {
        let picture = RgbImage::new(4, 1, (1..=12).collect()).unwrap();
        let blanked = mask(2, &[255, 0]).blank_background(&picture, 0.5, [9, 9, 9]);
        assert_eq!(blanked.data, [1, 2, 3, 4, 5, 6, 9, 9, 9, 9, 9, 9]);
    }

    #[test]
    fn sizes_are_checked() {
        assert!(PersonMask::known(2, 2, &[0; 3]).is_none());
        assert!(PersonMask::known(0, 0, &[]).is_none());
    }
}
