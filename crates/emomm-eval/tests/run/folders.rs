//! Folders on a real disk.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use emomm_eval::run::{LOG_FILE, LogWriter, Record, RecordStatus, Run, RunError};
use emomm_eval::{LetterMass, Prediction};
use tempfile::tempdir;

use crate::made_up::{header, plan, prediction, record, record_of};

fn add(folder: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(folder.join(LOG_FILE)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn what_was_appended_is_read_once_and_sorted() {
    let folder = tempdir().unwrap();
    let header = header(plan(3));
    let mut writer = LogWriter::create(folder.path(), &header).unwrap();
    writer.append(&[record(&header, 2, 1.0), record(&header, 0, 1.0)]).unwrap();
    writer.append(&[record(&header, 2, 3.5)]).unwrap();
    assert_eq!(writer.n_acknowledged(), 3);
    drop(writer);
    let run = Run::open(folder.path()).unwrap();
    assert_eq!(run.header(), &header);
    assert_eq!(run.records(), [record(&header, 0, 1.0), record(&header, 2, 3.5)]);
    assert_eq!((run.n_superseded(), run.is_complete(), run.is_torn()), (1, false, false));
    assert_eq!(run.n_of_n(), "2 of 3 records");
    assert_eq!(run.statuses().get(&RecordStatus::Ok), Some(&2));
    assert!(run.record("made-up/v/002", emomm_dataset::ModalitySet::FULL).is_some());
    assert!(run.record("made-up/v/002", emomm_dataset::ModalitySet::NONE).is_none());
}

/// A file of this name that another tool wrote is not taken for the beginning of a log.
#[test]
fn what_is_no_log_is_refused_and_left_alone() {
    let header = header(plan(2));
    for foreign in ["{\"a\":1}\n{\"b\":2}\n", "not json\n", "{\"step\":1", "\0\0\n"] {
        let folder = tempdir().unwrap();
        let log = folder.path().join(LOG_FILE);
        std::fs::write(&log, foreign).unwrap();
        let error = LogWriter::resume(folder.path(), &header, true).unwrap_err();
        assert!(matches!(error, RunError::Line { line: 1, .. }), "{foreign}: {error}");
        assert!(Run::open(folder.path()).is_err() && LogWriter::reopen(folder.path()).is_err(), "{foreign}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), foreign);
    }
}

#[test]
fn a_torn_end_is_cut_and_the_run_goes_on() {
    let header = header(plan(2));
    let whole = serde_json::to_string(&record(&header, 1, 2.0)).unwrap();
    for torn in ["{", &whole[..whole.len() / 2], &whole, "\0\0\0\0", "not json\n", "\0\n{\"key\":1}\n"] {
        let folder = tempdir().unwrap();
        let mut writer = LogWriter::create(folder.path(), &header).unwrap();
        writer.append(&[record(&header, 0, 1.0)]).unwrap();
        drop(writer);
        add(folder.path(), torn);
        let run = Run::open(folder.path()).unwrap();
        assert!(run.is_torn(), "{torn}");
        assert_eq!(run.records().len(), 1);
        let (mut writer, records) = LogWriter::resume(folder.path(), &header, false).unwrap();
        assert_eq!(records.len(), 1);
        writer.append(&[record(&header, 1, 2.0)]).unwrap();
        drop(writer);
        let run = Run::open(folder.path()).unwrap();
        assert_eq!(run.records(), [record(&header, 0, 1.0), record(&header, 1, 2.0)]);
        assert!(!run.is_torn() && run.is_complete());
    }
}

#[test]
fn a_torn_header_is_written_again() {
    let header = header(plan(1));
    let whole = serde_json::to_string(&header).unwrap();
    for torn in ["", "{", "{\"format_version\":1,\"pl", &whole, "\0\0\0"] {
        let folder = tempdir().unwrap();
        std::fs::write(folder.path().join(LOG_FILE), torn).unwrap();
        let (_, records) = LogWriter::resume(folder.path(), &header, false).unwrap();
        assert!(records.is_empty());
        assert_eq!(Run::open(folder.path()).unwrap().header(), &header, "{torn}");
    }
}

#[test]
fn a_damaged_line_in_the_middle_is_named() {
    let folder = tempdir().unwrap();
    let header = header(plan(2));
    let mut writer = LogWriter::create(folder.path(), &header).unwrap();
    writer.append(&[record(&header, 0, 1.0)]).unwrap();
    drop(writer);
    add(folder.path(), "damaged\n");
    add(folder.path(), &format!("{}\n", serde_json::to_string(&record(&header, 1, 1.0)).unwrap()));
    let error = Run::open(folder.path()).unwrap_err();
    assert!(matches!(error, RunError::Line { line: 3, .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn a_changed_plan_is_refused_with_what_differs() {
    let folder = tempdir().unwrap();
    let old = header(plan(2));
    let mut writer = LogWriter::create(folder.path(), &old).unwrap();
    writer.append(&[record(&old, 0, 1.0)]).unwrap();
    drop(writer);
    let mut changed = plan(2);
    changed.settings.generate = true;
    let new = header(changed);
    let error = LogWriter::resume(folder.path(), &new, false).unwrap_err();
    assert!(error.to_string().contains("settings.generate: false in the log, true now"), "{error}");
    assert_eq!(Run::open(folder.path()).unwrap().header(), &old);

    // Going on: records of other settings do not count any more.
    let (mut writer, records) = LogWriter::resume(folder.path(), &new, true).unwrap();
    assert!(records.is_empty());
    writer.append(&[record(&new, 1, 1.0)]).unwrap();
    drop(writer);
    let run = Run::open(folder.path()).unwrap();
    assert_eq!((run.header(), run.records().len(), run.n_superseded()), (&new, 1, 1));
}

#[test]
fn a_larger_selection_keeps_what_is_there() {
    let folder = tempdir().unwrap();
    let old = header(plan(1));
    let mut writer = LogWriter::create(folder.path(), &old).unwrap();
    writer.append(&[record(&old, 0, 1.0)]).unwrap();
    drop(writer);
    let new = header(plan(5));
    assert!(LogWriter::resume(folder.path(), &new, false).is_err());
    let (_, records) = LogWriter::resume(folder.path(), &new, true).unwrap();
    assert_eq!(records, [record(&old, 0, 1.0)]);
}

/// What another selection of the same settings computed stays in the log and does not count, until a plan selects it again.
#[test]
fn a_smaller_selection_leaves_out_what_is_no_part_of_it() {
    let folder = tempdir().unwrap();
    let old = header(plan(3));
    let mut writer = LogWriter::create(folder.path(), &old).unwrap();
    writer.append(&[record(&old, 0, 1.0), record(&old, 1, 1.0), record(&old, 2, 1.0)]).unwrap();
    drop(writer);
    let new = header(plan(2));
    let of_new = |r: &Record| !r.sample.ends_with("000");
    let lines = || std::fs::read_to_string(folder.path().join(LOG_FILE)).unwrap().lines().count();
    for _ in 0..2 {
        let (_, records) = LogWriter::resume_selected(folder.path(), &new, true, &of_new).unwrap();
        assert_eq!(records, [record(&old, 1, 1.0), record(&old, 2, 1.0)]);
        let run = Run::open(folder.path()).unwrap();
        assert_eq!((run.records(), run.is_complete()), (records.as_slice(), true));
        assert_eq!(run.header().left_out, [record(&old, 0, 1.0).key]);
        // Going on under the same plan adds no header.
        assert_eq!(lines(), 5);
    }
    let (_, _, records) = LogWriter::reopen(folder.path()).unwrap();
    assert_eq!(records.len(), 2);
    let (_, records) = LogWriter::resume_selected(folder.path(), &old, true, &|_| true).unwrap();
    assert_eq!((records.len(), Run::open(folder.path()).unwrap().records().len()), (3, 3));

    // A log whose header says nothing of what it leaves out, as older versions wrote them.
    let folder = tempdir().unwrap();
    let mut writer = LogWriter::create(folder.path(), &new).unwrap();
    writer.append(&[record(&new, 0, 1.0), record(&new, 1, 1.0), record(&new, 2, 1.0)]).unwrap();
    drop(writer);
    let (_, records) = LogWriter::resume_selected(folder.path(), &new, false, &of_new).unwrap();
    assert_eq!((records.len(), Run::open(folder.path()).unwrap().records().len()), (2, 2));
}

#[test]
fn a_second_writer_and_a_second_beginning_are_refused() {
    let folder = tempdir().unwrap();
    let header = header(plan(1));
    let writer = LogWriter::create(folder.path(), &header).unwrap();
    let error = LogWriter::resume(folder.path(), &header, false).unwrap_err();
    assert!(matches!(error, RunError::Locked { .. }), "{error}");
    drop(writer);
    assert!(matches!(LogWriter::create(folder.path(), &header), Err(RunError::Exists { .. })));
    LogWriter::reopen(folder.path()).unwrap();
}

#[test]
fn what_is_no_run_of_this_version_is_refused() {
    let folder = tempdir().unwrap();
    assert!(matches!(Run::open(folder.path()), Err(RunError::NoRun { .. })));
    assert!(matches!(LogWriter::reopen(folder.path()), Err(RunError::NoRun { .. })));
    let log = folder.path().join(LOG_FILE);
    std::fs::write(&log, "{\"format_version\":2,\"other\":1}\n").unwrap();
    assert!(matches!(Run::open(folder.path()), Err(RunError::Version { found: 2, .. })));
    std::fs::write(&log, "").unwrap();
    assert!(matches!(Run::open(folder.path()), Err(RunError::Line { line: 1, .. })));
    let header = header(plan(1));
    std::fs::write(&log, format!("{}\n", serde_json::to_string(&record(&header, 0, 1.0)).unwrap())).unwrap();
    assert!(matches!(Run::open(&log), Err(RunError::Line { line: 1, .. })));
}

#[test]
fn a_record_that_could_not_be_read_back_becomes_an_error() {
    let folder = tempdir().unwrap();
    let header = header(plan(1));
    let mut writer = LogWriter::create(folder.path(), &header).unwrap();
    let mut odd = record(&header, 0, 1.0);
    odd.ms = f64::NAN;
    writer.append(&[odd]).unwrap();
    drop(writer);
    let run = Run::open(folder.path()).unwrap();
    assert_eq!(run.records()[0].status, RecordStatus::Error);
    assert_eq!(run.records()[0].error.as_ref().unwrap().kind, "not_finite");
}

/// Softmax over a vocabulary with a damaged row is no number, though the letters' own logits are.
#[test]
fn a_mass_of_letters_that_is_no_number_is_a_failed_sample() {
    let header = header(plan(1));
    let with = |bare: f64, spaced: Option<f64>| {
        record_of(
            &header,
            0,
            Prediction { letter_mass: Some(LetterMass { bare, spaced }), ..prediction(1.0) },
        )
    };
    assert_eq!(with(0.5, None).status, RecordStatus::Ok);
    for odd in [with(f64::NAN, None), with(0.5, Some(f64::NAN))] {
        assert_eq!(odd.status, RecordStatus::Error);
        assert_eq!(odd.error.unwrap().kind, "not_finite");
    }
}
