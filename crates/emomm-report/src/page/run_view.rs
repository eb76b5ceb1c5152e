//! What a page says of each run: its tiles, its facts, and the choices of the analysis.

use emomm_eval::import::IMPORTED_DEVICE;
use emomm_eval::run::{RecordStatus, Settings};
use emomm_metrics::Unparsed;
use serde_json::{Value, json};

use crate::analysis::Analysis;
use crate::content::{letter_spelling, percent, trust};
use crate::study::{AnswerSource, Study, StudyRun};

pub(super) fn run_view(study: &Study, run: &StudyRun, unparsed: Unparsed) -> Value {
    let header = run.run.header();
    let plan = &header.plan;
    let n = run.run.records().len();
    let ok = run.n_answered();
    let share = if n > 0 { percent(ok as f64 / n as f64) } else { "–".to_owned() };
    let statuses: Vec<String> = run
        .run
        .statuses()
        .into_iter()
        .filter(|(status, _)| *status != RecordStatus::Ok)
        .map(|(status, n)| format!("{status} {n}"))
        .collect();
    let coalitions: Vec<String> = plan.coalitions.iter().map(ToString::to_string).collect();
    let replies = run.run.records().iter().filter(|r| r.reply.is_some()).count();
    let parsed = run.run.records().iter().filter(|r| r.reply_letter.is_some()).count();
    let source_words = match (run.source(), replies) {
        (AnswerSource::Letter, 0) => "greatest of the five letters' logits".to_owned(),
        (AnswerSource::Letter, _) => {
            format!(
                "logits; of {replies} written replies {} could be read",
                percent(parsed as f64 / replies as f64)
            )
        }
        (AnswerSource::ReplyLetter, 0) => "written replies".to_owned(),
        (AnswerSource::ReplyLetter, _) => {
            format!("written replies, {} of which could be read", percent(parsed as f64 / replies as f64))
        }
    };
    json!({
        "name": run.name,
        "model": model_words(run),
        "n": n,
        "planned": run.n_planned(),
        "clips": plan.n_clips,
        "coalitions": coalitions.join(" "),
        "answered": share,
        "failed": if statuses.is_empty() { "no record failed".to_owned() } else { statuses.join(", ") },
        "source": run.source().name(),
        "source_words": source_words,
        "trust": trust(run, unparsed).into_iter().map(|t| if study.runs.len() > 1 { format!("{}: {t}", run.name) } else { t }).collect::<Vec<String>>(),
        "facts": facts(run),
    })
}

fn model_words(run: &StudyRun) -> String {
    let model = &run.run.header().plan.settings.model;
    let known = [&model.name, &model.model_type, &model.dtype].into_iter().filter(|w| !w.is_empty());
    known.map(String::as_str).collect::<Vec<&str>>().join(" · ")
}

fn facts(run: &StudyRun) -> Vec<Value> {
    let header = run.run.header();
    let (plan, model) = (&header.plan, &header.plan.settings.model);
    let fact = |name: &str, value: String| json!({ "name": name, "value": value });
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut facts = vec![
        fact("Model", format!("{} ({})", model.name, model.model_type)),
        fact("SHA-256 of the model", model.sha256.clone()),
        fact("Computed on", format!("{} in {}", model.device, model.dtype)),
        fact("Benchmark", format!("manifest {} by {}", plan.bench.manifest_sha256, plan.bench.created_by)),
        fact("Settings", header.settings_id.clone()),
        fact("Prompt", format!("{} {}", plan.settings.prompt, plan.settings.prompt_sha256).trim().to_owned()),
        fact("Missing modalities", plan.settings.missing.name().to_owned()),
        fact("Attention", attention_of(&plan.settings)),
        fact(
            "Replies",
            if plan.settings.generate {
                format!("up to {} tokens", plan.settings.max_new_tokens)
            } else {
                "none".to_owned()
            },
        ),
        fact("Seed", plan.seed.to_string()),
        fact("emomm", format!("{} on {}", header.versions.emomm, header.versions.platform)),
    ];
    facts.extend(header.versions.git.iter().map(|git| fact("Revision", git.clone())));
    facts.extend(plan.settings.media.iter().map(|(key, value)| fact(&format!("Media: {key}"), text(value))));
    if let Some(steering) = &plan.settings.steering {
        facts.push(fact("Steering", text(steering)));
    }
    facts.extend(letter_spelling(run).map(|spelling| fact("Letters", spelling.words)));
    let selection = &plan.selection;
    let listed = |words: &[String]| if words.is_empty() { "all".to_owned() } else { words.join(", ") };
    facts.push(fact("Splits", listed(&selection.splits)));
    facts.push(fact("Subsets", listed(&selection.subsets)));
    facts.extend(selection.shard.iter().map(|shard| fact("Shard", shard.clone())));
    facts
}

pub(super) fn choices(analysis: &Analysis) -> Vec<Value> {
    let o = &analysis.options;
    let word = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let b = o.bootstrap;
    vec![
        json!({ "name": "Records without an answer", "value": word(json!(o.unparsed)) }),
        json!({ "name": "ACC-2", "value": word(json!(o.acc2)) }),
        json!({ "name": "Conflicts of GTAR", "value": word(json!(o.gtar)) }),
        json!({ "name": "V(∅) of PSMV", "value": word(json!(o.empty_value)) }),
        json!({ "name": "Intervals", "value": format!("{} resamples of whole clusters ({}), level {}, seed {}", b.n_resamples, word(json!(o.cluster)), b.level, b.seed) }),
        json!({ "name": "Conflict", "value": "a shown modality has another polarity than the ground truth; neutral is a polarity of its own" }),
    ]
}

/// What a run says of attention: nothing can be said of a model behind a server.
fn attention_of(settings: &Settings) -> String {
    match settings.model.device.as_str() {
        "remote" => "not available: the model is behind a server".to_owned(),
        IMPORTED_DEVICE => "not available: the answers were imported".to_owned(),
        _ => settings.attention.clone(),
    }
}
