//! Quality and agreement.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use emomm_metrics::BootstrapOptions;
use minijinja::{Value, context};

use crate::agreement::{Coefficient, agreement};
use crate::quality::quality;
use crate::web::App;
use crate::web::render::{answered, page};
use crate::web::session::Visitor;

/// Resamples behind the intervals of the page; the command line takes more.
const RESAMPLES: usize = 200;

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{:.0} %", v * 100.0))
}

fn decimal(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{v:.2}").replace('-', "\u{2212}"))
}

/// Gold accuracy, drift, haste, straight-lining.
pub(crate) async fn quality_page(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let settings = app.settings();
        let rules = std::sync::Arc::clone(&settings);
        let rows = app.project().store().read(move |c| quality(c, &rules)).await?;
        let rows: Vec<Value> = rows
            .iter()
            .map(|q| {
                let fast = (q.n > 0).then(|| q.n_too_fast as f64 / q.n as f64);
                let seconds = |ms: Option<i64>| ms.map_or_else(|| "–".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1000.0));
                context! {
                    annotator => q.annotator.clone(),
                    view => q.modality.name(),
                    n => q.n,
                    gold => if q.n_gold > 0 { format!("{} / {}", q.n_gold_right, q.n_gold) } else { "–".to_owned() },
                    gold_share => share((q.n_gold > 0).then(|| q.n_gold_right as f64 / q.n_gold as f64)),
                    gold_early => share(q.gold_halves[0]),
                    gold_late => share(q.gold_halves[1]),
                    mean_early => decimal(q.mean_halves[0]),
                    mean_late => decimal(q.mean_halves[1]),
                    ms_early => seconds(q.median_ms_halves[0]),
                    ms_late => seconds(q.median_ms_halves[1]),
                    fast => share(fast),
                    is_fast => fast.is_some_and(|f| f > 0.1),
                    run => q.longest_run,
                    is_straight => q.is_straight,
                    cannot => q.n_cannot_judge,
                }
            })
            .collect();
        let values = context! {
            tab => "quality", rows => rows,
            too_fast => format!("{:.1}", settings.too_fast_ms as f64 / 1000.0),
            straight => settings.straight_run,
        };
        Ok(page(&app, &visitor, "lead_quality.html", values))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// Agreement by modality and by pair.
pub(crate) async fn agreement_page(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let scheme = app.settings().scheme;
        let options = BootstrapOptions { n_resamples: RESAMPLES, ..BootstrapOptions::default() };
        let figures = app.project().store().read(move |c| agreement(c, options)).await?;
        let with_interval = |c: Option<Coefficient>| {
            let interval = c.and_then(|c| c.low.zip(c.high));
            context! {
                value => decimal(c.map(|c| c.value)),
                interval => interval.map(|(low, high)| format!("{} … {}", decimal(Some(low)), decimal(Some(high)))).unwrap_or_default(),
            }
        };
        let views: Vec<Value> = figures
            .iter()
            .map(|f| {
                let pairs: Vec<Value> = f
                    .pairs
                    .iter()
                    .map(|p| {
                        let half = (p.confusion.len() / 2) as i8;
                        let heads: Vec<String> = (-half..=half).map(|code| scheme.show(code)).collect();
                        let most = p.confusion.iter().flatten().copied().max().unwrap_or(0).max(1);
                        let rows: Vec<Value> = p
                            .confusion
                            .iter()
                            .zip(&heads)
                            .enumerate()
                            .map(|(i, (row, head))| {
                                let cells: Vec<Value> = row
                                    .iter()
                                    .enumerate()
                                    .map(|(j, n)| context! { n => *n, shade => (n * 4).div_ceil(most), same => i == j })
                                    .collect();
                                context! { head => head, cells => cells }
                            })
                            .collect();
                        context! {
                            a => p.annotators[0].clone(), b => p.annotators[1].clone(), n => p.n,
                            equal => share(p.agreement), kappa => decimal(p.weighted_kappa), heads => heads, rows => rows,
                        }
                    })
                    .collect();
                let own: Vec<Value> = f
                    .intra_rater
                    .iter()
                    .map(|i| context! { annotator => i.annotator.clone(), n => i.n, equal => share(i.agreement), kappa => decimal(i.weighted_kappa) })
                    .collect();
                context! {
                    view => f.modality.name(), n_items => f.n_items, n_votes => f.n_votes, n_fleiss => f.n_fleiss,
                    nominal => with_interval(f.alpha_nominal), ordinal => with_interval(f.alpha_ordinal),
                    interval => with_interval(f.alpha_interval), fleiss => with_interval(f.fleiss_kappa),
                    kappa => decimal(f.mean_weighted_kappa.map(|k| k.value)),
                    icc_single => decimal(f.icc.map(|i| i.single)), icc_average => decimal(f.icc.map(|i| i.average)),
                    pairs => pairs, own => own,
                }
            })
            .collect();
        let values = context! { tab => "agreement", views => views, resamples => RESAMPLES };
        Ok(page(&app, &visitor, "lead_agreement.html", values))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}
