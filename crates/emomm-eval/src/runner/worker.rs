//! A worker: one thread, one predictor, one clip at a time.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use emomm_dataset::ModalitySet;

use super::item::WorkItem;
use super::shared::{Queue, Slot};
use super::supervisor::OpenPredictor;
use crate::predictor::{PredictError, PredictErrorKind, PredictOptions, Prediction, Predictor, TokenCost};
use crate::run::{KeptAttention, Record, RecordError, RecordStatus};

/// A record, and the attention by head and token where it is kept.
pub(super) type Done = (Record, Option<KeptAttention>);

/// What a worker has to say.
pub(super) enum Message {
    /// The records of a clip, and what its prompts cost.
    Done(Vec<Done>, TokenCost),
    /// Something that every clip needs is missing: no clip is to blame.
    Setup(PredictError),
    /// No predictor could be opened.
    CannotOpen(PredictError),
    /// The worker has ended.
    Ended,
}

/// What a worker needs.
pub(super) struct Worker {
    pub(super) queue: Arc<Queue>,
    pub(super) slot: Arc<Slot>,
    pub(super) open: Arc<OpenPredictor>,
    pub(super) options: PredictOptions,
    pub(super) keeps_tensors: bool,
    pub(super) messages: SyncSender<Message>,
}

impl Worker {
    /// Works until there is nothing left. A closed channel means that nobody listens any more.
    pub(super) fn run(self) {
        let mut opened = Opened::new(Arc::clone(&self.open));
        if let Err(error) = opened.predictor() {
            let _ = self.messages.send(Message::CannotOpen(error));
            return;
        }
        while let Some(item) = self.queue.next() {
            self.slot.begin(&item);
            let before = opened.cost();
            let answered = self.answer(&mut opened, &item);
            let Some(done) = self.slot.end() else { return };
            let cost = opened.cost() - before;
            let mut done: Vec<Done> = done.into_iter().flatten().collect();
            // What a call cost stands in its first record.
            if let Some((first, _)) = done.first_mut().filter(|_| cost != TokenCost::default()) {
                first.token_cost = Some(cost);
            }
            if self.messages.send(Message::Done(done, cost)).is_err() {
                return;
            }
            // What was done of the clip before stays.
            if let Err(fault) = answered {
                let _ = self.messages.send(fault);
                return;
            }
        }
        let _ = self.messages.send(Message::Ended);
    }

    /// Puts the records of a clip into the slot, as they come; one for each coalition unless the run ends.
    ///
    /// # Errors
    /// What ends the run: something that every clip needs is missing.
    fn answer(&self, opened: &mut Opened, item: &WorkItem) -> Result<(), Message> {
        let all: Vec<usize> = (0..item.wanted.len()).collect();
        let Some(panicked) = self.ask(opened, item, &all)? else { return Ok(()) };
        if all.len() == 1 {
            self.fail(item, 0, panicked);
            return Ok(());
        }
        // One of the coalitions may be to blame; those that are left are asked again, each alone.
        for place in self.slot.left() {
            if let Some(panicked) = self.ask(opened, item, &[place])? {
                self.fail(item, place, panicked);
            }
        }
        Ok(())
    }

    /// Asks for some coalitions of a clip, by place; gives the error of a panic. After one nobody knows the predictor's state: the
    /// next one is new.
    fn ask(
        &self,
        opened: &mut Opened,
        item: &WorkItem,
        places: &[usize],
    ) -> Result<Option<RecordError>, Message> {
        let predictor = opened.predictor().map_err(Message::CannotOpen)?;
        let coalitions: Vec<ModalitySet> = places.iter().map(|place| item.wanted[*place].coalition).collect();
        let mut fault = None;
        let mut n_found = 0;
        let called = catch_unwind(AssertUnwindSafe(|| {
            predictor.predict_each(&item.clip, &coalitions, &self.options, &mut |place, result| {
                n_found += 1;
                match (result, places.get(place)) {
                    (Err(error), _) if error.kind.ends_the_run() => fault = Some(error),
                    (result, Some(place)) => self.slot.keep(*place, self.record(item, *place, result)),
                    (_, None) => {}
                }
            });
        }));
        if let Some(error) = fault {
            return Err(Message::Setup(error));
        }
        if let Err(payload) = called {
            opened.forget();
            let message = format!("the model panicked: {}", text(payload.as_ref()));
            return Ok(Some(RecordError::new("panic", message)));
        }
        let message = format!("the model gave {n_found} answers to {} coalitions", coalitions.len());
        for place in self.slot.left().into_iter().filter(|place| places.contains(place)) {
            self.fail(item, place, RecordError::new("garbage", message.clone()));
        }
        Ok(None)
    }

    fn record(&self, item: &WorkItem, place: usize, result: Result<Prediction, PredictError>) -> Done {
        let wanted = &item.wanted[place];
        let kept = result.as_ref().ok().filter(|_| self.keeps_tensors);
        let kept = kept.and_then(|p| {
            let heads = p.attention.clone()?;
            Some(KeptAttention { heads, tokens: p.token_maps.clone() })
        });
        let record = Record::of(wanted.key.clone(), item.clip.id.clone(), wanted.coalition, result);
        let kept = kept.filter(|_| record.status == RecordStatus::Ok);
        (record, kept)
    }

    fn fail(&self, item: &WorkItem, place: usize, error: RecordError) {
        let wanted = &item.wanted[place];
        let (key, sample) = (wanted.key.clone(), item.clip.id.clone());
        self.slot
            .keep(place, (Record::failed(key, sample, wanted.coalition, RecordStatus::Error, error), None));
    }
}

/// A predictor that is opened when it is needed.
struct Opened {
    open: Arc<OpenPredictor>,
    predictor: Option<Box<dyn Predictor + Send>>,
}

impl Opened {
    fn new(open: Arc<OpenPredictor>) -> Self {
        Self { open, predictor: None }
    }

    fn predictor(&mut self) -> Result<&mut Box<dyn Predictor + Send>, PredictError> {
        if self.predictor.is_none() {
            let opened = catch_unwind(AssertUnwindSafe(|| (self.open)())).unwrap_or_else(|payload| {
                let message = format!("opening the model panicked: {}", text(payload.as_ref()));
                Err(PredictError { kind: PredictErrorKind::Model, message, hint: None })
            });
            self.predictor = Some(opened?);
        }
        self.predictor.as_mut().ok_or_else(|| PredictError {
            kind: PredictErrorKind::Model,
            message: "no model is open".to_owned(),
            hint: None,
        })
    }

    fn cost(&self) -> TokenCost {
        self.predictor.as_ref().and_then(|p| p.token_cost()).unwrap_or_default()
    }

    fn forget(&mut self) {
        let predictor = self.predictor.take();
        // What cannot be dropped is left behind.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(predictor)));
    }
}

/// What a panic said.
fn text(payload: &(dyn Any + Send)) -> String {
    let said = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
    said.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
