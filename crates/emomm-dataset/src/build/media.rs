//! The media of clips: whether they can be opened, and their hashes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::Path;
use std::thread;

use sha2::{Digest, Sha256};

use super::container;
use super::sample::Sample;
use crate::finding::{Action, Finding, FindingKind};
use crate::policy::Policies;
use crate::readers::text_file::hex;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// Why a file is no medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaFault {
    kind: FindingKind,
    /// In words.
    pub(crate) found: String,
}

/// SHA-256 of a file that is there and not empty.
pub(crate) fn digest(path: &Path) -> Result<String, MediaFault> {
    let fault = |error: io::Error| MediaFault {
        kind: if error.kind() == io::ErrorKind::NotFound {
            FindingKind::MissingMedia
        } else {
            FindingKind::UnreadableMedia
        },
        found: format!("{}: {error}", path.display()),
    };
    let mut file = File::open(path).map_err(fault)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut is_empty = true;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => {
                is_empty = false;
                hash.update(&chunk[..n]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault(error)),
        }
    }
    if is_empty {
        let found = format!("{}: empty", path.display());
        return Err(MediaFault { kind: FindingKind::UnreadableMedia, found });
    }
    Ok(hex(&hash.finalize()))
}

/// SHA-256 of a file that is whole, as far as its container tells.
fn whole(path: &Path) -> Result<String, MediaFault> {
    let digest = digest(path)?;
    match container::damage(path) {
        None => Ok(digest),
        Some(damage) => Err(MediaFault {
            kind: FindingKind::UnreadableMedia,
            found: format!("{}: {damage}", path.display()),
        }),
    }
}

/// Digests of files by path relative to `root`, on as many threads as there are cores. The result does not depend
/// on their number.
pub(crate) fn digests<'a>(
    root: &Path,
    paths: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<String, Result<String, MediaFault>> {
    let mut paths: Vec<&str> = paths.into_iter().collect();
    paths.sort_unstable();
    paths.dedup();
    let n_threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = paths.len().div_ceil(n_threads).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = paths
            .chunks(share)
            .map(|chunk| {
                scope.spawn(move || {
                    chunk.iter().map(|p| ((*p).to_owned(), whole(&root.join(p)))).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    })
}

/// Fills in the hashes of one corpus's samples; those without media are reported and, by policy, left out.
pub(crate) fn hash_media(
    samples: Vec<Sample>,
    root: &Path,
    policies: &Policies,
) -> (Vec<Sample>, Vec<Finding>) {
    let paths = samples.iter().flat_map(|s| [&s.video_path, &s.audio_path]).flatten().map(String::as_str);
    let digests = digests(root, paths);
    let mut findings = Vec::new();
    let mut kept = Vec::with_capacity(samples.len());
    for mut sample in samples {
        let mut is_whole = true;
        let mut last_fault = None;
        let mut look_up = |path: &Option<String>| {
            let no_path = || {
                let found = "no file is named".to_owned();
                Err(MediaFault { kind: FindingKind::MissingMedia, found })
            };
            let fault = match path.as_ref().and_then(|p| digests.get(p)).cloned().unwrap_or_else(no_path) {
                Ok(digest) => return Some(digest),
                Err(fault) => fault,
            };
            // Picture and sound in one file are one fault.
            if last_fault.as_ref() != Some(&fault) {
                let action = policies.action(fault.kind);
                is_whole &= action == Action::Kept;
                findings.push(Finding {
                    kind: fault.kind,
                    file: sample.file.clone(),
                    row: Some(sample.row),
                    clip: Some(format!("{}/{}", sample.video_id, sample.clip_id)),
                    found: fault.found.clone(),
                    action,
                });
                last_fault = Some(fault);
            }
            None
        };
        let video = look_up(&sample.video_path);
        let audio = look_up(&sample.audio_path);
        (sample.video_sha256, sample.audio_sha256) = (video, audio);
        if is_whole {
            kept.push(sample);
        }
    }
    (kept, findings)
}
