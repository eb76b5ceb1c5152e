//! The benchmark on disk: one Parquet file with a row for each sample, and a header in JSON.
//!
//! Both are readable without this crate: `pandas.read_parquet("manifest.parquet")`.

mod card;
mod columns;
mod croissant;
mod files;
mod header;
mod row;
mod verify;

pub use card::{CARD_FILE, CROISSANT_FILE, CardDetails, card};
pub use croissant::{COLUMNS, croissant, croissant_context, croissant_field, croissant_parquet};
pub use files::{HEADER_FILE, Manifest, PARQUET_FILE, ROOTS_FILE};
pub use header::{CorpusRecord, Counts, FORMAT_VERSION, ManifestHeader};
pub use row::ManifestRow;
pub use verify::{Check, verify, verify_media};
