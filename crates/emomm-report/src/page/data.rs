//! The data of the list and of the case cards: a compact index of all samples, and details in chunks.
//!
//! In the index every sample takes one character a coalition for its answer, its subset and its confidence, so that 50,000
//! clips fit into a few megabytes and filters run over strings. Details are read when a card is opened.

use std::collections::BTreeMap;

use emomm_dataset::{Corpus, Modality, ModalitySet, Sentiment, Subset};
use emomm_eval::prompt;
use emomm_eval::run::{LayerAttention, Record, RecordStatus};
use serde_json::{Map, Value, json};

use super::heat::packed;
use super::interpretation::interpretation;
use super::media::ClipMedia;
use super::sound::RANGE_DB;
use crate::analysis::{layer_shares, n_layers};
use crate::study::{Heat, Heats, Study, StudyClip, StudyRun};

/// Clips in a chunk of details.
pub(super) const CHUNK: usize = 200;
/// Above so many clips the index holds no words of transcripts; the search then looks at ids only.
const MAX_CLIPS_WITH_WORDS: usize = 20_000;
/// Characters of a transcript in the index.
const SNIPPET: usize = 70;
/// Characters of a reply or an error in a card.
const MAX_WORDS: usize = 2_000;

/// The index as JSON.
pub(super) fn index(study: &Study, chunk_path: &str) -> Value {
    let clips = &study.clips;
    let corpora = distinct(clips.iter().map(|c| c.corpus.name.as_str()));
    let languages = distinct(clips.iter().map(|c| c.language.as_str()));
    let at = |known: &[String], word: &str| known.iter().position(|k| k == word).unwrap_or(0);
    let maps: Vec<usize> = corpora
        .iter()
        .map(|name| {
            clips
                .iter()
                .find(|c| c.corpus.name == *name)
                .map_or(0, |c| usize::from(c.corpus.map == Corpus::CmuMosi))
        })
        .collect();
    let words = (clips.len() <= MAX_CLIPS_WITH_WORDS).then(|| {
        clips
            .iter()
            .map(|c| c.text.as_deref().map(|t| t.chars().take(SNIPPET).collect::<String>()))
            .collect::<Vec<_>>()
    });
    json!({
        "chunk_size": CHUNK,
        "chunk_path": chunk_path,
        "corpora": corpora,
        "languages": languages,
        "maps": maps,
        "prompts": [prompts(Corpus::ChSims), prompts(Corpus::CmuMosi)],
        "clips": {
            "id": clips.iter().map(|c| c.id.as_str()).collect::<Vec<&str>>(),
            "corpus": clips.iter().map(|c| at(&corpora, &c.corpus.name)).collect::<Vec<usize>>(),
            "language": clips.iter().map(|c| at(&languages, &c.language)).collect::<Vec<usize>>(),
            "labels": clips.iter().flat_map(label_codes).collect::<String>(),
            "subsets": clips.iter().flat_map(subset_codes).collect::<String>(),
            "text": words,
        },
        "runs": study.runs.iter().map(|run| run_index(study, run)).collect::<Vec<Value>>(),
    })
}

fn run_index(study: &Study, run: &StudyRun) -> Value {
    let cells = || (0..study.clips.len()).flat_map(|clip| ModalitySet::ALL.map(|s| run.record(clip, s)));
    json!({
        "name": run.name,
        "answers": cells().map(answer_code).collect::<String>(),
        "confidence": cells().map(confidence_code).collect::<String>(),
    })
}

fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words.collect::<std::collections::BTreeSet<&str>>().into_iter().map(str::to_owned).collect()
}

/// GT, T, A, V as digits, `-` where there is no label.
fn label_codes(clip: &StudyClip) -> [char; 4] {
    let digit = |class: Option<Sentiment>| class.map_or('-', |c| char::from(b'0' + c.index() as u8));
    let unimodal = &clip.labels.modalities;
    [Some(clip.labels.ground_truth), unimodal.text, unimodal.audio, unimodal.video].map(digit)
}

