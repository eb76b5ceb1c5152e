//! Projects with invented clips, and clients that talk to the router without a network.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use emomm_annotate::import::{ImportOptions, PreparedClip, PreparedView, SourceClip, import_prepared};
use emomm_annotate::web::{App, ServeOptions};
use emomm_annotate::work::Phase;
use emomm_annotate::{Invitation, Project, Settings, View};
use emomm_dataset::{Corpus, GridScore};
use tempfile::TempDir;
use tower::ServiceExt;

/// The name under which the tests reach the router.
pub(crate) const HOST: &str = "127.0.0.1:8477";

/// Held by tests that keep both cores busy or that wait for a browser: one at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A project in a folder that is removed with it.
pub(crate) struct TestProject {
    pub(crate) folder: TempDir,
    pub(crate) project: Project,
    pub(crate) invitations: Vec<Invitation>,
}

/// What stands in the medium or text of a clip in one view, and nowhere else.
pub(crate) fn canary(clip: usize, view: View) -> String {
    format!("CANARY{}x{clip}xEND", view.letter())
}

/// Settings that do not get in a test's way: no practice, no gap, no repeats, no breaks.
pub(crate) fn plain_settings() -> Settings {
    Settings {
        min_gap_minutes: 0,
        repeat_share: 0.0,
        training: 0,
        calibration: 0,
        gold_share: 0.0,
        break_after_minutes: 0,
        daily_minutes: 0,
        must_play: false,
        ..Settings::default()
    }
}

/// An invented clip with a canary in every view.
pub(crate) fn clip(index: usize) -> PreparedClip {
    let score = |steps: i8| GridScore::from_steps(steps);
    let steps = [-5, 0, 5][index % 3];
    let file = |view: View, media_type: &'static str| PreparedView {
        view,
        text: None,
        // Long enough for ranges.
        file: Some((format!("{}{}", canary(index, view), "0123456789".repeat(30)).into_bytes(), media_type)),
    };
    PreparedClip {
        clip: SourceClip {
            corpus: "cmu-mosi".to_owned(),
            class_map: Corpus::CmuMosi,
            video_id: format!("video{}", index / 4),
            clip_id: format!("{}", index % 4),
            language: "en".to_owned(),
            text: String::new(),
            video: None,
            audio: None,
            scores: [score(steps), score(-steps), score(0)],
        },
        views: vec![
            PreparedView {
                view: View::Text,
                text: Some(format!("Words <b>of</b> {} & more", canary(index, View::Text))),
                file: None,
            },
            file(View::Audio, "audio/flac"),
            file(View::Video, "video/mp4"),
        ],
    }
}

/// Everything of an invented clip at once, with a canary of its own.
fn together(index: usize) -> PreparedView {
    let canary = canary(index, View::Multimodal);
    PreparedView {
        view: View::Multimodal,
        text: Some(format!("All of {canary}")),
        file: Some((format!("{canary}{}", "0123456789".repeat(30)).into_bytes(), "video/mp4")),
    }
}

impl TestProject {
    /// `n_clips` clips of main work, then training and calibration as the settings say.
    pub(crate) fn new(n_clips: usize, n_annotators: usize, settings: &Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::create(&folder.path().join("project"), settings).unwrap();
        let mut clips: Vec<PreparedClip> =
            (0..n_clips + settings.training + settings.calibration).map(clip).collect();
        if settings.multimodal_pass {
            for (index, prepared) in clips.iter_mut().enumerate() {
                prepared.views.push(together(index));
            }
        }
        let (main, practice) = clips.split_at(n_clips);
        let (training, calibration) = practice.split_at(settings.training);
        let mut first_seq = 1;
        for (phase, clips) in
            [(Phase::Main, main), (Phase::Training, training), (Phase::Calibration, calibration)]
        {
            import_prepared(&project, clips, ImportOptions { phase, first_seq }).unwrap();
            first_seq += clips.len() as i64;
        }
        let invitations = project.invite_all(settings, n_annotators).unwrap();
        Self { folder, project, invitations }
    }

    pub(crate) fn app(&self) -> App {
        let options = ServeOptions { requests_per_second: 1_000_000, ..ServeOptions::default() };
        App::new(self.project.clone(), options, None).unwrap()
    }

