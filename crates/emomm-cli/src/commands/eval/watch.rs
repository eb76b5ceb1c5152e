//! Progress on stderr: a bar on a terminal, a line every half minute elsewhere.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use emomm_eval::run::Record;
use emomm_eval::runner::{InFlight, Observer, Progress};
use indicatif::ProgressBar;

use crate::interrupt::Interrupts;
use crate::printer::Printer;

/// Time between two lines off a terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Time between two changes of the bar.
const BAR_EVERY: Duration = Duration::from_millis(200);

/// Names a file that gets the key of every acknowledged record, for the test that kills processes.
const ACKNOWLEDGED: &str = "EMOMM_TEST_ACKNOWLEDGED";

/// Looks on and says how far it is.
pub(crate) struct Watch<'a> {
    pub(crate) progress: Progress,
    printer: &'a Printer,
    interrupts: Interrupts,
    bar: Option<ProgressBar>,
    last: Instant,
    acknowledged: Option<File>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(progress: Progress, interrupts: Interrupts, printer: &'a Printer) -> Self {
        let bar = printer.bar();
        if bar.is_none() {
            printer.talk(&progress.line().to_string());
        }
        let acknowledged = std::env::var_os(ACKNOWLEDGED)
            .and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
        Self { progress, printer, interrupts, bar, last: Instant::now(), acknowledged }
    }

    /// The last state, as a line that stays.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.progress.elapsed().as_secs_f64();
        self.printer.talk(&format!("{}, {seconds:.1} s", self.progress.line()));
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.printer.talk(line)),
            None => self.printer.talk(line),
        }
    }
}

impl Observer for Watch<'_> {
    fn recorded(&mut self, records: &[Record]) {
        self.progress.record(records);
        if let Some(file) = &mut self.acknowledged {
            let mut keys = String::new();
            for record in records {
                keys.push_str(&record.key);
                keys.push('\n');
            }
            // A test that cannot be told fails by itself.
            let _ = file.write_all(keys.as_bytes());
        }
    }

    fn tick(&mut self, in_flight: &dyn Fn() -> Vec<InFlight>) {
        if self.interrupts.take_wants_state() {
            self.say(&self.progress.line().to_string());
            let doing = in_flight();
            if doing.is_empty() {
                self.say("no clip is being answered");
            }
            for clip in doing {
                self.say(&format!("  {clip}"));
            }
        }
        let every = if self.bar.is_some() { BAR_EVERY } else { LINE_EVERY };
        if self.last.elapsed() < every {
            return;
        }
        self.last = Instant::now();
        let line = self.progress.line();
        match &self.bar {
            Some(bar) => {
                bar.set_length(line.n_total as u64);
                bar.set_position(line.n_done as u64);
                bar.set_message(line.to_string());
            }
            None => self.printer.talk(&line.to_string()),
        }
    }
}
