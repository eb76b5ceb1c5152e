//! A benchmark and runs made by hand, so that every figure has a known answer.

use std::collections::BTreeMap;
use std::path::Path;

use emomm_dataset::build::{BuildOptions, Split};
use emomm_dataset::manifest::{CorpusRecord, Counts, Manifest, ManifestHeader, ManifestRow};
use emomm_dataset::readers::Layout;
use emomm_dataset::{Corpus, GridScore, Label, Labels, ModalitySet, PerModality, Sentiment, SubsetRules};
use emomm_eval::run::{LayerAttention, Plan, Record, RecordStatus, RunHeader};
use emomm_report::study::{Origin, Study};

/// A clip: corpus, name, group and the grid steps of GT, T, A and V.
#[derive(Debug, Clone)]
pub(crate) struct MadeUp {
    pub(crate) corpus: &'static str,
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) steps: [i8; 4],
}

impl MadeUp {
    pub(crate) fn new(corpus: &'static str, name: &str, group: &str, steps: [i8; 4]) -> Self {
        Self { corpus, name: name.to_owned(), group: group.to_owned(), steps }
    }

    pub(crate) fn id(&self) -> String {
        format!("{}/{}/{}", self.corpus, self.group, self.name)
    }
}

fn label(corpus: Corpus, steps: i8) -> Label {
    let score = GridScore::from_steps(steps).unwrap();
    Label::new(score, corpus.class_of(score))
}

/// The manifest of clips, each with its three masked copies.
pub(crate) fn manifest(clips: &[MadeUp]) -> Manifest {
    let mut rows = Vec::new();
    for clip in clips {
        let corpus: Corpus = clip.corpus.parse().unwrap();
        let [gt, t, a, v] = clip.steps.map(|s| label(corpus, s));
        let modalities = PerModality { text: Some(t), audio: Some(a), video: Some(v) };
        let labels = Labels { ground_truth: gt, modalities };
        let rules = SubsetRules::default();
        for coalition in ["TAV", "TA", "TV", "AV"] {
            let coalition: ModalitySet = coalition.parse().unwrap();
            let is_full = coalition == ModalitySet::FULL;
            rows.push(ManifestRow {
                id: if is_full { clip.id() } else { format!("{}/{coalition}", clip.id()) },
                source_id: (!is_full).then(|| clip.id()),
                corpus: clip.corpus.to_owned(),
                video_id: clip.group.clone(),
                clip_id: clip.name.clone(),
                coalition,
                subset: rules.subset(&labels, coalition),
                agreement: if is_full { rules.agreement(&labels) } else { None },
                split: Split::Test,
                group: clip.group.clone(),
                language: if corpus == Corpus::ChSims { "zh" } else { "en" }.to_owned(),
                official_split: None,
                text: coalition
                    .contains(emomm_dataset::Modality::Text)
                    .then(|| format!("</script><b>{}</b> \"quoted\" & more", clip.name)),
                video_path: None,
                audio_path: None,
                video_sha256: None,
                audio_sha256: None,
                labels,
            });
        }
    }
    let mut names: Vec<&str> = clips.iter().map(|c| c.corpus).collect();
    names.sort_unstable();
    names.dedup();
    let corpora = names
        .into_iter()
        .map(|name| CorpusRecord {
            name: name.to_owned(),
            layout: Layout::ChSimsMeta,
            language: "zh".to_owned(),
            class_map: name.parse().unwrap(),
            modality_class_map: name.parse().unwrap(),
        })
        .collect();
    let header = ManifestHeader {
        format_version: 1,
        created_by: "a test".to_owned(),
        options: BuildOptions { labels_only: true, ..BuildOptions::default() },
        corpora,
        sources: Vec::new(),
        counts: Counts::of(&rows),
        findings: BTreeMap::new(),
        shortfalls: Vec::new(),
        table_matches: Vec::new(),
        parquet_sha256: String::new(),
    };
    Manifest { header, rows }
}

/// A record with an answer: one letter has all the weight.
pub(crate) fn record(clip: &MadeUp, coalition: ModalitySet, answer: Sentiment) -> Record {
    let mut logits = [0.0; 5];
    logits[answer.index()] = 3.0;
    let corpus: Corpus = clip.corpus.parse().unwrap();
    Record {
        key: String::new(),
        sample: clip.id(),
        coalition,
        status: RecordStatus::Ok,
        letter_logits: Some(logits),
        letter_mass: None,
        letter: Some(answer.letter()),
        label: Some(answer),
        centre_score: Some(corpus.centre_score(answer)),
        reply: None,
        reply_letter: None,
        reply_score: None,
        reply_notes: Vec::new(),
        tokens: None,
        token_cost: None,
        grid_thw: None,
        media: None,
        ms: 1.0,
        error: None,
        attention: None,
        steering: None,
        served: None,
    }
}

