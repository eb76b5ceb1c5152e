//! Import: clips of a corpus or a benchmark become items of one view each.
//!
//! Derivatives get random names in a folder of their own; the originals are read and never served.

mod derive;
mod sources;

pub use derive::{ImportOptions, Imported, PreparedClip, PreparedView, import, import_prepared};
pub use sources::{Source, SourceClip, read_source};
