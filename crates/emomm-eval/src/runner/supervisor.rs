//! Hands clips to workers, appends what they return in groups, and gives up on those that hang.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::fail_on::FailOn;
use super::item::WorkItem;
use super::read_ahead;
use super::shared::{Queue, Slot, Work};
use super::stop::Stop;
use super::worker::{Done, Message, Worker};
use crate::predictor::{PredictError, PredictErrorKind, PredictOptions, Predictor, TokenCost};
use crate::run::{ProblemGroup, Record, RecordError, RecordSink, RecordStatus, RunError};

/// Opens a predictor. Every worker has one of its own, and a new one after a panic.
pub type OpenPredictor = dyn Fn() -> Result<Box<dyn Predictor + Send>, PredictError> + Send + Sync;

/// Most records of a group.
const GROUP_RECORDS: usize = 4096;

/// Most clips whose records wait for the disk; workers wait beyond.
const WAITING_CLIPS: usize = 1024;

/// How often stops and hanging workers are looked for.
const TICK: Duration = Duration::from_millis(50);

/// Workers that may be given up before the run ends: each keeps a thread and a model.
const MOST_GIVEN_UP: usize = 8;

/// How a plan is run; none of this changes what is computed.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// What is asked of the predictor.
    pub predict: PredictOptions,
    /// Workers, at least 1: each holds a predictor of its own, and memory grows with them.
    pub jobs: usize,
    /// Longest time for one clip, all its coalitions together; those that are done by then keep their records.
    pub timeout: Option<Duration>,
    /// When to end because too much fails.
    pub fail_on: Option<FailOn>,
    /// Whether attention by head and token is kept beside the log.
    pub keeps_tensors: bool,
    /// So many clips are read ahead of the workers, by one more predictor; 0 for none. For predictors that share their weights.
    pub read_ahead: usize,
}

/// Why a run ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// Every item has its records.
    Complete,
    /// It was asked to stop; clips that had begun were finished.
    Drained,
    /// It was asked twice; clips that had begun were left.
    Stopped,
    /// More failed than was allowed.
    TooManyErrors,
    /// Something that every clip needs is missing, or no predictor can be opened.
    CannotGoOn(PredictError),
    /// The clips that were tried first all failed, for this one reason.
    TrialFailed(ProblemGroup),
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Why it ended.
    pub ending: Ending,
    /// Records that were appended.
    pub n_recorded: usize,
    /// Those of them without an answer.
    pub n_failed: usize,
    /// What the prompts cost, as far as the model says.
    pub cost: TokenCost,
}

impl Outcome {
    /// Of a run that nothing was asked of yet.
    pub(super) fn of_nothing() -> Self {
        Self { ending: Ending::Complete, n_recorded: 0, n_failed: 0, cost: TokenCost::default() }
    }
}

/// A clip that is being answered.
#[derive(Debug, Clone)]
pub struct InFlight {
    /// Id of the clip.
    pub sample: String,
    /// For how long.
    pub since: Duration,
}

impl fmt::Display for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {:.1} s", self.sample, self.since.as_secs_f64())
    }
}

/// Looks on.
pub trait Observer {
    /// Records that are now acknowledged.
    fn recorded(&mut self, records: &[Record]);

    /// Called every now and then with a way to see what is being answered.
    fn tick(&mut self, in_flight: &dyn Fn() -> Vec<InFlight>);
}

/// Answers all items, as far as nobody stops it.
///
/// # Errors
/// The log could not be written. What was acknowledged before stays.
pub fn run(
    items: Vec<WorkItem>,
    open: &Arc<OpenPredictor>,
    sink: &mut RecordSink,
    options: &RunnerOptions,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    go_on(Outcome::of_nothing(), items, open, sink, options, stop, observer)
}

/// As [`run`], after what others came to.
pub(super) fn go_on(
    mut outcome: Outcome,
    items: Vec<WorkItem>,
    open: &Arc<OpenPredictor>,
    sink: &mut RecordSink,
    options: &RunnerOptions,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    if items.is_empty() {
        // No model is opened for nothing.
        return Ok(outcome);
    }
    let (sender, receiver) = sync_channel(WAITING_CLIPS);
    let mut crew = Crew {
        queue: Arc::new(Queue::new(items)),
        open: Arc::clone(open),
        options: options.clone(),
        sender,
        workers: Vec::new(),
        n_alive: 0,
        n_given_up: 0,
    };
    let n_workers = options.jobs.clamp(1, crew.queue.len().max(1));
    for _ in 0..n_workers {
        crew.hire();
    }
    if options.read_ahead > 0 {
        read_ahead::start(&crew.queue, open, options.read_ahead);
    }
    let mut state = State { group: Vec::new(), fault: None, cost: outcome.cost };
    while crew.n_alive > 0 {
        crew.listen(&receiver, &mut state);
        crew.look_for_hanging(&mut state);
        if !state.group.is_empty() {
            let records = sink.append(std::mem::take(&mut state.group))?;
            outcome.n_recorded += records.len();
            outcome.n_failed += records.iter().filter(|r| r.status != RecordStatus::Ok).count();
            observer.recorded(&records);
        }
        outcome.cost = state.cost;
        observer.tick(&|| crew.in_flight());
        if let Some(error) = state.fault.take() {
            crew.queue.clear();
            outcome.ending = Ending::CannotGoOn(error);
        }
        let is_too_much = options.fail_on.is_some_and(|f| f.is_reached(outcome.n_failed, outcome.n_recorded));
        let is_complete = matches!(outcome.ending, Ending::Complete);
        if is_too_much && is_complete && crew.queue.clear() > 0 {
            outcome.ending = Ending::TooManyErrors;
        } else if stop.asked() == 1 && crew.queue.clear() > 0 && is_complete {
            outcome.ending = Ending::Drained;
        } else if stop.asked() > 1 {
            let is_idle = crew.queue.clear() == 0 && crew.in_flight().is_empty();
            if !is_idle || !is_complete {
                outcome.ending = Ending::Stopped;
            }
            return Ok(outcome);
        }
    }
    Ok(outcome)
}

