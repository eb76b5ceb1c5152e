//! Adjudication: one modality at a time, names hidden.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Form};
use minijinja::{Value, context};
use serde::Deserialize;

use crate::adjudicate::{CATEGORIES, Rule, decide, decided, queue, votes_on};
use crate::references::{MAX_NOTE, by_lead_id};
use crate::web::App;
use crate::web::render::{Problem, answered, page};
use crate::web::session::Visitor;

/// Cases that the page lists; the rest is counted.
const SHOWN: usize = 100;

/// Which queue.
#[derive(Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    view: String,
    #[serde(default)]
    rule: String,
}

/// The queue of one view.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Query(choice): Query<Choice>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let (view, rule) = (super::view_of(&choice.view), Rule::of(&choice.rule));
        let settings = app.settings();
        let rules = std::sync::Arc::clone(&settings);
        let cases = app.project().store().read(move |c| queue(c, &rules, view, rule)).await?;
        let n_open = cases.iter().filter(|c| c.decided.is_none()).count();
        let shown: Vec<Value> = cases
            .iter()
            .take(SHOWN)
            .map(|case| {
                let votes: Vec<String> = case.votes.iter().map(|v| settings.scheme.show(*v)).collect();
                context! {
                    id => case.item.lead_id.clone(),
                    votes => votes.join("  "),
                    decided => case.decided.map(|code| settings.scheme.show(code)),
                }
            })
            .collect();
        let values = context! {
            tab => "adjudication", view => view.name(), rule => rule.name(), views => super::views(&settings),
            cases => shown, n => cases.len(), n_open => n_open,
        };
        Ok(page(&app, &visitor, "lead_adjudication.html", values))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// One case.
pub(crate) async fn case(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Query(choice): Query<Choice>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let settings = app.settings();
        let found = app
            .project()
            .store()
            .read(move |c| {
                let Some(item) = by_lead_id(c, &id)? else { return Ok(None) };
                Ok(Some((votes_on(c, item.key)?, decided(c, item.key)?, item)))
            })
            .await?;
        let (votes, decided, item) = found.ok_or(Problem::NotFound)?;
        let votes: Vec<String> = votes.iter().map(|v| settings.scheme.show(*v)).collect();
        let values = context! {
            tab => "adjudication", item => super::item_values(&settings, &item), votes => votes,
            decided => decided.map(|code| settings.scheme.show(code)), codes => super::codes(&settings),
            scheme => settings.scheme.name(), categories => CATEGORIES, max_note => MAX_NOTE,
            rule => Rule::of(&choice.rule).name(),
        };
        Ok(page(&app, &visitor, "lead_case.html", values))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Decision {
    label: i8,
    category: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    rule: String,
}

/// Writes a decision down and goes on with the next case.
pub(crate) async fn decision(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Decision>,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        let settings = app.settings();
        let rule = Rule::of(&form.rule);
        let next = app
            .project()
            .store()
            .write(move |t| {
                decide(t, &settings, &account, &id, (form.label, &form.category, form.reason.trim()))?;
                let Some(item) = by_lead_id(t, &id)? else { return Ok(None) };
                let cases = queue(t, &settings, item.view, rule)?;
                let next = cases.into_iter().find(|c| c.decided.is_none());
                Ok(Some((item.view, next.map(|c| c.item.lead_id))))
            })
            .await?;
        match next {
            Some((_, Some(id))) => super::to(&format!("/lead/adjudication/{id}?rule={}", rule.name())),
            Some((view, None)) => {
                super::to(&format!("/lead/adjudication?view={}&rule={}", view.name(), rule.name()))
            }
            None => Err(Problem::NotFound.into()),
        }
    }
    .await;
    answered(&app, &headers, &visitor, result)
}
