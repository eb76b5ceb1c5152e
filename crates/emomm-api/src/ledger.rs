//! What was asked, what it cost, and every reply as it came: `RUN/served/ledger.jsonl`, and `trials.jsonl` of the questions
//! that find out what a server can do.
//!
//! A line is written and synced before a request leaves, with the most that it can cost, and another when its reply is
//! there, with what it did cost. A process that is killed in between leaves the first line alone, and the most counts as
//! spent. So the sum is never below what was spent, and a reply that came is never paid for twice. Media stand in the
//! ledger by their hashes; keys do not stand in it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ApiError;

/// The folder beside a log.
pub const SERVED_FOLDER: &str = "served";

/// The file in it.
pub const LEDGER_FILE: &str = "ledger.jsonl";

/// The ledger of questions that find out what a server can do: they are asked before the run's log has its writer.
pub(crate) const TRIALS_FILE: &str = "trials.jsonl";

/// What a request is for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Purpose {
    /// Id of the clip.
    pub sample: String,
    /// The coalition's word.
    pub coalition: String,
    /// From 0.
    pub repeat: usize,
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    /// A request is about to leave.
    Asked {
        /// Tells sendings apart.
        number: u64,
        /// SHA-256 of the request, media by their hashes.
        request: String,
        #[serde(flatten)]
        purpose: Purpose,
        /// The most that it can cost.
        most_usd: f64,
        /// Seconds since 1970.
        at: u64,
        /// The request, media by their hashes, the first time that it is sent in a session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
    },
    /// A reply that counts.
    Replied { number: u64, request: String, cost_usd: f64, at: u64, reply: Value },
    /// No reply, or one that does not count.
    Failed { number: u64, request: String, cost_usd: f64, at: u64, status: Option<u16>, message: String },
    /// Spent outside of this ledger's requests, for example by asking what the server can do.
    Spent { cost_usd: f64, what: String, at: u64 },
    /// A file that was stored on the server.
    Stored { name: String, at: u64 },
    /// It is not there any more.
    Removed { name: String, at: u64 },
}

/// Shared by all workers of a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: Option<PathBuf>,
    cap: Option<f64>,
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    length: u64,
    /// A write failed and could not be taken back: nobody knows what stands at the end.
    is_broken: bool,
    next: u64,
    spent: f64,
    reserved: f64,
    /// What the dearest request cost as a share of its bound, where that is more than 1: bounds of later ones grow by it.
    excess: f64,
    /// Spent beside the requests.
    beside: f64,
    /// Where the kept reply of a request begins, and its length.
    kept: BTreeMap<String, (u64, u64)>,
    /// Replies that cannot be read back from a file.
    in_memory: BTreeMap<String, Value>,
    stored: Vec<String>,
    /// The request that a server's name for a reply came with.
    replies: BTreeMap<String, String>,
}

/// Room for one request within the budget, until it is settled. One that is dropped unsettled counts at its most if the
/// request may have left, and at nothing if not.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    ledger: &'a Ledger,
    request: String,
    /// The bound of its cost, and the most that it can cost by what earlier ones showed of bounds.
    bound: f64,
    most: f64,
    /// The number of its line; `None` before it is written.
    number: Option<u64>,
    is_settled: bool,
}

impl Reservation<'_> {
    /// The most that it can cost.
    pub(crate) fn most(&self) -> f64 {
        self.most
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            let cost = if self.number.is_some() { self.most } else { 0.0 };
            self.ledger.settle(&mut self.ledger.locked(), self, cost);
        }
    }
}

/// The budget does not allow another request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spent {
    pub(crate) so_far: f64,
    pub(crate) cap: f64,
    pub(crate) next: f64,
}

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { so_far, cap, next } = self;
        write!(f, "{so_far:.4} of {cap:.4} US dollars are spent, the next question may cost {next:.4}")
    }
}

impl Ledger {
    /// A ledger that is forgotten with the process.
    pub(crate) fn in_memory(cap: Option<f64>) -> Self {
        Self { path: None, cap, state: Mutex::default(), settled: Condvar::new() }
    }

