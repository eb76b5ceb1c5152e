//! Where a router was trained, or settings were chosen, on the very samples that are measured: no evidence.

use std::path::{Path, PathBuf};

use emomm_chase::RouterCard;
use emomm_dataset::build::Split;
use serde_json::Value;

use super::session::Session;
use super::variants::{Tuned, name_of, of_file, read_file};
use crate::exit_status::Failure;

/// Settings that `sweep --tune` chose, by what a variant's word calls them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    name: String,
    /// Where the search behind them may stand.
    searches: Vec<PathBuf>,
}

/// The chosen settings behind the words of variants: `tuned` and `static_bias` of the router, and steering files that `sweep`
/// wrote, whatever they are called now.
pub(super) fn chosen(words: &[String], router: &Path) -> Result<Vec<Chosen>, Failure> {
    let mut all = Vec::new();
    for word in words {
        let next = match of_file(word) {
            Some((path, _)) => of_steering_file(path, word, router)?,
            None => Tuned::of_word(word).map(|what| Chosen {
                name: what.name().to_owned(),
                searches: vec![router.join(what.search_file())],
            }),
        };
        all.extend(next.filter(|next| !all.contains(next)));
    }
    Ok(all)
}

/// A steering file's search stands beside it, or beside the router whose settings it repeats.
fn of_steering_file(path: &Path, word: &str, router: &Path) -> Result<Option<Chosen>, Failure> {
    let config = read_file(path)?.0;
    let Some(what) = Tuned::of_word(&config.preset) else { return Ok(None) };
    let mut searches = vec![path.with_file_name(what.search_file())];
    if read_file(&router.join(what.file())).is_ok_and(|(own, _)| own == config) {
        searches.push(router.join(what.search_file()));
    }
    Ok(Some(Chosen { name: name_of(path, word)?, searches }))
}

impl Chosen {
    /// What is to be said where these splits of a benchmark are measured.
    fn caveat(&self, bench: &str, splits: &[Split]) -> Option<String> {
        let name = &self.name;
        let read =
            |path: &PathBuf| -> Option<Value> { serde_json::from_slice(&std::fs::read(path).ok()?).ok() };
        let searches: Vec<Value> = self.searches.iter().filter_map(read).collect();
        if searches.is_empty() {
            let missing = self.searches[0].display();
            return Some(format!(
                "where `{name}` was chosen is not known, for there is no {missing}: if on these samples, its figures here are \
                 no evidence"
            ));
        }
        let is_on = |search: &Value, split: Split| {
            let names = search["splits"].as_array();
            search["manifest_sha256"].as_str() == Some(bench)
                && names.is_some_and(|all| all.iter().any(|s| s.as_str() == Some(split.name())))
        };
        let split = splits.iter().find(|split| searches.iter().any(|search| is_on(search, **split)))?;
        Some(format!(
            "`{name}` was chosen on the {} split of this benchmark: its figures here are no evidence",
            split.name()
        ))
    }
}

/// All that is to be said of the clips of some splits.
pub(super) fn caveats(
    session: &Session,
    card: &RouterCard,
    chosen: &[Chosen],
    (splits, clips): (&[Split], &[String]),
) -> Vec<String> {
    let bench = &session.manifest.header.parquet_sha256;
    let mut told = Vec::new();
    let n_clips = clips.len();
    // Cards from before name the benchmark, but not the clips.
    let (n_learnt, source) = if card.train_clips.is_empty() {
        let is_learnt = |id: &&String| {
            let row = session.row(id);
            let is_of_corpora = card.corpora.is_empty() || card.corpora.contains(&row.corpus);
            row.split == Split::Train && is_of_corpora
        };
        let n = if card.manifest_sha256 == *bench { clips.iter().filter(is_learnt).count() } else { 0 };
        (n, "the train split of this benchmark, which holds ")
    } else {
        let is_learnt = |id: &&String| card.train_clips.binary_search(&session.contents(id)).is_ok();
        (clips.iter().filter(is_learnt).count(), "")
    };
    if n_learnt > 0 {
        told.push(format!(
            "the router was trained on {source}{n_learnt} of the {n_clips} clips that are measured: their figures here are no \
             evidence"
        ));
    }
    told.extend(chosen.iter().filter_map(|c| c.caveat(bench, splits)));
    told
}
