//! Child processes whose output goes straight to the terminal.

use std::process::Command;

use anyhow::{Context, Result};

/// Runs a command to its end after printing it; false if it failed.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    let shown = shown(command);
    println!("$ {shown}");
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    Ok(status.success())
}

/// The command as one would type it, without quoting.
pub(crate) fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|w| w.to_string_lossy())
        .collect();
    words.join(" ")
}

/// The cargo that runs this chore.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