    /// A ledger of a run's folder, with all that earlier sessions spent. A torn end is cut off.
    pub(crate) fn open(run: &Path, name: &str, cap: Option<f64>) -> Result<Self, ApiError> {
        let folder = run.join(SERVED_FOLDER);
        let path = folder.join(name);
        let fault = |e: std::io::Error| ApiError::File { path: path.clone(), message: e.to_string() };
        std::fs::create_dir_all(&folder).map_err(fault)?;
        let is_new = !path.exists();
        let file = OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(fault)?;
        // A file whose name is not on the disk is gone after a power loss.
        if is_new && let Ok(folder) = File::open(&folder) {
            let _ = folder.sync_all();
        }
        let mut state = State::default();
        let whole =
            replay(&file, &mut state).map_err(|message| ApiError::File { path: path.clone(), message })?;
        file.set_len(whole).map_err(fault)?;
        state.length = whole;
        state.file = Some(file);
        Ok(Self { path: Some(path), cap, state: Mutex::new(state), settled: Condvar::new() })
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a line. What was written of one that failed is cut off again: a torn line in the middle could not be read.
    fn write(&self, state: &mut State, event: &Event) -> Result<(u64, u64), ApiError> {
        let fault = |message: String| ApiError::File { path: self.path.clone().unwrap_or_default(), message };
        let mut line = serde_json::to_vec(event).map_err(|e| fault(e.to_string()))?;
        line.push(b'\n');
        let place = (state.length, line.len() as u64);
        if state.is_broken {
            return Err(fault("an earlier write failed; nothing more is written".to_owned()));
        }
        if let Some(file) = &mut state.file
            && let Err(error) = file.write_all(&line).and_then(|()| file.sync_data())
        {
            state.is_broken = file.set_len(state.length).is_err();
            return Err(fault(error.to_string()));
        }
        state.length += line.len() as u64;
        Ok(place)
    }

    /// Room for a request that costs at most so much. Waits for those in flight where their rest may make the room.
    pub(crate) fn reserve(&self, request: &str, bound: f64) -> Result<Reservation<'_>, Spent> {
        let mut state = self.locked();
        let mut most = bound * state.excess.max(1.0);
        while let Some(cap) = self.cap
            && state.spent + state.reserved + most > cap
        {
            if state.reserved <= 0.0 {
                return Err(Spent { so_far: state.spent, cap, next: most });
            }
            state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
            most = bound * state.excess.max(1.0);
        }
        state.reserved += most;
        let request = request.to_owned();
        Ok(Reservation { ledger: self, request, bound, most, number: None, is_settled: false })
    }

    /// The request of a reservation is about to leave.
    pub(crate) fn asks(
        &self,
        reservation: &mut Reservation<'_>,
        purpose: &Purpose,
        body: Option<Value>,
    ) -> Result<(), ApiError> {
        let mut state = self.locked();
        let number = state.next;
        let (request, purpose) = (reservation.request.clone(), purpose.clone());
        let event = Event::Asked { number, request, purpose, most_usd: reservation.most, at: now(), body };
        self.write(&mut state, &event)?;
        state.next += 1;
        reservation.number = Some(number);
        Ok(())
    }

    fn settle(&self, state: &mut State, reservation: &Reservation<'_>, cost: f64) {
        state.reserved = (state.reserved - reservation.most).max(0.0);
        // What is left of sums that should be nought.
        if state.reserved < 1e-12 {
            state.reserved = 0.0;
        }
        state.spent += cost;
        if reservation.bound > 0.0 {
            state.excess = state.excess.max(cost / reservation.bound);
        }
        self.settled.notify_all();
    }

    /// A reply that counts.
    pub(crate) fn replied(
        &self,
        mut reservation: Reservation<'_>,
        cost: f64,
        reply: &Value,
    ) -> Result<(), ApiError> {
        let mut state = self.locked();
        self.settle(&mut state, &reservation, cost);
        reservation.is_settled = true;
        let request = reservation.request.clone();
        let event = Event::Replied {
            number: reservation.number.unwrap_or_default(),
            request: request.clone(),
            cost_usd: cost,
            at: now(),
            reply: reply.clone(),
        };
        let place = self.write(&mut state, &event)?;
        if state.file.is_some() {
            state.kept.insert(request, place);
        } else {
            state.in_memory.insert(request, reply.clone());
        }
        Ok(())
    }

