//! What is not open is not there: ids of others, of later and of earlier items are answered as ids that nobody has.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use crate::support::{Client, Reply, TestProject, plain_settings};

/// The id of an assignment that fits a condition.
fn id_where(project: &TestProject, condition: &str) -> String {
    let sql = format!(
        "SELECT s.public_id FROM assignment s JOIN account a ON a.id = s.account JOIN item i ON i.id = s.item \
         WHERE {condition} ORDER BY s.id LIMIT 1"
    );
    project.project.store().read_now(|c| Ok(c.query_row(&sql, [], |row| row.get(0))?)).unwrap()
}

/// Everything of a reply in one text.
fn whole(reply: &Reply) -> String {
    format!("{} {:?}\n{}", reply.status, reply.headers, reply.text())
}

#[tokio::test]
async fn ids_in_every_state_are_answered_as_unknown_ones() {
    let project = TestProject::new(6, 2, &plain_settings());
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    let mut other = Client::at_work(&app, &project, "A2").await;
    // Both are at sounds, with one done and one open.
    project.change(
        "UPDATE pass SET stage = 'done' WHERE number = 1; UPDATE pass SET stage = 'main' WHERE number = 2",
    );
    project.change("UPDATE assignment SET state = 'waiting', opened_at = NULL");
    for (i, client) in [&mut client, &mut other].into_iter().enumerate() {
        let (id, view) = client.item().await.unwrap();
        assert_eq!(view, "audio");
        client.answer(&id, &format!("some-key-{i}"), 1).await;
        client.item().await.unwrap();
    }
    let own = id_where(&project, "a.pseudonym = 'A1' AND s.state = 'open'");
    project.change(&format!(
        "UPDATE assignment SET state = 'revoked' WHERE public_id = '{}'",
        id_where(&project, "a.pseudonym = 'A1' AND s.state = 'waiting' AND i.view = 'audio'")
    ));
    let text = |sql: &str| {
        project.project.store().read_now(|c| Ok(c.query_row(sql, [], |r| r.get::<_, String>(0))?)).unwrap()
    };
    let closed = [
        ("of another, open", id_where(&project, "a.pseudonym = 'A2' AND s.state = 'open'")),
        ("of another, done", id_where(&project, "a.pseudonym = 'A2' AND s.state = 'done'")),
        (
            "later in this pass",
            id_where(&project, "a.pseudonym = 'A1' AND s.state = 'waiting' AND i.view = 'audio'"),
        ),
        ("of a pass before", id_where(&project, "a.pseudonym = 'A1' AND i.view = 'text'")),
        ("of a pass to come", id_where(&project, "a.pseudonym = 'A1' AND i.view = 'video'")),
        ("given to somebody else", id_where(&project, "a.pseudonym = 'A1' AND s.state = 'revoked'")),
        ("done", id_where(&project, "a.pseudonym = 'A1' AND s.state = 'done'")),
        ("the lead's", text("SELECT lead_id FROM item WHERE view = 'audio'")),
        ("a file", text("SELECT blob FROM item WHERE blob IS NOT NULL")),
    ];
    let unknown = "zzzzzzzzzzzzzzzzzzzzzzzzzz";
    for method in ["GET", "HEAD"] {
        for accept in ["text/html", "audio/*"] {
            for (header, value) in [
                ("x-nothing", "1"),
                ("range", "bytes=0-3"),
                ("range", "bytes=9999999-"),
                ("if-none-match", "*"),
                ("if-range", "\"x\""),
                ("referer", "http://127.0.0.1:8477/work"),
            ] {
                let mut ask = async |id: &str| {
                    let request = Request::builder().method(method).uri(format!("/media/{id}"));
                    let request = request.header("accept", accept).header(header, value);
                    client.send(request, Body::empty()).await
                };
                let open = ask(&own).await;
                assert!(
                    matches!(open.status.as_u16(), 200 | 206 | 416),
                    "{method} {header}: {}",
                    open.status
                );
                let nothing = ask(unknown).await;
                assert_eq!(nothing.status, StatusCode::NOT_FOUND);
                let nothing = whole(&nothing);
                for (what, id) in &closed {
                    assert_eq!(whole(&ask(id).await), nothing, "{method} {accept} {header}: {what}");
                }
            }
        }
    }
    let mut submit = async |id: &str| {
        client.json("/api/submit", &json!({ "id": id, "key": "some-key-9", "label": 1 })).await
    };
    let nothing = whole(&submit(unknown).await);
    for (what, id) in closed.iter().filter(|(what, _)| *what != "done") {
        assert_eq!(whole(&submit(id).await), nothing, "{what}");
    }
}

/// Places in the rounds of practice say nothing about which items belong to one clip.
#[tokio::test]
async fn practice_has_an_order_of_its_own_in_every_modality_and_for_everybody() {
    let settings = emomm_annotate::Settings { training: 4, calibration: 8, ..plain_settings() };
    let project = TestProject::new(1, 2, &settings);
    let mut orders = std::collections::BTreeSet::new();
    for account in ["A1", "A2"] {
        for pass in 1..=3 {
            let sql = format!(
                "SELECT group_concat(seq) FROM (SELECT c.seq FROM assignment s JOIN item i ON i.id = s.item \
                 JOIN clip c ON c.id = i.clip JOIN account a ON a.id = s.account \
                 WHERE a.pseudonym = '{account}' AND s.pass = {pass} AND s.phase = 'calibration' ORDER BY s.position)"
            );
            let order: String =
                project.project.store().read_now(|c| Ok(c.query_row(&sql, [], |row| row.get(0))?)).unwrap();
            assert_eq!(order.split(',').count(), 8);
            orders.insert(order);
        }
    }
    assert_eq!(orders.len(), 6, "{orders:?}");
}
