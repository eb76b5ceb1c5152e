//! The band of a frame that holds subtitles: a transcript that is masked as text may still stand in the picture.

use std::str::FromStr;

use crate::error::MediaError;
use crate::image::RgbImage;

/// What is done about subtitles in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubtitleTreatment {
    /// The frame stays as it is.
    #[default]
    Keep,
    /// The band is cut off; frames become lower.
    Crop,
    /// The band is black; frames keep their size.
    Mask,
}

impl SubtitleTreatment {
    /// The word on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Crop => "crop",
            Self::Mask => "mask",
        }
    }
}

impl FromStr for SubtitleTreatment {
    type Err = MediaError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        [Self::Keep, Self::Crop, Self::Mask].into_iter().find(|t| t.name() == word).ok_or_else(|| {
            MediaError::InvalidArgument {
                what: "treatment of the subtitle band",
                found: word.to_owned(),
                expected: "keep, crop or mask".to_owned(),
            }
        })
    }
}

/// A band of rows over the whole width, at the upper or the lower edge, and what is done about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubtitleBand {
    /// What is done.
    pub treatment: SubtitleTreatment,
    /// First row, as a share of the height from the top.
    from: f64,
    /// End, likewise.
    to: f64,
}

impl Default for SubtitleBand {
    /// The lowest fifth, kept.
    fn default() -> Self {
        Self { treatment: SubtitleTreatment::Keep, from: 0.8, to: 1.0 }
    }
}

impl SubtitleBand {
    /// A band `from..to` as shares of the height.
    ///
    /// # Errors
    /// [`MediaError::InvalidArgument`] for a band that is empty, covers the whole frame, or touches neither edge.
    pub fn new(treatment: SubtitleTreatment, from: f64, to: f64) -> Result<Self, MediaError> {
        let is_inside = 0.0 <= from && from < to && to <= 1.0;
        let touches_one = (from <= 0.0) != (to >= 1.0);
        if is_inside && touches_one {
            return Ok(Self { treatment, from, to });
        }
        Err(MediaError::InvalidArgument {
            what: "subtitle band",
            found: format!("{from} to {to}"),
            expected:
                "shares of the height from the top that reach one edge of the frame, for example 0.8 to 1"
                    .to_owned(),
        })
    }

    /// The band as shares of the height from the top.
    pub fn rows(&self) -> [f64; 2] {
        [self.from, self.to]
    }

    /// The rows that are left of a picture, as shares of its height.
    pub fn visible(&self) -> [f64; 2] {
        match (self.treatment, self.from <= 0.0) {
            (SubtitleTreatment::Crop, true) => [self.to, 1.0],
            (SubtitleTreatment::Crop, false) => [0.0, self.from],
            _ => [0.0, 1.0],
        }
    }

    /// The height that is left of `height` rows; at least 1.
    pub fn visible_height(&self, height: usize) -> usize {
        let (first, last) = pixel_rows(height, self.visible());
        last - first
    }

    /// Does what is to be done to one frame.
    pub fn apply(&self, picture: RgbImage) -> RgbImage {
        let line = picture.width * 3;
        match self.treatment {
            SubtitleTreatment::Keep => picture,
            SubtitleTreatment::Crop => {
                let (first, last) = pixel_rows(picture.height, self.visible());
                let data = picture.data[first * line..last * line].to_vec();
                RgbImage { height: last - first, data, ..picture }
            }
            SubtitleTreatment::Mask => {
                let (first, last) = pixel_rows(picture.height, self.rows());
                let mut picture = picture;
                picture.data[first * line..last * line].fill(0);
                picture
            }
        }
    }
}

/// First row and end of shares of the height; one row at least.
fn pixel_rows(height: usize, [from, to]: [f64; 2]) -> (usize, usize) {
    let row = |share: f64| ((share * height as f64).round() as usize).min(height);
    let (first, last) = (row(from), row(to));
    let first = first.min(height - 1);
    (first, last.max(first + 1))
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the numbers are exact in binary, or are not computed")]
mod tests {
    use super::*;

    fn picture() -> RgbImage {
        RgbImage::new(1, 5, (1..=15).collect()).unwrap()
    }

    #[test]
    fn a_band_is_cut_off_or_black() {
        let band = |treatment| SubtitleBand { treatment, ..SubtitleBand::default() };
        assert_eq!(band(SubtitleTreatment::Keep).apply(picture()), picture());
        let cropped = band(SubtitleTreatment::Crop).apply(picture());
        assert_eq!((cropped.height, &cropped.data[..]), (4, &picture().data[..12]));
        assert_eq!(band(SubtitleTreatment::Crop).visible_height(5), 4);
        let masked = band(SubtitleTreatment::Mask).apply(picture());
        assert_eq!((masked.height, &masked.data[12..]), (5, &[0, 0, 0][..]));
        assert_eq!(masked.data[..12], picture().data[..12]);
    }

    #[test]
    fn a_band_at_the_top_leaves_what_is_below() {
        let band = SubtitleBand::new(SubtitleTreatment::Crop, 0.0, 0.4).unwrap();
        assert_eq!(band.visible(), [0.4, 1.0]);
        assert_eq!(band.apply(picture()).data, picture().data[6..]);
    }

    #[test]
    fn bands_that_leave_nothing_or_float_are_refused() {
        for (from, to) in [(0.0, 1.0), (0.4, 0.6), (0.9, 0.8), (-0.1, 0.2), (0.8, 1.1), (f64::NAN, 1.0)] {
            assert!(SubtitleBand::new(SubtitleTreatment::Mask, from, to).is_err(), "{from} {to}");
        }
        assert!("blur".parse::<SubtitleTreatment>().is_err());
    }

    #[test]
    fn one_row_is_always_left() {
        let band = SubtitleBand::new(SubtitleTreatment::Crop, 0.1, 1.0).unwrap();
        assert_eq!(band.visible_height(1), 1);
        assert_eq!(band.apply(RgbImage::new(1, 1, vec![1, 2, 3]).unwrap()).height, 1);
    }
}
