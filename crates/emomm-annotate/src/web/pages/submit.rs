//! Answers from the item page. An answer is acknowledged after it is on the disk.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::json;

use crate::accounts::Account;
use crate::clock;
use crate::web::App;
use crate::web::render::{Failure, Problem, answered};
use crate::web::session::Visitor;
use crate::work::{self, Answer, Outcome, Submission};

/// An answer as the browser sends it. Either `label` or `cannot_judge` is there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    id: String,
    key: String,
    /// Whose label it is: the name of the account's queue. Somebody else may have signed in meanwhile.
    queue: Option<String>,
    label: Option<i8>,
    cannot_judge: Option<String>,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    privacy: bool,
    #[serde(default)]
    plays: u32,
    first_play_ms: Option<u32>,
    #[serde(default)]
    total_ms: u32,
    #[serde(default)]
    hidden_ms: u32,
}

impl Sent {
    fn submission(self, language: &'static str) -> Result<Submission, Failure> {
        let answer = match (self.label, self.cannot_judge) {
            (Some(code), None) => Answer::Label(code),
            (None, Some(reason)) => Answer::CannotJudge(reason.parse().map_err(|_| Problem::Bad)?),
            _ => return Err(Problem::Bad.into()),
        };
        Ok(Submission {
            public_id: self.id,
            idempotency_key: self.key,
            answer,
            comment: self.comment.trim().to_owned(),
            privacy: self.privacy,
            plays: self.plays,
            first_play_ms: self.first_play_ms,
            total_ms: self.total_ms,
            hidden_ms: self.hidden_ms,
            ui_language: language.to_owned(),
        })
    }
}

/// Takes an answer.
pub(crate) async fn submit(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Json(sent): Json<Sent>,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        own_queue(&account, sent.queue.as_deref())?;
        let queue = account.queue_id.clone();
        let submission = sent.submission(visitor.language.name())?;
        let settings = app.settings();
        let scheme = settings.scheme;
        let now = clock::now();
        let outcome = app
            .project()
            .store()
            .write(move |t| work::submit(t, &settings, &account, &submission, now))
            .await?;
        Ok(match outcome {
            Outcome::Saved(None) => Json(json!({ "ok": true })).into_response(),
            Outcome::Saved(Some(feedback)) => Json(json!({
                "ok": true,
                "feedback": {
                    "reference": feedback.reference.map(|code| scheme.show(code)),
                    "right": feedback.is_right,
                    "note": feedback.note,
                },
            }))
            .into_response(),
            Outcome::AnsweredElsewhere => {
                (StatusCode::CONFLICT, Json(json!({ "error": "answered" }))).into_response()
            }
            Outcome::NotPlayed => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": "not-played" }))).into_response()
            }
            // With the queue, so that the browser knows that this is the answer to the one who asked.
            Outcome::NotOpen => {
                let body = json!({ "error": Problem::NotFound.name(), "queue": queue });
                (StatusCode::NOT_FOUND, Json(body)).into_response()
            }
        })
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// Refuses what was made under another account in the same browser: it waits until its own is signed in again.
fn own_queue(account: &Account, queue: Option<&str>) -> Result<(), Problem> {
    if queue.is_none_or(|queue| queue == account.queue_id) { Ok(()) } else { Err(Problem::SignedOut) }
}

/// Whose answer is taken back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Undo {
    queue: Option<String>,
}

/// Takes the last answer back.
pub(crate) async fn undo(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Json(asked): Json<Undo>,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        own_queue(&account, asked.queue.as_deref())?;
        let settings = app.settings();
        let now = clock::now();
        let is_undone = app.project().store().write(move |t| work::undo(t, &settings, &account, now)).await?;
        Ok(Json(json!({ "ok": true, "undone": is_undone })).into_response())
    }
    .await;
    answered(&app, &headers, &visitor, result)
}
