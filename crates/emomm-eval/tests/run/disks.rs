//! Disks that are full or fail: what was acknowledged stays, and nothing else is claimed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use emomm_eval::run::{
    ATTENTION_FOLDER, DiskFile, KeptAttention, LOG_FILE, LayerAttention, LogFile, LogWriter, Record,
    RecordSink, Run, RunError,
};
use tempfile::tempdir;

use crate::made_up::{header, plan, record};

/// A file that takes so many bytes, or syncs so many times, and then fails.
struct Failing {
    file: DiskFile,
    bytes_left: usize,
    syncs_left: usize,
    /// Whether even cutting fails.
    is_gone: bool,
}

impl LogFile for Failing {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fits = bytes.len().min(self.bytes_left);
        self.bytes_left -= fits;
        self.file.append(&bytes[..fits])?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.syncs_left = self.syncs_left.checked_sub(1).ok_or_else(|| io::Error::from_raw_os_error(5))?;
        self.file.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        if self.is_gone { Err(io::Error::from_raw_os_error(5)) } else { self.file.cut(length) }
    }
}

fn disk(folder: &Path) -> DiskFile {
    DiskFile(OpenOptions::new().create(true).append(true).open(folder.join(LOG_FILE)).unwrap())
}

/// Appends single records until the disk fails; the number of acknowledged ones and the error.
fn fill(folder: &Path, failing: Failing) -> (usize, RunError) {
    let header = header(plan(1000));
    let mut writer = LogWriter::over(&folder.join(LOG_FILE), Box::new(failing), &header).unwrap();
    for i in 0..1000 {
        if let Err(error) = writer.append(&[record(&header, i, 1.0)]) {
            // A second try claims nothing either.
            assert!(writer.append(&[record(&header, i, 1.0)]).is_err());
            assert_eq!(writer.n_acknowledged(), i);
            return (i, error);
        }
    }
    panic!("the disk did not fail");
}

#[test]
fn a_full_disk_keeps_what_was_acknowledged() {
    for bytes_left in [3000, 3001, 3100, 3333, 4000, 4321] {
        for is_gone in [false, true] {
            let folder = tempdir().unwrap();
            let failing = Failing { file: disk(folder.path()), bytes_left, syncs_left: 1000, is_gone };
            let (acknowledged, error) = fill(folder.path(), failing);
            assert!(matches!(&error, RunError::Append { acknowledged: n, .. } if *n == acknowledged));
            assert!(error.hint().unwrap().contains("free space"), "{error}");
            resumes_with(folder.path(), acknowledged);
        }
    }
}

#[test]
fn a_failed_sync_is_not_acknowledged() {
    for syncs_left in 1..6 {
        for is_gone in [false, true] {
            let folder = tempdir().unwrap();
            let failing = Failing { file: disk(folder.path()), bytes_left: 1 << 20, syncs_left, is_gone };
            let (acknowledged, error) = fill(folder.path(), failing);
            assert_eq!(acknowledged, syncs_left - 1);
            assert!(error.to_string().contains(&format!("{acknowledged} records are safe")), "{error}");
            // Where the file could not be cut, the group may have reached the disk after all.
            let found = Run::open(folder.path()).unwrap().records().len();
            assert!(found == acknowledged || (is_gone && found == acknowledged + 1));
            resumes_with(folder.path(), found);
        }
    }
}

fn resumes_with(folder: &Path, n: usize) {
    let header = header(plan(1000));
    let (mut writer, records) = LogWriter::resume(folder, &header, false).unwrap();
    assert_eq!(records.len(), n);
    writer.append(&[record(&header, 999, 1.0)]).unwrap();
    drop(writer);
    assert_eq!(Run::open(folder).unwrap().records().len(), n + 1);
}

/// The real thing, where the system has it: a device on which every write finds no space.
#[test]
#[cfg(target_os = "linux")]
fn the_device_without_space_is_a_full_disk() {
    let Ok(file) = File::options().append(true).open("/dev/full") else { return };
    let error =
        LogWriter::over(Path::new("/dev/full"), Box::new(DiskFile(file)), &header(plan(1))).unwrap_err();
    assert!(
        matches!(&error, RunError::Append { source, acknowledged: 0, .. } if source.kind() == io::ErrorKind::StorageFull)
    );
    let _ = io::stderr().flush();
}

/// Tensors come before the records that refer to them: where they cannot be written nothing is acknowledged, and going on works.
#[test]
fn records_whose_tensors_cannot_be_written_are_not_acknowledged() {
    let folder = tempdir().unwrap();
    let header = header(plan(1000));
    let group = |i: usize| {
        let attention = Some(LayerAttention::default());
        vec![(Record { attention, ..record(&header, i, 1.0) }, Some(KeptAttention::default()))]
    };
    // A folder where the shard is to be written fails as a broken disk does.
    let in_the_way = folder.path().join(ATTENTION_FOLDER).join("00001.part");
    std::fs::create_dir_all(&in_the_way).unwrap();
    let (writer, _) = LogWriter::resume(folder.path(), &header, false).unwrap();
    let mut sink = RecordSink::with_tensors(writer, folder.path()).unwrap();
    // The folder in the way takes a number, so the shard is the next one: it is put in its way, too.
    std::fs::create_dir_all(folder.path().join(ATTENTION_FOLDER).join("00002.part")).unwrap();
    assert!(sink.append(group(0)).is_err());
    drop(sink);
    assert_eq!(Run::open(folder.path()).unwrap().records().len(), 0);
    std::fs::remove_dir_all(folder.path().join(ATTENTION_FOLDER)).unwrap();
    let (writer, _) = LogWriter::resume(folder.path(), &header, false).unwrap();
    let mut sink = RecordSink::with_tensors(writer, folder.path()).unwrap();
    let records = sink.append(group(0)).unwrap();
    let run = Run::open(folder.path()).unwrap();
    assert_eq!(run.records(), records);
    assert!(run.kept_attention(&records[0]).unwrap().is_some());
}
