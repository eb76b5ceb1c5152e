//! A plain RGB picture.

use crate::error::MediaError;

/// An 8-bit RGB picture.
///
/// # Shapes
/// `data` is `height × width × 3` bytes: rows from the top, pixels from the left, red, green, blue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The samples.
    pub data: Vec<u8>,
}

impl RgbImage {
    /// Takes the samples of a picture.
    ///
    /// # Errors
    /// [`MediaError::InvalidArgument`] when a side is zero or the number of bytes is not `width · height · 3`.
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Result<Self, MediaError> {
        let bytes = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
        match bytes {
            Some(bytes) if bytes > 0 && bytes == data.len() => Ok(Self { width, height, data }),
            _ => Err(MediaError::InvalidArgument {
                what: "RGB picture",
                found: format!("{} bytes", data.len()),
                expected: format!("3 bytes for each of {width} x {height} pixels, both sides above 0"),
            }),
        }
    }

    /// The samples of one pixel, `None` outside the picture.
    pub fn pixel(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let at = (y * self.width + x) * 3;
        self.data.get(at..at + 3)?.try_into().ok()
    }
}

/// A picture of float samples in the range of 8-bit ones, rows from the top, three channels interleaved.
#[derive(Debug, Clone, PartialEq)]
pub struct FloatImage {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `height × width × 3` samples.
    pub data: Vec<f32>,
}

impl From<&RgbImage> for FloatImage {
    fn from(image: &RgbImage) -> Self {
        Self {
            width: image.width,
            height: image.height,
            data: image.data.iter().copied().map(f32::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        let image = RgbImage::new(2, 1, vec![1, 2, 3, 4, 5, 6]).expect("six bytes are two pixels");
        assert_eq!(image.pixel(1, 0), Some([4, 5, 6]));
        assert_eq!(image.pixel(2, 0), None);
        assert!(RgbImage::new(2, 1, vec![0; 5]).is_err());
        assert!(RgbImage::new(0, 1, vec![]).is_err());
        assert!(RgbImage::new(usize::MAX, 2, vec![]).is_err());
    }
}
