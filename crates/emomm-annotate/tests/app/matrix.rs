//! Every route with every role in every state, and what holds for all responses.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use emomm_annotate::web::{Access, route_table};

use crate::support::{Client, HOST, TestProject, plain_settings};

/// What a role gets where nothing else is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// An answer of the handler, whatever it is.
    Reached,
    /// Sent to the login page, or 401 for scripts.
    SignIn,
    /// As if there were no such route.
    Nothing,
}

/// Who is asked for: the row of the table. A route without a row fails the test.
fn expected(path: &str) -> [Expect; 3] {
    use Expect::{Nothing, Reached, SignIn};

    match path {
        "/" | "/health" | "/static/{name}" | "/login" | "/api/login" | "/language" | "/invite/{token}" => {
            [Reached, Reached, Reached]
        }
        "/logout" | "/preferences" | "/password" => [SignIn, Reached, Reached],
        "/work" | "/consent" | "/sound/{tones}" | "/sound-check" | "/guide" | "/rules" | "/break"
        | "/media/{id}" | "/api/submit" | "/api/undo" => [SignIn, Reached, Nothing],
        path if path.starts_with("/lead") => [SignIn, Nothing, Reached],
        other => panic!("{other} has no row in this table"),
    }
}

/// A path with something in place of its variables.
fn filled(path: &str) -> String {
    path.split('/')
        .map(|part| if part.starts_with('{') { "nothing-there" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn every_route_answers_every_role_as_its_row_says() {
    let project = TestProject::new(2, 4, &plain_settings());
    let app = project.app();
    let lead = Client::join(&app, &project, "L1").await;
    let working = Client::at_work(&app, &project, "A1").await;
    let fresh = Client::join(&app, &project, "A2").await;
    let locked = Client::at_work(&app, &project, "A3").await;
    let withdrawn = Client::at_work(&app, &project, "A4").await;
    project.change("UPDATE account SET state = 'locked' WHERE pseudonym = 'A3'");
    project.change("UPDATE account SET state = 'withdrawn' WHERE pseudonym = 'A4'");
    // Column of the table for each visitor: those whose account is closed are nobody.
    let visitors = [
        ("nobody", Client::new(&app), 0),
        ("locked", locked, 0),
        ("withdrawn", withdrawn, 0),
        ("annotator at work", working, 1),
        ("annotator without consent", fresh, 1),
        ("lead", lead, 2),
    ];
    project.change("CREATE TABLE kept AS SELECT * FROM session");
    for route in route_table() {
        let row = expected(route.path);
        let access = match row {
            [Expect::Reached, ..] => Access::Public,
            [_, Expect::Reached, Expect::Reached] => Access::SignedIn,
            [_, Expect::Reached, _] => Access::Annotator,
            _ => Access::Lead,
        };
        assert_eq!(access, route.access, "{}", route.path);
        for (name, visitor, column) in &visitors {
            for accept in ["text/html", "application/json"] {
                // Cookies of one request do not reach the next.
                let mut visitor = visitor.clone();
                // Some routes end sessions.
                project.change("INSERT OR IGNORE INTO session SELECT * FROM kept");
                let request = Request::builder()
                    .method(route.method)
                    .uri(filled(route.path))
                    .header("accept", accept)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("sec-fetch-site", "same-origin");
                let reply = visitor.send(request, Body::empty()).await;
                let what = format!("{} {} as {name} ({accept}): {}", route.method, route.path, reply.status);
                let to_login = reply.status == StatusCode::SEE_OTHER && reply.header("location") == "/login";
                match row[*column] {
                    Expect::SignIn if accept == "text/html" => assert!(to_login, "{what}"),
                    Expect::SignIn => assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{what}"),
                    Expect::Nothing => {
                        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{what}");
                        let mut unknown = visitor.clone();
                        let unknown = unknown
                            .send(Request::get("/no/such/route").header("accept", accept), Body::empty())
                            .await;
                        assert_eq!(reply.body, unknown.body, "{what}: a closed route looks like none");
                    }
                    Expect::Reached => {
                        assert_ne!(reply.status, StatusCode::UNAUTHORIZED, "{what}");
                        assert!(reply.status.as_u16() < 500, "{what}: {}", reply.text());
                    }
                }
                check_headers(&reply.headers, route.path.starts_with("/static/"), &what);
            }
        }
    }
}

fn check_headers(headers: &axum::http::HeaderMap, is_static: bool, what: &str) {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    let policy = header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{what}");
    assert!(!policy.contains("unsafe"), "{what}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{what}");
    assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{what}");
    assert_eq!(header("referrer-policy"), "same-origin", "{what}");
    if !is_static {
        assert_eq!(header("cache-control"), "no-store", "{what}");
        assert!(header("etag").is_empty() && header("last-modified").is_empty(), "{what}");
    }
    assert!(header("server").is_empty(), "{what}");
}

#[tokio::test]
async fn errors_carry_the_headers_too() {
    let project = TestProject::new(1, 1, &plain_settings());
    let app = project.app();
    let mut client = Client::new(&app);
    let mut seen = BTreeMap::new();
    let long = "x".repeat(70_000);
    for (status, request, body) in [
        (404, Request::get("/no/such/route"), ""),
        (405, Request::delete("/login").header("sec-fetch-site", "same-origin"), ""),
        (
            413,
            Request::post("/login").header("sec-fetch-site", "same-origin").header("content-length", "70000"),
            long.as_str(),
        ),
        (421, Request::get("/login").header("host", "evil.example"), ""),
        (403, Request::post("/login").header("sec-fetch-site", "cross-site"), ""),
        (403, Request::post("/login"), ""),
        (403, Request::post("/login").header("origin", "http://evil.example"), ""),
        (
            403,
            Request::get("/login").header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "no-cors"),
            "",
        ),
        (415, Request::post("/login").header("origin", format!("http://{HOST}")), ""),
        (
            422,
            Request::post("/login")
                .header("sec-fetch-site", "same-origin")
                .header("content-type", "application/x-www-form-urlencoded"),
            "login=x",
        ),
        (400, Request::get("/invite/%ff"), ""),
    ] {
        let reply = client.send(request.header("accept", "text/html"), Body::from(body.to_owned())).await;
        assert_eq!(reply.status.as_u16(), status, "{}", reply.text());
        check_headers(&reply.headers, false, &status.to_string());
        seen.insert(status, reply.text());
    }
    // A problem is a page that says what to do, in the reader's language.
    assert!(seen[&421].contains("--host"));
    for (status, page) in &seen {
        assert!(page.contains("<html") && page.contains("To the start page"), "{status}: {page}");
    }
}

#[tokio::test]
async fn a_flood_of_requests_is_slowed() {
    let project = TestProject::new(1, 1, &plain_settings());
    let options = emomm_annotate::web::ServeOptions { requests_per_second: 2, ..Default::default() };
    let app = emomm_annotate::web::App::new(project.project.clone(), options, None).unwrap();
    let mut client = Client::new(&app);
    let mut last = StatusCode::OK;
    for _ in 0..12 {
        last = client.get("/login").await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}
