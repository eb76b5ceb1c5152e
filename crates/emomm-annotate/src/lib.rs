//! The annotation app: people label one modality at a time, and the server sees to it that they see no other.
//!
//! The paper's unimodal labels of CMU-MOSI came from shared folders and a spreadsheet, and its blinding from an
//! instruction (Sec. 3.1, App. A.2). Here every item has a random id of its own for each annotator and modality, and
//! every request is checked against what is open to the one who asks.

pub mod accounts;
mod adjudicate;
pub mod agreement;
pub mod audit;
pub mod backup;
pub mod clock;
pub mod design;
mod error;
pub mod export;
pub mod import;
mod opaque;
mod passwords;
pub mod progress;
mod project;
pub mod quality;
mod reassign;
mod references;
mod scheme;
mod settings;
pub mod store;
mod tones;
pub mod verify;
mod view;
pub mod votes;
pub mod web;
mod words;
pub mod work;

pub use error::AnnotateError;
pub use opaque::random_id;
pub use project::{BLOBS, DATABASE, Initialised, Invitation, Project};
pub use scheme::Scheme;
pub use settings::{Design, Gate, PassOrder, Settings};
pub use view::View;
pub use words::Language;
