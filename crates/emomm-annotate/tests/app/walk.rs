//! The blinding walk: users try every route with every id that there is, and see no canary that is not theirs.

use std::fmt::Write;

use axum::body::Body;
use axum::http::Request;
use emomm_annotate::web::route_table;
use emomm_annotate::{Settings, View};

use crate::support::{Client, TestProject, canary, plain_settings};

/// Requests of the walk; `EMOMM_WALK` sets another number.
const N_REQUESTS: usize = 20_000;
const N_CLIPS: usize = 24;
const N_ANNOTATORS: usize = 3;

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

/// The id of the item that is open to this account.
fn open_id(project: &TestProject, account: &str) -> Option<String> {
    let account = account.to_owned();
    project
        .project
        .store()
        .read_now(|c| {
            let sql = "SELECT s.public_id FROM assignment s JOIN account a ON a.id = s.account \
                       WHERE s.state = 'open' AND a.pseudonym = ?1";
            Ok(c.query_row(sql, [&account], |row| row.get(0))?)
        })
        .ok()
}

/// The canary that this account may see now: of the open item, as the database says.
fn open_canary(project: &TestProject, account: &str) -> Option<String> {
    let account = account.to_owned();
    let (seq, view): (i64, String) = project
        .project
        .store()
        .read_now(|c| {
            Ok(c.query_row(
                "SELECT c.seq, i.view FROM assignment s JOIN item i ON i.id = s.item JOIN clip c ON c.id = i.clip \
                 JOIN account a ON a.id = s.account WHERE s.state = 'open' AND a.pseudonym = ?1",
                [&account],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?)
        })
        .ok()?;
    Some(canary(usize::try_from(seq).unwrap() - 1, view.parse::<View>().unwrap()))
}

#[tokio::test]
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
    let mut clients = vec![("nobody".to_owned(), Client::new(&app))];
    for i in 1..=N_ANNOTATORS {
        let name = format!("A{i}");
        let client = Client::at_work(&app, &project, &name).await;
        clients.push((name, client));
    }
    let ids: Vec<String> = project
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
            all.extend(
                ["1", "../project.db", "..%2fproject.db", "%2e%2e/blobs", "", "project.db"]
                    .map(str::to_owned),
            );
            Ok(all)
        })
        .unwrap();
    let routes: Vec<_> =
        route_table().into_iter().filter(|r| r.path != "/logout" && r.path != "/password").collect();
    let ranges = ["", "bytes=0-", "bytes=0-15", "bytes=-20", "bytes=5-9,1-2", "bytes=9999-"];
    let mut chance = Chance(20_260_101);
    let mut n_seen = 0;
    let mut n_done = 0;
    for step in 0..n_requests {
        let who = chance.below(clients.len());
        let account = clients[who].0.clone();
        let before = open_canary(&project, &account);
        let open = open_id(&project, &account);
        let id = match open {
            Some(open) if chance.below(3) == 0 => open,
            _ => chance.of(&ids).clone(),
        };
        // Half of the requests go where they hurt most: media and work.
        let reply = if chance.below(n_requests / 300) == 0 && account != "nobody" {
            // An honest answer now and then, so that the walk gets through all passes.
            let client = &mut clients[who].1;
            match client.item().await {
                Some((open, _)) => {
                    n_done += 1;
                    client.answer(&open, &format!("walk-{step}"), chance.below(3) as i64 - 1).await
                }
                None => client.form("/guide", "").await,
            }
        } else {
            let route = if chance.below(2) == 0 {
                routes.iter().find(|r| r.path == "/media/{id}").unwrap()
            } else {
                chance.of(&routes)
            };
            let path: String = route
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { id.as_str() } else { part })
                .collect::<Vec<_>>()
                .join("/");
            let is_head = route.method == "GET" && chance.below(8) == 0;
            let method = if is_head { "HEAD" } else { route.method };
            let mut request = Request::builder()
                .method(method)
                .uri(&path)
                .header("accept", *chance.of(&["text/html", "*/*"]))
                .header("sec-fetch-site", "same-origin");
            let range = *chance.of(&ranges);
            if !range.is_empty() {
                request = request.header("range", range);
            }
            if chance.below(6) == 0 {
                request = request
                    .header("if-none-match", "*")
                    .header("if-modified-since", "Thu, 01 Jan 2099 00:00:00 GMT");
            }
            let body = match route.path {
                "/api/submit" => {
                    request = request.header("content-type", "application/json");
                    serde_json::json!({ "id": id, "key": format!("foreign-{step}"), "label": 0 }).to_string()
                }
                "/api/undo" => "{}".to_owned(),
                _ if method == "POST" => {
                    request = request.header("content-type", "application/x-www-form-urlencoded");
                    format!("id={id}&tones={id}&count=2&version=1&agree=yes&login=x&password=y")
                }
                _ => String::new(),
            };
            clients[who].1.send(request, Body::from(body)).await
        };
        assert!(reply.status.as_u16() < 500, "{}", reply.text());
        let after = open_canary(&project, &account);
        let mut seen = reply.text();
        for (name, value) in &reply.headers {
            write!(seen, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes())).unwrap();
        }
        for view in View::UNIMODAL.into_iter().chain([View::Multimodal]) {
            for clip in 0..N_CLIPS {
                let canary = canary(clip, view);
                if seen.contains(&canary) {
                    n_seen += 1;
                    let is_own = before.as_ref() == Some(&canary) || after.as_ref() == Some(&canary);
                    assert!(is_own, "{account} saw {canary} while {before:?} was open");
                }
                let name = format!("video{}_{}", clip / 4, clip % 4);
                // A path that was asked for may come back in a Location; nothing else may name a clip.
                assert!(id == name || !seen.contains(&name), "{account} saw the name of a clip");
            }
        }
    }
    assert!(n_seen > n_requests / 200, "the walk must see what is allowed: {n_seen}");
    assert!(n_done > 0);
}