/// What has come in and is not yet appended.
struct State {
    group: Vec<Done>,
    fault: Option<PredictError>,
    cost: TokenCost,
}

struct Crew {
    queue: Arc<Queue>,
    open: Arc<OpenPredictor>,
    options: RunnerOptions,
    sender: SyncSender<Message>,
    workers: Vec<Arc<Slot>>,
    n_alive: usize,
    n_given_up: usize,
}

impl Crew {
    fn hire(&mut self) {
        let slot = Arc::new(Slot::default());
        let worker = Worker {
            queue: Arc::clone(&self.queue),
            slot: Arc::clone(&slot),
            open: Arc::clone(&self.open),
            options: self.options.predict,
            keeps_tensors: self.options.keeps_tensors,
            messages: self.sender.clone(),
        };
        self.workers.push(slot);
        self.n_alive += 1;
        thread::spawn(move || worker.run());
    }

    /// Waits a moment for a message and takes what else is there.
    fn listen(&mut self, receiver: &Receiver<Message>, state: &mut State) {
        let first = match receiver.recv_timeout(TICK) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        };
        self.take(first, state);
        while state.group.len() < GROUP_RECORDS
            && let Ok(message) = receiver.try_recv()
        {
            self.take(message, state);
        }
    }

    fn take(&mut self, message: Message, state: &mut State) {
        match message {
            Message::Done(mut records, cost) => {
                state.group.append(&mut records);
                state.cost += cost;
            }
            Message::Setup(error) | Message::CannotOpen(error) => {
                self.n_alive -= 1;
                state.fault.get_or_insert(error);
            }
            Message::Ended => self.n_alive -= 1,
        }
    }

    /// A worker over its time is left to itself; what is not done of its clip is a timeout, and a new worker takes its place.
    fn look_for_hanging(&mut self, state: &mut State) {
        let Some(most) = self.options.timeout else { return };
        let late: Vec<Work> = self.workers.iter().filter_map(|slot| slot.give_up(most)).collect();
        for work in late {
            self.n_alive -= 1;
            self.n_given_up += 1;
            state.group.extend(timed_out(work, most));
            if self.n_given_up >= MOST_GIVEN_UP {
                let message = format!(
                    "{MOST_GIVEN_UP} clips took longer than {:.0} s; each holds a thread and a model",
                    most.as_secs_f64()
                );
                let hint = "allow more time with --timeout, or see what `emomm errors` says of these clips";
                let hint = Some(hint.to_owned());
                state.fault = Some(PredictError { kind: PredictErrorKind::Model, message, hint });
            } else if self.queue.len() > 0 {
                self.hire();
            }
        }
    }

    fn in_flight(&self) -> Vec<InFlight> {
        let doing = self.workers.iter().filter_map(|slot| slot.doing());
        doing.map(|(item, since)| InFlight { sample: item.clip.id.clone(), since }).collect()
    }
}

/// What was done of the clip, and timeouts in place of the rest.
fn timed_out(work: Work, most: Duration) -> Vec<Done> {
    let item = &work.item;
    let n_done = work.done.iter().flatten().count();
    let told = if n_done == 0 {
        String::new()
    } else {
        format!("; {n_done} of {} coalitions were done by then", item.wanted.len())
    };
    let message = format!("no answer within {:.1} s for the whole clip{told}", most.as_secs_f64());
    let late = |wanted: &super::item::Wanted| {
        let error = RecordError::new("timeout", message.clone());
        let (key, sample) = (wanted.key.clone(), item.clip.id.clone());
        (Record::failed(key, sample, wanted.coalition, RecordStatus::Timeout, error), None)
    };
    work.done
        .into_iter()
        .zip(&item.wanted)
        .map(|(done, wanted)| done.unwrap_or_else(|| late(wanted)))
        .collect()
}
