//! Where a runner puts its records: the log, and the tensors beside it.

use std::path::Path;

use super::error::RunError;
use super::folder::ATTENTION_FOLDER;
use super::record::Record;
use super::tensors::{KeptAttention, TensorShards};
use super::writer::LogWriter;

/// A log's writer with the tensors that its records refer to.
#[derive(Debug)]
pub struct RecordSink {
    writer: LogWriter,
    shards: Option<TensorShards>,
}

impl RecordSink {
    /// A sink for records alone.
    pub fn new(writer: LogWriter) -> Self {
        Self { writer, shards: None }
    }

    /// A sink that also keeps attention by head and token, under `RUN/attention`.
    pub fn with_tensors(writer: LogWriter, folder: &Path) -> Result<Self, RunError> {
        Ok(Self { writer, shards: Some(TensorShards::open(&folder.join(ATTENTION_FOLDER))?) })
    }

    /// Appends a group and returns its records once they are on the disk. Tensors come first, so that no record refers
    /// to what is not there.
    pub fn append(&mut self, group: Vec<(Record, Option<KeptAttention>)>) -> Result<Vec<Record>, RunError> {
        let mut records = Vec::with_capacity(group.len());
        for (mut record, kept) in group {
            if let (Some(shards), Some(kept), Some(attention)) =
                (&mut self.shards, kept, &mut record.attention)
            {
                attention.tensors = Some(shards.add(&record.key, &kept)?);
            }
            records.push(record);
        }
        if let Some(shards) = &mut self.shards {
            shards.commit()?;
        }
        self.writer.append(&records)?;
        Ok(records)
    }
}
