//! Media: only what is open to the one who asks, in whole or in part, without a name, a date or a tag.
//!
//! There is no `Last-Modified` and no `ETag`: files of one clip are made at about the same time, and a hash would be the
//! same for every annotator. So no answer is ever 304.

use std::io::SeekFrom;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::App;
use super::guard::text;
use super::range::{Wanted, wanted};
use super::render::{Failure, Problem, answered};
use super::session::Visitor;
use crate::error::AnnotateError;
use crate::work;

/// The medium of an open item.
pub(super) async fn of_annotator(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let result = open(&app, &visitor, id, &headers).await;
    answered(&app, &headers, &visitor, result)
}

async fn open(app: &App, visitor: &Visitor, id: String, headers: &HeaderMap) -> Result<Response, Failure> {
    let account = visitor.account.clone().ok_or(Problem::NotFound)?;
    let open = app.project().store().read(move |c| work::authorized(c, &account, &id)).await?;
    let file = open.and_then(|open| open.blob.zip(open.media_type));
    let (blob, media_type) = file.ok_or(Problem::NotFound)?;
    send(app, &blob, &media_type, headers).await
}

/// Sends a derivative. The caller has checked that it may.
pub(super) async fn send(
    app: &App,
    blob: &str,
    media_type: &str,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let path = app.project().blob_path(blob);
    let io = |source| Failure::Error(AnnotateError::Io { path: path.clone(), source });
    let mut file = File::open(&path).await.map_err(io)?;
    let length = file.metadata().await.map_err(io)?.len();
    let base = [(header::CONTENT_TYPE, media_type.to_owned()), (header::ACCEPT_RANGES, "bytes".to_owned())];
    let body = |file: File, n: u64| Body::from_stream(ReaderStream::new(file.take(n)));
    Ok(match wanted(text(headers, "range"), length) {
        Wanted::Whole => {
            (base, [(header::CONTENT_LENGTH, length.to_string())], body(file, length)).into_response()
        }
        Wanted::Part(first, last) => {
            file.seek(SeekFrom::Start(first)).await.map_err(io)?;
            let n = last - first + 1;
            let part = [
                (header::CONTENT_RANGE, format!("bytes {first}-{last}/{length}")),
                (header::CONTENT_LENGTH, n.to_string()),
            ];
            (StatusCode::PARTIAL_CONTENT, base, part, body(file, n)).into_response()
        }
        Wanted::Unsatisfiable => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            (StatusCode::RANGE_NOT_SATISFIABLE, range).into_response()
        }
    })
}
