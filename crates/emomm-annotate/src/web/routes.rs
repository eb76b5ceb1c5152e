//! The routes and their access classes. A route cannot be added without a class, and the class is checked before the
//! handler runs; `tests/matrix.rs` goes through this table with every role in every state.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use super::App;
use super::guard::text;
use super::media;
use super::pages::{entry, lead, preferences, statics, submit, work};
use super::render::{Problem, visitor_problem};
use super::session::{self, Visitor};
use crate::accounts::Role;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Everybody.
    Public,
    /// Whoever has a session.
    SignedIn,
    /// Annotators.
    Annotator,
    /// Leads.
    Lead,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInfo {
    /// GET or POST. HEAD goes where GET goes.
    pub method: &'static str,
    /// With `{id}` for a part that varies.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
}

type Row = (RouteInfo, MethodRouter<App>);

fn row(method: &'static str, path: &'static str, access: Access, handler: MethodRouter<App>) -> Row {
    (RouteInfo { method, path, access }, handler)
}

fn table() -> Vec<Row> {
    use Access::{Annotator, Lead, Public, SignedIn};

    vec![
        row("GET", "/", Public, get(entry::home)),
        row("GET", "/health", Public, get(entry::health)),
        row("GET", "/static/{name}", Public, get(statics::file)),
        row("GET", "/login", Public, get(entry::login_page)),
        row("POST", "/login", Public, post(entry::login)),
        row("POST", "/api/login", Public, post(entry::login_again)),
        row("POST", "/logout", SignedIn, post(entry::logout)),
        row("POST", "/language", Public, post(entry::language)),
        row("GET", "/invite/{token}", Public, get(entry::invite_page)),
        row("POST", "/invite/{token}", Public, post(entry::invite)),
        row("GET", "/work", Annotator, get(work::next)),
        row("POST", "/consent", Annotator, post(work::consent)),
        row("GET", "/sound/{tones}", Annotator, get(work::tones)),
        row("POST", "/sound-check", Annotator, post(work::sound_check)),
        row("POST", "/guide", Annotator, post(work::guide_read)),
        row("GET", "/rules", Annotator, get(work::rules)),
        row("POST", "/break", Annotator, post(work::end_break)),
        row("GET", "/media/{id}", Annotator, get(media::of_annotator)),
        row("POST", "/api/submit", Annotator, post(submit::submit)),
        row("POST", "/api/undo", Annotator, post(submit::undo)),
        row("GET", "/preferences", SignedIn, get(preferences::page_get)),
        row("POST", "/preferences", SignedIn, post(preferences::save)),
        row("POST", "/password", SignedIn, post(preferences::password)),
        row("GET", "/lead", Lead, get(lead::overview::overview)),
        row("GET", "/lead/people", Lead, get(lead::people::people)),
        row("POST", "/lead/people", Lead, post(lead::people::deed)),
        row("GET", "/lead/quality", Lead, get(lead::figures::quality_page)),
        row("GET", "/lead/agreement", Lead, get(lead::figures::agreement_page)),
        row("GET", "/lead/references", Lead, get(lead::references::list)),
        row("GET", "/lead/references/{id}", Lead, get(lead::references::item)),
        row("POST", "/lead/references/{id}", Lead, post(lead::references::set)),
        row("GET", "/lead/media/{id}", Lead, get(lead::references::medium)),
        row("GET", "/lead/adjudication", Lead, get(lead::adjudication::list)),
        row("GET", "/lead/adjudication/{id}", Lead, get(lead::adjudication::case)),
        row("POST", "/lead/adjudication/{id}", Lead, post(lead::adjudication::decision)),
        row("GET", "/lead/remarks", Lead, get(lead::overview::remarks)),
        row("POST", "/lead/rules", Lead, post(lead::overview::rules)),
        row("GET", "/lead/export", Lead, get(lead::exports::exports)),
        row("GET", "/lead/export/{name}", Lead, get(lead::exports::file)),
    ]
}

/// All routes with their classes.
pub fn route_table() -> Vec<RouteInfo> {
    table().into_iter().map(|(info, _)| info).collect()
}

/// The router: every handler behind the check of its class.
pub(super) fn router(app: &App) -> Router {
    let mut router = Router::new();
    for (info, handler) in table() {
        let gate = Gate { app: app.clone(), access: info.access };
        let handler = handler.route_layer(middleware::from_fn_with_state(gate, enforce));
        router = router.route(info.path, handler);
    }
    router.fallback(not_found).method_not_allowed_fallback(other_method).with_state(app.clone())
}

#[derive(Clone)]
struct Gate {
    app: App,
    access: Access,
}

/// Lets a request through to its handler with its [`Visitor`], or answers for the handler.
async fn enforce(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let app = &gate.app;
    let headers = request.headers().clone();
    let visitor = match session::visitor(app, &headers).await {
        Ok(visitor) => visitor,
        Err(error) => {
            return super::render::problem_response(app, &headers, Problem::from(&error));
        }
    };
    let role = visitor.account.as_ref().map(|account| account.role);
    let problem = match (gate.access, role) {
        (Access::Public, _)
        | (Access::SignedIn, Some(_))
        | (Access::Annotator, Some(Role::Annotator))
        | (Access::Lead, Some(Role::Lead)) => None,
        (_, None) => Some(Problem::SignedOut),
        // Whoever may not use a route learns nothing of it.
        (_, Some(_)) => Some(Problem::NotFound),
    };
    match problem {
        None => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Some(Problem::SignedOut) if is_page(&headers) => to("/login"),
        Some(problem) => visitor_problem(app, &headers, &visitor, problem),
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    text(headers, "accept").is_some_and(|accept| accept.contains("text/html"))
}

/// See there.
pub(super) fn to(path: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::from_static(path))]).into_response()
}

async fn not_found(State(app): State<App>, headers: HeaderMap) -> Response {
    let visitor = known(&app, &headers).await;
    visitor_problem(&app, &headers, &visitor, Problem::NotFound)
}

async fn other_method(State(app): State<App>, headers: HeaderMap) -> Response {
    let visitor = known(&app, &headers).await;
    visitor_problem(&app, &headers, &visitor, Problem::Method)
}

async fn known(app: &App, headers: &HeaderMap) -> Visitor {
    session::visitor(app, headers)
        .await
        .unwrap_or_else(|_| Visitor { account: None, language: session::language(headers) })
}
