//! The paper's metrics (Sec. 3.3, 4.1; App. B, C.2) and their uncertainty: pure functions from predictions and
//! labels to figures.
//!
//! - *Classes*: [`Classification`], [`Confusion`]: Acc, F1, UAR, ACC-3, ACC-2. *Scores*: [`ScoreError`],
//!   [`pearson`].
//! - *Modalities*: [`consistency`] Eq. (1), [`Psmv`] Eq. (2) and (16), [`Gtar`] Eq. (3), (4) and (17),
//!   [`LayerProfile`] for nMAS of Eq. (5), [`DeltaV`] Eq. (18).
//! - *Annotators*: [`fleiss_kappa`], [`krippendorff_alpha`], [`pairwise_agreement`],
//!   [`intra_class`] on [`Ratings`].
//! - *Uncertainty*: [`cluster_bootstrap`], [`swap_test`], [`sign_flip_test`], [`mcnemar`], [`holm`],
//!   [`smallest_detectable_difference`].
//!
//! Nothing here reads a file, holds state or draws a number without a named seed. A figure that cannot be computed,
//! because there is no sample or because it is not defined, is `None`, never 0.0; input that contradicts itself is
//! a [`MetricError`]. Every figure carries its number of samples.

mod bootstrap;
mod classification;
mod clusters;
mod confusion;
mod consistency;
mod correlation;
mod delta_v;
mod error;
mod figure;
mod fleiss;
mod gtar;
mod holm;
mod intra_class;
mod krippendorff;
mod mcnemar;
mod nmas;
mod pairwise;
mod permutation;
mod power;
mod psmv;
mod ratings;
mod score_error;
mod statistics;

pub use bootstrap::{BootstrapOptions, Estimate, cluster_bootstrap, cluster_bootstrap_many, quantile};
pub use classification::{Acc2, Classification, binary, five_class, polarity};
pub use clusters::Clusters;
pub use confusion::{Answer, ClassAverage, ClassScore, Confusion};
pub use consistency::{ConsistencyMatrix, consistency};
pub use correlation::pearson;
pub use delta_v::{DeltaV, Performance};
pub use error::MetricError;
pub use figure::{Figure, Unparsed};
pub use fleiss::fleiss_kappa;
pub use gtar::{AlignedRate, ConflictReading, Gtar, GtarOptions, GtarSample};
pub use holm::{Adjusted, Comparison, Family, holm};
pub use intra_class::{IntraClass, intra_class};
pub use krippendorff::{AlphaLevel, krippendorff_alpha};
pub use mcnemar::{Flips, mcnemar};
pub use nmas::{HeadScores, LayerProfile};
pub use pairwise::{KappaWeights, PairAgreement, PairwiseAgreement, cohen_kappa, pairwise_agreement};
pub use permutation::{PermutationOptions, PermutationTest, sign_flip_test, swap_test};
pub use power::{
    cluster_standard_error, effective_samples, paired_standard_error, smallest_detectable_difference,
};
pub use psmv::Psmv;
pub use ratings::{Agreement, Ratings};
pub use score_error::{ScoreError, ScoredAnswer, mae};
pub use statistics::{ALL_CORPORA, ClassCounts, DescribedSample, MissingCounts, Statistics, SubsetCounts};
