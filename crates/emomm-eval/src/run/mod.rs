//! A run folder: what `emomm eval` and `emomm chase eval` write, and everything else reads.
//!
//! ```text
//! RUN/log.jsonl   the truth: a header line, then one record a line, append-only, acknowledged after fsync
//! RUN/attention/  attention by head and by token in sharded safetensors, referenced by the records' keys; may be absent
//! RUN/run.lock    held by the process that writes
//! ```
//!
//! A record is one (clip, coalition). It serves the full row of that coalition and, for a pair, the Missing row.
//! [`Run::open`] reads a folder; [`LogWriter`] writes one.
//!
//! ```no_run
//! use emomm_eval::run::{RecordStatus, Run};
//!
//! # fn main() -> Result<(), emomm_eval::run::RunError> {
//! let run = Run::open("RUN".as_ref())?;
//! let ok = run.records().iter().filter(|r| r.status == RecordStatus::Ok).count();
//! println!("{ok} of {}", run.header().plan.n_records);
//! # Ok(())
//! # }
//! ```

mod attention;
mod diff;
mod digest_memo;
mod error;
mod export;
mod export_folder;
mod folder;
mod header;
mod inspect;
mod lock;
mod log_file;
mod merge;
mod model_files;
mod problems;
mod reader;
mod record;
mod repeats;
mod rescore;
mod sink;
mod tensors;
mod whole;
mod writer;

pub use attention::{LayerAttention, RegionAttention, SpatialAttention};
pub use digest_memo::DigestMemo;
pub use error::RunError;
pub use export::ExportedRun;
pub(crate) use export::FORMULA_MARKS;
pub use export_folder::{METADATA_FILE, MediaFile};
pub use folder::{ATTENTION_FOLDER, LOG_FILE, Run};
pub use header::{
    BenchId, FORMAT_VERSION, ModelId, Places, Plan, RunHeader, Selection, Settings, Versions, hex,
};
pub use lock::{LOCK_FILE, lock_run};
pub use log_file::{DiskFile, LogFile};
pub use merge::{MergeError, merge};
pub use problems::{ProblemGroup, problems};
pub use record::{Record, RecordError, RecordStatus, SteeredLayer, SteeringTrace};
pub use repeats::{RepeatFigures, repeat_figures};
pub use rescore::reparsed;
pub use sink::RecordSink;
pub use tensors::KeptAttention;
pub use whole::write_whole;
pub use writer::LogWriter;
