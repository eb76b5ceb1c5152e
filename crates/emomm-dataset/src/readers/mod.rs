//! Label files of every layout, as clips and findings.
//!
//! Readers take what is written and judge nothing: ids and scores stay text, and a row that is odd is kept with a
//! finding beside it. `build` applies the policies.

mod ch_sims;
mod clip;
mod folder;
mod hdf5;
mod mosi;
mod mosi_sequences;
mod plain;
mod speakers;
mod spreadsheet;
mod table;
pub(crate) mod text_file;
mod unimodal;

pub use ch_sims::read_ch_sims;
pub use clip::{CorpusInfo, Layout, RawClip, Reading, SourceFile};
pub use folder::{FolderOptions, read_folder};
pub use mosi::read_mosi;
pub use plain::{PlainRow, PlainTable, read_plain};
pub use speakers::{Speakers, read_speakers};
pub use unimodal::add_unimodal_labels;
