//! A merge that is cut off leaves no run, and the next one makes it.

use std::fs;
use std::path::{Path, PathBuf};

use emomm_dataset::PerModality;
use emomm_eval::run::{
    ATTENTION_FOLDER, LOG_FILE, LayerAttention, LogWriter, MergeError, Record, Run, RunError, merge,
};
use tempfile::tempdir;

use crate::made_up::{header, plan, record};

/// The i-th of two shards, with one record whose tensors lie in a file of their own.
fn shard(folder: &Path, i: usize) -> PathBuf {
    let mut plan = plan(1);
    plan.selection.shard = Some(format!("{i}/2"));
    let header = header(plan);
    let attention = LayerAttention {
        nmas: PerModality::default(),
        mass: PerModality::default(),
        share: PerModality::default(),
        spatial: None,
        tensors: Some("00001.safetensors".to_owned()),
    };
    let path = folder.join(format!("shard-{i}"));
    let mut writer = LogWriter::create(&path, &header).unwrap();
    writer.append(&[Record { attention: Some(attention), ..record(&header, i, 1.0) }]).unwrap();
    fs::create_dir_all(path.join(ATTENTION_FOLDER)).unwrap();
    fs::write(tensors(&path), format!("tensors {i}")).unwrap();
    path
}

fn tensors(run: &Path) -> PathBuf {
    run.join(ATTENTION_FOLDER).join("00001.safetensors")
}

#[test]
fn a_merge_that_was_cut_off_is_made_again() {
    let folder = tempdir().unwrap();
    let shards = [1, 2].map(|i| shard(folder.path(), i));
    let runs = || shards.each_ref().map(|path| Run::open(path).unwrap());
    let out = folder.path().join("merged");

    // The tensors of the second shard cannot be read when the first has been written.
    let away = folder.path().join("away");
    fs::rename(tensors(&shards[1]), &away).unwrap();
    let error = merge(&runs(), &out).unwrap_err();
    assert!(matches!(error, MergeError::Run(RunError::Io { .. })), "{error}");
    assert!(matches!(Run::open(&out), Err(RunError::NoRun { .. })), "half a run is no run");

    // What a killed merge leaves is no run either; a folder of somebody else's is left alone.
    fs::create_dir_all(out.join("growing")).unwrap();
    fs::write(out.join("growing/mine.txt"), "mine").unwrap();
    fs::create_dir_all(out.join(".emomm-growing")).unwrap();
    fs::write(out.join(".emomm-growing").join(LOG_FILE), "{").unwrap();
    fs::rename(&away, tensors(&shards[1])).unwrap();
    assert_eq!(merge(&runs(), &out).unwrap(), 2);
    let merged = Run::open(&out).unwrap();
    assert!(merged.is_complete() && merged.header().plan.selection.shard.is_none());
    for (record, i) in merged.records().iter().zip([1, 2]) {
        let file = record.attention.as_ref().unwrap().tensors.as_ref().unwrap();
        let text = fs::read_to_string(out.join(ATTENTION_FOLDER).join(file)).unwrap();
        assert_eq!(text, format!("tensors {i}"));
    }
    assert!(!out.join(".emomm-growing").exists() && out.join("growing/mine.txt").exists());

    // A run that is whole is not written over.
    let error = merge(&runs(), &out).unwrap_err();
    assert!(matches!(error, MergeError::Run(RunError::Exists { .. })), "{error}");
}
