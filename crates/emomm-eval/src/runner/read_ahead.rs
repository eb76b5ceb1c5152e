//! Reads the media of the next clips while the workers compute, so that they find them decoded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use emomm_dataset::ModalitySet;

use super::shared::Queue;
use super::supervisor::OpenPredictor;

/// How often it is looked whether the workers went on.
const PAUSE: Duration = Duration::from_millis(10);

/// Starts the thread. It is at most `most` clips ahead, one at a time, and ends with the queue. Whatever fails ends it: the
/// workers read for themselves then.
pub(super) fn start(queue: &Arc<Queue>, open: &Arc<OpenPredictor>, most: usize) {
    let (queue, open) = (Arc::clone(queue), Arc::clone(open));
    thread::spawn(move || {
        // The end of the closure is the end of the thread, however it comes.
        let _ = catch_unwind(AssertUnwindSafe(|| read_ahead(&queue, &open, most)));
    });
}

fn read_ahead(queue: &Queue, open: &Arc<OpenPredictor>, most: usize) {
    let Ok(predictor) = open() else { return };
    let mut next = 0;
    while queue.len() > 0 {
        let Some((number, item)) = queue.ahead(next, most) else {
            thread::sleep(PAUSE);
            continue;
        };
        next = number + 1;
        let coalitions: Vec<ModalitySet> = item.wanted.iter().map(|w| w.coalition).collect();
        predictor.read_ahead(&item.clip, &coalitions);
    }
}
