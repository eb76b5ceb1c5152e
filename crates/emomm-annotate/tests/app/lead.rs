//! What the lead does, and what becomes of it.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::{Client, TestProject, plain_settings};

fn lead_id(project: &TestProject, seq: i64, view: &str) -> String {
    let view = view.to_owned();
    project
        .project
        .store()
        .read_now(|c| {
            Ok(c.query_row(
                "SELECT i.lead_id FROM item i JOIN clip c ON c.id = i.clip WHERE c.seq = ?1 AND i.view = ?2",
                rusqlite::params![seq, view],
                |row| row.get(0),
            )?)
        })
        .unwrap()
}

#[tokio::test]
async fn all_pages_are_shown_and_all_files_can_be_had() {
    let project = TestProject::new(3, 2, &plain_settings());
    let app = project.app();
    let mut annotator = Client::at_work(&app, &project, "A1").await;
    let (id, _) = annotator.item().await.unwrap();
    let body = json!({ "id": id, "key": "some-key-1", "label": 1, "comment": "<script>alert(1)</script>", "privacy": true });
    annotator.json("/api/submit", &body).await;
    let mut lead = Client::join(&app, &project, "L1").await;
    for page in
        ["", "/people", "/quality", "/agreement", "/references", "/adjudication", "/remarks", "/export"]
    {
        for language in ["en", "zh"] {
            lead.form("/language", &format!("language={language}")).await;
            let reply = lead.get(&format!("/lead{page}")).await;
            assert_eq!(reply.status, StatusCode::OK, "{page}: {}", reply.text());
            assert!(!reply.text().contains('⟦'), "{page}: {}", reply.text());
            assert!(!reply.text().contains("<script>alert"), "{page}");
        }
    }
    for file in [
        "responses.csv",
        "audit.jsonl",
        "labels_cmu-mosi.csv",
        "adjudicated_cmu-mosi.csv",
        "votes_cmu-mosi.csv",
    ] {
        let reply = lead.get(&format!("/lead/export/{file}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{file}");
        assert!(reply.header("content-disposition").starts_with("attachment"));
    }
    assert_eq!(lead.get("/lead/export/project.db").await.status, StatusCode::NOT_FOUND);
    let id = lead_id(&project, 1, "audio");
    assert!(lead.get(&format!("/lead/media/{id}")).await.text().contains("CANARYAx0xEND"));
}

#[tokio::test]
async fn a_lock_ends_sessions_and_a_withdrawal_ends_the_account() {
    let project = TestProject::new(3, 3, &plain_settings());
    let app = project.app();
    let mut lead = Client::join(&app, &project, "L1").await;
    let mut clients = Vec::new();
    for i in 1..=3 {
        let mut client = Client::at_work(&app, &project, &format!("A{i}")).await;
        let (id, _) = client.item().await.unwrap();
        client.answer(&id, "some-key-1", 1).await;
        clients.push(client);
    }
    lead.form("/lead/people", "deed=lock&account=A1").await;
    assert_eq!(clients[0].get("/work").await.header("location"), "/login");
    lead.form("/lead/people", "deed=unlock&account=A1").await;
    let reply = clients[0].form("/login", "login=name-A1&password=three+blind+mice").await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);

    lead.form("/lead/people", "deed=purge&account=A2").await;
    lead.form("/lead/people", "deed=anonymise&account=A3").await;
    assert_eq!(
        project.count(
            "SELECT count(*) FROM response r JOIN account a ON a.id = r.account WHERE pseudonym = 'A2'"
        ),
        0
    );
    assert_eq!(
        project.count(
            "SELECT count(*) FROM response r JOIN account a ON a.id = r.account WHERE pseudonym = 'A3'"
        ),
        1
    );
    assert_eq!(project.count("SELECT count(*) FROM identity"), 2);
    for client in &mut clients[1..] {
        assert_eq!(client.get("/work").await.header("location"), "/login");
    }
    let checks = emomm_annotate::verify::verify(&project.project).unwrap();
    assert!(checks.iter().all(|c| c.failed == 0), "{checks:?}");

    // What was not done goes to others; who gets it goes on with that modality. The page offers it, and says what is lost.
    let page = lead.get("/lead/people").await.text();
    let row = page.split("<th scope=\"row\">A2").nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(row.contains("value=\"reassign\"") && !row.contains("value=\"purge\""), "{row}");
    assert!(lead.get("/lead").await.text().contains("9 items lost a label by withdrawal"));
    lead.form("/language", "language=zh").await;
    assert!(lead.get("/lead").await.text().contains("有 9 个条目因退出而失去一个标签"));
    lead.form("/language", "language=en").await;
    let reply = lead.form("/lead/people", "deed=reassign&account=A2&other=A1").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let added = lead.form("/lead/people", "deed=add").await;
    assert!(added.text().contains("Invitation for A4"), "{}", added.text());
    let reply = lead.form("/lead/people", "deed=reassign&account=A1&other=A4").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let waiting = "SELECT count(*) FROM assignment s JOIN account a ON a.id = s.account \
                   WHERE a.pseudonym = 'A4' AND s.state = 'waiting' AND s.phase = 'main'";
    assert_eq!(project.count(waiting), 8, "two clips less one answer in text, all in sound and picture");
    // A lead does not lock the own account.
    assert_eq!(lead.form("/lead/people", "deed=lock&account=L1").await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_gold_item_reaches_everybody_and_is_counted() {
    let settings =
        emomm_annotate::Settings { design: emomm_annotate::Design::Balanced, votes: 1, ..plain_settings() };
    let project = TestProject::new(4, 2, &settings);
    let app = project.app();
    let mut lead = Client::join(&app, &project, "L1").await;
    let gold = lead_id(&project, 1, "text");
    let reply = lead.form(&format!("/lead/references/{gold}"), "label=1&note=plainly").await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text());
    let mut n_items = 0;
    for account in ["A1", "A2"] {
        let mut client = Client::at_work(&app, &project, account).await;
        while let Some((id, view)) = client.item().await {
            if view != "text" {
                break;
            }
            n_items += 1;
            client.answer(&id, &format!("gold-test-{n_items}"), 1).await;
        }
    }
    assert_eq!(n_items, 5, "four clips by one annotator each, and the gold item by the other too");
    let settings = project.project.settings().unwrap();
    let quality =
        project.project.store().read_now(|c| emomm_annotate::quality::quality(c, &settings)).unwrap();
    assert_eq!(quality.iter().map(|q| (q.n_gold, q.n_gold_right)).collect::<Vec<_>>(), [(1, 1), (1, 1)]);
    let page = lead.get("/lead/quality").await;
    assert!(page.text().contains("1 &#x2f; 1"), "{}", page.text());
    // Taken away again.
    lead.form(&format!("/lead/references/{gold}"), "label=").await;
    assert_eq!(project.count("SELECT count(*) FROM reference"), 0);
    assert_eq!(lead.form(&format!("/lead/references/{gold}"), "label=7").await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn adjudication_hides_names_and_keeps_the_votes() {
    let project = TestProject::new(1, 2, &plain_settings());
    let app = project.app();
    for (account, label) in [("A1", 1), ("A2", -1)] {
        let mut client = Client::at_work(&app, &project, account).await;
        let (id, _) = client.item().await.unwrap();
        client.answer(&id, "some-key-1", label).await;
    }
    let mut lead = Client::join(&app, &project, "L1").await;
    let page = lead.get("/lead/adjudication?view=text&rule=no-majority").await;
    assert!(page.text().contains("1 of 1 to decide"), "{}", page.text());
    let id = lead_id(&project, 1, "text");
    let case = lead.get(&format!("/lead/adjudication/{id}")).await;
    assert!(case.text().contains("CANARYTx0xEND"));
    assert!(!case.text().contains("A1") && !case.text().contains("A2") && !case.text().contains("CANARYA"));
    let body = "label=0&category=mixed&reason=both&rule=no-majority";
    let reply = lead.form(&format!("/lead/adjudication/{id}"), body).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text());
    assert_eq!(project.count("SELECT count(*) FROM answer"), 2);
    project.change("INSERT INTO meta (key, value) VALUES ('x', 'y')");
    let labels = lead.get("/lead/export/adjudicated_cmu-mosi.csv").await;
    assert!(labels.text().contains("1,video0_0,0.0,,"), "{}", labels.text());
}

#[tokio::test]
async fn rules_change_for_the_next_request() {
    let project = TestProject::new(1, 1, &plain_settings());
    let app = project.app();
    let mut lead = Client::join(&app, &project, "L1").await;
    let mut annotator = Client::at_work(&app, &project, "A1").await;
    let body = "gate=lead&min_gap=0&break_after=0&daily=0&contact=ask+me";
    assert_eq!(lead.form("/lead/rules", body).await.status, StatusCode::SEE_OTHER);
    let (id, _) = annotator.item().await.unwrap();
    annotator.answer(&id, "some-key-1", 1).await;
    assert!(annotator.get("/work").await.text().contains("not open yet"));
    lead.form("/lead/people", "deed=open&account=A1&pass=2").await;
    annotator.pass_guide().await;
    assert_eq!(annotator.item().await.unwrap().1, "audio");
    assert!(annotator.get("/rules").await.text().contains("ask me"));
    assert_eq!(
        lead.form("/lead/rules", "gate=never&min_gap=0&break_after=0&daily=0&contact=").await.status,
        StatusCode::BAD_REQUEST
    );
}
