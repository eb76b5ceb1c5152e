//! Templates to pages, and problems to answers that help.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use minijinja::value::{Kwargs, merge_maps};
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value, context};

use super::App;
use super::guard::text;
use super::session::{self, Visitor};
use crate::accounts::Role;
use crate::error::AnnotateError;
use crate::words::Language;

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../templates/", $name)))),*]
    };
}

/// All templates, compiled in.
pub(super) const TEMPLATES: &[(&str, &str)] = templates![
    "base.html",
    "login.html",
    "invite.html",
    "consent.html",
    "sound.html",
    "guide.html",
    "guide_parts.html",
    "rules.html",
    "item.html",
    "rest.html",
    "preferences.html",
    "problem.html",
    "lead_base.html",
    "lead_parts.html",
    "lead_overview.html",
    "lead_people.html",
    "lead_quality.html",
    "lead_agreement.html",
    "lead_references.html",
    "lead_reference.html",
    "lead_adjudication.html",
    "lead_case.html",
    "lead_remarks.html",
    "lead_export.html",
];

/// The templates, once for each language: words are then the same in macros, which see no page's values.
pub(crate) struct Renderer {
    environments: [(Language, Environment<'static>); 2],
}

impl Renderer {
    pub(super) fn new() -> Self {
        Self { environments: Language::ALL.map(|language| (language, environment(language))) }
    }

    /// A page.
    pub(super) fn page(
        &self,
        language: Language,
        name: &str,
        values: Value,
    ) -> Result<String, minijinja::Error> {
        let (_, environment) =
            self.environments.iter().find(|(l, _)| *l == language).unwrap_or(&self.environments[0]);
        environment.get_template(name)?.render(values)
    }
}

fn environment(language: Language) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in TEMPLATES {
        // A test compiles all of them, so that this cannot fail in a release.
        let added = environment.add_template(name, source);
        debug_assert!(added.is_ok(), "{name}: {added:?}");
    }
    environment.add_function("t", move |key: &str, values: Kwargs| translate(language, key, &values));
    environment.add_function("js_words", move || js_words(language));
    environment
}

/// `t("key", n=3)`: words in the page's language.
fn translate(language: Language, key: &str, values: &Kwargs) -> Result<String, minijinja::Error> {
    let mut filled = Vec::new();
    for name in values.args() {
        let value: Value = values.get(name)?;
        filled.push((name.to_owned(), value.to_string()));
    }
    values.assert_all_used()?;
    Ok(language.filled(key, &filled))
}

/// The words of the scripts as JSON, for an attribute.
fn js_words(language: Language) -> Result<String, minijinja::Error> {
    serde_json::to_string(&language.with_prefix("js."))
        .map_err(|e| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string()))
}

/// What every page needs, and what this one needs besides.
pub(crate) fn page(app: &App, visitor: &Visitor, name: &str, values: Value) -> Response {
    page_with_status(app, visitor, name, values, StatusCode::OK)
}

pub(crate) fn page_with_status(
    app: &App,
    visitor: &Visitor,
    name: &str,
    values: Value,
    status: StatusCode,
) -> Response {
    let account = visitor.account.as_ref();
    let base = context! {
        lang => visitor.language.name(),
        lang_tag => visitor.language.tag(),
        signed_in => account.is_some(),
        is_lead => account.is_some_and(|a| a.role == Role::Lead),
        pseudonym => account.map_or("", |a| a.pseudonym.as_str()),
        login => account.and_then(|a| a.login.clone()).unwrap_or_default(),
        notice => "",
    };
    // The later map wins: what the page says.
    match app.renderer().page(visitor.language, name, merge_maps([base, values])) {
        Ok(html) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => {
            app.log(&format!("template {name}: {error:#}"));
            (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made").into_response()
        }
    }
}

/// What can go wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nothing there, or nothing for this visitor: told alike.
    NotFound,
    /// Needs a session.
    SignedOut,
    /// Another method.
    Method,
    /// A body or a field that cannot be read.
    Bad,
    /// More bytes than allowed.
    TooLarge,
    /// More requests than allowed.
    TooMany,
    /// Sent by a page of another server.
    ForeignOrigin,
    /// Asked for under a foreign name.
    UnknownHost,
    /// Things have changed; what was asked for does not fit any more.
    Conflict,
    /// Too much to do.
    Busy,
    /// The database cannot be written.
    Storage,
    /// A fault of the server.
    Internal,
}

impl Problem {
    fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Bad => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Busy | Self::Storage => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word in JSON answers, and the end of the keys of its words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::SignedOut => "signed-out",
            Self::Method => "method",
            Self::Bad => "bad",
            Self::TooLarge => "too-large",
            Self::TooMany => "too-many",
            Self::ForeignOrigin => "foreign-origin",
            Self::UnknownHost => "unknown-host",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Storage => "storage",
            Self::Internal => "internal",
        }
    }
}

impl From<&AnnotateError> for Problem {
    fn from(error: &AnnotateError) -> Self {
        match error {
            AnnotateError::Storage { .. } | AnnotateError::Io { .. } => Self::Storage,
            AnnotateError::Refused { what: "passwords", .. } => Self::Busy,
            AnnotateError::Refused { .. } => Self::Conflict,
            AnnotateError::Option { .. } | AnnotateError::Row { .. } => Self::Bad,
            _ => Self::Internal,
        }
    }
}

/// The answer to a request that went wrong: JSON for scripts, a page for people.
pub(crate) fn problem_response(app: &App, headers: &HeaderMap, problem: Problem) -> Response {
    let visitor = Visitor { account: None, language: session::language(headers) };
    visitor_problem(app, headers, &visitor, problem)
}

pub(crate) fn visitor_problem(
    app: &App,
    headers: &HeaderMap,
    visitor: &Visitor,
    problem: Problem,
) -> Response {
    let wants_page = text(headers, "accept").is_some_and(|accept| accept.contains("text/html"));
    let mut response = if wants_page {
        let values = context! {
            status => problem.status().as_u16(),
            problem => problem.name(),
        };
        page_with_status(app, visitor, "problem.html", values, problem.status())
    } else {
        let body = format!("{{\"error\":\"{}\"}}\n", problem.name());
        (problem.status(), [(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    if matches!(problem, Problem::TooMany | Problem::Busy) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// A handler's failure.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Told as a problem.
    Problem(Problem),
    /// Of the database or of the rules.
    Error(AnnotateError),
}

impl From<AnnotateError> for Failure {
    fn from(error: AnnotateError) -> Self {
        Self::Error(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Turns a handler's failure into an answer. The log gets the kind of an error, never its values.
pub(crate) fn answered(
    app: &App,
    headers: &HeaderMap,
    visitor: &Visitor,
    result: Result<Response, Failure>,
) -> Response {
    let problem = match result {
        Ok(response) => return response,
        Err(Failure::Problem(problem)) => problem,
        Err(Failure::Error(error)) => {
            let problem = Problem::from(&error);
            if matches!(problem, Problem::Storage | Problem::Internal) {
                app.log(&format!("error {}: {error}", problem.name()));
            }
            problem
        }
    };
    visitor_problem(app, headers, visitor, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_templates_compile() {
        let mut environment = Environment::new();
        for (name, source) in TEMPLATES {
            environment.add_template(name, source).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        }
    }
}
