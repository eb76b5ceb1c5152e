//! Encoder outputs kept on the disk: what a tower made of a file is computed once, whatever the run.
//!
//! An entry is named by a digest of everything that decides it: the content of the file, the model's files, device, compute
//! type, and how the file was decoded and treated, ffmpeg's version included. Entries are safetensors files of a
//! [`ContentStore`].

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use candle_core::Device;
use emomm_eval::MediaRecord;
use serde::{Deserialize, Serialize};

use crate::content_store::ContentStore;
use crate::front_end::{Encoded, Regions};
use crate::vision::Grid;

/// Raised whenever an entry's content or an encoder's arithmetic changes.
const FORMAT: &str = "4";

/// Which medium of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// The picture.
    Video,
    /// The sound.
    Audio,
}

impl Medium {
    fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }
}

/// A folder of encoder outputs.
#[derive(Debug)]
pub struct EncoderCache {
    store: ContentStore,
    /// Everything but the file: model, device, type, decoding.
    settings: String,
}

/// What stands beside the embeddings.
#[derive(Serialize, Deserialize)]
struct Beside {
    grid: Option<[usize; 3]>,
    kept: Option<Vec<u32>>,
    suppressed: Vec<u32>,
    #[serde(default)]
    regions: Regions,
    record: MediaRecord,
}

impl EncoderCache {
    /// Opens a folder, which is made if need be. `settings` names all that decides an encoding beside the file itself.
    pub fn open(folder: &Path, limit_bytes: u64, settings: &str) -> io::Result<Self> {
        Ok(Self { store: ContentStore::open(folder, limit_bytes)?, settings: settings.to_owned() })
    }

    /// The encoding of a medium: kept, or made now and kept. `treatment` says what is done to it before the model sees it; it is
    /// empty where nothing is. A folder that cannot be written costs time, not the answer.
    pub fn encoded<E>(
        &self,
        medium: Medium,
        file: &Path,
        treatment: &str,
        device: &Device,
        encode: impl FnOnce() -> Result<Encoded, E>,
    ) -> Result<Encoded, E> {
        let Ok(path) = self.path(medium, file, treatment) else { return encode() };
        if let Some(found) = ContentStore::read(&path).and_then(|bytes| read(&bytes, device)) {
            return Ok(found);
        }
        let made = encode()?;
        if let Ok(bytes) = entry(&made) {
            self.store.write(&path, &bytes);
        }
        Ok(made)
    }

    /// Whether there is an entry.
    pub fn holds(&self, medium: Medium, file: &Path, treatment: &str) -> bool {
        self.path(medium, file, treatment).is_ok_and(|path| path.is_file())
    }

    fn path(&self, medium: Medium, file: &Path, treatment: &str) -> io::Result<PathBuf> {
        self.store.path(file, &[FORMAT, medium.name(), &self.settings, treatment])
    }
}

/// The bytes of an entry.
fn entry(encoded: &Encoded) -> io::Result<Vec<u8>> {
    let beside = Beside {
        grid: encoded.grid.map(|g| [g.t, g.h, g.w]),
        kept: encoded.kept.clone(),
        suppressed: encoded.suppressed.clone(),
        regions: encoded.regions.clone(),
        record: encoded.record.clone(),
    };
    let json = serde_json::to_string(&beside)?;
    let metadata = HashMap::from([("beside".to_owned(), json)]);
    let tensor = encoded.embeddings.to_device(&Device::Cpu).map_err(io::Error::other)?;
    safetensors::serialize([("embeddings", tensor)], Some(metadata)).map_err(io::Error::other)
}

