//! What workers and their supervisor share: the queue, and what each worker is doing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::item::WorkItem;
use super::worker::Done;

/// Clips that nobody has begun.
#[derive(Debug)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    items: VecDeque<Arc<WorkItem>>,
    /// Clips that were taken.
    n_taken: usize,
}

/// A lock that a panicking holder left is used all the same: what it guards is whole between calls.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    pub(super) fn new(items: Vec<WorkItem>) -> Self {
        Self(Mutex::new(Waiting { items: items.into_iter().map(Arc::new).collect(), n_taken: 0 }))
    }

    pub(super) fn next(&self) -> Option<Arc<WorkItem>> {
        let mut waiting = locked(&self.0);
        let item = waiting.items.pop_front()?;
        waiting.n_taken += 1;
        Some(item)
    }

    /// The clip of a number, counted from the first of all, or the next one that nobody has begun, with its number; `None` where
    /// that is `most` or more clips ahead of the workers, or there is none.
    pub(super) fn ahead(&self, number: usize, most: usize) -> Option<(usize, Arc<WorkItem>)> {
        let waiting = locked(&self.0);
        let place = number.saturating_sub(waiting.n_taken);
        let item = waiting.items.get(place).filter(|_| place < most)?;
        Some((waiting.n_taken + place, Arc::clone(item)))
    }

    /// Forgets what was not begun; gives the number of clips.
    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut locked(&self.0).items).len()
    }

    pub(super) fn len(&self) -> usize {
        locked(&self.0).items.len()
    }
}

/// What a worker is doing. Whoever holds the lock decides: a worker that was given up does not report any more.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Doing>);

#[derive(Debug, Default)]
struct Doing {
    work: Option<Work>,
    is_given_up: bool,
}

/// A clip that is being answered, and the records of the coalitions that are done.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) item: Arc<WorkItem>,
    began: Instant,
    /// One place for each coalition that is wanted.
    pub(super) done: Vec<Option<Done>>,
}

impl Slot {
    /// The worker begins a clip.
    pub(super) fn begin(&self, item: &Arc<WorkItem>) {
        let done = item.wanted.iter().map(|_| None).collect();
        locked(&self.0).work = Some(Work { item: Arc::clone(item), began: Instant::now(), done });
    }

    /// The record of one coalition of the clip is there. The first one counts, and none counts after the worker was given up.
    pub(super) fn keep(&self, place: usize, record: Done) {
        let mut doing = locked(&self.0);
        let empty = doing.work.as_mut().and_then(|work| work.done.get_mut(place)).filter(|p| p.is_none());
        if let Some(empty) = empty {
            *empty = Some(record);
        }
    }

    /// The coalitions, by place, of which there is no record yet.
    pub(super) fn left(&self) -> Vec<usize> {
        let doing = locked(&self.0);
        let done = doing.work.iter().flat_map(|work| work.done.iter().enumerate());
        done.filter(|(_, record)| record.is_none()).map(|(place, _)| place).collect()
    }

    /// The worker has ended the clip; gives what is done of it, or `None` if the worker was given up meanwhile.
    pub(super) fn end(&self) -> Option<Vec<Option<Done>>> {
        let work = locked(&self.0).work.take()?;
        Some(work.done)
    }

    /// What it is doing, and for how long.
    pub(super) fn doing(&self) -> Option<(Arc<WorkItem>, Duration)> {
        locked(&self.0).work.as_ref().map(|work| (Arc::clone(&work.item), work.began.elapsed()))
    }

    /// Gives the worker up if it has worked on one clip for longer than `most`; gives the clip.
    pub(super) fn give_up(&self, most: Duration) -> Option<Work> {
        let mut doing = locked(&self.0);
        let late = doing.work.as_ref().is_some_and(|work| work.began.elapsed() > most);
        if !late || doing.is_given_up {
            return None;
        }
        doing.is_given_up = true;
        doing.work.take()
    }
}
