//! Which clip of a benchmark an id means, and what was shown of it.

use std::collections::BTreeMap;

use emomm_dataset::manifest::Manifest;
use emomm_dataset::{Corpus, ModalitySet};

/// The clips of a benchmark by all their names.
pub(super) struct Clips {
    /// Id of the full clip, and what a masked copy shows.
    names: BTreeMap<String, (String, Option<ModalitySet>)>,
    corpora: BTreeMap<String, Corpus>,
}

impl Clips {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let maps: BTreeMap<&str, Corpus> =
            manifest.header.corpora.iter().map(|c| (c.name.as_str(), c.class_map)).collect();
        let mut names = BTreeMap::new();
        let mut corpora = BTreeMap::new();
        for row in &manifest.rows {
            if let Some(source) = &row.source_id {
                names.insert(row.id.clone(), (source.clone(), Some(row.coalition)));
            } else {
                names.insert(row.id.clone(), (row.id.clone(), None));
                corpora
                    .insert(row.id.clone(), maps.get(row.corpus.as_str()).copied().unwrap_or(Corpus::ChSims));
            }
        }
        // Files name a clip where no id does.
        for row in manifest.rows.iter().filter(|r| r.source_id.is_none()) {
            for path in [&row.video_path, &row.audio_path].into_iter().flatten() {
                for name in [path.clone(), format!("{}/{path}", row.corpus)] {
                    names.entry(name).or_insert_with(|| (row.id.clone(), None));
                }
            }
        }
        Self { names, corpora }
    }

    /// The full clip and the coalition of an id, which may end in `@COALITION`.
    pub(super) fn place(&self, id: &str, stated: Option<ModalitySet>) -> Result<(&str, ModalitySet), String> {
        let (name, of_name) = match id.rsplit_once('@') {
            Some((name, word)) if !self.names.contains_key(id) && self.names.contains_key(name) => {
                let shown = word.parse::<ModalitySet>().map_err(|e| format!("found `{id}`: {e}"))?;
                (name, Some(shown))
            }
            _ => (id, None),
        };
        let Some((sample, shown)) = self.names.get(name) else {
            let example = self.corpora.keys().next().map_or("corpus/video/clip", String::as_str);
            return Err(format!("found `{id}`, expected an id of the benchmark such as `{example}`"));
        };
        let all = [stated, of_name, *shown];
        let mut known = all.into_iter().flatten();
        let coalition = known.next().unwrap_or(ModalitySet::FULL);
        match known.find(|other| *other != coalition) {
            Some(other) => {
                Err(format!("found {coalition} beside `{id}`, which shows {other}, expected the same"))
            }
            None => Ok((sample, coalition)),
        }
    }

    /// The class map of a full clip.
    pub(super) fn corpus_of(&self, sample: &str) -> Corpus {
        self.corpora.get(sample).copied().unwrap_or(Corpus::ChSims)
    }
}
