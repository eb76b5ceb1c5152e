//! What people set for themselves: language, keys, password.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Form};
use minijinja::context;
use rusqlite::params;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accounts;
use crate::passwords::{MIN_LENGTH, weakness};
use crate::web::App;
use crate::web::pages::entry::with_cookie;
use crate::web::render::{Failure, Problem, answered, page};
use crate::web::session::{self, Visitor};

/// What can be done by a key, with its default. Labels have their own keys, 1 and up.
pub(crate) const ACTIONS: [(&str, &str); 7] = [
    ("play", " "),
    ("replay", "r"),
    ("undo", "u"),
    ("cannot", "x"),
    ("comment", "c"),
    ("privacy", "p"),
    ("help", "?"),
];

/// The keys of an account: defaults where nothing else was chosen.
pub(crate) fn hotkeys(stored: &str) -> Value {
    let stored: Value = serde_json::from_str(stored).unwrap_or(Value::Null);
    let mut keys = serde_json::Map::new();
    for (action, default) in ACTIONS {
        let key = stored.get(action).and_then(Value::as_str).unwrap_or(default);
        keys.insert(action.to_owned(), key.into());
    }
    let is_on = stored.get("on").and_then(Value::as_bool).unwrap_or(true);
    json!({ "on": is_on, "keys": keys })
}

fn show(app: &App, visitor: &Visitor, notice: &str) -> Result<Response, Failure> {
    let account = visitor.account.as_ref().ok_or(Problem::NotFound)?;
    let keys = hotkeys(&account.hotkeys);
    let actions: Vec<minijinja::Value> = ACTIONS
        .iter()
        .map(|(action, _)| {
            let key = keys["keys"][action].as_str().unwrap_or_default().to_owned();
            context! { action => *action, key => if key == " " { "Space".to_owned() } else { key } }
        })
        .collect();
    let values = context! {
        actions => actions,
        keys_on => keys["on"].as_bool().unwrap_or(true),
        min_length => MIN_LENGTH,
        contact => app.settings().contact.clone(),
        notice => notice,
    };
    Ok(page(app, visitor, "preferences.html", values))
}

/// The page.
pub(crate) async fn page_get(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    let result = show(&app, &visitor, "");
    answered(&app, &headers, &visitor, result)
}

/// Saves the keys.
pub(crate) async fn save(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let result = async {
        let mut account = visitor.account.clone().ok_or(Problem::NotFound)?;
        let mut stored = json!({ "on": form.contains_key("on") });
        let mut taken: Vec<String> = Vec::new();
        for (action, _) in ACTIONS {
            let typed = form.get(action).map(|k| k.trim().to_lowercase()).unwrap_or_default();
            let key = if typed == "space" || typed == "空格" { " ".to_owned() } else { typed };
            let is_one =
                key.chars().count() == 1 && !key.chars().any(|c| c.is_control() || c.is_ascii_digit());
            if !is_one || key == "-" || taken.contains(&key) {
                return show(&app, &visitor, "preferences.bad-keys");
            }
            taken.push(key.clone());
            stored[action] = key.into();
        }
        let (id, text) = (account.id, stored.to_string());
        account.hotkeys.clone_from(&text);
        app.project()
            .store()
            .write(move |t| {
                t.execute("UPDATE account SET hotkeys = ?2 WHERE id = ?1", params![id, text])?;
                Ok(())
            })
            .await?;
        let visitor = Visitor { account: Some(account), ..visitor.clone() };
        show(&app, &visitor, "preferences.saved")
    }
    .await;
    answered(&app, &headers, &visitor, result)
}

/// What the password form sends.
#[derive(Deserialize)]
pub(crate) struct PasswordChange {
    old: String,
    new: String,
}

/// Changes the password; every session ends, this one goes on under a new token.
pub(crate) async fn password(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Form(form): Form<PasswordChange>,
) -> Response {
    let result = async {
        let account = visitor.account.clone().ok_or(Problem::NotFound)?;
        let login = account.login.clone().unwrap_or_default();
        if !app.limits().logins_of_name.allows(&login.to_lowercase()) {
            return Err(Problem::TooMany.into());
        }
        let store = app.project().store();
        let id = account.id;
        let stored = store.read(move |c| accounts::password_of(c, id)).await?;
        if !app.passwords().verify(form.old, stored).await? {
            return show(&app, &visitor, "preferences.wrong-password");
        }
        if let Some(weakness) = weakness(&form.new, &login) {
            return show(&app, &visitor, weakness);
        }
        let hash = app.passwords().hash(form.new).await?;
        let token = store
            .write(move |t| {
                accounts::set_password(t, &account, &hash)?;
                accounts::open_session(t, id)
            })
            .await?;
        let response = show(&app, &visitor, "preferences.password-changed")?;
        Ok(with_cookie(response, session::set_cookie(&app, &token)))
    }
    .await;
    answered(&app, &headers, &visitor, result)
}