    pub(crate) fn invitation(&self, account: &str) -> &str {
        &self.invitations.iter().find(|i| i.account == account).unwrap().path
    }

    /// A number from the database.
    pub(crate) fn count(&self, sql: &str) -> i64 {
        let sql = sql.to_owned();
        self.project.store().read_now(|c| Ok(c.query_row(&sql, [], |row| row.get(0))?)).unwrap()
    }

    /// A statement on the database, as the app would never make it.
    pub(crate) fn change(&self, sql: &str) {
        let sql = sql.to_owned();
        self.project.store().write_now(move |t| Ok(t.execute_batch(&sql)?)).unwrap();
    }
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The value of an attribute of the page, for example `data-id`.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let text = self.text();
        let start = text.find(&format!("{name}=\""))? + name.len() + 2;
        Some(text[start..].split('"').next()?.to_owned())
    }
}

/// A browser without a browser: keeps cookies, follows nothing.
#[derive(Clone)]
pub(crate) struct Client {
    router: axum::Router,
    cookies: BTreeMap<String, String>,
}

impl Client {
    pub(crate) fn new(app: &App) -> Self {
        Self { router: app.router(), cookies: BTreeMap::new() }
    }

    pub(crate) async fn send(&mut self, request: axum::http::request::Builder, body: Body) -> Reply {
        let mut request = request.header(header::COOKIE, self.cookie()).body(body).unwrap();
        if !request.headers().contains_key(header::HOST) {
            request.headers_mut().insert(header::HOST, HOST.parse().unwrap());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (key, value) = pair.split_once('=').unwrap();
            self.cookies.insert(key.to_owned(), value.to_owned());
        }
        let body = to_bytes(body, 10 << 20).await.unwrap().to_vec();
        // What stands in place of words that are not there.
        assert!(!String::from_utf8_lossy(&body).contains('⟦'), "{}", String::from_utf8_lossy(&body));
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Talks to another server, with the cookies of this one.
    pub(crate) fn go_to(&mut self, app: &App) {
        self.router = app.router();
    }

    /// The cookies, for a client over the network.
    pub(crate) fn cookie(&self) -> String {
        self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("; ")
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        let request = Request::get(path).header("accept", "text/html").header("sec-fetch-mode", "navigate");
        self.send(request, Body::empty()).await
    }

    pub(crate) async fn form(&mut self, path: &str, body: &str) -> Reply {
        let request = Request::post(path)
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.send(request, Body::from(body.to_owned())).await
    }

    pub(crate) async fn json(&mut self, path: &str, body: &serde_json::Value) -> Reply {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("sec-fetch-site", "same-origin");
        self.send(request, Body::from(body.to_string())).await
    }

    /// Uses an invitation.
    pub(crate) async fn join(app: &App, project: &TestProject, account: &str) -> Self {
        let mut client = Self::new(app);
        let body = format!("login=name-{account}&password=three+blind+mice");
        let reply = client.form(project.invitation(account), &body).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text());
        client
    }

    /// Uses an invitation, agrees, and goes through everything up to the first item.
    pub(crate) async fn at_work(app: &App, project: &TestProject, account: &str) -> Self {
        let mut client = Self::join(app, project, account).await;
        project.change(&format!("UPDATE account SET sound_checked_at = 1 WHERE pseudonym = '{account}'"));
        client.form("/consent", "version=1&agree=yes").await;
        client.pass_guide().await;
        client
    }

    /// Opens the guide and reads it.
    pub(crate) async fn pass_guide(&mut self) {
        self.get("/work").await;
        assert_eq!(self.form("/guide", "").await.status, StatusCode::SEE_OTHER);
    }

    /// Id and view of the open item; `None` if there is none.
    pub(crate) async fn item(&mut self) -> Option<(String, String)> {
        let page = self.get("/work").await;
        Some((page.attribute("data-id")?, page.attribute("data-view")?))
    }

    /// Answers the item with this id.
    pub(crate) async fn answer(&mut self, id: &str, key: &str, label: i64) -> Reply {
        self.json("/api/submit", &serde_json::json!({ "id": id, "key": key, "label": label, "plays": 1 }))
            .await
    }
}
