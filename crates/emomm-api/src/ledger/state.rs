//! What a ledger comes to: money, kept replies, files on the server; read back from its lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use super::event::Event;
use super::{LEDGER_FILE, SERVED_FOLDER, TRIALS_FILE};

/// The sums of all lines so far.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) file: Option<File>,
    pub(super) length: u64,
    /// A write failed and could not be taken back: nobody knows what stands at the end.
    pub(super) is_broken: bool,
    pub(super) next: u64,
    pub(super) spent: f64,
    pub(super) reserved: f64,
    /// What the dearest request cost as a share of its bound, where that is more than 1: bounds of later ones grow by it.
    pub(super) excess: f64,
    /// Spent beside the requests.
    pub(super) beside: f64,
    /// Where the kept reply of a request begins, and its length.
    pub(super) kept: BTreeMap<String, (u64, u64)>,
    /// Replies that cannot be read back from a file.
    pub(super) in_memory: BTreeMap<String, Value>,
    pub(super) stored: Vec<String>,
    /// The request that a server's name for a reply came with.
    pub(super) replies: BTreeMap<String, String>,
}

impl State {
    /// A request with this bound cost so much.
    pub(super) fn settle(&mut self, cost: f64, bound: f64) {
        self.spent += cost;
        if bound > 0.0 {
            self.excess = self.excess.max(cost / bound);
        }
    }
}

/// Reads a ledger: gives the length of what is whole.
pub(super) fn replay(file: &File, state: &mut State) -> Result<u64, String> {
    // The most that a request without an end can cost, and its bound.
    let mut open: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
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
            Event::Asked { number, most_usd, bound_usd, .. } => {
                open.insert(number, (most_usd, bound_usd.unwrap_or(most_usd)));
                state.next = state.next.max(number + 1);
            }
            Event::Replied { number, request, cost_usd, reply, .. } => {
                state.settle(cost_usd, open.remove(&number).map_or(0.0, |(_, bound)| bound));
                // The names that both forms give to replies.
                if let Some(id) = reply.get("id").or_else(|| reply.get("responseId")).and_then(Value::as_str)
                {
                    state.replies.insert(id.to_owned(), request.clone());
                }
                state.kept.insert(request, (offset, n));
            }
            Event::Failed { number, cost_usd, .. } => {
                state.settle(cost_usd, open.remove(&number).map_or(0.0, |(_, bound)| bound));
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
    state.spent += open.values().map(|(most, _)| most).sum::<f64>();
    Ok(offset)
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
