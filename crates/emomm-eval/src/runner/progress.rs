//! How far a run is: counts, rate, time left, running accuracy.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use emomm_dataset::{ModalitySet, Sentiment};

use crate::run::{Record, RecordStatus};

/// The rate is that of so long a time.
const WINDOW: Duration = Duration::from_mins(1);

/// Half width of a 95 % interval in standard errors.
const Z: f64 = 1.959_963_984_540_054;

/// Counts of a run that is going on.
#[derive(Debug)]
pub struct Progress {
    n_total: usize,
    n_reused: usize,
    n_done: usize,
    n_failed: usize,
    truths: BTreeMap<String, Sentiment>,
    /// The coalition whose accuracy is shown: the largest of the plan.
    shown: ModalitySet,
    n_asked: usize,
    n_right: usize,
    cost_usd: Option<f64>,
    recent: VecDeque<(Instant, usize)>,
    began: Instant,
}

/// What a bar or a line says.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressLine {
    /// Records of the plan.
    pub n_total: usize,
    /// Records that are there, those of earlier runs included.
    pub n_done: usize,
    /// Those of them that were there before.
    pub n_reused: usize,
    /// Records without an answer.
    pub n_failed: usize,
    /// Records a second, of the last minute; `None` before the first.
    pub rate: Option<f64>,
    /// Time left at that rate.
    pub left: Option<Duration>,
    /// The coalition of the accuracy.
    pub coalition: ModalitySet,
    /// Running accuracy with the ends of its Wilson interval, which takes samples as independent; `None` before the
    /// first.
    pub accuracy: Option<(f64, f64, f64)>,
    /// US dollars that the answers cost; `None` of a model on this machine, and without a price.
    pub cost_usd: Option<f64>,
}

impl Progress {
    /// Nothing is done; `truths` are the classes of the clips.
    pub fn new(n_total: usize, truths: BTreeMap<String, Sentiment>, coalitions: &[ModalitySet]) -> Self {
        let shown = coalitions.iter().copied().max_by_key(|c| c.len()).unwrap_or(ModalitySet::FULL);
        let now = Instant::now();
        Self {
            n_total,
            n_reused: 0,
            n_done: 0,
            n_failed: 0,
            truths,
            shown,
            n_asked: 0,
            n_right: 0,
            cost_usd: None,
            recent: VecDeque::from([(now, 0)]),
            began: now,
        }
    }

    /// Counts records of earlier runs.
    pub fn reuse(&mut self, records: &[Record]) {
        self.count(records);
        self.n_reused += records.len();
    }

    /// Counts new records.
    pub fn record(&mut self, records: &[Record]) {
        self.count(records);
        let (now, n_new) = (Instant::now(), self.n_done - self.n_reused);
        self.recent.push_back((now, n_new));
        while self.recent.len() > 2 && self.recent.get(1).is_some_and(|(at, _)| now - *at > WINDOW) {
            self.recent.pop_front();
        }
    }

    fn count(&mut self, records: &[Record]) {
        self.n_done += records.len();
        for record in records {
            self.n_failed += usize::from(record.status != RecordStatus::Ok);
            if let Some(usd) = record.served.as_ref().and_then(|s| s.cost_usd) {
                self.cost_usd = Some(self.cost_usd.unwrap_or(0.0) + usd);
            }
            if record.coalition == self.shown
                && let Some(truth) = self.truths.get(&record.sample)
            {
                self.n_asked += 1;
                self.n_right += usize::from(record.answer() == Some(*truth));
            }
        }
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The state of now.
    pub fn line(&self) -> ProgressLine {
        let rate = match (self.recent.front(), self.recent.back()) {
            (Some((from, a)), Some((to, b))) if b > a && to > from => {
                Some((b - a) as f64 / (*to - *from).as_secs_f64())
            }
            _ => None,
        };
        let n_left = self.n_total.saturating_sub(self.n_done);
        let left = rate.and_then(|r| Duration::try_from_secs_f64(n_left as f64 / r).ok());
        ProgressLine {
            n_total: self.n_total,
            n_done: self.n_done,
            n_reused: self.n_reused,
            n_failed: self.n_failed,
            rate,
            left,
            coalition: self.shown,
            accuracy: wilson(self.n_right, self.n_asked),
            cost_usd: self.cost_usd,
        }
    }
}

/// Share and Wilson's 95 % interval.
fn wilson(hits: usize, n: usize) -> Option<(f64, f64, f64)> {
    if n == 0 {
        return None;
    }
    let (n, share) = (n as f64, hits as f64 / n as f64);
    let z2 = Z * Z / n;
    let centre = (share + z2 / 2.0) / (1.0 + z2);
    let half = Z / (1.0 + z2) * (share * (1.0 - share) / n + z2 / (4.0 * n)).sqrt();
    Some((share, (centre - half).max(0.0), (centre + half).min(1.0)))
}

impl fmt::Display for ProgressLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} records", self.n_done, self.n_total)?;
        if self.n_reused > 0 {
            write!(f, " ({} reused)", self.n_reused)?;
        }
        if let Some(rate) = self.rate {
            let digits = if rate < 10.0 { 2 } else { 0 };
            write!(f, ", {rate:.digits$}/s")?;
        }
        if let Some(left) = self.left.filter(|_| self.n_done < self.n_total) {
            write!(f, ", {} left", clock(left))?;
        }
        if let Some((share, low, high)) = self.accuracy {
            write!(f, ", Acc({}) {share:.3} [{low:.3}, {high:.3}]", self.coalition)?;
        }
        write!(f, ", {} failed", self.n_failed)?;
        match self.cost_usd {
            Some(usd) => write!(f, ", {usd:.4} US dollars"),
            None => Ok(()),
        }
    }
}

/// `12 s`, `3 min 05 s`, `2 h 07 min`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// statsmodels 0.14: `proportion_confint(7, 20, method="wilson")`, and of 0 in 5.
    #[test]
    fn the_interval_is_wilson_s() {
        let (share, low, high) = wilson(7, 20).unwrap();
        assert!((share - 0.35).abs() < 1e-12);
        assert!(
            (low - 0.181_191_824_101_082).abs() < 1e-9 && (high - 0.567_145_723_314_764).abs() < 1e-9,
            "{low} {high}"
        );
        let (_, low, high) = wilson(0, 5).unwrap();
        assert!(low.abs() < 1e-12 && (high - 0.434_482_464_783_175).abs() < 1e-9, "{low} {high}");
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn a_line_says_what_was_reused() {
        let line = ProgressLine {
            n_total: 80,
            n_done: 24,
            n_reused: 16,
            n_failed: 1,
            rate: Some(2.0),
            left: Some(Duration::from_secs(125)),
            coalition: ModalitySet::FULL,
            accuracy: Some((0.5, 0.25, 0.75)),
            cost_usd: None,
        };
        let said =
            "24/80 records (16 reused), 2.00/s, 2 min 05 s left, Acc(TAV) 0.500 [0.250, 0.750], 1 failed";
        assert_eq!(line.to_string(), said);
        let paid = ProgressLine { cost_usd: Some(0.012_34), ..line };
        assert_eq!(paid.to_string(), format!("{said}, 0.0123 US dollars"));
        assert_eq!(clock(Duration::from_mins(127)), "2 h 07 min");
    }
}
