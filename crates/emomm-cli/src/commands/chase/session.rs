//! What the commands work on: a loaded model, a benchmark with its labels, and the cache of features.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use emomm_chase::{
    FeatureStore, Features, ImportanceCache, JudgedSample, LoadedRouter, StoreKey, StoredRecord, TextScope,
    TokenSets, model_error,
};
use emomm_dataset::build::Split;
use emomm_dataset::manifest::{Manifest, ManifestRow};
use emomm_dataset::{Agreement, Corpus, Modality, ModalitySet, Sentiment, Subset};
use emomm_eval::runner::{Candidate, RowKind, candidates};
use emomm_eval::{PredictError, prompt};
use emomm_media::DecodeLimits;
use emomm_models::LoadOptions;
use emomm_models::white_box::WhiteBox;

use super::words::WhereArgs;
use crate::commands::eval::{HowToLoad, Model, encoder_cache};
use crate::commands::verify::{read_benchmark, unreadable};
use crate::exit_status::{ExitStatus, Failure};
use crate::interrupt::Interrupts;
use crate::model_source;
use crate::printer::Printer;

/// Coalitions whose features are kept: the full clip and its masked copies.
pub(super) const READ: [&str; 4] = ["TAV", "TA", "TV", "AV"];
/// Coalitions of which the answer is kept.
const ANSWERED: [&str; 3] = ["T", "A", "V"];
/// Errors that are told one by one; the others are counted.
const TOLD: usize = 5;

/// Everything that a command needs.
pub(super) struct Session {
    pub(super) manifest: Manifest,
    pub(super) model: Model,
    pub(super) white_box: Box<dyn WhiteBox + Send>,
    pub(super) args: WhereArgs,
    roots: BTreeMap<String, PathBuf>,
    full: BTreeMap<String, usize>,
    copies: BTreeMap<(String, ModalitySet), Subset>,
}

impl Session {
    /// Reads the benchmark and loads the model.
    pub(super) fn open(args: &WhereArgs, printer: &Printer) -> Result<Self, Failure> {
        let manifest = read_benchmark(&args.bench)?;
        let roots = Manifest::read_roots(&args.bench).map_err(unreadable)?;
        let known: BTreeSet<&str> = manifest.header.corpora.iter().map(|c| c.name.as_str()).collect();
        if let Some(unknown) = args.corpus.iter().find(|c| !known.contains(c.as_str())) {
            let names: Vec<&str> = known.into_iter().collect();
            let message = format!("--corpus {unknown}: the benchmark has {}", names.join(", "));
            return Err(Failure::new(ExitStatus::Usage, message));
        }
        let how = HowToLoad {
            device: Some(args.compute.device),
            dtype: Some(args.compute.dtype),
            sampling: Some(args.sampling),
            missing: args.missing,
            cache: encoder_cache(args.cache.as_deref(), None)?,
            ..HowToLoad::default()
        };
        let model = Model::find(&args.model, &how, printer)?;
        let load = LoadOptions {
            device: args.compute.device,
            dtype: args.compute.dtype,
            sampling: args.sampling,
            limits: DecodeLimits::default(),
        };
        let spinner = printer.spinner("loading the model");
        let mut white_box = emomm_models::open_white_box(&model.place, &load)?;
        white_box.set_missing(args.missing);
        if let Some(caches) = &model.caches {
            caches.lend_to(white_box.as_mut());
        }
        spinner.finish_and_clear();
        let rows = manifest.rows.iter().enumerate();
        let full = rows.filter(|(_, r)| r.is_full()).map(|(i, r)| (r.id.clone(), i)).collect();
        let copies = manifest
            .rows
            .iter()
            .filter_map(|r| Some(((r.source_id.clone()?, r.coalition), r.subset?)))
            .collect();
        Ok(Self { manifest, model, white_box, args: args.clone(), roots, full, copies })
    }

