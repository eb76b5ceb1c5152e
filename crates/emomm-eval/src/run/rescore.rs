//! What a newer reply parser reads from the replies of a run: no model is asked.

use emomm_dataset::{Corpus, Sentiment};

use super::record::{Record, RecordError, RecordStatus};
use crate::reply;

/// The record with its reply parsed again; `None` where nothing changes or nothing was written.
///
/// A record that has logits keeps its letter. One without takes the letter of its reply, so that its status can change.
pub fn reparsed(record: &Record, corpus: Corpus) -> Option<Record> {
    let written = record.reply.as_deref()?;
    if !matches!(record.status, RecordStatus::Ok | RecordStatus::ParseError) {
        return None;
    }
    let reply = reply::parse(written, corpus);
    let mut new = record.clone();
    if record.letter.is_none() {
        new.label = reply.class();
        new.centre_score = new.label.map(|l: Sentiment| corpus.centre_score(l));
        (new.status, new.error) = if new.label.is_some() {
            (RecordStatus::Ok, None)
        } else {
            let error = RecordError::new("parse", "no letter could be read from the reply");
            (RecordStatus::ParseError, Some(error))
        };
    }
    new.reply_letter = reply.reply_letter;
    new.reply_score = reply.reply_score;
    new.reply_notes = reply.reply_notes;
    (new != *record).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use emomm_dataset::ModalitySet;

    fn record(reply: &str, letter: Option<char>) -> Record {
        let error = RecordError::new("parse", "no letter could be read from the reply");
        let (key, sample) = ("k".to_owned(), "s".to_owned());
        let mut record = Record::failed(key, sample, ModalitySet::FULL, RecordStatus::ParseError, error);
        record.reply = Some(reply.to_owned());
        record.letter = letter;
        record
    }

    #[test]
    fn a_reply_that_can_be_read_now_becomes_an_answer() {
        let new = reparsed(&record("E\nScore: 0.8", None), Corpus::ChSims).unwrap();
        assert_eq!(
            (new.status, new.label, new.reply_score),
            (RecordStatus::Ok, Some(Sentiment::Positive), Some(0.8))
        );
        assert_eq!(new.error, None);
        assert_eq!(reparsed(&new, Corpus::ChSims), None);
    }

    #[test]
    fn logits_keep_their_letter_and_other_failures_stay() {
        let mut of_logits = record("E", Some('A'));
        of_logits.status = RecordStatus::Ok;
        of_logits.error = None;
        let new = reparsed(&of_logits, Corpus::ChSims).unwrap();
        assert_eq!((new.letter, new.reply_letter, new.label), (Some('A'), Some('E'), None));
        let mut blocked = record("E", None);
        blocked.status = RecordStatus::Blocked;
        assert_eq!(reparsed(&blocked, Corpus::ChSims), None);
    }
}
