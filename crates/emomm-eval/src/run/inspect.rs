//! A run as a log of inspect (`.eval`): a zip with a header, one JSON file for each sample, and their summaries.
//!
//! Names and shapes are those of inspect_ai 0.3; `tools/served_check` lets inspect itself read what is written here.

use std::io::{Cursor, Write};

use emomm_dataset::{Modality, Sentiment, civil_date};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::export::ExportedRun;
use super::record::{Record, RecordStatus};
use crate::prompt;

/// The name of the scorer.
const SCORER: &str = "letter";

/// Summaries hold no longer texts.
const MOST_INPUT: usize = 500;

impl ExportedRun<'_> {
    /// The bytes of an `.eval` file. A sample is a record, an epoch one asking of it. `at` is the time of the log in seconds
    /// since 1970.
    ///
    /// # Errors
    /// What the zip library says; it writes to memory.
    pub fn inspect(&self, at: u64) -> Result<Vec<u8>, zip::result::ZipError> {
        let created = &timestamp(at);
        let samples: Vec<Value> = self.records().iter().flat_map(|r| self.samples(r)).collect();
        let eval = self.eval_spec(created);
        let plan = json!({ "name": "plan", "steps": [], "config": {} });
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default());
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let mut put = |name: &str, value: &Value| -> Result<(), zip::result::ZipError> {
            zip.start_file(name, options)?;
            Ok(zip.write_all(value.to_string().as_bytes())?)
        };
        put("_journal/start.json", &json!({ "version": 2, "eval": eval, "plan": plan }))?;
        for sample in &samples {
            let id = sample["id"].as_str().unwrap_or_default();
            put(&format!("samples/{id}_epoch_{}.json", sample["epoch"]), sample)?;
        }
        let summaries: Vec<Value> = samples.iter().map(summary).collect();
        put("_journal/summaries/1.json", &Value::from(summaries.clone()))?;
        put("summaries.json", &Value::from(summaries))?;
        let is_complete = self.run().is_complete();
        put(
            "header.json",
            &json!({
                "version": 2,
                "status": if is_complete { "success" } else { "cancelled" },
                "eval": eval,
                "plan": plan,
                "results": results(&samples),
                "stats": { "started_at": created, "completed_at": created, "model_usage": {} },
            }),
        )?;
        Ok(zip.finish()?.into_inner())
    }

    fn eval_spec(&self, created: &str) -> Value {
        let header = self.run().header();
        let plan = &header.plan;
        let epochs = self.records().iter().map(n_epochs).max().unwrap_or(1);
        let short =
            |text: &str| text.chars().filter(char::is_ascii_alphanumeric).take(22).collect::<String>();
        let id = short(&format!("{}{}", header.settings_id, plan.bench.manifest_sha256));
        json!({
            "eval_id": id,
            "run_id": id,
            "created": created,
            "task": "emomm",
            "task_id": id,
            "task_version": 0,
            "task_attribs": {},
            "task_args": { "prompt": plan.settings.prompt, "coalitions": plan.coalitions },
            "dataset": {
                "name": "emomm",
                "location": plan.bench.manifest_sha256,
                "samples": self.records().len(),
                "shuffled": false,
            },
            "model": plan.settings.model.name,
            "model_args": { "model_type": plan.settings.model.model_type, "sha256": plan.settings.model.sha256 },
            "config": { "epochs": epochs, "epochs_reducer": ["mean"] },
            "packages": { "emomm": header.versions.emomm },
            "metadata": { "settings_id": header.settings_id, "n_of_n": self.run().n_of_n() },
        })
    }

    /// The askings of a record.
    fn samples(&self, record: &Record) -> Vec<Value> {
        let target = self.truth(record).map(|s| s.letter().to_string()).unwrap_or_default();
        let input = self.input(record);
        let model = &self.run().header().plan.settings.model.name;
        let id = format!("{}@{}", record.sample, record.coalition);
        let repeats = record.served.iter().flat_map(|s| &s.repeats);
        let first = (record.reply.clone(), record.answer().map(Sentiment::letter), record.reply_score);
        let further = repeats.map(|r| (r.reply.clone(), r.reply_letter, r.reply_score));
        let askings = std::iter::once(first).chain(further);
        askings
            .enumerate()
            .map(|(i, (reply, letter, score))| {
                let written = reply.or_else(|| letter.map(String::from)).unwrap_or_default();
                let is_right = letter.is_some_and(|l| target == l.to_string());
                let stop = if record.error.as_ref().is_some_and(|e| e.kind == "cut") {
                    "max_tokens"
                } else {
                    "stop"
                };
                let answer =
                    json!({ "role": "assistant", "content": written, "source": "generate", "model": model });
                let mut sample = json!({
                    "id": id,
                    "epoch": i + 1,
                    "input": input,
                    "target": target,
                    "messages": [{ "role": "user", "content": input }, answer],
                    "output": {
                        "model": model,
                        "choices": [{ "message": answer, "stop_reason": stop }],
                        "completion": written,
                    },
                    "scores": { SCORER: {
                        "value": if is_right { "C" } else { "I" },
                        "answer": letter.map(String::from),
                    } },
                    "metadata": {
                        "sample": record.sample,
                        "coalition": record.coalition,
                        "subset": self.subset(record),
                        "status": record.status,
                        "reply_score": score,
                        "key": record.key,
                    },
                    "store": {},
                    "events": [],
                    "model_usage": {},
                    "attachments": {},
                });
                if let Some(error) =
                    record.error.as_ref().filter(|_| record.status != RecordStatus::ParseError)
                {
                    sample["error"] =
                        json!({ "message": error.message, "traceback": "", "traceback_ansi": "" });
                }
                sample
            })
            .collect()
    }

    /// The prompt with marks where media stood; the clip's id where its words are not known.
    fn input(&self, record: &Record) -> String {
        let words = self.words(record);
        let shown = words.filter(|_| record.coalition.contains(Modality::Text));
        let corpus = self.corpus(record);
        prompt::build(corpus, record.coalition, shown)
            .map_or_else(|_| record.sample.clone(), |p| p.plain_text())
    }
}

