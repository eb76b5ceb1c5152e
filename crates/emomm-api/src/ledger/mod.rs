//! What was asked, what it cost, and every reply as it came: `RUN/served/ledger.jsonl`, and `trials.jsonl` of the questions
//! that find out what a server can do.
//!
//! A line is written and synced before a request leaves, with the most that it can cost, and another when its reply is
//! there, with what it did cost. A process that is killed in between leaves the first line alone, and the most counts as
//! spent. So the sum is never below what was spent, and a reply that came is never paid for twice. Media stand in the
//! ledger by their hashes; keys do not stand in it.

mod event;
mod reservation;
mod state;

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::error::ApiError;
use event::{Event, now};
use state::{State, replay};

pub use event::Purpose;
pub(crate) use reservation::{Reservation, Spent};
pub(crate) use state::spent_apart;
pub use state::spent_by;

/// The folder beside a log.
pub const SERVED_FOLDER: &str = "served";

/// The file in it.
pub const LEDGER_FILE: &str = "ledger.jsonl";

/// The ledger of questions that find out what a server can do: they are asked before the run's log has its writer.
pub(crate) const TRIALS_FILE: &str = "trials.jsonl";

/// Shared by all workers of a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: Option<PathBuf>,
    cap: Option<f64>,
    state: Mutex<State>,
    settled: Condvar,
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
        let most_usd = reservation.most;
        let bound_usd = Some(reservation.bound).filter(|bound| *bound < most_usd);
        let event = Event::Asked { number, request, purpose, most_usd, bound_usd, at: now(), body };
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
        state.settle(cost, reservation.bound);
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
    fn a_cost_beyond_its_bound_is_known_to_the_next_session() {
        let run = tempfile::tempdir().unwrap();
        let open = || Ledger::open(run.path(), LEDGER_FILE, Some(10.0)).unwrap();
        let ledger = open();
        ledger.replied(room(&ledger, "a", 1.0).unwrap(), 2.0, &json!(0)).unwrap();
        // It costs as much as is expected of it: its bound is 1, of which it takes two.
        ledger.replied(room(&ledger, "b", 1.0).unwrap(), 2.0, &json!(0)).unwrap();
        drop(ledger);
        for session in 0..2 {
            let again = open();
            let next = room(&again, "c", 1.0).unwrap();
            assert!((next.most() - 2.0).abs() < 1e-12, "{session} {next:?}");
            again.replied(next, 1.0, &json!(0)).unwrap();
        }
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
