//! When a request is sent again, and after how long: the rules of the makers' own clients.
//!
//! openai-python: `x-should-retry` decides; else 408, 409, 429 and 500 and above are sent again. `retry-after-ms` or
//! `retry-after` (seconds or a date) say when; without them 0.5 s, doubling to 8 s, less up to a quarter.
//! google-genai: 408, 429 and 500 and above, five tries, 1 s doubling to 60 s, plus up to a second; `RetryInfo` in the
//! error says when. A server that wants more than two minutes is not waited for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use emomm_dataset::{days_since_1970, seeded_key};
use serde_json::Value;

use crate::transport::HttpReply;

/// Whoever asks for more is left.
const LONGEST_ASKED: Duration = Duration::from_mins(2);

/// How waits grow, and where the chance in them goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Patience {
    /// Further tries after the first.
    pub(crate) retries: usize,
    first: Duration,
    longest: Duration,
    /// Of the wait: −0.25 for up to a quarter less.
    share: f64,
    /// In seconds: 1 for up to a second more.
    extra: f64,
    /// Whether 409 is sent again.
    conflicts: bool,
}

impl Patience {
    pub(crate) const OPENAI: Self = Self {
        retries: 2,
        first: Duration::from_millis(500),
        longest: Duration::from_secs(8),
        share: -0.25,
        extra: 0.0,
        conflicts: true,
    };
    pub(crate) const GEMINI: Self = Self {
        retries: 4,
        first: Duration::from_secs(1),
        longest: Duration::from_mins(1),
        share: 0.0,
        extra: 1.0,
        conflicts: false,
    };

    /// With another number of further tries, if one is given.
    pub(crate) fn with_retries(mut self, retries: Option<usize>) -> Self {
        self.retries = retries.unwrap_or(self.retries);
        self
    }

    /// Whether a status is one of those that pass.
    fn passes(&self, status: u16) -> bool {
        status == 408 || (status == 409 && self.conflicts) || status == 429 || status >= 500
    }

    /// The wait before the next try, after `done` retries; `None` to give up. `reply` is absent where none came; `chance`
    /// is in [0, 1).
    pub(crate) fn wait(&self, done: usize, reply: Option<&HttpReply>, chance: f64) -> Option<Duration> {
        if done >= self.retries {
            return None;
        }
        if let Some(reply) = reply {
            let again = match reply.header("x-should-retry") {
                Some("true") => true,
                Some("false") => false,
                // A reply that could not be read came with a good status.
                _ => reply.is_success() || self.passes(reply.status),
            };
            if !again {
                return None;
            }
            if let Some(asked) = asked(reply, SystemTime::now()) {
                return (asked <= LONGEST_ASKED).then_some(asked);
            }
        }
        let doubled = self.first.as_secs_f64() * 2_f64.powi(done.min(30) as i32);
        let wait = doubled.min(self.longest.as_secs_f64());
        Some(Duration::from_secs_f64(wait * (1.0 + self.share * chance) + self.extra * chance))
    }
}

/// What the server asks for.
pub(crate) fn asked(reply: &HttpReply, now: SystemTime) -> Option<Duration> {
    let seconds = |s: f64| (s.is_finite() && s >= 0.0).then(|| Duration::try_from_secs_f64(s).ok()).flatten();
    if let Some(ms) = reply.header("retry-after-ms").and_then(|v| v.trim().parse::<f64>().ok()) {
        return seconds(ms / 1000.0);
    }
    if let Some(value) = reply.header("retry-after") {
        if let Ok(s) = value.trim().parse::<f64>() {
            return seconds(s);
        }
        if let Some(at) = date(value) {
            return Some(at.duration_since(now).unwrap_or_default());
        }
    }
    let body: Value = serde_json::from_slice(&reply.body).ok()?;
    // Google wraps some errors in a list of one.
    let error = body.get("error").or_else(|| body.get(0)?.get("error"))?;
    let details = error.get("details")?.as_array()?;
    let delay = details.iter().find_map(|d| d.get("retryDelay")?.as_str())?;
    seconds(delay.strip_suffix('s')?.parse().ok()?)
}

/// A date of HTTP, `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(text: &str) -> Option<SystemTime> {
    let mut words = text.trim().split([' ', ':']).filter(|w| !w.is_empty());
    words.next()?.strip_suffix(',')?;
    let day: i64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = names.iter().position(|n| *n == name)? as i64 + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = || words.next()?.parse::<i64>().ok();
    let (hour, minute, second) = (clock()?, clock()?, clock()?);
    let is_clock = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    let days = days_since_1970(year, month, day).filter(|_| is_clock)?;
    let seconds = u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// A number in [0, 1) that follows from a name and a count.