    /// No reply that counts; `cost` is what it may have cost all the same.
    pub(crate) fn failed(
        &self,
        mut reservation: Reservation<'_>,
        cost: f64,
        status: Option<u16>,
        message: String,
    ) -> Result<(), ApiError> {
        let mut state = self.locked();
        self.settle(&mut state, &reservation, cost);
        reservation.is_settled = true;
        let (number, request) = (reservation.number.unwrap_or_default(), reservation.request.clone());
        self.write(
            &mut state,
            &Event::Failed { number, request, cost_usd: cost, at: now(), status, message },
        )?;
        Ok(())
    }

    /// So much was spent beside it in all sessions; what is new of it is written down.
    pub(crate) fn spent_beside(&self, total: f64, what: &str) -> Result<(), ApiError> {
        let mut state = self.locked();
        let new = total - state.beside;
        if new > 1e-12 {
            self.write(&mut state, &Event::Spent { cost_usd: new, what: what.to_owned(), at: now() })?;
            state.beside += new;
            state.spent += new;
        }
        Ok(())
    }

    /// The reply to a request that was kept.
    pub(crate) fn kept(&self, request: &str) -> Option<Value> {
        let mut state = self.locked();
        if let Some(reply) = state.in_memory.get(request) {
            return Some(reply.clone());
        }
        let (from, length) = *state.kept.get(request)?;
        let file = state.file.as_mut()?;
        let mut line = vec![0; usize::try_from(length).ok()?];
        // Appending writes at the end wherever the file was read.
        file.seek(SeekFrom::Start(from)).ok()?;
        file.read_exact(&mut line).ok()?;
        match serde_json::from_slice(&line).ok()? {
            Event::Replied { reply, .. } => Some(reply),
            _ => None,
        }
    }

    /// Whether a server's name for a reply already came with another request. Remembers it.
    pub(crate) fn is_duplicate(&self, response_id: &str, request: &str) -> bool {
        let mut state = self.locked();
        if let Some(earlier) = state.replies.get(response_id) {
            earlier != request
        } else {
            state.replies.insert(response_id.to_owned(), request.to_owned());
            false
        }
    }

    /// A file was stored on the server.
    pub(crate) fn stored(&self, name: &str) -> Result<(), ApiError> {
        let mut state = self.locked();
        state.stored.push(name.to_owned());
        self.write(&mut state, &Event::Stored { name: name.to_owned(), at: now() }).map(drop)
    }

    /// A file was removed from the server.
    pub(crate) fn removed(&self, name: &str) -> Result<(), ApiError> {
        let mut state = self.locked();
        state.stored.retain(|n| n != name);
        self.write(&mut state, &Event::Removed { name: name.to_owned(), at: now() }).map(drop)
    }

    /// Files that are still on the server.
    pub(crate) fn left_on_server(&self) -> Vec<String> {
        self.locked().stored.clone()
    }

    /// US dollars so far, open requests at their most.
    pub(crate) fn spent(&self) -> f64 {
        let state = self.locked();
        state.spent + state.reserved
    }
}

