//! How fast a server is asked: requests and tokens of the last minute, requests at a time, and pauses that it asks for.
//!
//! Limits of a minute are exact: no window of sixty seconds holds more than they say. The number of requests at a time
//! begins at its bound, is halved when the server is overloaded and grows by one for every such number of good replies.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::transport::HttpReply;

const MINUTE: Duration = Duration::from_mins(1);

/// Replies of one overload come together; it halves the limit once.
const BETWEEN_CUTS: Duration = Duration::from_secs(1);

/// The longest sleep before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Shared by all workers.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
    changed: Condvar,
    most: usize,
    requests: Option<u32>,
    tokens: Option<u32>,
    /// What the limits count over.
    window: Duration,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    limit: f64,
    /// Requests of the last minute with their tokens, oldest first, by number.
    window: VecDeque<(u64, Instant, u64)>,
    next: u64,
    not_before: Option<Instant>,
    last_cut: Option<Instant>,
}

/// Leave to send one request; given back when dropped.
#[derive(Debug)]
pub(crate) struct Leave<'a> {
    pace: &'a Pace,
    number: u64,
}

impl Pace {
    pub(crate) fn new(most: usize, requests: Option<u32>, tokens: Option<u32>) -> Self {
        let most = most.max(1);
        let state = State {
            in_flight: 0,
            limit: most as f64,
            window: VecDeque::new(),
            next: 0,
            not_before: None,
            last_cut: None,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), most, requests, tokens, window: MINUTE }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a request of about so many tokens may go.
    pub(crate) fn wait(&self, tokens: u64) -> Leave<'_> {
        let mut state = self.locked();
        loop {
            let now = Instant::now();
            let Some(time) = self.time_to_wait(&mut state, tokens, now) else {
                let number = state.next;
                state.next += 1;
                state.in_flight += 1;
                state.window.push_back((number, now, tokens));
                return Leave { pace: self, number };
            };
            let waited = self.changed.wait_timeout(state, time.min(LOOK_AGAIN));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// `None` if a request may go now.
    fn time_to_wait(&self, state: &mut State, tokens: u64, now: Instant) -> Option<Duration> {
        while state.window.front().is_some_and(|(_, at, _)| now.duration_since(*at) >= self.window) {
            state.window.pop_front();
        }
        if let Some(left) =
            state.not_before.and_then(|at| at.checked_duration_since(now)).filter(|d| !d.is_zero())
        {
            return Some(left);
        }
        if state.in_flight >= (state.limit as usize).max(1) {
            return Some(LOOK_AGAIN);
        }
        let until = |at: Instant| {
            Some((at + self.window).saturating_duration_since(now).max(Duration::from_millis(1)))
        };
        if let Some(most) = self.requests
            && state.window.len() >= most.max(1) as usize
        {
            return state.window.front().and_then(|(_, at, _)| until(*at));
        }
        if let Some(most) = self.tokens {
            let used: u64 = state.window.iter().map(|(_, _, t)| t).sum();
            // A single question may be larger than a minute's tokens; it goes alone.
            if used > 0 && used + tokens > u64::from(most) {
                return state.window.front().and_then(|(_, at, _)| until(*at));
            }
        }
        None
    }

    /// A good reply came, and cost so many tokens.
    pub(crate) fn succeeded(&self, leave: &Leave<'_>, tokens: Option<u64>) {
        let mut state = self.locked();
        let entry = state.window.iter_mut().find(|(number, ..)| *number == leave.number);
        if let (Some((_, _, counted)), Some(tokens)) = (entry, tokens) {
            *counted = tokens;
        }
        state.limit = (state.limit + 1.0 / state.limit.max(1.0)).min(self.most as f64);
        self.changed.notify_all();
    }

    /// The server is overloaded; nobody asks before `pause` is over.
    pub(crate) fn overloaded(&self, pause: Duration) {
        let mut state = self.locked();
        let now = Instant::now();
        if state.last_cut.is_none_or(|at| now.duration_since(at) >= BETWEEN_CUTS) {
            state.limit = (state.limit / 2.0).max(1.0);
            state.last_cut = Some(now);
        }
        let until = now + pause;
        state.not_before = Some(state.not_before.map_or(until, |at| at.max(until)));
    }

    /// Heeds `x-ratelimit-*`: where nothing is left, nobody asks before the reset.
    pub(crate) fn heed(&self, reply: &HttpReply) {
        for kind in ["requests", "tokens"] {
            let left = reply.header(&format!("x-ratelimit-remaining-{kind}"));
            let is_used_up = left.and_then(|v| v.trim().parse::<i64>().ok()).is_some_and(|n| n <= 0);
            let reset = reply.header(&format!("x-ratelimit-reset-{kind}")).and_then(duration);
            if let Some(reset) = reset.filter(|_| is_used_up) {
                let until = Instant::now() + reset.min(MINUTE);
                let mut state = self.locked();
                state.not_before = Some(state.not_before.map_or(until, |at| at.max(until)));
            }
        }
    }

    /// Requests that may be in flight now.
    #[cfg(test)]
    fn limit(&self) -> usize {
        self.locked().limit as usize
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.pace.locked().in_flight -= 1;
        self.pace.changed.notify_all();
    }
}

/// `1s`, `6m0s`, `120ms`, or plain seconds.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let (mut total, mut rest) = (0.0, text.trim());
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_no_more_than_its_requests_and_tokens() {
        let now = Instant::now();
        let pace = Pace::new(8, Some(2), Some(100));
        let mut state = pace.locked();
        for (number, tokens) in [(0, 40), (1, 50)] {
            assert_eq!(pace.time_to_wait(&mut state, tokens, now), None);
            state.window.push_back((number, now, tokens));
        }
        let wait = |state: &mut State, tokens, after: u64| {
            pace.time_to_wait(state, tokens, now + Duration::from_secs(after)).map(|d| d.as_secs())
        };
        assert_eq!(wait(&mut state, 1, 15), Some(45));
        assert_eq!(wait(&mut state, 1, 60), None);
        state.window = VecDeque::from([(2, now, 90)]);
        assert_eq!(wait(&mut state, 11, 10), Some(50));
        assert_eq!(wait(&mut state, 10, 10), None);
        state.window.clear();
        assert_eq!(wait(&mut state, 5000, 10), None);
    }