/// `2026-11-29T00:00:00+00:00`.
fn timestamp(seconds: u64) -> String {
    let (year, month, day) = civil_date((seconds / 86_400) as i64);
    let of_day = seconds % 86_400;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00")
}

fn n_epochs(record: &Record) -> usize {
    1 + record.served.as_ref().map_or(0, |s| s.repeats.len())
}

fn summary(sample: &Value) -> Value {
    let input: String = sample["input"].as_str().unwrap_or_default().chars().take(MOST_INPUT).collect();
    let mut summary = json!({
        "id": sample["id"],
        "epoch": sample["epoch"],
        "input": input,
        "target": sample["target"],
        "metadata": sample["metadata"],
        "scores": sample["scores"],
        "model_usage": {},
        "completed": true,
        "message_count": 2,
    });
    if let Some(message) = sample.get("error").and_then(|e| e.get("message")) {
        summary["error"] = message.clone();
    }
    summary
}

fn results(samples: &[Value]) -> Value {
    let n = samples.len();
    let right = samples.iter().filter(|s| s["scores"][SCORER]["value"] == "C").count();
    let mut metrics = json!({});
    if n > 0 {
        metrics["accuracy"] = json!({ "name": "accuracy", "value": right as f64 / n as f64, "params": {} });
    }
    json!({
        "total_samples": n,
        "completed_samples": n,
        "scores": [{ "name": SCORER, "scorer": SCORER, "params": {}, "metrics": metrics }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `date -u -d @N --iso-8601=seconds`.
    #[test]
    fn times_are_those_of_date() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00+00:00");
        assert_eq!(timestamp(1_709_164_799), "2024-02-28T23:59:59+00:00");
        assert_eq!(timestamp(1_709_164_800), "2024-02-29T00:00:00+00:00");
        assert_eq!(timestamp(1_795_910_400), "2026-11-29T00:00:00+00:00");
    }
}