/// Reads a ledger: gives the length of what is whole.
fn replay(file: &File, state: &mut State) -> Result<u64, String> {
    let mut open: BTreeMap<u64, f64> = BTreeMap::new();
    let mut reader = BufReader::new(file);
    let (mut line, mut offset, mut number) = (Vec::new(), 0_u64, 0_usize);
    let mut torn: Option<usize> = None;
    loop {
        line.clear();
        number += 1;
        let n = reader.read_until(b'\n', &mut line).map_err(|e| e.to_string())? as u64;
        if n == 0 {
            break;
        }
        let event = if line.ends_with(b"\n") { serde_json::from_slice::<Event>(&line).ok() } else { None };
        let Some(event) = event else {
            torn.get_or_insert(number);
            continue;
        };
        if let Some(bad) = torn {
            return Err(format!("line {bad} is no event of a ledger, and readable ones follow"));
        }
        match event {
            Event::Asked { number, most_usd, .. } => {
                open.insert(number, most_usd);
                state.next = state.next.max(number + 1);
            }
            Event::Replied { number, request, cost_usd, reply, .. } => {
                open.remove(&number);
                state.spent += cost_usd;
                // The names that both forms give to replies.
                if let Some(id) = reply.get("id").or_else(|| reply.get("responseId")).and_then(Value::as_str)
                {
                    state.replies.insert(id.to_owned(), request.clone());
                }
                state.kept.insert(request, (offset, n));
            }
            Event::Failed { number, cost_usd, .. } => {
                open.remove(&number);
                state.spent += cost_usd;
            }
            Event::Spent { cost_usd, .. } => {
                state.spent += cost_usd;
                state.beside += cost_usd;
            }
            Event::Stored { name, .. } => state.stored.push(name),
            Event::Removed { name, .. } => state.stored.retain(|n| *n != name),
        }
        offset += n;
    }
    // Nobody knows what became of these.
    state.spent += open.values().sum::<f64>();
    Ok(offset)
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// US dollars that a run's ledger says were spent, trials included; `None` without a ledger.
pub fn spent_by(run: &Path) -> Option<f64> {
    Some(read_back(run, LEDGER_FILE)?.spent)
}

/// US dollars that the questions of a run cost, trials left out, and those that its trials cost.
pub(crate) fn spent_apart(run: &Path) -> (f64, f64) {
    let questions = read_back(run, LEDGER_FILE).map_or(0.0, |s| s.spent - s.beside);
    (questions, read_back(run, TRIALS_FILE).map_or(0.0, |s| s.spent))
}

fn read_back(run: &Path, name: &str) -> Option<State> {
    let file = File::open(run.join(SERVED_FOLDER).join(name)).ok()?;
    let mut state = State::default();
    replay(&file, &mut state).ok()?;
    Some(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn room<'a>(ledger: &'a Ledger, request: &str, most: f64) -> Result<Reservation<'a>, Spent> {
        let mut reservation = ledger.reserve(request, most)?;
        ledger.asks(&mut reservation, &Purpose::default(), None).unwrap();
        Ok(reservation)
    }

    #[test]
    fn what_is_open_counts_at_its_most_after_a_crash() {
        let run = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(run.path(), LEDGER_FILE, Some(1.0)).unwrap();
        let first = room(&ledger, "a", 0.25).unwrap();
        ledger.replied(first, 0.125, &json!({"text": "A"})).unwrap();
        let second = room(&ledger, "b", 0.25).unwrap();
        ledger.failed(second, 0.0, Some(429), "slow down".to_owned()).unwrap();
        // A process that is killed drops nothing.
        std::mem::forget(room(&ledger, "c", 0.5).unwrap());
        drop(ledger);
        // A line that was being written.
        let path = run.path().join(SERVED_FOLDER).join(LEDGER_FILE);
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"event\":\"asked\",\"num")
            .unwrap();
        let again = Ledger::open(run.path(), LEDGER_FILE, Some(1.0)).unwrap();
        assert!((again.spent() - 0.625).abs() < 1e-12);
        assert_eq!(again.kept("a"), Some(json!({"text": "A"})));
        assert_eq!((again.kept("b"), again.kept("c")), (None, None));
        let error = room(&again, "d", 0.5).unwrap_err();
        assert!((error.so_far - 0.625).abs() < 1e-12 && (error.cap - 1.0).abs() < 1e-12, "{error:?}");
        let fits = room(&again, "d", 0.375).unwrap();
        again.replied(fits, 0.375, &json!(1)).unwrap();
        assert_eq!(again.kept("d"), Some(json!(1)));
        assert_eq!(spent_by(run.path()), Some(1.0));
    }

    #[test]
    fn a_request_waits_for_the_rest_of_others() {
        let ledger = Ledger::in_memory(Some(1.0));
        let first = room(&ledger, "a", 0.75).unwrap();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| room(&ledger, "b", 0.75).is_ok());
            std::thread::sleep(std::time::Duration::from_millis(20));
            ledger.replied(first, 0.25, &json!(0)).unwrap();
            assert!(other.join().unwrap());
        });
    }

    #[test]
    fn a_damaged_middle_is_an_error() {
        let run = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(run.path(), LEDGER_FILE, None).unwrap();
        for total in [0.5, 0.5, 0.75] {
            ledger.spent_beside(total, "probe").unwrap();
        }
        assert!((ledger.spent() - 0.75).abs() < 1e-12);
        drop(ledger);
        assert_eq!(spent_by(run.path()), Some(0.75));
        let path = run.path().join(SERVED_FOLDER).join(LEDGER_FILE);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("nonsense\n{whole}")).unwrap();
        assert!(Ledger::open(run.path(), LEDGER_FILE, None).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn a_reply_s_name_belongs_to_one_request() {
        let ledger = Ledger::in_memory(None);
        assert!(!ledger.is_duplicate("id", "a") && !ledger.is_duplicate("id", "a"));
        assert!(ledger.is_duplicate("id", "b"));
    }

    #[test]
    fn what_is_dropped_unsettled_counts_if_it_may_have_left() {
        let ledger = Ledger::in_memory(Some(1.0));
        drop(ledger.reserve("a", 0.75).unwrap());
        assert!(ledger.spent().abs() < 1e-12);
        // A worker that panics with its request under way blocks nobody.
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _under_way = room(&ledger, "b", 0.75).unwrap();
            panic!("made up");
        }));
        assert!(caught.is_err() && (ledger.spent() - 0.75).abs() < 1e-12);
        assert!((room(&ledger, "c", 0.5).unwrap_err().so_far - 0.75).abs() < 1e-12);
    }

    #[test]
    fn a_cost_beyond_its_bound_makes_later_bounds_greater() {
        let ledger = Ledger::in_memory(Some(10.0));
        ledger.replied(room(&ledger, "a", 1.0).unwrap(), 4.0, &json!(0)).unwrap();
        // 4 are spent, and the next may cost 4 times its bound.
        assert!((room(&ledger, "b", 2.0).unwrap_err().next - 8.0).abs() < 1e-12);
        assert!((room(&ledger, "b", 1.5).unwrap().most() - 6.0).abs() < 1e-12);
    }

    #[test]
    fn names_of_replies_are_known_to_the_next_session() {
        let run = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(run.path(), LEDGER_FILE, None).unwrap();
        ledger.replied(room(&ledger, "a", 0.0).unwrap(), 0.0, &json!({"id": "x"})).unwrap();
        ledger.replied(room(&ledger, "b", 0.0).unwrap(), 0.0, &json!({"responseId": "y"})).unwrap();
        drop(ledger);
        let again = Ledger::open(run.path(), LEDGER_FILE, None).unwrap();
        assert!(
            again.is_duplicate("x", "b") && again.is_duplicate("y", "a") && !again.is_duplicate("x", "a")
        );
    }

    /// `/dev/full` takes no byte: the disk of a run that fills up.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_write_that_fails_is_an_error_and_is_not_counted_as_written() {
        let full = || OpenOptions::new().append(true).open("/dev/full").unwrap();
        let ledger = Ledger::in_memory(None);
        ledger.locked().file = Some(full());
        let mut room = ledger.reserve("a", 0.5).unwrap();
        assert!(ledger.asks(&mut room, &Purpose::default(), None).is_err());
        drop(room);
        assert!(ledger.spent().abs() < 1e-12 && ledger.locked().length == 0);
        // It could not be cut off again, so nothing is appended to what may be half a line.
        let mut room = ledger.reserve("b", 0.5).unwrap();
        let error = ledger.asks(&mut room, &Purpose::default(), None).unwrap_err();
        assert!(error.to_string().contains("an earlier write failed"), "{error}");
    }
}