fn subset_codes(clip: &StudyClip) -> [char; 8] {
    ModalitySet::ALL.map(|s| match clip.subset(s) {
        None => '.',
        Some(Subset::Align) => 'a',
        Some(Subset::Conflict) => 'c',
        Some(Subset::Equal) => 'e',
        Some(Subset::SamePolarity) => 's',
        Some(Subset::MissingAlign) => 'm',
        Some(Subset::MissingConflict) => 'x',
    })
}

/// The answer's digit, a letter for a status without an answer, `-` without a record.
fn answer_code(record: Option<&Record>) -> char {
    let Some(record) = record else { return '-' };
    match (record.status, record.label) {
        (RecordStatus::Ok, Some(label)) => char::from(b'0' + label.index() as u8),
        (RecordStatus::ParseError, _) => 'p',
        (RecordStatus::MediaError, _) => 'm',
        (RecordStatus::Refused, _) => 'r',
        (RecordStatus::Blocked, _) => 'b',
        (RecordStatus::Timeout, _) => 't',
        (RecordStatus::RateLimited, _) => 'l',
        (RecordStatus::Aborted, _) => 'a',
        (RecordStatus::Ok | RecordStatus::Error, _) => 'x',
    }
}

/// The greatest letter probability in fiftieths, counted from the digit 0; a blank where there is none.
fn confidence_code(record: Option<&Record>) -> char {
    let probabilities = record.and_then(|r| r.letter_logits).map(probabilities);
    match probabilities {
        Some(p) => char::from(48 + (p.into_iter().fold(0.0, f64::max) * 50.0).floor().clamp(0.0, 50.0) as u8),
        None => '-',
    }
}

/// Softmax of the five letter logits.
pub(crate) fn probabilities(logits: [f32; 5]) -> [f64; 5] {
    let greatest = logits.into_iter().fold(f32::NEG_INFINITY, f32::max);
    let exponentials = logits.map(|l| f64::from(l - greatest).exp());
    let sum: f64 = exponentials.iter().sum();
    exponentials.map(|e| e / sum)
}

/// The prompt under every coalition, with a control character in the transcript's place.
fn prompts(corpus: Corpus) -> Vec<String> {
    const PLACE: &str = "\u{1}";
    let of =
        |coalition| prompt::build(corpus, coalition, Some(PLACE)).map(|p| p.plain_text()).unwrap_or_default();
    ModalitySet::ALL.into_iter().map(of).collect()
}

/// The details of the clips of each chunk, as JSON.
pub(super) fn chunks(study: &Study, media: &BTreeMap<usize, ClipMedia>, heats: &Heats) -> Vec<String> {
    let indices: Vec<usize> = (0..study.clips.len()).collect();
    indices
        .chunks(CHUNK)
        .map(|clips| {
            let details: Vec<Value> =
                clips.iter().map(|clip| detail(study, *clip, media.get(clip), heats)).collect();
            Value::Array(details).to_string()
        })
        .collect()
}

fn detail(study: &Study, index: usize, media: Option<&ClipMedia>, heats: &Heats) -> Value {
    let clip = &study.clips[index];
    let mut said = Map::new();
    for coalition in ModalitySet::ALL.into_iter().filter(|s| s.len() >= 2) {
        if let Some(words) = interpretation(study, index, coalition) {
            said.insert(coalition.to_string(), Value::String(words));
        }
    }
    let runs: Vec<Value> = study
        .runs
        .iter()
        .enumerate()
        .map(|(at, run)| {
            let mut records = Map::new();
            for (position, coalition) in ModalitySet::ALL.into_iter().enumerate() {
                if let Some(record) = run.record(index, coalition) {
                    records
                        .insert(position.to_string(), record_detail(record, heats.of(at, index, coalition)));
                }
            }
            Value::Object(records)
        })
        .collect();
    let mut out = json!({
        "text": clip.text,
        "scores": clip.scores.map(|s| s.map(emomm_dataset::GridScore::value)),
        "group": clip.group,
        "split": clip.split,
        "said": said,
        "runs": runs,
    });
    if let (Some(media), Some(object)) = (media, out.as_object_mut()) {
        object.insert("frames".to_owned(), json!(media.frames));
        object.insert("wave".to_owned(), json!(media.wave));
        if let Some(mel) = &media.mel {
            object.insert("mel".to_owned(), json!([mel.n_steps, mel.n_bands, RANGE_DB, mel.letters]));
        }
    }
    out
}

