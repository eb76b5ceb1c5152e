//! Coming in and going out: login, invitation, language.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form, Json};
use minijinja::{Value, context};
use serde::Deserialize;
use serde_json::json;

use crate::accounts::{self, Acceptance, Role};
use crate::passwords::{MIN_LENGTH, weakness};
use crate::web::App;
use crate::web::guard::{Address, counted};
use crate::web::render::{Failure, Problem, answered, page, page_with_status};
use crate::web::routes::to;
use crate::web::session::{self, Visitor};
use crate::words::Language;

/// Longest login name.
const MAX_LOGIN: usize = 64;

/// Sends everybody where they belong.
pub(crate) async fn home(Extension(visitor): Extension<Visitor>) -> Response {
    match visitor.account.map(|account| account.role) {
        None => to("/login"),
        Some(Role::Annotator) => to("/work"),
        Some(Role::Lead) => to("/lead"),
    }
}

/// Whether the server and its database answer; for a supervisor.
pub(crate) async fn health(State(app): State<App>) -> Response {
    let answers = app
        .project()
        .store()
        .read(|connection| Ok(connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))?))
        .await;
    let (status, text) = match answers {
        Ok(_) => (StatusCode::OK, "ok\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    };
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// The form.
pub(crate) async fn login_page(State(app): State<App>, Extension(visitor): Extension<Visitor>) -> Response {
    if visitor.account.is_some() {
        return to("/");
    }
    page(&app, &visitor, "login.html", context! { error => "", name => "" })
}

/// What a login sends.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    login: String,
    password: String,
}

/// What came of an attempt.
enum Attempt {
    In { token: String, account: i64 },
    Wrong,
    TooMany,
}

/// Tries to sign in. A session that the browser had before, of the token `before`, ends.
async fn attempt(
    app: &App,
    address: Address,
    before: Option<String>,
    credentials: Credentials,
) -> Result<Attempt, Failure> {
    let login = credentials.login.trim().to_owned();
    let limits = app.limits();
    // By address first: nobody fills the memory of names from one place.
    if !limits.logins.allows(&counted(address.0)) || !limits.logins_of_name.allows(&login.to_lowercase()) {
        return Ok(Attempt::TooMany);
    }
    let store = app.project().store();
    let known = store.read(move |connection| accounts::credentials(connection, &login)).await?;
    let (account, hash) = known.map_or((None, None), |(account, hash)| (Some(account), Some(hash)));
    let is_right = app.passwords().verify(credentials.password, hash).await?;
    match account {
        Some(account) if is_right => {
            let token = store.write(move |t| accounts::renew_session(t, before.as_deref(), account)).await?;
            Ok(Attempt::In { token, account })
        }
        _ => Ok(Attempt::Wrong),
    }
}

/// Signs in by the form.
pub(crate) async fn login(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(address): Extension<Address>,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Response {
    let name = credentials.login.trim().chars().take(MAX_LOGIN).collect::<String>();
    let before = session::token(&app, &headers).map(str::to_owned);
    let result = async {
        let refused = |error: &str, status: StatusCode| {
            let values = context! { error => error, name => name };
            page_with_status(&app, &visitor, "login.html", values, status)
        };
        Ok(match attempt(&app, address, before, credentials).await? {
            Attempt::In { token, .. } => with_cookie(to("/"), session::set_cookie(&app, &token)),
            Attempt::Wrong => refused("login.wrong", StatusCode::UNAUTHORIZED),
            Attempt::TooMany => refused("login.too-many", StatusCode::TOO_MANY_REQUESTS),
        })
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// Signs in again from a page that is still open. The answer says whose queue may be sent.
pub(crate) async fn login_again(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(address): Extension<Address>,
    headers: HeaderMap,
    Json(credentials): Json<Credentials>,
) -> Response {
    let before = session::token(&app, &headers).map(str::to_owned);
    let result = async {
        Ok(match attempt(&app, address, before, credentials).await? {
            Attempt::In { token, account } => {
                let queue: String = app
                    .project()
                    .store()
                    .read(move |c| {
                        let sql = "SELECT queue_id FROM account WHERE id = ?1";
                        Ok(c.query_row(sql, [account], |row| row.get(0))?)
                    })
                    .await?;
                let body = Json(json!({ "ok": true, "queue": queue })).into_response();
                with_cookie(body, session::set_cookie(&app, &token))
            }
            Attempt::Wrong => (StatusCode::UNAUTHORIZED, Json(json!({ "error": "wrong" }))).into_response(),
            Attempt::TooMany => return Err(Problem::TooMany.into()),
        })
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// Signs out.
pub(crate) async fn logout(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let token = session::token(&app, &headers).map(str::to_owned);
    let result = async {
        if let Some(token) = token {
            app.project().store().write(move |t| accounts::close_session(t, &token)).await?;
        }
        Ok(with_cookie(to("/login"), session::clear_cookie(&app)))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// What a change of language sends.
#[derive(Deserialize)]
pub(crate) struct LanguageChoice {
    language: String,
    #[serde(default)]
    back: String,
}

/// Changes the language, of the account or of the browser.
pub(crate) async fn language(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Form(choice): Form<LanguageChoice>,
) -> Response {
    let language = Language::of(&choice.language);
    // Only pages of this server, and only those that can be asked for again.
    let is_own = choice.back.starts_with('/')
        && !choice.back.starts_with("//")
        && choice.back.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_?=&".contains(&b));
    let back = if is_own { choice.back } else { "/".to_owned() };
    let result = async {
        if let Some(account) = &visitor.account {
            let id = account.id;
            app.project()
                .store()
                .write(move |t| {
                    let sql = "UPDATE account SET language = ?2 WHERE id = ?1";
                    t.execute(sql, rusqlite::params![id, language.name()])?;
                    Ok(())
                })
                .await?;
        }
        let location = HeaderValue::from_str(&back).map_err(|_| Problem::Bad)?;
        let response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
        Ok(with_cookie(response, session::language_cookie(&app, language)))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// The form that an invitation leads to.
pub(crate) async fn invite_page(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let known = app.project().store().read(move |c| accounts::invited(c, &token)).await?;
        let account = known.ok_or(Problem::NotFound)?;
        // Whoever is signed in here is somebody else.
        let nobody = Visitor { account: None, language: visitor.language };
        Ok(page(&app, &nobody, "invite.html", invite_values(&account.pseudonym, "", "")))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

fn invite_values(pseudonym: &str, name: &str, error: &str) -> Value {
    context! { invited => pseudonym, name => name, error => error, min_length => MIN_LENGTH }
}

/// Makes the invited pseudonym somebody's account and signs them in.
pub(crate) async fn invite(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Extension(address): Extension<Address>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Response {
    let nobody = Visitor { account: None, language: visitor.language };
    let before = session::token(&app, &headers).map(str::to_owned);
    let result = async {
        if !app.limits().logins.allows(&counted(address.0)) {
            return Err(Problem::TooMany.into());
        }
        let store = app.project().store();
        let key = token.clone();
        let known = store.read(move |c| accounts::invited(c, &key)).await?;
        let account = known.ok_or(Problem::NotFound)?;
        let login = credentials.login.trim().to_owned();
        let refused = |error: &str| {
            let values = invite_values(&account.pseudonym, &login, error);
            page_with_status(&app, &nobody, "invite.html", values, StatusCode::UNPROCESSABLE_ENTITY)
        };
        let is_name =
            (2..=MAX_LOGIN).contains(&login.chars().count()) && !login.chars().any(char::is_control);
        if !is_name {
            return Ok(refused("invite.bad-name"));
        }
        if let Some(weakness) = weakness(&credentials.password, &login) {
            return Ok(refused(weakness));
        }
        let hash = app.passwords().hash(credentials.password).await?;
        let (name, language) = (login.clone(), nobody.language.name());
        let outcome = store.write(move |t| accounts::accept(t, &token, &name, &hash, language)).await?;
        Ok(match outcome {
            Acceptance::Accepted(id) => {
                let session = store.write(move |t| accounts::renew_session(t, before.as_deref(), id)).await?;
                with_cookie(to("/"), session::set_cookie(&app, &session))
            }
            Acceptance::NameTaken => refused("invite.taken"),
            Acceptance::NoInvitation => return Err(Problem::NotFound.into()),
        })
    }
    .await;
    answered(&app, &headers, &nobody, result)
}

pub(crate) fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
