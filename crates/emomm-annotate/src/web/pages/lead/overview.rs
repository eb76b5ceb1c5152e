//! Progress, remarks of annotators, and the rules that may change while work goes on.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Form};
use minijinja::{Value, context};
use serde::Deserialize;

use crate::audit::{self, Actor};
use crate::clock;
use crate::error::AnnotateError;
use crate::progress::progress;
use crate::project::store_settings;
use crate::settings::Gate;
use crate::web::App;
use crate::web::render::{Problem, answered, page};
use crate::web::session::Visitor;

/// Newest remarks and events that a page shows.
const SHOWN: i64 = 200;

/// Progress by annotator and modality.
pub(crate) async fn overview(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let progress = app.project().store().read(progress).await?;
        let left: f64 = progress.annotators.iter().flat_map(|a| &a.passes).filter_map(|p| p.hours_left).sum();
        let hours: f64 = progress.annotators.iter().map(|a| a.hours).sum();
        let warnings: Vec<Value> =
            progress.warnings.iter().map(|w| context! { kind => w.kind.name(), n => w.n }).collect();
        let settings = app.settings();
        let values = context! {
            tab => "overview",
            progress => Value::from(minijinja::value::Serde(&progress)),
            warnings => warnings,
            hours => format!("{hours:.1}"),
            left => format!("{left:.1}"),
            scheme => settings.scheme.name(),
            views => super::views(&settings),
        };
        Ok(page(&app, &visitor, "lead_overview.html", values))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// Comments, private matters and items that could not be judged; the audit trail; rules.
pub(crate) async fn remarks(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let (remarks, events, n_events, head) = app
            .project()
            .store()
            .read(|c| {
                let mut statement = c.prepare(
                    "SELECT c.seq, i.view, r.cannot_judge, r.privacy, r.comment, r.received_at, i.lead_id \
                     FROM answer r JOIN assignment s ON s.id = r.assignment JOIN item i ON i.id = s.item \
                     JOIN clip c ON c.id = i.clip WHERE r.comment <> '' OR r.privacy OR r.cannot_judge IS NOT NULL \
                     ORDER BY r.privacy DESC, r.id DESC LIMIT ?1",
                )?;
                let remarks: Vec<Value> = statement
                    .query_map([SHOWN], |row| {
                        let at: i64 = row.get(5)?;
                        Ok(context! {
                            seq => row.get::<_, i64>(0)?,
                            view => row.get::<_, String>(1)?,
                            reason => row.get::<_, Option<String>>(2)?.unwrap_or_default(),
                            privacy => row.get::<_, bool>(3)?,
                            comment => row.get::<_, String>(4)?,
                            at => clock::short(at),
                            id => row.get::<_, String>(6)?,
                        })
                    })?
                    .collect::<Result<_, _>>()?;
                let mut statement = c.prepare(
                    "SELECT number, at, actor, action FROM audit WHERE action <> 'label.submitted' \
                     ORDER BY number DESC LIMIT 40",
                )?;
                let events: Vec<Value> = statement
                    .query_map([], |row| {
                        let at: i64 = row.get(1)?;
                        Ok(context! {
                            number => row.get::<_, i64>(0)?,
                            at => clock::short(at),
                            actor => row.get::<_, String>(2)?,
                            action => row.get::<_, String>(3)?,
                        })
                    })?
                    .collect::<Result<_, _>>()?;
                let (n_events, head) = audit::head(c)?;
                Ok((remarks, events, n_events, head))
            })
            .await?;
        let settings = app.settings();
        let values = context! {
            tab => "remarks", remarks => remarks, events => events, n_events => n_events, head => head,
            gate => serde_json::to_value(settings.gate).ok().and_then(|v| v.as_str().map(str::to_owned)),
            min_gap => settings.min_gap_minutes,
            break_after => settings.break_after_minutes,
            daily => settings.daily_minutes,
            contact => settings.contact.clone(),
        };
        Ok(page(&app, &visitor, "lead_remarks.html", values))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// The rules that may change while work goes on.
#[derive(Deserialize)]
pub(crate) struct Rules {
    gate: String,
    min_gap: u32,
    break_after: u32,
    daily: u32,
    contact: String,
}

/// Changes rules.
pub(crate) async fn rules(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Form(form): Form<Rules>,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        let gate: Gate = form.gate.parse::<Gate>().map_err(|_: AnnotateError| Problem::Bad)?;
        let mut settings = app.settings().as_ref().clone();
        settings.gate = gate;
        settings.min_gap_minutes = form.min_gap;
        settings.break_after_minutes = form.break_after;
        settings.daily_minutes = form.daily;
        settings.contact = form.contact.trim().chars().take(200).collect();
        let stored = settings.clone();
        let actor = Actor::Account(account.pseudonym);
        app.project().store().write(move |t| store_settings(t, &actor, &stored)).await?;
        app.set_settings(settings);
        super::to("/lead/remarks")
    }
    .await;
    answered(&app, &headers, &visitor, result)
}