/// Attention of so many layers in which each modality has the given nMAS times the layer's number.
pub(crate) fn attention(coalition: ModalitySet, nmas: [f64; 3], layers: usize) -> LayerAttention {
    let here = |m: emomm_dataset::Modality| coalition.contains(m);
    let sum: f64 = coalition.iter().map(|m| nmas[m.index()]).sum();
    let by_layer =
        |m: emomm_dataset::Modality| (1..=layers).map(|l| nmas[m.index()] * l as f64).collect::<Vec<f64>>();
    LayerAttention {
        nmas: PerModality::from_fn(|m| here(m).then(|| by_layer(m))),
        mass: PerModality::from_fn(|m| here(m).then(|| by_layer(m).into_iter().map(|v| 10.0 * v).collect())),
        share: PerModality::from_fn(|m| here(m).then(|| vec![Some(nmas[m.index()] / sum); layers])),
        spatial: None,
        tensors: None,
    }
}

/// Writes a log of records into a folder.
pub(crate) fn write_run(folder: &Path, records: &[Record], n_planned: usize, bench: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let mut plan = Plan { coalitions: ModalitySet::ALL.to_vec(), n_records: n_planned, ..Plan::default() };
    "by-hand".clone_into(&mut plan.settings.model.name);
    plan.n_clips = records.iter().map(|r| &r.sample).collect::<std::collections::BTreeSet<_>>().len();
    let places = emomm_eval::run::Places { bench: bench.to_owned(), ..Default::default() };
    let header = RunHeader::new(plan, places, None);
    let mut text = serde_json::to_string(&header).unwrap() + "\n";
    for record in records {
        let mut record = record.clone();
        record.key = header.key(&record.sample, record.coalition, []);
        text.push_str(&serde_json::to_string(&record).unwrap());
        text.push('\n');
    }
    std::fs::write(folder.join("log.jsonl"), text).unwrap();
}

/// The study of runs, each a name and its records.
pub(crate) fn study(clips: &[MadeUp], runs: &[(&str, Vec<Record>)]) -> Study {
    study_of(&manifest(clips), runs)
}

/// The same over a manifest.
pub(crate) fn study_of(manifest: &Manifest, runs: &[(&str, Vec<Record>)]) -> Study {
    study_with_absent(manifest, runs, 0)
}

/// The same of runs that planned so many records more.
pub(crate) fn study_with_absent(manifest: &Manifest, runs: &[(&str, Vec<Record>)], absent: usize) -> Study {
    let folder = tempfile::tempdir().unwrap();
    let opened = runs
        .iter()
        .map(|(name, records)| {
            let path = folder.path().join(name);
            write_run(&path, records, records.len() + absent, Path::new(""));
            ((*name).to_owned(), emomm_eval::run::Run::open(&path).unwrap())
        })
        .collect();
    Study::new(manifest, opened, Origin::default()).unwrap()
}

/// Ten clips in five groups of two corpora: five aligned, five in conflict of a known kind.
pub(crate) fn ten_clips() -> Vec<MadeUp> {
    vec![
        // GT, T, A, V in steps of 0.2.
        MadeUp::new("ch-sims", "a1", "g1", [5, 5, 5, 5]),
        MadeUp::new("ch-sims", "a2", "g1", [-5, -4, -2, -5]),
        MadeUp::new("ch-sims", "a3", "g2", [0, 0, 0, 0]),
        MadeUp::new("cmu-mosi", "a4", "g3", [2, 2, 2, 1]),
        MadeUp::new("cmu-mosi", "a5", "g4", [-1, -1, -2, -1]),
        // Only video wrong, only text wrong, only audio wrong, text and audio wrong, all wrong.
        MadeUp::new("ch-sims", "c1", "g2", [5, 5, 4, -5]),
        MadeUp::new("ch-sims", "c2", "g1", [-5, 5, -4, -5]),
        MadeUp::new("cmu-mosi", "c3", "g3", [5, 5, -5, 5]),
        MadeUp::new("cmu-mosi", "c4", "g4", [5, 0, -1, 5]),
        MadeUp::new("cmu-mosi", "c5", "g5", [0, 2, 2, -2]),
    ]
}