    /// The clips of some splits, in the order of the manifest.
    pub(super) fn clips(
        &self,
        splits: &[Split],
        coalitions: &[ModalitySet],
    ) -> Result<Vec<Candidate>, Failure> {
        let mut all = Vec::new();
        for split in splits {
            let wanted = RowKind { splits: vec![*split], ..RowKind::default() };
            let found = candidates(&self.manifest, &self.roots, &wanted, coalitions)?;
            let of_corpus = |c: &Candidate| {
                self.args.corpus.is_empty() || self.args.corpus.contains(&self.row(&c.clip.id).corpus)
            };
            let limit = self.args.limit.map_or(usize::MAX, |l| l as usize);
            all.extend(found.into_iter().filter(of_corpus).take(limit));
        }
        if all.is_empty() {
            return Err(Failure::new(ExitStatus::Usage, "no clip of the benchmark is selected")
                .with_hint("see `emomm stats` for what there is"));
        }
        Ok(all)
    }

    /// The manifest's row of a full clip.
    pub(super) fn row(&self, id: &str) -> &ManifestRow {
        &self.manifest.rows[self.full.get(id).copied().unwrap_or_default()]
    }

    /// What a clip is told apart by in every benchmark that holds it: the beginning of its file's digest, or its id where
    /// nothing was hashed.
    pub(super) fn contents(&self, id: &str) -> String {
        let row = self.row(id);
        let digest = row.video_sha256.as_ref().or(row.audio_sha256.as_ref());
        digest.and_then(|d| d.get(..16)).unwrap_or(id).to_owned()
    }

    /// Labels of T, A, V.
    pub(super) fn unimodal(&self, id: &str) -> [Option<Sentiment>; 3] {
        let labels = &self.row(id).labels;
        Modality::ALL.map(|m| labels.modality(m).map(|l| l.class))
    }

    /// The multimodal label.
    pub(super) fn truth(&self, id: &str) -> Sentiment {
        self.row(id).labels.ground_truth.class
    }

    /// A clip under a coalition as a sample to judge.
    pub(super) fn judged(&self, id: &str, shown: ModalitySet) -> JudgedSample {
        let row = self.row(id);
        let mut subsets = Vec::new();
        if shown == ModalitySet::FULL {
            subsets.extend(row.subset.map(Subset::name));
            subsets.extend(row.agreement.map(Agreement::name));
        } else {
            subsets.extend(self.copies.get(&(id.to_owned(), shown)).map(|s| s.name()));
        }
        let map = self.manifest.header.corpora.iter().find(|c| c.name == row.corpus);
        JudgedSample {
            group: row.group.clone(),
            shown,
            subsets,
            ground_truth: row.labels.ground_truth.class,
            score: row.labels.ground_truth.score,
            corpus: map.map_or(Corpus::ChSims, |c| c.class_map),
        }
    }

    /// The cache of features for this model, benchmark and these token sets.
    pub(super) fn store(&self, text_scope: TextScope, n_sinks: usize) -> Result<FeatureStore, Failure> {
        let parent = match &self.args.features {
            Some(folder) => folder.clone(),
            None => model_source::cache_folder()?.join("features"),
        };
        let mut settings: BTreeMap<String, String> =
            self.model.media.iter().map(|(k, v)| (k.clone(), v.to_string())).collect();
        settings.insert("prompt".to_owned(), prompt::PROMPT_VERSION.to_owned());
        settings.insert("dtype".to_owned(), self.model.id.dtype.clone());
        // As a run's header: what is the default is not written, so that features of before are found.
        if !self.args.missing.is_omit() {
            settings.insert("missing".to_owned(), self.args.missing.to_string());
        }
        let key = StoreKey {
            model: self.model.id.sha256.clone(),
            manifest: self.manifest.header.parquet_sha256.clone(),
            settings,
            text_scope,
            n_sinks,
        };
        Ok(FeatureStore::open(&parent, key)?)
    }

    /// The cache of importances beside the features that a router reads.
    pub(super) fn importances(&self, router: &LoadedRouter) -> Result<ImportanceCache, Failure> {
        let store = self.store(router.1.text_scope, router.1.n_sinks)?;
        Ok(ImportanceCache::new(&store.folder().join("importance")))
    }

