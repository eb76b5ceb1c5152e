//! The benchmark on disk: one Parquet file with a row for each sample, and a header in JSON.
//!
//! Both are readable without this crate: `pandas.read_parquet("manifest.parquet")`.

mod columns;
mod files;
mod header;
mod row;
mod verify;

pub use files::{HEADER_FILE, Manifest, PARQUET_FILE, ROOTS_FILE};
pub use header::{CorpusRecord, Counts, FORMAT_VERSION, ManifestHeader};
pub use row::ManifestRow;
pub use verify::{Check, verify, verify_media};
