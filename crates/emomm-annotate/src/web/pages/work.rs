//! The page of work: whatever comes next, under one address, so that no address says which item or modality it is.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form};
use minijinja::value::merge_maps;
use minijinja::{Value, context};
use rusqlite::params;
use serde::Deserialize;
use serde_json::json;

use crate::audit::{self, Actor};
use crate::clock::{self, MINUTE};
use crate::settings::Settings;
use crate::tones;
use crate::view::View;
use crate::web::App;
use crate::web::pages::preferences::hotkeys;
use crate::web::render::{Failure, Problem, answered, page};
use crate::web::routes::to;
use crate::web::session::Visitor;
use crate::work::{self, CannotJudge, Phase, Step};

/// What comes next for this annotator.
pub(crate) async fn page_of_step(app: &App, visitor: &Visitor, notice: &str) -> Result<Response, Failure> {
    let account = visitor.account.clone().ok_or(Problem::NotFound)?;
    let settings = app.settings();
    let now = clock::now();
    let rules = std::sync::Arc::clone(&settings);
    let asked = account.clone();
    let step = app.project().store().write(move |t| work::next_step(t, &rules, &asked, now)).await?;
    let rest = |kind: &str, values: Value| {
        let defaults = context! {
            kind => kind, until => "", wait_minutes => 0, minutes => 0, view => "", notice => notice,
        };
        page(app, visitor, "rest.html", merge_maps([defaults, values]))
    };
    let minutes_until = |until: i64| ((until - now) / MINUTE + 1).max(1);
    Ok(match step {
        Step::Consent => page(app, visitor, "consent.html", consent_values(&settings)),
        Step::SoundCheck => {
            let values = context! { tones => tones::draw(&account.queue_id, now), notice => notice };
            page(app, visitor, "sound.html", values)
        }
        Step::Guide { view, again } => {
            let values = context! {
                view => view.name(), again => again, scheme => settings.scheme.name(),
                must_play => settings.must_play,
            };
            page(app, visitor, "guide.html", values)
        }
        Step::Item(item) => {
            let codes: Vec<Value> = settings
                .scheme
                .codes()
                .map(|code| context! { code => code, shown => settings.scheme.show(code) })
                .collect();
            let values = context! {
                notice => notice,
                id => item.public_id,
                view => item.view.name(),
                has_media => item.view.has_media(),
                phase => item.phase.name(),
                is_training => item.phase == Phase::Training,
                text => item.text,
                number => item.n_done + 1,
                total => item.n_total,
                n_undo => item.n_undo,
                scheme => settings.scheme.name(),
                codes => codes,
                must_play => settings.must_play,
                reasons => CannotJudge::ALL.map(CannotJudge::name),
                queue => account.queue_id,
                keys => hotkeys(&account.hotkeys).to_string(),
            };
            page(app, visitor, "item.html", values)
        }
        Step::Break { minutes, until } => rest(
            "break",
            context! {
                minutes => minutes, wait_minutes => minutes_until(until),
            },
        ),
        Step::DayDone => rest("day", context! {}),
        Step::WaitGap { view, until } => rest(
            "gap",
            context! {
                view => view.name(), until => clock::iso(until), wait_minutes => minutes_until(until),
            },
        ),
        Step::WaitGate { view } => rest("gate", context! { view => view.name() }),
        Step::Held { view } => rest("held", context! { view => view.name() }),
        Step::Finished => rest("finished", context! {}),
    })
}

fn consent_values(settings: &Settings) -> Value {
    context! { version => settings.consent_version, contact => settings.contact.clone() }
}

/// `GET /work`.
pub(crate) async fn next(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let result = page_of_step(&app, &visitor, "").await;
    answered(&app, &headers, &visitor, result)
}

/// What the consent form sends.
#[derive(Deserialize)]
pub(crate) struct Consent {
    version: u32,
    #[serde(default)]
    agree: String,
}

/// Agrees to the text that was shown.
pub(crate) async fn consent(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Form(form): Form<Consent>,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        // Another version than the current one was read: the page shows the current one.
        if form.agree == "yes" && form.version == app.settings().consent_version {
            app.project()
                .store()
                .write(move |t| {
                    t.execute(
                        "UPDATE account SET consent_version = ?2, consent_at = ?3 WHERE id = ?1",
                        params![account.id, form.version, clock::now()],
                    )?;
                    let actor = Actor::Account(account.pseudonym);
                    audit::append(t, &actor, "consent.given", &json!({ "version": form.version }))
                })
                .await?;
        }
        Ok(to("/work"))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// Tones to count: one to five of them, by an id that does not say how many.
pub(crate) async fn tones(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        let n = tones::count(&account.queue_id, &id).ok_or(Problem::NotFound)?;
        Ok(([(header::CONTENT_TYPE, "audio/wav")], tones::wav(n)).into_response())
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// What the sound check sends.
#[derive(Deserialize)]
pub(crate) struct SoundCheck {
    tones: String,
    count: u32,
}

/// Passes the sound check, or plays other tones.
pub(crate) async fn sound_check(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Form(form): Form<SoundCheck>,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        if tones::count(&account.queue_id, &form.tones) != Some(form.count) {
            return page_of_step(&app, &visitor, "sound.wrong").await;
        }
        app.project()
            .store()
            .write(move |t| {
                t.execute(
                    "UPDATE account SET sound_checked_at = ?2 WHERE id = ?1",
                    params![account.id, clock::now()],
                )?;
                audit::append(t, &Actor::Account(account.pseudonym), "sound.checked", &json!({}))
            })
            .await?;
        Ok(to("/work"))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// The guide was read.
pub(crate) async fn guide_read(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        app.project().store().write(move |t| work::read_guide(t, &account)).await?;
        Ok(to("/work"))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// The guide of all modalities, to look something up. It says nothing about any item.
pub(crate) async fn rules(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Response {
    let settings = app.settings();
    let views: Vec<&str> = View::ALL
        .into_iter()
        .filter(|v| v.is_unimodal() || settings.multimodal_pass)
        .map(View::name)
        .collect();
    let values =
        context! { scheme => settings.scheme.name(), contact => settings.contact.clone(), views => views };
    page(&app, &visitor, "rules.html", values)
}

/// Ends a break, however long it was: people know best when they are rested.
pub(crate) async fn end_break(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        app.project()
            .store()
            .write(move |t| {
                let sql = "UPDATE account SET rested_at = ?2 WHERE id = ?1";
                t.execute(sql, params![account.id, clock::now()])?;
                Ok(())
            })
            .await?;
        Ok(to("/work"))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}