    /// Computes what training needs of some splits and is not on disk yet: features of the full clips and their masked
    /// copies, answers to the modalities alone. Gives the clips and how many of them failed.
    pub(super) fn ensure_features(
        &mut self,
        store: &mut FeatureStore,
        splits: &[Split],
        printer: &Printer,
    ) -> Result<(usize, usize), Failure> {
        let all: Vec<ModalitySet> = words(&[&READ[..], &ANSWERED[..]].concat());
        self.ensure(store, splits, &all, printer)
    }

    /// The same for some coalitions.
    pub(super) fn ensure(
        &mut self,
        store: &mut FeatureStore,
        splits: &[Split],
        coalitions: &[ModalitySet],
        printer: &Printer,
    ) -> Result<(usize, usize), Failure> {
        let read: Vec<ModalitySet> = words(&READ);
        let known = store.known()?;
        let clips = self.clips(splits, coalitions)?;
        let n_clips = clips.len();
        let missing = |id: &str| -> Vec<ModalitySet> {
            let is_there = |c: &ModalitySet| known.get(id).is_some_and(|k| k.contains(c));
            coalitions.iter().copied().filter(|c| !is_there(c)).collect()
        };
        let left: Vec<(Candidate, Vec<ModalitySet>)> = clips
            .into_iter()
            .map(|c| {
                let missing = missing(&c.clip.id);
                (c, missing)
            })
            .filter(|(_, missing)| !missing.is_empty())
            .collect();
        if left.is_empty() {
            return Ok((n_clips, 0));
        }
        let interrupts = Interrupts::listen(|line| Printer::new().talk(line));
        printer.talk(&format!(
            "reading {} of {n_clips} clips; features go to {}",
            left.len(),
            store.folder().display()
        ));
        let (scope, sinks) = (store.key().text_scope, store.key().n_sinks);
        let spinner = printer.spinner("reading");
        let (mut failed, mut told) = (0, 0);
        let n_left = left.len();
        for (done, (candidate, missing)) in left.into_iter().enumerate() {
            if interrupts.stop.asked() > 0 {
                store.flush()?;
                spinner.finish_and_clear();
                let message = format!("interrupted after {done} of {n_left} clips");
                return Err(Failure::new(ExitStatus::Interrupted, message)
                    .with_hint("issue the same command again to go on"));
            }
            spinner.set_message(format!("reading {done}/{n_left}"));
            let (records, errors) = self.read_clip(&candidate, &missing, &read, scope, sinks);
            for error in &errors {
                told += 1;
                if told <= TOLD {
                    printer.talk(&format!("warning: {}: {error}", candidate.clip.id));
                }
            }
            if errors.is_empty() {
                store.add(records)?;
            } else {
                failed += 1;
            }
        }
        store.flush()?;
        spinner.finish_and_clear();
        if failed > 0 {
            printer.talk(&format!("warning: {failed} clips could not be read and are left out"));
        }
        Ok((n_clips, failed))
    }

    fn read_clip(
        &mut self,
        candidate: &Candidate,
        all: &[ModalitySet],
        read: &[ModalitySet],
        scope: TextScope,
        sinks: usize,
    ) -> (Vec<StoredRecord>, Vec<PredictError>) {
        let mut records = Vec::new();
        let results = self.white_box.visit(&candidate.clip, all, &mut |point| {
            let coalition = point.coalition();
            let sets = TokenSets::of(point.layout(), scope, sinks);
            let features = Features::read(point, &sets).map_err(model_error)?;
            let letter_logits = features.letter_logits;
            records.push(StoredRecord {
                sample: candidate.clip.id.clone(),
                coalition,
                letter_logits,
                features: read.contains(&coalition).then_some(features),
            });
            Ok(())
        });
        (records, results.into_iter().filter_map(Result::err).collect())
    }
}

/// Coalitions by their words.
pub(super) fn words(list: &[&str]) -> Vec<ModalitySet> {
    list.iter().filter_map(|w| w.parse().ok()).collect()
}
