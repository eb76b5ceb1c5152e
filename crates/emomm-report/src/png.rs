//! SVG to PNG, the same on every machine: the font of the words is brought along.
//!
//! The font is a part of DejaVu Sans (Latin, Greek and some signs). What it lacks, for example Chinese names, is looked
//! for among the fonts of the system.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::error::ReportError;

const REGULAR: &[u8] = include_bytes!("../assets/DejaVuSans-part.ttf");
const BOLD: &[u8] = include_bytes!("../assets/DejaVuSans-Bold-part.ttf");

/// Pixels for each unit of a drawing.
const SCALE: f32 = 2.0;
/// A wider or higher picture is refused.
const MAX_PIXELS: u32 = 12_000;

/// Fonts are read once.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(BOLD.to_vec());
    fonts.load_system_fonts();
    // The system's configuration may name families that are not there.
    fonts.set_sans_serif_family("DejaVu Sans");
    fonts.set_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

/// A picture of a drawing whose colours are fixed.
pub(crate) fn rendered(svg: &str, name: &str) -> Result<Vec<u8>, ReportError> {
    let failed = |reason: String| ReportError::Picture { name: name.to_owned(), reason };
    let options =
        Options { font_family: "DejaVu Sans".to_owned(), fontdb: Arc::clone(&FONTS), ..Options::default() };
    // Names of system fonts would make the picture depend on the machine.
    let svg = svg.replace("system-ui,-apple-system,'Segoe UI',Roboto,", "");
    let tree = Tree::from_str(&svg, &options).map_err(|e| failed(e.to_string()))?;
    let size = tree.size();
    let (width, height) = ((size.width() * SCALE).ceil() as u32, (size.height() * SCALE).ceil() as u32);
    if width > MAX_PIXELS || height > MAX_PIXELS {
        return Err(failed(format!("found {width} × {height} pixels, expected at most {MAX_PIXELS} each")));
    }
    let mut picture = Pixmap::new(width, height)
        .ok_or_else(|| failed(format!("found {width} × {height} pixels, expected at least one each")))?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
    picture.encode_png().map_err(|e| failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_becomes_a_picture_of_twice_its_size() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"30\" height=\"20\"><rect width=\"30\" height=\"20\" \
                   fill=\"#0072b2\"/></svg>";
        let png = rendered(svg, "test").unwrap();
        assert!(png.starts_with(b"\x89PNG"));
        let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert_eq!((side(16), side(20)), (60, 40));
    }

    #[test]
    fn words_leave_ink() {
        let empty = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"60\" height=\"20\"></svg>";
        let words =
            empty.replace("></svg>", "><text x=\"2\" y=\"15\" font-family=\"sans-serif\">Aé ρ</text></svg>");
        assert_ne!(rendered(empty, "empty").unwrap(), rendered(&words, "words").unwrap());
    }

    #[test]
    fn what_is_no_drawing_is_refused() {
        let error = rendered("no svg", "fig6").unwrap_err().to_string();
        assert!(error.contains("fig6"), "{error}");
    }
}
