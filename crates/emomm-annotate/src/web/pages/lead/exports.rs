//! Files for download.

use std::fmt::Write as _;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use minijinja::context;
use serde_json::json;

use crate::audit::{self, Actor};
use crate::export::{ExportOptions, corpora, labels_of, responses_csv, votes_of};
use crate::scheme::Scheme;
use crate::web::App;
use crate::web::render::{Problem, answered, page};
use crate::web::session::Visitor;

/// The page.
pub(crate) async fn exports(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let corpora = app.project().store().read(corpora).await?;
        let values = context! {
            tab => "export", corpora => corpora, has_votes => app.settings().scheme == Scheme::Ternary,
            folder => app.project().folder().display().to_string(),
        };
        Ok(page(&app, &visitor, "lead_export.html", values))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// A file: `responses.csv`, `audit.jsonl`, `labels_CORPUS.csv`, `adjudicated_CORPUS.csv` or `votes_CORPUS.csv`.
pub(crate) async fn file(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        let asked = name.clone();
        let content = app
            .project()
            .store()
            .read(move |c| {
                let of_corpus = |prefix: &str| -> Result<Option<String>, crate::error::AnnotateError> {
                    let corpus = asked.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(".csv"));
                    Ok(corpora(c)?.into_iter().find(|known| Some(known.as_str()) == corpus))
                };
                let mean = ExportOptions::default();
                if asked == "responses.csv" {
                    responses_csv(c).map(Some)
                } else if asked == "audit.jsonl" {
                    let mut text = String::new();
                    audit::events(c, |event| {
                        let _ = writeln!(text, "{}", serde_json::to_string(&event).unwrap_or_default());
                        Ok(())
                    })?;
                    Ok(Some(text))
                } else if let Some(corpus) = of_corpus("labels_")? {
                    labels_of(c, &corpus, mean).map(Some)
                } else if let Some(corpus) = of_corpus("adjudicated_")? {
                    labels_of(c, &corpus, ExportOptions { adjudicated: true, ..mean }).map(Some)
                } else if let Some(corpus) = of_corpus("votes_")? {
                    votes_of(c, &corpus).map(Some)
                } else {
                    Ok(None)
                }
            })
            .await?
            .ok_or(Problem::NotFound)?;
        let actor = Actor::Account(account.pseudonym);
        let detail = json!({ "file": name });
        app.project().store().write(move |t| audit::append(t, &actor, "export.downloaded", &detail)).await?;
        let is_csv = std::path::Path::new(&name).extension().is_some_and(|e| e == "csv");
        let media_type = if is_csv { "text/csv; charset=utf-8" } else { "application/jsonl" };
        super::download(&name, media_type, content)
    }
    .await;
    answered(&app, &headers, &visitor, result)
}
