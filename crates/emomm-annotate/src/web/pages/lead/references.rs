//! Reference labels of training, calibration and gold items.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Form};
use minijinja::{Value, context};
use serde::Deserialize;

use crate::audit::Actor;
use crate::references;
use crate::web::App;
use crate::web::render::{Problem, answered, page};
use crate::web::session::Visitor;

/// Which view is listed, and perhaps the number of a clip to make a gold item of.
#[derive(Deserialize)]
pub(crate) struct Choice {
    #[serde(default)]
    view: String,
    #[serde(default)]
    seq: String,
}

/// The list, or the item that was asked for by number.
pub(crate) async fn list(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Query(choice): Query<Choice>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let view = super::view_of(&choice.view);
        let settings = app.settings();
        if !choice.seq.is_empty() {
            let seq: i64 = choice.seq.trim().parse().map_err(|_| Problem::Bad)?;
            let item = app.project().store().read(move |c| references::by_seq(c, seq, view)).await?;
            let item = item.ok_or(Problem::NotFound)?;
            return super::to(&format!("/lead/references/{}", item.lead_id));
        }
        let items = app.project().store().read(move |c| references::listed(c, view)).await?;
        let items: Vec<Value> = items.iter().map(|i| super::item_values(&settings, i)).collect();
        let values = context! {
            tab => "references", view => view.name(), views => super::views(&settings), items => items,
        };
        Ok(page(&app, &visitor, "lead_references.html", values))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// One item with its reference.
pub(crate) async fn item(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let settings = app.settings();
        let item = app.project().store().read(move |c| references::by_lead_id(c, &id)).await?;
        let item = item.ok_or(Problem::NotFound)?;
        let values = context! {
            tab => "references", item => super::item_values(&settings, &item), codes => super::codes(&settings),
            scheme => settings.scheme.name(), max_note => references::MAX_NOTE,
        };
        Ok(page(&app, &visitor, "lead_reference.html", values))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// What the form sends; an empty label takes the reference away.
#[derive(Deserialize)]
pub(crate) struct Reference {
    #[serde(default)]
    label: String,
    #[serde(default)]
    note: String,
}

/// Sets a reference.
pub(crate) async fn set(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Reference>,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        let label = match form.label.as_str() {
            "" => None,
            text => Some(text.parse::<i8>().map_err(|_| Problem::Bad)?),
        };
        let settings = app.settings();
        let actor = Actor::Account(account.pseudonym);
        let view = app
            .project()
            .store()
            .write(move |t| {
                references::set(t, &settings, &actor, &id, label, form.note.trim())?;
                Ok(references::by_lead_id(t, &id)?.map(|i| i.view.name()))
            })
            .await?;
        super::to(&format!("/lead/references?view={}", view.unwrap_or("text")))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// A medium for the lead.
pub(crate) async fn medium(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let result = super::medium(&app, id, &headers).await;
    answered(&app, &headers, &visitor, result)
}
