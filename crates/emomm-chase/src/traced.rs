//! A hook for one row that leaves its trace behind.

use std::sync::{Arc, Mutex};

use candle_core::Tensor;
use emomm_eval::run::SteeringTrace;
use emomm_models::decoder::{DecisionHook, DecisionLayer};

use crate::config::SteerScope;
use crate::hook::SteeringHook;

/// Where the trace of a hook stands once the decision row has run.
pub type TraceCell = Arc<Mutex<Option<SteeringTrace>>>;

/// Steers one row and leaves its trace behind.
pub(crate) struct TracedHook {
    pub(crate) inner: SteeringHook,
    pub(crate) name: String,
    pub(crate) cell: TraceCell,
    /// The last layer that was seen; rows after the decision begin again with the first.
    pub(crate) last: Option<usize>,
}

impl DecisionHook for TracedHook {
    fn attn_bias(&mut self, layer: &DecisionLayer<'_>) -> candle_core::Result<Option<Tensor>> {
        self.inner.attn_bias(layer)
    }

    fn continues(&self) -> bool {
        self.inner.variants().iter().all(|v| v.config().steer_scope == SteerScope::EveryToken)
    }

    fn observe_pattern(&mut self, layer: usize, pattern: &Tensor) -> candle_core::Result<()> {
        let is_later = self.last.is_some_and(|last| layer <= last);
        if is_later {
            // The trace is that of the decision.
            self.last = Some(usize::MAX);
            return Ok(());
        }
        self.last = Some(layer);
        self.inner.observe_pattern(layer, pattern)?;
        if let (Some(run), Ok(mut cell)) = (self.inner.variants().first(), self.cell.lock()) {
            *cell = Some(run.trace(&self.name));
        }
        Ok(())
    }
}