fn record_detail(record: &Record, heat: Option<&Heat>) -> Value {
    let mut out = Map::new();
    let short = |words: &str| words.chars().take(MAX_WORDS).collect::<String>();
    if let Some(logits) = record.letter_logits {
        out.insert("l".to_owned(), json!(logits.map(|l| (f64::from(l) * 100.0).round() / 100.0)));
    }
    if let Some(reply) = &record.reply {
        out.insert("reply".to_owned(), json!(short(reply)));
        out.insert("rs".to_owned(), json!(record.reply_score));
    }
    if let Some(error) = &record.error {
        out.insert("err".to_owned(), json!(short(&format!("{}: {}", error.kind, error.message))));
    }
    if let Some(t) = record.tokens {
        out.insert("tok".to_owned(), json!([t.text, t.audio, t.video, t.other]));
    }
    out.insert("ms".to_owned(), json!(record.ms.round()));
    if let Some(attention) = record.attention.as_ref().filter(|_| record.coalition.len() >= 2) {
        let layers = packed_shares(attention, record.coalition);
        if !layers.is_empty() {
            out.insert("a".to_owned(), json!(layers));
        }
    }
    if let Some(heat) = heat {
        out.insert("h".to_owned(), packed(heat));
    }
    if let Some(steering) = &record.steering {
        let layers: Vec<Value> = steering
            .layers
            .iter()
            .map(|l| {
                json!([l.layer, l.conflict_prob.map(|p| (p * 1000.0).round() / 1000.0), u8::from(l.steered)])
            })
            .collect();
        out.insert("st".to_owned(), Value::Array(layers));
    }
    Value::Object(out)
}

/// Shares by layer in thousandths: of the shown modalities but the last, which is what remains. A layer without attention to
/// any is −1.
fn packed_shares(attention: &LayerAttention, shown: ModalitySet) -> Vec<i32> {
    let members: Vec<Modality> = shown.iter().collect();
    let Some((_, given)) = members.split_last() else { return Vec::new() };
    (0..n_layers(attention))
        .flat_map(|layer| {
            let shares = layer_shares(attention, shown, layer);
            given.iter().map(move |m| shares.map_or(-1, |s| (1000.0 * s[m.index()]).round() as i32))
        })
        .collect()
}

/// JSON that can stand in a `script` element: it cannot end it or begin a comment.
pub(super) fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Which modality letters a clip's conflict is about, for filters.
pub(super) fn modality_options() -> Vec<(&'static str, String)> {
    Modality::ALL
        .into_iter()
        .map(|m| (["T", "A", "V"][m.index()], format!("{} differs from GT", m.name())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_its_element() {
        let json = in_script(&json!({ "t": "</script><!-- \u{2028}" }).to_string());
        assert!(!json.contains('<'), "{json}");
        let back: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["t"], "</script><!-- \u{2028}");
    }

    #[test]
    fn probabilities_sum_to_one_whatever_the_logits() {
        let p = probabilities([1000.0, 0.0, -1000.0, 0.0, 0.0]);
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12 && (p[0] - 1.0).abs() < 1e-12);
        assert!(probabilities([0.0; 5]).iter().all(|p| (p - 0.2).abs() < 1e-12));
    }

    #[test]
    fn every_coalition_has_a_prompt_and_the_transcript_its_place() {
        let prompts = prompts(Corpus::ChSims);
        assert_eq!(prompts.len(), 8);
        for (coalition, prompt) in ModalitySet::ALL.iter().zip(prompts) {
            assert_eq!(prompt.contains('\u{1}'), coalition.contains(Modality::Text), "{coalition}");
        }
    }
}
