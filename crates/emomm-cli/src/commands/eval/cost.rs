//! What a plan costs with a served model, before anything is asked.

use std::path::Path;

use emomm_eval::run::{Run, RunHeader};
use emomm_eval::runner::Candidate;
use serde_json::{Value, json};

use super::by_coalition::{ByCoalition, spread};
use super::model::Model;
use crate::printer::Printer;

/// Clips that are looked at.
const LOOKED_AT: usize = 12;

/// US dollars of all records of a plan.
#[derive(Debug, PartialEq)]
pub(super) struct Cost {
    /// The most, by what bounds tokens before a question is asked, without what is sent again; `None` if no clip that was
    /// looked at can be sent.
    most: Option<f64>,
    from_clips: usize,
    /// By the mean of the records of this plan that are there; `None` without any, or where a coalition has none.
    expected: Option<f64>,
    from_records: usize,
    /// The day of the price table.
    as_of: String,
}

impl Cost {
    /// `None` of a model on this machine, and without a price.
    pub(super) fn of(
        model: &Model,
        chosen: &[Candidate],
        header: &RunHeader,
        out: Option<&Path>,
        most_tokens: usize,
        printer: &Printer,
    ) -> Option<Self> {
        let server = model.server.as_ref()?;
        let as_of = server.prices()?.as_of.clone();
        let spinner = printer.spinner("looking at some clips");
        let (mut bounds, mut from_clips) = (ByCoalition::default(), 0);
        for candidate in spread(chosen, LOOKED_AT) {
            let Ok(most) = server.most_usd(&candidate.clip, &candidate.coalitions, most_tokens) else {
                continue;
            };
            from_clips += usize::from(most.iter().any(Result::is_ok));
            for (coalition, usd) in candidate.coalitions.iter().zip(most) {
                // What cannot be sent costs nothing.
                bounds.add(*coalition, usd.unwrap_or(0.0));
            }
        }
        spinner.finish_and_clear();
        let mut paid = ByCoalition::default();
        let run = out.and_then(|out| Run::open(out).ok());
        for record in run.iter().flat_map(Run::records).filter(|r| header.owns(&r.key)) {
            if let Some(usd) = record.served.as_ref().and_then(|s| s.cost_usd) {
                paid.add(record.coalition, usd);
            }
        }
        let expected = paid.for_all(chosen);
        let from_records = if expected.is_some() { paid.n() } else { 0 };
        let most = bounds.for_all(chosen).filter(|_| from_clips > 0);
        Some(Self { most, from_clips, expected, from_records, as_of })
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "most_usd": self.most,
            "from_clips": self.from_clips,
            "expected_usd": self.expected,
            "from_records": self.from_records,
            "as_of": self.as_of,
        })
    }

    pub(super) fn line(&self) -> String {
        let most = match self.most {
            Some(usd) => {
                format!(
                    "at most about {usd:.4} US dollars by {} clips that were looked at, without what is sent again",
                    self.from_clips
                )
            }
            None => "no bound: none of the clips that were looked at can be sent".to_owned(),
        };
        let expected = self.expected.map_or(String::new(), |usd| {
            format!("; about {usd:.4} by {} records of this plan that are there", self.from_records)
        });
        format!("cost        {most}{expected}; prices of {}\n", self.as_of)
    }
}