/// An entry, or `None` where it cannot be read: then it is made again and replaced.
fn read(bytes: &[u8], device: &Device) -> Option<Encoded> {
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes).ok()?;
    let beside: Beside = serde_json::from_str(header.metadata().as_ref()?.get("beside")?).ok()?;
    let mut tensors = candle_core::safetensors::load_buffer(bytes, device).ok()?;
    let embeddings = tensors.remove("embeddings")?;
    (embeddings.rank() == 2).then(|| Encoded {
        embeddings,
        grid: beside.grid.map(|[t, h, w]| Grid { t, h, w }),
        kept: beside.kept,
        suppressed: beside.suppressed,
        regions: beside.regions,
        record: beside.record,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::SystemTime;

    use candle_core::Tensor;

    use super::*;

    fn encoded(seed: f32) -> Encoded {
        let record = MediaRecord {
            frame_times: Some(vec![0.1, 1.0 / 3.0]),
            warnings: vec!["made up".to_owned()],
            ..MediaRecord::default()
        };
        let values: Vec<f32> = (0..12).map(|i| seed + i as f32 / 7.0).collect();
        let embeddings = Tensor::from_vec(values, (3, 4), &Device::Cpu).unwrap();
        let grid = Some(Grid { t: 1, h: 2, w: 6 });
        let regions = Regions { person: Some(vec![true, false, true]), face: None };
        Encoded { embeddings, grid, kept: Some(vec![0, 2, 5]), suppressed: vec![2], regions, record }
    }

    fn values(encoded: &Encoded) -> Vec<Vec<f32>> {
        encoded.embeddings.to_vec2().unwrap()
    }

    fn ask(cache: &EncoderCache, medium: Medium, file: &Path, seed: f32) -> (Encoded, bool) {
        let mut was_made = false;
        let found = cache.encoded(medium, file, "", &Device::Cpu, || {
            was_made = true;
            Ok::<_, ()>(encoded(seed))
        });
        (found.unwrap(), was_made)
    }

    #[test]
    fn an_encoding_is_made_once_for_what_decides_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, same, other) =
            (folder.path().join("a.mp4"), folder.path().join("b.mp4"), folder.path().join("c.mp4"));
        for (path, text) in [(&file, "one"), (&same, "one"), (&other, "two")] {
            fs::write(path, text).unwrap();
        }
        let at = folder.path().join("cache");
        let cache = EncoderCache::open(&at, 1 << 20, "model").unwrap();
        let (first, was_made) = ask(&cache, Medium::Video, &file, 1.0);
        assert!(was_made);
        // A file of the same content, and another process with the same settings.
        let again = EncoderCache::open(&at, 1 << 20, "model").unwrap();
        let (found, was_made) = ask(&again, Medium::Video, &same, 9.0);
        assert!(!was_made);
        assert_eq!((values(&found), found.record.clone()), (values(&first), first.record.clone()));
        assert_eq!(found.grid.map(|g| (g.t, g.h, g.w)), Some((1, 2, 6)));
        assert_eq!((found.kept, found.suppressed), (first.kept, first.suppressed));
        assert_eq!(found.regions, first.regions);
        assert!(ask(&cache, Medium::Audio, &file, 2.0).1);
        assert!(ask(&cache, Medium::Video, &other, 2.0).1);
        let treated = |word: &str| cache.path(Medium::Video, &file, word).unwrap();
        assert!(treated("crop") != treated("") && treated("crop") != treated("mask"));
        let changed = EncoderCache::open(&at, 1 << 20, "other model").unwrap();
        assert!(ask(&changed, Medium::Video, &file, 2.0).1);
    }

    #[test]
    fn a_damaged_entry_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.mp4");
        fs::write(&file, "one").unwrap();
        let cache = EncoderCache::open(&folder.path().join("cache"), 1 << 20, "model").unwrap();
        ask(&cache, Medium::Video, &file, 1.0);
        let entry = cache.store.entries().remove(0).path;
        let whole = fs::read(&entry).unwrap();
        for damaged in [&whole[..whole.len() / 2], &b""[..], &b"no tensors at all"[..]] {
            fs::write(&entry, damaged).unwrap();
            assert!(ask(&cache, Medium::Video, &file, 1.0).1);
            assert_eq!(fs::read(&entry).unwrap(), whole);
        }
    }

    #[test]
    fn the_entries_that_were_used_least_recently_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..8).map(|i| folder.path().join(format!("{i}.mp4"))).collect();
        for (i, file) in files.iter().enumerate() {
            fs::write(file, format!("clip {i}")).unwrap();
        }
        let at = folder.path().join("cache");
        let cache = EncoderCache::open(&at, 1 << 20, "model").unwrap();
        ask(&cache, Medium::Video, &files[0], 0.0);
        let bytes = cache.store.entries()[0].bytes;
        let cache = EncoderCache::open(&at, bytes * 4, "model").unwrap();
        let past = |file: &Path, seconds: u64| {
            let path = cache.path(Medium::Video, file, "").unwrap();
            let when = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::options().append(true).open(path).unwrap().set_modified(when).unwrap();
        };
        for (i, file) in files.iter().enumerate().take(4) {
            ask(&cache, Medium::Video, file, i as f32);
            past(file, 1000 + i as u64);
        }
        // The first is used again, and so outlives the second.
        ask(&cache, Medium::Video, &files[0], 0.0);
        ask(&cache, Medium::Video, &files[4], 4.0);
        let used: u64 = cache.store.entries().iter().map(|e| e.bytes).sum();
        assert!(used <= bytes * 4, "{used}");
        assert!(!ask(&cache, Medium::Video, &files[0], 0.0).1);
        assert!(ask(&cache, Medium::Video, &files[1], 1.0).1);
    }

    #[test]
    fn failures_are_not_kept_and_a_folder_that_cannot_be_written_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.mp4");
        fs::write(&file, "one").unwrap();
        let at = folder.path().join("cache");
        let cache = EncoderCache::open(&at, 1 << 20, "model").unwrap();
        assert_eq!(
            cache.encoded(Medium::Video, &file, "", &Device::Cpu, || Err("broken")).err(),
            Some("broken")
        );
        assert!(ask(&cache, Medium::Video, &file, 1.0).1);
        fs::remove_dir_all(&at).unwrap();
        fs::write(&at, "a file in the way").unwrap();
        assert!(ask(&cache, Medium::Video, &file, 1.0).1);
        // A file that is not there is left to the decoder to complain of.
        assert!(ask(&cache, Medium::Video, &folder.path().join("none"), 1.0).1);
    }
}
