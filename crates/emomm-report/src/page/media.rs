//! Pictures and sound of a clip for its card. There are none unless media were asked for.

/// What of a clip's media a card shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClipMedia {
    /// A few frames, JPEG as data URLs.
    pub frames: Vec<String>,
    /// Loudness over time, 0 to 1.
    pub wave: Vec<f64>,
}
