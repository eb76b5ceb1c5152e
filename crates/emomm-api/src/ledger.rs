//! What was asked, what it cost, and every reply as it came: `RUN/served/ledger.jsonl`.
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
    next: u64,
    spent: f64,
    reserved: f64,
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

/// Room for one request within the budget, until it is settled.
#[derive(Debug)]
pub(crate) struct Reservation {
    number: u64,
    request: String,
    most: f64,
}

/// The budget does not allow another request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spent {
    pub(crate) so_far: f64,
    pub(crate) cap: f64,
    pub(crate) next: f64,
}

impl Ledger {
    /// A ledger that is forgotten with the process.
    pub(crate) fn in_memory(cap: Option<f64>) -> Self {
        Self { path: None, cap, state: Mutex::default(), settled: Condvar::new() }
    }

    /// The ledger of a run's folder, with all that earlier sessions spent. A torn end is cut off.
    pub(crate) fn open(run: &Path, cap: Option<f64>) -> Result<Self, ApiError> {
        let folder = run.join(SERVED_FOLDER);
        let path = folder.join(LEDGER_FILE);
        let fault = |e: std::io::Error| ApiError::File { path: path.clone(), message: e.to_string() };
        std::fs::create_dir_all(&folder).map_err(fault)?;
        let file = OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(fault)?;
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

    fn write(&self, state: &mut State, event: &Event) -> Result<(u64, u64), ApiError> {
        let fault = |message: String| ApiError::File { path: self.path.clone().unwrap_or_default(), message };
        let mut line = serde_json::to_vec(event).map_err(|e| fault(e.to_string()))?;
        line.push(b'\n');
        let place = (state.length, line.len() as u64);
        if let Some(file) = &mut state.file {
            file.write_all(&line).and_then(|()| file.sync_data()).map_err(|e| fault(e.to_string()))?;
        }
        state.length += line.len() as u64;
        Ok(place)
    }

    /// Room for a request that costs at most so much. Waits for those in flight where their rest may make the room.
    pub(crate) fn reserve(
        &self,
        request: &str,
        purpose: &Purpose,
        most: f64,
        body: Option<Value>,
    ) -> Result<Result<Reservation, Spent>, ApiError> {
        let mut state = self.locked();
        while let Some(cap) = self.cap
            && state.spent + state.reserved + most > cap
        {
            if state.reserved <= 0.0 {
                return Ok(Err(Spent { so_far: state.spent, cap, next: most }));
            }
            state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let number = state.next;
        let (request, purpose) = (request.to_owned(), purpose.clone());
        let event =
            Event::Asked { number, request: request.clone(), purpose, most_usd: most, at: now(), body };
        self.write(&mut state, &event)?;
        state.next += 1;
        state.reserved += most;
        Ok(Ok(Reservation { number, request, most }))
    }

    fn settle(&self, state: &mut State, reservation: &Reservation, cost: f64) {
        state.reserved = (state.reserved - reservation.most).max(0.0);
        // What is left of sums that should be nought.
        if state.reserved < 1e-12 {
            state.reserved = 0.0;
        }
        state.spent += cost;
        self.settled.notify_all();
    }

    /// A reply that counts.
    pub(crate) fn replied(&self, reservation: Reservation, cost: f64, reply: &Value) -> Result<(), ApiError> {
        let mut state = self.locked();
        self.settle(&mut state, &reservation, cost);
        let Reservation { number, request, .. } = reservation;
        let event = Event::Replied {
            number,
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
        reservation: Reservation,
        cost: f64,
        status: Option<u16>,
        message: String,
    ) -> Result<(), ApiError> {
        let mut state = self.locked();
        self.settle(&mut state, &reservation, cost);
        let Reservation { number, request, .. } = reservation;
        self.write(
            &mut state,
            &Event::Failed { number, request, cost_usd: cost, at: now(), status, message },
        )?;
        Ok(())
    }

    /// The most that a reservation can cost.
    pub(crate) fn most(reservation: &Reservation) -> f64 {
        reservation.most
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

    /// US dollars of this run so far, open requests at their most.
    #[cfg(test)]
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
            Event::Replied { number, request, cost_usd, .. } => {
                open.remove(&number);
                state.spent += cost_usd;
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

/// US dollars that a run's ledger says were spent; `None` without a ledger.
pub fn spent_by(run: &Path) -> Option<f64> {
    let file = File::open(run.join(SERVED_FOLDER).join(LEDGER_FILE)).ok()?;
    let mut state = State::default();
    replay(&file, &mut state).ok()?;
    Some(state.spent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn room(ledger: &Ledger, request: &str, most: f64) -> Result<Reservation, Spent> {
        ledger.reserve(request, &Purpose::default(), most, None).unwrap()
    }

    #[test]
    fn what_is_open_counts_at_its_most_after_a_crash() {
        let run = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(run.path(), Some(1.0)).unwrap();
        let first = room(&ledger, "a", 0.25).unwrap();
        ledger.replied(first, 0.125, &json!({"text": "A"})).unwrap();
        let second = room(&ledger, "b", 0.25).unwrap();
        ledger.failed(second, 0.0, Some(429), "slow down".to_owned()).unwrap();
        let _open = room(&ledger, "c", 0.5).unwrap();
        drop(ledger);
        // A line that was being written.
        let path = run.path().join(SERVED_FOLDER).join(LEDGER_FILE);
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"event\":\"asked\",\"num")
            .unwrap();
        let again = Ledger::open(run.path(), Some(1.0)).unwrap();
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
        let ledger = Ledger::open(run.path(), None).unwrap();
        for total in [0.5, 0.5, 0.75] {
            ledger.spent_beside(total, "probe").unwrap();
        }
        assert!((ledger.spent() - 0.75).abs() < 1e-12);
        drop(ledger);
        assert_eq!(spent_by(run.path()), Some(0.75));
        let path = run.path().join(SERVED_FOLDER).join(LEDGER_FILE);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("nonsense\n{whole}")).unwrap();
        assert!(Ledger::open(run.path(), None).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn a_reply_s_name_belongs_to_one_request() {
        let ledger = Ledger::in_memory(None);
        assert!(!ledger.is_duplicate("id", "a") && !ledger.is_duplicate("id", "a"));
        assert!(ledger.is_duplicate("id", "b"));
    }
}
