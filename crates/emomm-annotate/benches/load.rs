//! Load: fifty annotators on loopback, ten answers a second, for `EMOMM_LOAD_SECONDS` (60) seconds.
//!
//! Prints the times of answers, of pages and of media; fails if an answer's 99th percentile is 50 ms or more, or if any
//! reply is an error. Every answer is on the disk when it is acknowledged, so the disk enters.

#[path = "../tests/app/support.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use emomm_annotate::web::{ServeOptions, Server};

use support::{Client, TestProject, plain_settings};

const N_ANNOTATORS: usize = 50;
const ANSWERS_PER_SECOND: f64 = 10.0;
/// Goal for the 99th percentile of an answer.
const GOAL: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Times {
    answers: Vec<Duration>,
    pages: Vec<Duration>,
    media: Vec<Duration>,
    errors: Vec<String>,
}

fn main() {
    let seconds = std::env::var("EMOMM_LOAD_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60.0);
    let n_clips = (seconds * ANSWERS_PER_SECOND / N_ANNOTATORS as f64) as usize + 20;
    let project = TestProject::new(n_clips, N_ANNOTATORS, &plain_settings());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    let (cookies, address) = runtime.block_on(async {
        let app = project.app();
        let mut cookies = Vec::new();
        for i in 1..=N_ANNOTATORS {
            cookies.push(Client::at_work(&app, &project, &format!("A{i}")).await.cookie());
        }
        // Half of them are at sounds, so that media are asked for too.
        project.change("UPDATE pass SET stage = 'done' WHERE number = 1 AND account % 2 = 0");
        project.change("UPDATE pass SET stage = 'main' WHERE number = 2 AND account % 2 = 0");
        let options = ServeOptions {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            requests_per_second: 100_000,
            ..ServeOptions::default()
        };
        let server = Server::bind(project.project.clone(), options, None).await.expect("a free port");
        let address = server.address();
        tokio::spawn(server.run(std::future::pending()));
        (cookies, address)
    });
    let times = Mutex::new(Times::default());
    let pause = Duration::from_secs_f64(N_ANNOTATORS as f64 / ANSWERS_PER_SECOND);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    std::thread::scope(|scope| {
        for (i, cookie) in cookies.iter().enumerate() {
            let times = &times;
            scope.spawn(move || {
                std::thread::sleep(pause.mul_f64(i as f64 / N_ANNOTATORS as f64));
                let mut n = 0;
                while Instant::now() < end {
                    let start = Instant::now();
                    n += 1;
                    one_item(address, cookie, &format!("load-{i}-{n}"), times);
                    std::thread::sleep(pause.saturating_sub(start.elapsed()));
                }
            });
        }
    });
    report(times.into_inner().expect("no thread panicked"), seconds);
}

fn one_item(address: SocketAddr, cookie: &str, key: &str, times: &Mutex<Times>) {
    let timed = |request: &str, body: &str| {
        let start = Instant::now();
        let reply = exchange(address, cookie, request, body);
        (start.elapsed(), reply)
    };
    let fail = |what: String| times.lock().expect("no thread panicked").errors.push(what);
    let (page_time, page) = timed("GET /work", "");
    let Some((200, page)) = page else { return fail(format!("page: {page:?}")) };
    let Some(id) = page.split("data-id=\"").nth(1).and_then(|rest| rest.split('"').next()) else {
        return fail("a page without an item".to_owned());
    };
    let mut media_time = None;
    if page.contains("<audio") {
        let (time, reply) = timed(&format!("GET /media/{id}"), "");
        match reply {
            Some((200, _)) => media_time = Some(time),
            other => fail(format!("medium: {:?}", other.map(|(status, _)| status))),
        }
    }
    let body = serde_json::json!({ "id": id, "key": key, "label": 0 }).to_string();
    let (answer_time, reply) = timed("POST /api/submit", &body);
    match reply {
        Some((200, _)) => {}
        other => return fail(format!("answer: {other:?}")),
    }
    let mut times = times.lock().expect("no thread panicked");
    times.answers.push(answer_time);
    times.pages.push(page_time);
    times.media.extend(media_time);
}

fn exchange(address: SocketAddr, cookie: &str, request: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let head = format!(
        "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncookie: {cookie}\r\naccept: text/html\r\n\
         sec-fetch-site: same-origin\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Some((text.split(' ').nth(1)?.parse().ok()?, text))
}

#[expect(clippy::print_stdout, reason = "a bench reports there")]
fn report(mut times: Times, seconds: f64) {
    println!("{N_ANNOTATORS} annotators, {seconds:.0} s, {} answers", times.answers.len());
    let mut worst = Duration::ZERO;
    for (name, list) in
        [("media", &mut times.media), ("pages", &mut times.pages), ("answers", &mut times.answers)]
    {
        list.sort_unstable();
        let at =
            |share: f64| list.get(((list.len() as f64 * share) as usize).min(list.len().saturating_sub(1)));
        let shown = |share: f64| at(share).map_or(0.0, |d| d.as_secs_f64() * 1000.0);
        println!(
            "{name:<8} n {:>6}  median {:.1} ms  p99 {:.1} ms  most {:.1} ms",
            list.len(),
            shown(0.5),
            shown(0.99),
            shown(1.0)
        );
        worst = at(0.99).copied().unwrap_or(Duration::MAX);
    }
    for error in times.errors.iter().take(5) {
        println!("error: {error}");
    }
    println!("{} errors", times.errors.len());
    assert!(times.errors.is_empty(), "no reply may be an error");
    assert!(worst < GOAL, "p99 of an answer is {worst:?}, the goal {GOAL:?}");
}
