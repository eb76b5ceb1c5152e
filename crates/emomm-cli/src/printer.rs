//! The two streams: data on stdout, talk on stderr, progress on stderr only when somebody is looking.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::exit_status::{ExitStatus, Failure};

/// Writes to both streams.
#[derive(Debug)]
pub(crate) struct Printer {
    out: io::Stdout,
    err: io::Stderr,
    shows_progress_only: bool,
}

impl Printer {
    pub(crate) fn new() -> Self {
        Self { out: io::stdout(), err: io::stderr(), shows_progress_only: false }
    }

    /// One that shows progress and leaves out data and talk: for a command that is a step of another.
    pub(crate) fn progress_only() -> Self {
        Self { shows_progress_only: true, ..Self::new() }
    }

    /// Text on stdout.
    pub(crate) fn data(&self, text: &str) -> Result<(), Failure> {
        if self.shows_progress_only {
            return Ok(());
        }
        let mut out = self.out.lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| stdout_failure(&e))
    }

    /// One JSON object as one line on stdout.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_string(value)
            .map_err(|e| Failure::new(ExitStatus::Model, format!("result cannot be written as JSON: {e}")))?;
        line.push('\n');
        self.data(&line)
    }

    /// A line on stderr. A closed stderr is nobody's loss.
    pub(crate) fn talk(&self, line: &str) {
        if self.shows_progress_only {
            return;
        }
        let _ = writeln!(self.err.lock(), "{line}");
    }

    /// An error with its remedy on stderr.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        self.talk(&format!("error: {}", failure.message));
        if let Some(hint) = &failure.hint {
            self.talk(&format!("  hint: {hint}"));
        }
    }

    /// A bar on stderr; `None` off a terminal.
    pub(crate) fn bar(&self) -> Option<ProgressBar> {
        if !self.err.is_terminal() {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {elapsed}\n{msg}") {
            bar.set_style(style);
        }
        Some(bar)
    }

    /// A spinner on stderr, invisible off a terminal.
    pub(crate) fn spinner(&self, message: &str) -> ProgressBar {
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
        let target =
            if self.err.is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let spinner = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = style {
            spinner.set_style(style);
        }
        spinner.set_message(message.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }

    /// A bar with count, rate and time left on stderr, invisible off a terminal. Its length is set when it is known.
    pub(crate) fn progress(&self, message: &str) -> ProgressBar {
        let template = "{msg} {bar:32} {pos}/{len} {per_sec} {eta} left";
        let target =
            if self.err.is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(message.to_owned());
        bar
    }
}

/// A reader that went away (`| head`) ends the command quietly.
fn stdout_failure(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::new(ExitStatus::Done, "");
    }
    Failure::new(ExitStatus::Usage, format!("stdout: {error}"))
}
