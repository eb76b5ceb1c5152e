//! Sessions in cookies, and who a request is from.

use axum::http::{HeaderMap, HeaderValue, header};

use super::App;
use super::guard::text;
use crate::accounts::{self, Account};
use crate::error::AnnotateError;
use crate::words::Language;

/// Name of the session's cookie over plain http on loopback; over https it begins with `__Host-`.
pub const COOKIE: &str = "emomm-session";
const SECURE_COOKIE: &str = "__Host-emomm-session";
/// Name of the language's cookie, for those without a session.
const LANGUAGE_COOKIE: &str = "emomm-language";

/// Who a request is from, and in which language to answer.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// The account of the session.
    pub(crate) account: Option<Account>,
    /// The language of the pages.
    pub(crate) language: Language,
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

fn cookie_name(app: &App) -> &'static str {
    if app.options().is_secure() { SECURE_COOKIE } else { COOKIE }
}

/// The token of a request's session.
pub(crate) fn token<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    cookie(headers, cookie_name(app)).filter(|token| token.len() <= 64)
}

/// Looks the visitor up.
pub(crate) async fn visitor(app: &App, headers: &HeaderMap) -> Result<Visitor, AnnotateError> {
    let account = match token(app, headers) {
        None => None,
        Some(token) => {
            let token = token.to_owned();
            let key = token.clone();
            let store = app.project().store();
            match store.read(move |connection| accounts::of_session(connection, &key)).await? {
                Some((account, is_stale)) => {
                    if is_stale {
                        // A session that cannot be marked is still a session.
                        let _ = store.write(move |t| accounts::see_session(t, &token)).await;
                    }
                    Some(account)
                }
                None => None,
            }
        }
    };
    let language = account.as_ref().map_or_else(|| language(headers), |a| Language::of(&a.language));
    Ok(Visitor { account, language })
}

/// The language of a visitor without a session.
pub(crate) fn language(headers: &HeaderMap) -> Language {
    match cookie(headers, LANGUAGE_COOKIE) {
        Some(word) => Language::of(word),
        None => Language::accepted(text(headers, "accept-language").unwrap_or_default()),
    }
}

/// `Set-Cookie` for a new session.
pub(crate) fn set_cookie(app: &App, token: &str) -> HeaderValue {
    let secure = if app.options().is_secure() { "; Secure" } else { "" };
    value(&format!("{}={token}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie_name(app)))
}

/// `Set-Cookie` that ends a session.
pub(crate) fn clear_cookie(app: &App) -> HeaderValue {
    let secure = if app.options().is_secure() { "; Secure" } else { "" };
    value(&format!("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{secure}", cookie_name(app)))
}

/// `Set-Cookie` for a language.
pub(crate) fn language_cookie(app: &App, language: Language) -> HeaderValue {
    let secure = if app.options().is_secure() { "; Secure" } else { "" };
    value(&format!(
        "{LANGUAGE_COOKIE}={}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000{secure}",
        language.name()
    ))
}

/// Tokens and words are plain characters, so this never falls back.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; emomm-session=xyz"));
        headers.append(header::COOKIE, HeaderValue::from_static("emomm-language=zh"));
        assert_eq!(cookie(&headers, COOKIE), Some("xyz"));
        assert_eq!(language(&headers), Language::Chinese);
        assert_eq!(cookie(&headers, "session"), None);
    }
}
