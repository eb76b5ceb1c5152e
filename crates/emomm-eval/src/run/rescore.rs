//! What a newer reply parser reads from the replies of a run: no model is asked.

use emomm_dataset::Corpus;

use super::record::{Record, RecordStatus, outcome_of};
use crate::import::{LETTER_OF_SOURCE, SCORE_OF_SOURCE};
use crate::reply;
use crate::served::{Served, ServedEnd};

/// The record with its replies parsed again; `None` where nothing changes or nothing was written.
///
/// A record that has logits keeps its letter. One without takes the letter of its reply, so that its status can change. What an
/// imported record has from its source, and not from a text, stays where the text says nothing.
pub fn reparsed(record: &Record, corpus: Corpus) -> Option<Record> {
    let mut new = record.clone();
    if let Some(served) = &mut new.served {
        reparse_repeats(served, corpus);
    }
    if let Some(written) = record.reply.as_deref()
        && matches!(record.status, RecordStatus::Ok | RecordStatus::ParseError)
    {
        let mut reply = reply::parse(written, corpus);
        let is_of_source = |note: &str| record.reply_notes.iter().any(|n| n == note);
        let keep = |note: &str, is_read: bool, notes: &mut Vec<String>| {
            let is_kept = !is_read && is_of_source(note);
            if is_kept {
                notes.push(note.to_owned());
            }
            is_kept
        };
        if keep(LETTER_OF_SOURCE, reply.reply_letter.is_some(), &mut reply.reply_notes) {
            reply.reply_letter = record.reply_letter;
        }
        if keep(SCORE_OF_SOURCE, reply.reply_score.is_some(), &mut reply.reply_notes) {
            reply.reply_score = record.reply_score;
        }
        if record.letter.is_none() {
            new.label = reply.class();
            new.centre_score = new.label.map(|l| corpus.centre_score(l));
            (new.status, new.error) = outcome_of(new.label, record.served.as_ref(), true);
        }
        new.reply_letter = reply.reply_letter;
        new.reply_score = reply.reply_score;
        new.reply_notes = match &record.served {
            Some(served) => served.with_notes(reply.reply_notes),
            None => reply.reply_notes,
        };
    }
    (new != *record).then_some(new)
}

/// Reads the replies of the further askings that have one.
fn reparse_repeats(served: &mut Served, corpus: Corpus) {
    // Askings of an import may have their letters from the source.
    let is_imported = served.request_sha256.is_empty();
    for repeat in served.repeats.iter_mut().filter(|r| !r.ended.withholds() && r.ended != ServedEnd::Empty) {
        if let Some(written) = &repeat.reply {
            let read = reply::parse(written, corpus);
            repeat.reply_letter = read.reply_letter.or(repeat.reply_letter.filter(|_| is_imported));
            repeat.reply_score = read.reply_score.or(repeat.reply_score.filter(|_| is_imported));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RecordError;
    use crate::served::{ServedEnd, ServedRepeat};
    use emomm_dataset::{ModalitySet, Sentiment};

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

    /// How a reply came is no matter of the parser.
    #[test]
    fn what_the_server_said_of_a_reply_stays() {
        let mut cut = record("I think that", None);
        let served =
            Served { ended: ServedEnd::Cut, notes: vec!["two choices".to_owned()], ..Served::default() };
        (cut.status, cut.error) = outcome_of(None, Some(&served), true);
        cut.served = Some(served);
        let new = reparsed(&cut, Corpus::ChSims).unwrap();
        assert_eq!(new.error, cut.error);
        assert_eq!(new.error.as_ref().map(|e| e.kind.as_str()), Some("cut"));
        let notes = [
            "no letter is stated",
            "no score is stated",
            "the reply was cut at its longest length",
            "two choices",
        ];
        assert_eq!(new.reply_notes, notes);
        assert_eq!(reparsed(&new, Corpus::ChSims), None);
    }

    #[test]
    fn further_askings_are_read_again_unless_they_were_withheld() {
        let repeat = |ended, reply: &str| ServedRepeat {
            ended,
            reply: Some(reply.to_owned()),
            ..ServedRepeat::default()
        };
        let repeats = vec![
            repeat(ServedEnd::Answered, "E\nScore: 0.8"),
            repeat(ServedEnd::Blocked, "E"),
            repeat(ServedEnd::Empty, "E"),
        ];
        let request_sha256 = "abc".to_owned();
        let mut first = record("A", None);
        first.served = Some(Served { request_sha256, repeats, ..Served::default() });
        let served = reparsed(&first, Corpus::ChSims).unwrap().served.unwrap();
        let read: Vec<_> = served.repeats.iter().map(|r| (r.reply_letter, r.reply_score)).collect();
        assert_eq!(read, [(Some('E'), Some(0.8)), (None, None), (None, None)]);
    }

    #[test]
    fn what_an_import_has_from_its_source_stays() {
        let mut imported = record("happy, I would say", None);
        (imported.status, imported.error) = (RecordStatus::Ok, None);
        (imported.reply_letter, imported.reply_score) = (Some('E'), Some(0.8));
        imported.label = Some(Sentiment::Positive);
        imported.centre_score = Some(Corpus::ChSims.centre_score(Sentiment::Positive));
        imported.reply_notes =
            ["no letter is stated", "no score is stated", LETTER_OF_SOURCE, SCORE_OF_SOURCE]
                .map(str::to_owned)
                .to_vec();
        assert_eq!(reparsed(&imported, Corpus::ChSims), None);
        // A text that states a letter goes before the source.
        imported.reply = Some("A".to_owned());
        let new = reparsed(&imported, Corpus::ChSims).unwrap();
        assert_eq!((new.label, new.reply_score), (Some(Sentiment::Negative), Some(0.8)));
    }
}
