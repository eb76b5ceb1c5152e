//! The lead's pages: progress, people, quality, agreement, references, adjudication, remarks, export.

pub(crate) mod adjudication;
pub(crate) mod exports;
pub(crate) mod figures;
pub(crate) mod overview;
pub(crate) mod people;
pub(crate) mod references;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use minijinja::{Value, context};

use crate::references::LeadItem;
use crate::settings::Settings;
use crate::view::View;
use crate::web::App;
use crate::web::render::{Failure, Problem};
use crate::work::Phase;

/// The view that a query names; the first without one.
pub(super) fn view_of(word: &str) -> View {
    word.parse().unwrap_or(View::Text)
}

/// The names of the views for tabs.
pub(super) fn views(settings: &Settings) -> Vec<&'static str> {
    settings.views(0).into_iter().map(View::name).collect()
}

/// An item for a template.
pub(super) fn item_values(settings: &Settings, item: &LeadItem) -> Value {
    let reference = item.reference.as_ref();
    context! {
        id => item.lead_id.clone(),
        seq => item.seq,
        view => item.view.name(),
        phase => item.phase.name(),
        is_main => item.phase == Phase::Main,
        text => item.text.clone(),
        has_medium => item.medium.is_some(),
        label => reference.map(|(label, ..)| *label),
        shown => reference.map(|(label, ..)| settings.scheme.show(*label)),
        note => reference.map_or("", |(_, note, _)| note.as_str()),
        is_gold => reference.is_some_and(|(.., gold)| *gold),
    }
}

/// The labels of the scheme for a form.
pub(super) fn codes(settings: &Settings) -> Vec<Value> {
    let scheme = settings.scheme;
    scheme.codes().map(|code| context! { code => code, shown => scheme.show(code) }).collect()
}

/// After a form: to another page, under its own address.
pub(super) fn to(path: &str) -> Result<Response, Failure> {
    let location = HeaderValue::from_str(path).map_err(|_| Problem::Bad)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// A file to be saved.
pub(super) fn download(name: &str, media_type: &'static str, content: String) -> Result<Response, Failure> {
    let disposition =
        HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")).map_err(|_| Problem::Bad)?;
    let headers = [
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
    ];
    Ok((headers, content).into_response())
}

/// Media for the lead, by the lead's id.
pub(super) async fn medium(app: &App, id: String, headers: &HeaderMap) -> Result<Response, Failure> {
    let item = app.project().store().read(move |c| crate::references::by_lead_id(c, &id)).await?;
    let (blob, media_type) = item.and_then(|i| i.medium).ok_or(Problem::NotFound)?;
    crate::web::media::send(app, &blob, &media_type, headers).await
}
