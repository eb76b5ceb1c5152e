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
pub(super) struct Work {
    pub(super) queue: Arc<Queue>,
    pub(super) slot: Arc<Slot>,
    pub(super) open: Arc<OpenPredictor>,
    pub(super) options: PredictOptions,
    pub(super) keeps_tensors: bool,
    pub(super) messages: SyncSender<Message>,
}

impl Work {
    /// Works until there is nothing left. A closed channel means that nobody listens any more.
    pub(super) fn run(self) {
        let mut opened = Opened::new(Arc::clone(&self.open));
        if let Err(error) = opened.predictor() {
            let _ = self.messages.send(Message::CannotOpen(error));
            return;
        }
        while let Some(item) = self.queue.next() {
            self.slot.begin(&item);
            let answered = self.answer(&mut opened, &item);
            if !self.slot.end() {
                return;
            }
            let is_over = !matches!(answered, Message::Done(..));
            if self.messages.send(answered).is_err() || is_over {
                return;
            }
        }
        let _ = self.messages.send(Message::Ended);
    }

    fn answer(&self, opened: &mut Opened, item: &WorkItem) -> Message {
        let before = opened.cost();
        let coalitions: Vec<ModalitySet> = item.wanted.iter().map(|w| w.coalition).collect();
        let mut outcomes = match self.ask(opened, item, &coalitions) {
            Ok(outcomes) => outcomes,
            Err(Ended::CannotOpen(error)) => return Message::CannotOpen(error),
            // One of the coalitions may be to blame; the others are asked again, each alone.
            Err(Ended::Panicked(_)) if coalitions.len() > 1 => {
                let mut alone = Vec::with_capacity(coalitions.len());
                for coalition in &coalitions {
                    match self.ask(opened, item, &[*coalition]) {
                        Ok(mut one) => alone.append(&mut one),
                        Err(Ended::CannotOpen(error)) => return Message::CannotOpen(error),
                        Err(Ended::Panicked(error)) => alone.push(Answer::Failed(error)),
                    }
                }
                alone
            }
            Err(Ended::Panicked(error)) => vec![Answer::Failed(error)],
        };
        let setup = outcomes.iter().find_map(|outcome| match outcome {
            Answer::Predicted(outcome) => {
                outcome.as_ref().as_ref().err().filter(|e| e.kind.ends_the_run()).cloned()
            }
            Answer::Failed(_) => None,
        });
        if let Some(error) = setup {
            return Message::Setup(error);
        }
        let found = outcomes.len();
        let message = format!("the model gave {found} answers to {} coalitions", coalitions.len());
        outcomes
            .resize_with(coalitions.len(), || Answer::Failed(RecordError::new("garbage", message.clone())));
        let records = item.wanted.iter().zip(outcomes).map(|(wanted, outcome)| {
            let (key, sample) = (wanted.key.clone(), item.clip.id.clone());
            match outcome {
                Answer::Predicted(outcome) => {
                    let kept = outcome.as_ref().as_ref().ok().filter(|_| self.keeps_tensors);
                    let kept = kept.and_then(|p| {
                        let heads = p.attention.clone()?;
                        Some(KeptAttention { heads, tokens: p.token_maps.clone() })
                    });
                    let record = Record::of(key, sample, wanted.coalition, *outcome);
                    let kept = kept.filter(|_| record.status == RecordStatus::Ok);
                    (record, kept)
                }
                Answer::Failed(error) => {
                    (Record::failed(key, sample, wanted.coalition, RecordStatus::Error, error), None)
                }
            }
        });
        let mut records: Vec<Done> = records.collect();
        let cost = opened.cost() - before;
        if let Some((first, _)) = records.first_mut().filter(|_| cost != TokenCost::default()) {
            first.token_cost = Some(cost);
        }
        Message::Done(records, cost)
    }

    /// Asks for some coalitions of a clip. After a panic nobody knows the predictor's state: the next one is new.
    fn ask(
        &self,
        opened: &mut Opened,
        item: &WorkItem,
        coalitions: &[ModalitySet],
    ) -> Result<Vec<Answer>, Ended> {
        let predictor = opened.predictor().map_err(Ended::CannotOpen)?;
        let call = AssertUnwindSafe(|| predictor.predict(&item.clip, coalitions, &self.options));
        match catch_unwind(call) {
            Ok(outcomes) => Ok(outcomes.into_iter().map(|o| Answer::Predicted(Box::new(o))).collect()),
            Err(payload) => {
                opened.forget();
                let message = format!("the model panicked: {}", text(payload.as_ref()));
                Err(Ended::Panicked(RecordError::new("panic", message)))
            }
        }
    }
}

/// What came of one coalition.
enum Answer {
    Predicted(Box<Result<Prediction, PredictError>>),
    Failed(RecordError),
}

/// Why a call gave nothing.
enum Ended {
    Panicked(RecordError),
    CannotOpen(PredictError),
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
