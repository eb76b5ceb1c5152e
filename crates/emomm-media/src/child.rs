//! One ffmpeg child under limits.
//!
//! stdout and stderr are read on a thread each, so neither pipe can fill up and stop the child; the calling thread takes
//! stdout chunk by chunk and ends the child at the deadline or when the taker refuses a chunk. stderr is kept bounded:
//! the first and the last part. On Linux the child's address space is limited with `prlimit(2)` right after it is
//! started, which needs no unsafe code; the few microseconds before that are spent in the dynamic loader.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::MediaError;
use crate::limits::Deadline;

/// Bytes handed over at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes of stderr kept from its start and, again, from its end.
const KEPT_STDERR_BYTES: usize = 64 * 1024;

/// What to run and how far it may go.
pub(crate) struct ChildTask<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: &'a [OsString],
    /// The media file, to be named in errors.
    pub(crate) path: &'a Path,
    pub(crate) deadline: Deadline,
    pub(crate) max_memory_bytes: Option<u64>,
}

/// A child that came to its own end.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

impl ChildTask<'_> {
    /// Runs the child to its end and hands each chunk of its stdout to `take`.
    ///
    /// # Errors
    /// The error of `take`, [`MediaError::TimedOut`], or [`MediaError::Io`] when the program cannot be started. The
    /// child is dead when this returns.
    pub(crate) fn run(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), MediaError>,
    ) -> Result<Finished, MediaError> {
        let mut child = self.start()?;
        let chunks = read_chunks(child.0.stdout.take());
        let stderr = KeptStderr::read(child.0.stderr.take());
        loop {
            let left = self.deadline.left();
            // A child that is always ahead would otherwise be read beyond the deadline.
            if left.is_zero() {
                return Err(self.timed_out());
            }
            match chunks.recv_timeout(left) {
                Ok(Ok(chunk)) => take(&chunk)?,
                Ok(Err(source)) => return Err(self.io("read the output of", source)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return Err(self.timed_out()),
            }
        }
        let status = self.wait(&mut child.0)?;
        Ok(Finished { status, stderr: stderr.into_text() })
    }

    fn start(&self) -> Result<KilledOnDrop, MediaError> {
        let child = Command::new(self.program)
            .args(self.arguments)
            .env_remove("FFREPORT")
            .env("AV_LOG_FORCE_NOCOLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| self.io("start", source))?;
        let child = KilledOnDrop(child);
        if let Some(bytes) = self.max_memory_bytes {
            limit_address_space(&child.0, bytes).map_err(|source| self.io("limit the memory of", source))?;
        }
        Ok(child)
    }

    /// Waits for a child that has closed its stdout; it may still hang.
    fn wait(&self, child: &mut Child) -> Result<ExitStatus, MediaError> {
        let mut pause = Duration::from_micros(200);
        loop {
            if let Some(status) = child.try_wait().map_err(|source| self.io("wait for", source))? {
                return Ok(status);
            }
            if self.deadline.left().is_zero() {
                return Err(self.timed_out());
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    fn timed_out(&self) -> MediaError {
        self.deadline.passed(self.path)
    }

    fn io(&self, action: &'static str, source: std::io::Error) -> MediaError {
        MediaError::Io { path: self.program.to_owned(), action, source }
    }
}

/// A child that does not outlive its owner, whatever the reason for leaving.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // Both fail only for a child that has ended and was waited for already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
fn limit_address_space(child: &Child, bytes: u64) -> std::io::Result<()> {
    use rustix::io::Errno;
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    match prlimit(Some(Pid::from_child(child)), Resource::As, limit) {
        Ok(_) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the Linux version can fail")]
fn limit_address_space(_child: &Child, _bytes: u64) -> std::io::Result<()> {
    Ok(())
}

/// Reads a pipe on its own thread. The channel is short, so a slow taker slows the child down instead of filling memory.
fn read_chunks(pipe: Option<impl Read + Send + 'static>) -> Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::sync_channel(4);
    if let Some(pipe) = pipe {
        thread::spawn(move || send_chunks(pipe, &sender));
    }
    receiver
}

fn send_chunks(mut pipe: impl Read, sender: &SyncSender<std::io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let message = match pipe.read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => {
                chunk.truncate(n);
                Ok(chunk)
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = message.is_err();
        if sender.send(message).is_err() || failed {
            return;
        }
    }
}

/// The start and the end of what a child wrote to stderr.
struct KeptStderr {
    kept: Arc<Mutex<HeadAndTail>>,
    ended: Receiver<()>,
}

#[derive(Default)]
struct HeadAndTail {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: bool,
}

impl KeptStderr {
    fn read(pipe: Option<impl Read + Send + 'static>) -> Self {
        let kept = Arc::new(Mutex::new(HeadAndTail::default()));
        let (sender, ended) = mpsc::channel();
        if let Some(mut pipe) = pipe {
            let kept = Arc::clone(&kept);
            thread::spawn(move || {
                let mut buffer = vec![0; 8192];
                while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(&buffer[..n]);
                }
                // The receiver is gone when the child was given up.
                let _ = sender.send(());
            });
        }
        Self { kept, ended }
    }

    /// The text once the child has ended. A grandchild can hold the pipe open (a wrapper script), so the wait is short.
    fn into_text(self) -> String {
        let _ = self.ended.recv_timeout(Duration::from_millis(500));
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).text()
    }
}

impl HeadAndTail {
    fn push(&mut self, bytes: &[u8]) {
        let into_head = bytes.len().min(KEPT_STDERR_BYTES - self.head.len());
        self.head.extend_from_slice(&bytes[..into_head]);
        self.tail.extend_from_slice(&bytes[into_head..]);
        if self.tail.len() > 2 * KEPT_STDERR_BYTES {
            self.tail.drain(..self.tail.len() - KEPT_STDERR_BYTES);
            self.dropped = true;
        }
    }

    fn text(&self) -> String {
        let middle = if self.dropped { "\n[...]\n" } else { "" };
        format!("{}{middle}{}", String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&self.tail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stderr_is_kept_at_both_ends_and_bounded() {
        let mut kept = HeadAndTail::default();
        kept.push(b"first");
        for _ in 0..1000 {
            kept.push(&[b'.'; 1000]);
        }
        kept.push(b"last");
        let text = kept.text();
        assert!(text.starts_with("first") && text.ends_with("last") && text.contains("[...]"));
        assert!(text.len() <= 3 * KEPT_STDERR_BYTES + 16, "{} bytes kept", text.len());
    }
}