pub(crate) fn chance(name: &str, count: usize) -> f64 {
    (seeded_key(count as u64, name) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)]) -> HttpReply {
        HttpReply::made_up(status, headers, "")
    }

    #[test]
    fn waits_double_up_to_their_longest() {
        let waits = |p: Patience| {
            let patient = Patience { retries: 9, ..p };
            let ms = |n| patient.wait(n, Some(&reply(503, &[])), 0.0).unwrap().as_millis();
            [0, 1, 2, 3, 4, 5, 6, 7].map(ms)
        };
        assert_eq!(waits(Patience::OPENAI), [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]);
        assert_eq!(waits(Patience::GEMINI), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        let shortest = Patience::OPENAI.wait(0, None, 1.0).unwrap().as_secs_f64();
        assert!((shortest - 0.375).abs() < 1e-12);
        assert_eq!(Patience::OPENAI.wait(2, None, 0.0), None);
        assert_eq!(Patience::GEMINI.wait(4, None, 0.0), None);
    }

    #[test]
    fn only_what_passes_is_sent_again_unless_the_server_says_otherwise() {
        let again = |p: Patience, status, headers: &[(&str, &str)]| {
            p.wait(0, Some(&reply(status, headers)), 0.0).is_some()
        };
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            assert!(again(Patience::OPENAI, status, &[]), "{status}");
            assert_eq!(again(Patience::GEMINI, status, &[]), status != 409, "{status}");
        }
        for status in [400, 401, 403, 404, 413, 422] {
            assert!(!again(Patience::OPENAI, status, &[]), "{status}");
        }
        assert!(again(Patience::OPENAI, 400, &[("x-should-retry", "true")]));
        assert!(!again(Patience::OPENAI, 429, &[("x-should-retry", "false")]));
    }

    #[test]
    fn the_server_s_own_delay_goes_first_up_to_two_minutes() {
        let wait = |headers: &[(&str, &str)]| Patience::OPENAI.wait(0, Some(&reply(429, headers)), 0.5);
        assert_eq!(
            wait(&[("retry-after-ms", "1500"), ("retry-after", "9")]),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(wait(&[("retry-after", "9")]), Some(Duration::from_secs(9)));
        assert_eq!(wait(&[("retry-after", "120")]), Some(Duration::from_mins(2)));
        assert_eq!(wait(&[("retry-after", "121")]), None);
        assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]), Some(Duration::ZERO));
        // A date in the future is a wait until then.
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let dated = reply(429, &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        assert_eq!(asked(&dated, at(784_111_770)), Some(Duration::from_secs(7)));
        assert_eq!(asked(&dated, at(784_111_780)), Some(Duration::ZERO));
        // Not a number and not a date: as if it were not there.
        assert_eq!(wait(&[("retry-after", "soon")]), Some(Duration::from_secs_f64(0.4375)));
    }

    #[test]
    fn google_s_delay_stands_in_the_body() {
        let body = r#"{"error":{"code":429,"details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure"},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"12.5s"}]}}"#;
        let reply = HttpReply::made_up(429, &[], body);
        assert_eq!(Patience::GEMINI.wait(0, Some(&reply), 0.0), Some(Duration::from_secs_f64(12.5)));
    }

    #[test]
    fn dates_are_counted_right() {
        let seconds = |text| date(text).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), 784_111_777);
        assert_eq!(seconds("Thu, 29 Feb 2024 00:00:00 GMT"), 1_709_164_800);
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:01 GMT"), 1);
        for text in [
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 9223372036854775807 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 9223372036854775807:49:37 GMT",
            "Sun, 06 Nov 1994 08:-1:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
        ] {
            assert!(date(text).is_none(), "{text}");
        }
    }

    #[test]
    fn chance_is_spread_and_repeats() {
        let drawn: Vec<f64> = (0..1000).map(|i| chance("abc", i)).collect();
        let mean = drawn.iter().sum::<f64>() / 1000.0;
        assert!(drawn.iter().all(|c| (0.0..1.0).contains(c)) && (mean - 0.5).abs() < 0.05, "{mean}");
        assert!((chance("abc", 7) - drawn[7]).abs() < 1e-15);
    }
}