    /// The limits by the clock, with a window of a fifth of a second.
    #[test]
    fn no_window_holds_more_than_its_limits_whoever_asks() {
        let window = Duration::from_millis(200);
        for (requests, tokens) in [(Some(3), None), (None, Some(30))] {
            let pace = Pace { window, ..Pace::new(8, requests, tokens) };
            let left = Mutex::new(Vec::new());
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..3 {
                            let leave = pace.wait(10);
                            // The time at which it was given; a thread that slept over it has no other.
                            let given =
                                pace.locked().window.iter().find(|w| w.0 == leave.number).map(|w| w.1);
                            left.lock().unwrap().extend(given);
                            pace.succeeded(&leave, Some(10));
                        }
                    });
                }
            });
            let mut left = left.into_inner().unwrap();
            left.sort();
            assert!(left.len() > 8, "{}", left.len());
            for four in left.windows(4) {
                let span = four[3] - four[0];
                assert!(span >= window, "{requests:?} {tokens:?} {span:?}");
            }
        }
    }

    #[test]
    fn overload_halves_and_good_replies_add() {
        let pace = Pace::new(8, None, None);
        pace.overloaded(Duration::ZERO);
        // Of the same overload.
        pace.overloaded(Duration::ZERO);
        assert_eq!(pace.limit(), 4);
        for _ in 0..4 {
            let leave = pace.wait(1);
            pace.succeeded(&leave, Some(1));
        }
        assert_eq!(pace.limit(), 4);
        for _ in 0..100 {
            let leave = pace.wait(1);
            pace.succeeded(&leave, None);
        }
        assert_eq!((pace.limit(), pace.locked().in_flight), (8, 0));
    }

    #[test]
    fn no_more_are_under_way_than_the_limit_says() {
        let pace = Pace::new(8, None, None);
        pace.locked().limit = 2.9;
        let most = Mutex::new(0);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let leave = pace.wait(1);
                    let now = pace.locked().in_flight;
                    let mut most = most.lock().unwrap();
                    *most = now.max(*most);
                    drop(most);
                    std::thread::sleep(Duration::from_millis(20));
                    drop(leave);
                });
            }
        });
        assert_eq!(most.into_inner().unwrap(), 2);
    }

    #[test]
    fn the_server_s_own_limits_are_heeded() {
        let pace = Pace::new(2, None, None);
        let headers = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1m30s")];
        pace.heed(&HttpReply::made_up(200, &[("x-ratelimit-remaining-requests", "5")], ""));
        assert!(pace.locked().not_before.is_none());
        pace.heed(&HttpReply::made_up(200, &headers, ""));
        let left = pace.locked().not_before.unwrap() - Instant::now();
        assert!(left > Duration::from_secs(59) && left <= MINUTE, "{left:?}");
        assert_eq!(duration("6m0s"), Some(Duration::from_mins(6)));
        assert_eq!(duration("120ms"), Some(Duration::from_millis(120)));
        assert_eq!(duration("1 day"), None);
    }
}
