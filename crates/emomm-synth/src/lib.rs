//! The synthetic clip world: clips whose truth is known, as media files in the layouts of the real corpora.
//!
//! The real corpora may not be passed on. This world can: a drawn person who speaks without words, and a sentence, each
//! with a score of its own. `emomm build` reads it with the readers of the real corpora. Wherever figures of it appear
//! they are called synthetic.
//!
//! [`parameters`] holds every number and the rule of truth. A [`Plan`] says which clips there are; [`Plan::picture`] and
//! [`Plan::sound`] make their source arrays, which are the same bytes on every machine; [`write_world`] encodes them and
//! writes label files and truth.
//!
//! ```
//! use emomm_synth::{Mix, Plan, WorldSettings};
//!
//! # fn main() -> Result<(), emomm_synth::SynthError> {
//! let plan = Plan::new(WorldSettings { clips: 10, seed: 1, mix: Mix::default(), original_layout: false })?;
//! let clip = &plan.clips()[0];
//! assert_eq!(plan.sound(clip).len(), clip.n_frames * 1280);
//! # Ok(())
//! # }
//! ```

mod draw;
mod encode;
mod error;
mod ids;
mod labels;
pub mod parameters;
mod picture;
mod plan;
mod speaker;
mod text;
mod truth;
mod truth_file;
mod voice;
mod world;
mod world_file;

pub use error::SynthError;
pub use picture::Picture;
pub use plan::{ClipPlan, MOST_CLIPS, Mix, Plan, WorldSettings};
pub use truth::{FrameTruth, Stratum, Truth, followed};
pub use truth_file::{ClipTruth, read_truth};
pub use world::{MOSI_LABELS_FILE, MOSI_ORIGINAL, SPEAKERS_FILE, TRUTH_FILE, WorldProgress, write_world};
pub use world_file::{WORLD_FILE, WorldFile};
