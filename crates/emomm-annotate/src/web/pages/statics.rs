//! Scripts and style, compiled in.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::opaque::{digest, hex};
use crate::web::App;
use crate::web::guard::text;
use crate::web::render::{Problem, problem_response};

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: [(&str, &str, &str); 5] = [
    ("app.css", "text/css; charset=utf-8", include_str!("../../static/app.css")),
    ("app.js", JAVASCRIPT, include_str!("../../static/app.js")),
    ("item.js", JAVASCRIPT, include_str!("../../static/item.js")),
    ("queue.js", JAVASCRIPT, include_str!("../../static/queue.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../static/icon.svg")),
];

/// A file by name. It may be kept, but is asked for again each time, so that a new version is used at once.
pub(crate) async fn file(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, media_type, content)) = FILES.iter().find(|(known, ..)| *known == name) else {
        return problem_response(&app, &headers, Problem::NotFound);
    };
    let tag = format!("\"{}\"", &hex(&digest(content.as_bytes()))[..16]);
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let tag_value = HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    if text(&headers, "if-none-match").is_some_and(|known| known == tag) {
        return (StatusCode::NOT_MODIFIED, [cache, (header::ETAG, tag_value)]).into_response();
    }
    let media_type = (header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    ([cache, (header::ETAG, tag_value), media_type], *content).into_response()
}
