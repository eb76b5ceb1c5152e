//! How well annotators agree, by modality (App. A.1 reports Fleiss' kappa 0.54).

use emomm_metrics::{
    AlphaLevel, BootstrapOptions, Clusters, Estimate, Figure, IntraClass, KappaWeights, PairAgreement,
    Ratings, cluster_bootstrap_many, cohen_kappa, fleiss_kappa, intra_class, krippendorff_alpha,
    pairwise_agreement,
};
use rusqlite::Connection;
use serde::Serialize;

use crate::error::AnnotateError;
use crate::view::View;
use crate::votes::{VoteTable, votes};

/// A coefficient with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Coefficient {
    /// The coefficient.
    pub value: f64,
    /// Lower end of the 95 % interval; null with fewer than two videos.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// Two annotators.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// Their pseudonyms.
    pub annotators: [String; 2],
    /// Items that both judged.
    pub n: usize,
    /// Share of equal votes.
    pub agreement: Option<f64>,
    /// Cohen's kappa with linear weights.
    pub weighted_kappa: Option<f64>,
    /// Votes of the first (rows) against those of the second (columns), by ascending code.
    pub confusion: Vec<Vec<usize>>,
}

/// An annotator against themselves, on items that came twice.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IntraRater {
    /// The pseudonym.
    pub annotator: String,
    /// Items that came twice.
    pub n: usize,
    /// Share of equal votes.
    pub agreement: Option<f64>,
    /// Cohen's kappa with linear weights.
    pub weighted_kappa: Option<f64>,
}

/// The agreement on one view. What cannot be computed is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ViewAgreement {
    /// `text`, `audio`, `video` or `multimodal`.
    pub modality: View,
    /// Items with a vote.
    pub n_items: usize,
    /// Votes.
    pub n_votes: usize,
    /// Pseudonyms.
    pub annotators: Vec<String>,
    /// Krippendorff's alpha, by equality.
    pub alpha_nominal: Option<Coefficient>,
    /// Krippendorff's alpha, by rank.
    pub alpha_ordinal: Option<Coefficient>,
    /// Krippendorff's alpha, by value.
    pub alpha_interval: Option<Coefficient>,
    /// Fleiss' kappa over items that all have judged.
    pub fleiss_kappa: Option<Coefficient>,
    /// Items behind Fleiss' kappa.
    pub n_fleiss: usize,
    /// ICC(2,1) and ICC(2,k) over items that all have judged.
    pub icc: Option<IntraClass>,
    /// Mean over pairs of the weighted kappa.
    pub mean_weighted_kappa: Option<Figure>,
    /// Share of equal votes over all pairs of votes on an item.
    pub agreement: Option<Figure>,
    /// All pairs of annotators.
    pub pairs: Vec<Pair>,
    /// Annotators against themselves; empty for a file.
    pub intra_rater: Vec<IntraRater>,
}

