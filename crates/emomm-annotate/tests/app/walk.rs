//! The blinding walk: users try every route with every id that there is, all at the same time, and see no canary that is
//! not theirs.

use std::fmt::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use emomm_annotate::web::{RouteInfo, route_table};
use emomm_annotate::{Settings, View};

use crate::support::{Client, Reply, TestProject, canary, plain_settings};

/// Requests of the walk; `EMOMM_WALK` sets another number.
const N_REQUESTS: usize = 20_000;
/// Requests of an annotator for each honest answer, in a walk of [`N_REQUESTS`].
const N_ANSWERS: usize = 300;
const N_CLIPS: usize = 24;
const N_ANNOTATORS: usize = 3;
const RANGES: [&str; 6] = ["", "bytes=0-", "bytes=0-15", "bytes=-20", "bytes=5-9,1-2", "bytes=9999-"];

/// Numbers from a fixed seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) as u128 * bound as u128) >> 64) as usize
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// The id of the item that is open to an account and the canary that may be seen of it, as the database says.
fn open(project: &TestProject, account: &str) -> Option<(String, String)> {
    let (id, seq, view): (String, i64, String) = project
        .project
        .store()
        .read_now(|c| {
            Ok(c.prepare_cached(
                "SELECT s.public_id, c.seq, i.view FROM assignment s JOIN item i ON i.id = s.item \
                 JOIN clip c ON c.id = i.clip JOIN account a ON a.id = s.account \
                 WHERE s.state = 'open' AND a.pseudonym = ?1",
            )?
            .query_row([account], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
        })
        .ok()?;
    Some((id, canary(usize::try_from(seq).unwrap() - 1, view.parse::<View>().unwrap())))
}

/// Every id and name that there is, and some that there are not.
fn all_ids(project: &TestProject) -> Vec<String> {
    let mut all = project
        .project
        .store()
        .read_now(|c| {
            let mut all: Vec<String> = Vec::new();
            for sql in [
                "SELECT public_id FROM assignment",
                "SELECT lead_id FROM item",
                "SELECT blob FROM item WHERE blob IS NOT NULL",
                "SELECT video_id || '_' || clip_id FROM clip",
            ] {
                let mut statement = c.prepare(sql)?;
                all.extend(statement.query_map([], |row| row.get::<_, String>(0))?.flatten());
            }
            Ok(all)
        })
        .unwrap();
    let others = ["1", "../project.db", "..%2fproject.db", "%2e%2e/blobs", "", "project.db"];
    all.extend(others.map(str::to_owned));
    all
}

/// What is in a reply and begins as a canary does, cut off where it is.
fn canaries(seen: &str) -> impl Iterator<Item = &str> {
    seen.match_indices("CANARY").map(|(start, _)| {
        let rest = &seen[start..];
        let end = rest.find("END").map_or(rest.len(), |end| end + 3);
        rest.get(..end.min(24)).unwrap_or(rest)
    })
}

/// Names of clips, which are `video<n>_<n>` here, in a reply.
fn names(seen: &str) -> impl Iterator<Item = &str> {
    seen.match_indices("video").filter_map(|(start, word)| {
        let rest = &seen[start + word.len()..];
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let first = digits(rest);
        let second = digits(rest[first..].strip_prefix('_')?);
        (first > 0 && second > 0).then(|| &seen[start..start + word.len() + first + 1 + second])
    })
}

/// One who walks.
struct Walker {
    account: String,
    client: Client,
    chance: Chance,
    n_seen: usize,
    n_done: usize,
}

/// Where they walk.
struct Ground {
    project: TestProject,
    ids: Vec<String>,
    routes: Vec<RouteInfo>,
}

impl Walker {
    async fn walk(&mut self, ground: &Ground, n_steps: usize) {
        let per_answer = (n_steps / (N_ANSWERS / N_ANNOTATORS)).max(1);
        for step in 0..n_steps {
            let before = open(&ground.project, &self.account);
            let id = match &before {
                Some((open, _)) if self.chance.below(3) == 0 => open.clone(),
                _ => self.chance.of(&ground.ids).clone(),
            };
            let is_answer = self.chance.below(per_answer) == 0 && self.account != "nobody";
            let (path, reply) = if is_answer {
                (String::new(), self.answer(step).await)
            } else {
                self.request(ground, &id, step).await
            };
            let after = open(&ground.project, &self.account);
            self.check(&path, &id, &reply, before.as_ref(), after.as_ref());
        }
    }

    /// An honest answer now and then, so that the walk gets through all passes.
    async fn answer(&mut self, step: usize) -> Reply {
        match self.client.item().await {
            Some((open, _)) => {
                self.n_done += 1;
                let label = self.chance.below(3) as i64 - 1;
                self.client.answer(&open, &format!("walk-{step}"), label).await
            }
            None => self.client.form("/guide", "").await,
        }
    }

    /// Any request. Half of them go where they hurt most: media.
    async fn request(&mut self, ground: &Ground, id: &str, step: usize) -> (String, Reply) {
        let route = if self.chance.below(2) == 0 {
            ground.routes.iter().find(|r| r.path == "/media/{id}").unwrap()
        } else {
            self.chance.of(&ground.routes)
        };
        let parts: Vec<&str> =
            route.path.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect();
        let path = parts.join("/");
        let is_head = route.method == "GET" && self.chance.below(8) == 0;
        let method = if is_head { "HEAD" } else { route.method };
        let mut request = Request::builder()
            .method(method)
            .uri(&path)
            .header("accept", *self.chance.of(&["text/html", "*/*"]))
            .header("sec-fetch-site", "same-origin");
        let range = *self.chance.of(&RANGES);
        if !range.is_empty() {
            request = request.header("range", range);
        }
        if self.chance.below(6) == 0 {
            request = request
                .header("if-none-match", "*")
                .header("if-modified-since", "Thu, 01 Jan 2099 00:00:00 GMT");
        }
        let is_json = route.path.starts_with("/api/");
        let body = match route.path {
            "/api/submit" => {
                serde_json::json!({ "id": id, "key": format!("foreign-{step}"), "label": 0 }).to_string()
            }
            "/api/undo" => "{}".to_owned(),
            "/api/login" => serde_json::json!({ "login": id, "password": "y" }).to_string(),
            _ if method == "POST" => {
                format!("id={id}&tones={id}&count=2&version=1&agree=yes&login=x&password=y&label=1")
            }
            _ => String::new(),
        };
        if method == "POST" {
            let kind = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
            request = request.header("content-type", kind);
        }
        let reply = self.client.send(request, Body::from(body)).await;
        (route.path.to_owned(), reply)
    }

    fn check(
        &mut self,
        path: &str,
        id: &str,
        reply: &Reply,
        before: Option<&(String, String)>,
        after: Option<&(String, String)>,
    ) {
        let account = &self.account;
        assert!(reply.status.as_u16() < 500, "{path}: {}", reply.text());
        let mut seen = reply.text();
        for (name, value) in &reply.headers {
            write!(seen, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes())).unwrap();
        }
        for found in canaries(&seen) {
            self.n_seen += 1;
            let is_own = |open: Option<&(String, String)>| {
                open.is_some_and(|(_, own)| {
                    own == found || (!found.ends_with("END") && own.starts_with(found))
                })
            };
            assert!(is_own(before) || is_own(after), "{account} saw {found} while {before:?} was open");
        }
        for name in names(&seen) {
            // A path that was asked for may come back in a Location; nothing else may name a clip.
            assert_eq!(id, name, "{account} saw the name of a clip");
        }
        if path == "/media/{id}" && account != "nobody" {
            // Not even its length.
            let is_open = before.or(after).is_some_and(|(open, _)| open == id);
            let is_told = reply.status != StatusCode::NOT_FOUND && reply.status != StatusCode::BAD_REQUEST;
            assert!(is_open || !is_told, "{account} learned of {id}: {}", reply.status);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_response_ever_holds_a_foreign_canary() {
    let n_requests = std::env::var("EMOMM_WALK").ok().and_then(|n| n.parse().ok()).unwrap_or(N_REQUESTS);
    let settings = Settings {
        repeat_share: 0.2,
        repeat_distance: 2,
        undo_depth: 3,
        multimodal_pass: true,
        ..plain_settings()
    };
    let project = TestProject::new(N_CLIPS, N_ANNOTATORS, &settings);
    let app = project.app();
    let mut walkers = vec![("nobody".to_owned(), Client::new(&app))];
    for i in 1..=N_ANNOTATORS {
        let name = format!("A{i}");
        let client = Client::at_work(&app, &project, &name).await;
        walkers.push((name, client));
    }
    let ids = all_ids(&project);
    let routes = route_table().into_iter().filter(|r| r.path != "/logout" && r.path != "/password").collect();
    let ground = Arc::new(Ground { project, ids, routes });
    let n_steps = n_requests.div_ceil(walkers.len());
    let mut walks = tokio::task::JoinSet::new();
    for (seed, (account, client)) in (20_260_101..).zip(walkers) {
        let ground = Arc::clone(&ground);
        walks.spawn(async move {
            let mut walker = Walker { account, client, chance: Chance(seed), n_seen: 0, n_done: 0 };
            walker.walk(&ground, n_steps).await;
            (walker.n_seen, walker.n_done)
        });
    }
    let (mut n_seen, mut n_done) = (0, 0);
    for (seen, done) in walks.join_all().await {
        n_seen += seen;
        n_done += done;
    }
    assert!(n_seen > n_requests / 200, "the walk must see what is allowed: {n_seen}");
    assert!(n_done > 0);
}
