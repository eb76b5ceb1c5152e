//! The kill test: the server is killed at random instants while twenty clients send answers. Every answer that was
//! acknowledged is there once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use emomm_annotate::Project;
use emomm_annotate::web::{ServeOptions, Server};

use crate::support::{Client, TestProject, alone, plain_settings};

/// Kills; `EMOMM_KILLS` sets another number.
const N_KILLS: usize = 30;
const N_CLIENTS: usize = 20;
const N_CLIPS: usize = 400;

/// Where the child finds its project, and where it tells its address.
const PROJECT: &str = "EMOMM_TEST_PROJECT";
const ADDRESS: &str = "EMOMM_TEST_ADDRESS";

/// Not a test of its own: the server that [`every_acknowledged_answer_is_there_once`] starts and kills.
#[test]
fn serving_child() {
    let (Some(project), Some(address)) = (std::env::var_os(PROJECT), std::env::var_os(ADDRESS)) else {
        return;
    };
    let project = Project::open(&PathBuf::from(project)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let options = ServeOptions {
            bind: "127.0.0.1:0".parse().unwrap(),
            requests_per_second: 1_000_000,
            ..ServeOptions::default()
        };
        let server = Server::bind(project, options, None).await.unwrap();
        let part = PathBuf::from(&address).with_extension("part");
        std::fs::write(&part, server.address().to_string()).unwrap();
        std::fs::rename(part, address).unwrap();
        server.run(std::future::pending()).await;
    });
}

/// One exchange; `None` where the server died in between.
fn exchange(address: SocketAddr, cookie: &str, request: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let head = format!(
        "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncookie: {cookie}\r\naccept: text/html\r\n\
         sec-fetch-site: same-origin\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1)?.parse().ok()?;
    // A head without its whole body is no acknowledgement.
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length: usize =
        head.lines().find_map(|l| l.strip_prefix("content-length: ")).and_then(|l| l.parse().ok())?;
    (body.len() >= length).then(|| (status, body.to_owned()))
}

/// What a client remembers, as a browser's queue does.
#[derive(Default)]
struct Memory {
    waiting: Option<(String, String)>,
    acknowledged: BTreeSet<String>,
    n_sent: usize,
}

/// Sends answers until the server is gone.
fn work(address: SocketAddr, name: usize, cookie: &str, memory: &Mutex<Memory>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut memory = memory.lock().unwrap();
        if memory.waiting.is_none() {
            let Some((_, page)) = exchange(address, cookie, "GET /work", "") else { return };
            let Some(id) = page.split("data-id=\"").nth(1).and_then(|rest| rest.split('"').next()) else {
                return;
            };
            memory.n_sent += 1;
            memory.waiting = Some((id.to_owned(), format!("client-{name}-{}", memory.n_sent)));
        }
        let (id, key) = memory.waiting.clone().unwrap();
        let body = serde_json::json!({ "id": id, "key": key, "label": 1 }).to_string();
        let Some((status, answer)) = exchange(address, cookie, "POST /api/submit", &body) else { return };
        assert_eq!((status, answer.trim()), (200, "{\"ok\":true}"), "the same key may be sent again");
        memory.acknowledged.insert(key);
        memory.waiting = None;
    }
}

#[test]
fn every_acknowledged_answer_is_there_once() {
    let _alone = alone();
    let n_kills = std::env::var("EMOMM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(N_KILLS);
    let project = TestProject::new(N_CLIPS.max(n_kills * 8), N_CLIENTS, &plain_settings());
    let mut cookies = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let app = project.app();
        for i in 1..=N_CLIENTS {
            cookies.push(Client::at_work(&app, &project, &format!("A{i}")).await.cookie());
        }
    });
    let memories: Vec<Arc<Mutex<Memory>>> = (0..N_CLIENTS).map(|_| Arc::default()).collect();
    let address_file = project.folder.path().join("address");
    for round in 0..n_kills {
        let _ = std::fs::remove_file(&address_file);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::serving_child", "--nocapture"])
            .env(PROJECT, project.project.folder())
            .env(ADDRESS, &address_file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let address: SocketAddr = loop {
            if let Ok(text) = std::fs::read_to_string(&address_file) {
                break text.parse().unwrap();
            }
            assert!(start.elapsed() < Duration::from_secs(30), "the server starts");
            std::thread::sleep(Duration::from_millis(5));
        };
        let stop = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            for (name, (cookie, memory)) in cookies.iter().zip(&memories).enumerate() {
                let stop = Arc::clone(&stop);
                scope.spawn(move || work(address, name, cookie, memory, &stop));
            }
            // Some instant of the first third of a second, another in every round.
            std::thread::sleep(Duration::from_millis(40 + (round as u64 * 7919) % 300));
            child.kill().unwrap();
            child.wait().unwrap();
            stop.store(true, Ordering::Relaxed);
        });
    }
    let stored: BTreeMap<String, i64> = project
        .project
        .store()
        .read_now(|c| {
            let mut statement = c.prepare("SELECT idempotency_key, count(*) FROM response GROUP BY 1")?;
            Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        })
        .unwrap();
    let mut n_acknowledged = 0;
    for memory in &memories {
        let memory = memory.lock().unwrap();
        for key in &memory.acknowledged {
            n_acknowledged += 1;
            assert_eq!(stored.get(key), Some(&1), "{key} was acknowledged");
        }
    }
    assert!(n_acknowledged > n_kills, "the clients must get something done: {n_acknowledged}");
    // What was stored and not acknowledged is the one answer of a client that waits, at most.
    assert!(stored.len() <= n_acknowledged + N_CLIENTS, "{} of {n_acknowledged}", stored.len());
    let checks = emomm_annotate::verify::verify(&project.project).unwrap();
    assert!(checks.iter().all(|c| c.failed == 0), "{checks:?}");
}