/// The agreement of a table of votes.
///
/// # Errors
/// Options of the bootstrap out of range.
pub fn agreement_of(table: &VoteTable, options: BootstrapOptions) -> Result<ViewAgreement, AnnotateError> {
    let judged: Vec<&crate::votes::VotedItem> =
        table.items.iter().filter(|item| item.votes.iter().any(Option::is_some)).collect();
    let rows = judged.iter().map(|item| item.votes.iter().map(|v| v.map(i32::from)).collect()).collect();
    let ratings = Ratings::new(table.annotators.len(), rows).map_err(not_possible)?;
    let clusters = Clusters::by_key(judged.iter().map(|item| item.group.as_str()));
    let [nominal, ordinal, interval, fleiss] = cluster_bootstrap_many(&clusters, options, |items| {
        let drawn = ratings.select(items);
        let alpha = |level| krippendorff_alpha(&drawn, level).map(|a| a.value);
        [
            alpha(AlphaLevel::Nominal),
            alpha(AlphaLevel::Ordinal),
            alpha(AlphaLevel::Interval),
            fleiss_kappa(&drawn).map(|k| k.value),
        ]
    })
    .map_err(not_possible)?;
    let pairwise = pairwise_agreement(&ratings, KappaWeights::Linear);
    let coefficient = |estimate: Option<Estimate>| {
        estimate.map(|e| Coefficient { value: e.value, low: e.low, high: e.high })
    };
    let greatest = judged.iter().flat_map(|i| i.votes.iter().flatten()).map(|v| v.abs()).max().unwrap_or(1);
    Ok(ViewAgreement {
        modality: table.view,
        n_items: judged.len(),
        n_votes: table.n_votes(),
        alpha_nominal: coefficient(nominal),
        alpha_ordinal: coefficient(ordinal),
        alpha_interval: coefficient(interval),
        fleiss_kappa: coefficient(fleiss),
        n_fleiss: fleiss_kappa(&ratings).map_or(0, |k| k.n_items),
        icc: intra_class(&ratings),
        mean_weighted_kappa: pairwise.mean_kappa,
        agreement: pairwise.agreement,
        pairs: pairwise.pairs.iter().map(|pair| pair_of(table, &ratings, pair, greatest)).collect(),
        intra_rater: Vec::new(),
        annotators: table.annotators.clone(),
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn not_possible(error: emomm_metrics::MetricError) -> AnnotateError {
    AnnotateError::refused("agreement", error.to_string(), "votes and options that fit each other")
}

fn pair_of(table: &VoteTable, ratings: &Ratings, pair: &PairAgreement, greatest: i8) -> Pair {
    let [a, b] = pair.raters;
    let greatest = i32::from(greatest);
    let size = usize::try_from(2 * greatest + 1).unwrap_or(0);
    let mut confusion = vec![vec![0; size]; size];
    for item in ratings.items() {
        if let (Some(x), Some(y)) = (item[a], item[b]) {
            confusion[(x + greatest) as usize][(y + greatest) as usize] += 1;
        }
    }
    Pair {
        annotators: [table.annotators[a].clone(), table.annotators[b].clone()],
        n: confusion.iter().flatten().sum(),
        agreement: pair.agreement.map(|f| f.value),
        weighted_kappa: pair.kappa.map(|f| f.value),
        confusion,
    }
}

/// The agreement of a project, one entry for each view that has votes.
///
/// # Errors
/// Those of the database and of [`agreement_of`].
pub fn agreement(
    connection: &Connection,
    options: BootstrapOptions,
) -> Result<Vec<ViewAgreement>, AnnotateError> {
    let mut all = Vec::new();
    for view in View::ALL {
        let table = votes(connection, view)?;
        if table.n_votes() > 0 {
            let intra_rater = intra_rater(connection, view)?;
            all.push(ViewAgreement { intra_rater, ..agreement_of(&table, options)? });
        }
    }
    Ok(all)
}

/// Annotators against themselves.
pub fn intra_rater(connection: &Connection, view: View) -> Result<Vec<IntraRater>, AnnotateError> {
    let mut statement = connection.prepare(
        "SELECT a.pseudonym, r1.label, r2.label FROM assignment s2 JOIN account a ON a.id = s2.account \
         JOIN item i ON i.id = s2.item JOIN answer r2 ON r2.assignment = s2.id \
         JOIN assignment s1 ON s1.account = s2.account AND s1.item = s2.item AND s1.phase = 'main' \
              AND s1.role <> 'repeat' \
         JOIN answer r1 ON r1.assignment = s1.id \
         WHERE s2.phase = 'main' AND s2.role = 'repeat' AND i.view = ?1 \
               AND r1.label IS NOT NULL AND r2.label IS NOT NULL ORDER BY a.id",
    )?;
    let rows = statement.query_map([view], |row| {
        Ok((row.get::<_, String>(0)?, (row.get::<_, i32>(1)?, row.get::<_, i32>(2)?)))
    })?;
    let mut by_annotator: Vec<(String, Vec<(i32, i32)>)> = Vec::new();
    for row in rows {
        let (annotator, pair) = row?;
        match by_annotator.last_mut() {
            Some((last, pairs)) if *last == annotator => pairs.push(pair),
            _ => by_annotator.push((annotator, vec![pair])),
        }
    }
    Ok(by_annotator
        .into_iter()
        .map(|(annotator, pairs)| {
            let equal = pairs.iter().filter(|(x, y)| x == y).count();
            IntraRater {
                annotator,
                n: pairs.len(),
                agreement: (!pairs.is_empty()).then(|| equal as f64 / pairs.len() as f64),
                weighted_kappa: cohen_kappa(&pairs, KappaWeights::Linear).map(|k| k.value),
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::votes::VotedItem;

    #[test]
    fn gaps_and_perfect_agreement() {
        let item = |seq: i64, votes: [Option<i8>; 2]| VotedItem {
            seq,
            key: 0,
            corpus: String::new(),
            clip: format!("v{seq}_1"),
            group: format!("v{seq}"),
            votes: votes.to_vec(),
        };
        let table = VoteTable {
            view: View::Text,
            annotators: vec!["A1".to_owned(), "A2".to_owned()],
            items: vec![
                item(1, [Some(1), Some(1)]),
                item(2, [Some(-1), Some(-1)]),
                item(3, [Some(0), None]),
                item(4, [None, None]),
            ],
        };
        let agreement =
            agreement_of(&table, BootstrapOptions { n_resamples: 20, ..Default::default() }).unwrap();
        assert_eq!((agreement.n_items, agreement.n_votes), (3, 5));
        assert!((agreement.alpha_ordinal.unwrap().value - 1.0).abs() < 1e-12);
        assert_eq!(agreement.pairs[0].confusion, [[1, 0, 0], [0, 0, 0], [0, 0, 1]]);
        assert_eq!((agreement.pairs[0].n, agreement.pairs[0].agreement), (2, Some(1.0)));
    }

    #[test]
    fn no_votes_give_no_figures() {
        let table = VoteTable { view: View::Text, annotators: Vec::new(), items: Vec::new() };
        let agreement = agreement_of(&table, BootstrapOptions::default()).unwrap();
        assert_eq!((agreement.alpha_nominal, agreement.icc, agreement.agreement), (None, None, None));
    }
}
