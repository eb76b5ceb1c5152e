//! The way of an annotator from the invitation to the end.

use axum::http::StatusCode;
use emomm_annotate::Settings;
use emomm_annotate::export::{ExportOptions, export};
use emomm_annotate::web::App;
use serde_json::json;

use crate::support::{Client, TestProject, plain_settings};

#[tokio::test]
async fn from_invitation_to_the_last_label() {
    let settings = Settings {
        training: 2,
        calibration: 3,
        repeat_share: 0.25,
        repeat_distance: 1,
        must_play: true,
        ..plain_settings()
    };
    let project = TestProject::new(4, 1, &settings);
    let app = project.app();
    let mut client = Client::join(&app, &project, "A1").await;
    // The invitation is used up.
    let mut other = Client::new(&app);
    assert_eq!(other.get(project.invitation("A1")).await.status, StatusCode::NOT_FOUND);

    let page = client.get("/work").await;
    assert!(page.text().contains("Before you begin"), "{}", page.text());
    client.form("/consent", "version=1").await;
    assert!(client.get("/work").await.text().contains("Before you begin"));
    client.form("/consent", "version=1&agree=yes").await;
    let mut views = Vec::new();
    for round in 0..3 {
        let mut page = client.get("/work").await;
        if page.text().contains("Sound check") {
            assert_eq!(round, 1, "the sound is checked before the first voice");
            // Two to five tones: one of four answers is right. Tones drawn at the same time are the same.
            let mut passed = false;
            for count in (2..=5).cycle().take(80) {
                let tones = page.attribute("src=\"/sound/x").unwrap_or_default();
                assert!(tones.is_empty());
                let text = page.text();
                let id = text.split("/sound/").nth(1).unwrap().split('"').next().unwrap();
                let reply = client.form("/sound-check", &format!("tones={id}&count={count}")).await;
                if reply.status == StatusCode::SEE_OTHER {
                    passed = true;
                    break;
                }
                assert!(reply.text().contains("That was another number"), "{}", reply.text());
                page = reply;
            }
            assert!(passed);
            page = client.get("/work").await;
        }
        assert!(page.text().contains("action=\"/guide\""), "{}", page.text());
        client.form("/guide", "").await;
        // Training: the reference is told.
        for i in 0..2 {
            let page = client.get("/work").await;
            assert_eq!(page.attribute("data-training").unwrap(), "1");
            let id = page.attribute("data-id").unwrap();
            let key = format!("training-{round}-{i}");
            let reply = client.answer(&id, &key, 0).await.json();
            assert!(reply["feedback"]["reference"].is_string(), "{reply}");
        }
        // Calibration: the right labels are those of the invented clips, -1, 0 or 1 by index; here all three occur.
        for i in 0..3 {
            let page = client.get("/work").await;
            assert_eq!(page.attribute("data-training").unwrap(), "0");
            let id = page.attribute("data-id").unwrap();
            let label = right_label(&project, &id);
            let reply = client.answer(&id, &format!("calibrate-{round}-{i}"), label).await.json();
            assert_eq!(reply, json!({ "ok": true }));
        }
        // Main work: four items, one of them twice.
        for i in 0..5 {
            let (id, view) = client.item().await.unwrap();
            if i == 0 {
                views.push(view.clone());
            }
            if view != "text" {
                let unheard = json!({ "id": id, "key": format!("unheard-{round}-{i}"), "label": 1 });
                let reply = client.json("/api/submit", &unheard).await;
                assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
            }
            assert_eq!(client.answer(&id, &format!("main-work-{round}-{i}"), 1).await.status, StatusCode::OK);
        }
    }
    assert_eq!(views, ["text", "audio", "video"]);
    assert!(client.get("/work").await.text().contains("All done"));
    assert_eq!(project.count("SELECT count(*) FROM answer"), 3 * (2 + 3 + 5));
    let checks = emomm_annotate::verify::verify(&project.project).unwrap();
    assert!(checks.iter().all(|c| c.failed == 0), "{checks:?}");
}

#[tokio::test]
async fn a_last_pass_shows_all_modalities_together() {
    let settings = Settings { multimodal_pass: true, must_play: true, ..plain_settings() };
    let project = TestProject::new(2, 1, &settings);
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    let mut views = Vec::new();
    for pass in 0..4 {
        if pass > 0 {
            client.pass_guide().await;
        }
        for i in 0..2 {
            let (id, view) = client.item().await.unwrap();
            if view == "multimodal" {
                let page = client.get("/work").await;
                assert!(page.text().contains("All of CANARYM"), "the words stand beside the picture");
                assert!(client.get(&format!("/media/{id}")).await.text().contains("CANARYM"));
                let unseen = json!({ "id": id, "key": format!("unseen-{i}"), "label": 1 });
                let reply = client.json("/api/submit", &unseen).await;
                assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "it must be played first");
            }
            views.push(view);
            assert_eq!(client.answer(&id, &format!("together-{pass}-{i}"), 1).await.status, StatusCode::OK);
        }
    }
    assert_eq!(views, ["text", "text", "audio", "audio", "video", "video", "multimodal", "multimodal"]);
    assert!(client.get("/work").await.text().contains("All done"));
    let folder = project.folder.path().join("labels");
    export(&project.project, &folder, ExportOptions { min_votes: 1, adjudicated: false, raw: false })
        .unwrap();
    let aggregated = std::fs::read_to_string(folder.join("aggregated_cmu-mosi.csv")).unwrap();
    assert_eq!(aggregated.lines().filter(|line| line.contains("multimodal")).count(), 2, "{aggregated}");
}

fn right_label(project: &TestProject, id: &str) -> i64 {
    project.count(&format!(
        "SELECT f.label FROM assignment s JOIN reference f ON f.item = s.item WHERE s.public_id = '{id}'"
    ))
}

#[tokio::test]
async fn a_failed_calibration_leads_back_to_the_guide_and_then_to_the_lead() {
    let settings = Settings { calibration: 2, calibration_attempts: 2, ..plain_settings() };
    let project = TestProject::new(2, 1, &settings);
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..2 {
        for i in 0..2 {
            let (id, _) = client.item().await.unwrap();
            assert!(seen.insert(id.clone()), "another round has other ids");
            let wrong = if right_label(&project, &id) == 1 { -1 } else { 1 };
            client.answer(&id, &format!("calibrate-{round}-{i}"), wrong).await;
        }
        let page = client.get("/work").await;
        if round == 0 {
            assert!(page.text().contains("differed from the reference too often"), "{}", page.text());
            client.form("/guide", "").await;
        } else {
            assert!(page.text().contains("talk to the lead"), "{}", page.text());
            assert!(page.text().contains("calibration rounds for Text"), "{}", page.text());
        }
    }
}

#[tokio::test]
async fn the_same_key_saves_once_and_another_key_is_told() {
    let project = TestProject::new(3, 1, &plain_settings());
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    let (first, _) = client.item().await.unwrap();
    for _ in 0..3 {
        let reply = client.answer(&first, "the-same-key", 1).await;
        assert_eq!((reply.status, reply.json()), (StatusCode::OK, json!({ "ok": true })));
    }
    assert_eq!(project.count("SELECT count(*) FROM response"), 1);
    let reply = client.answer(&first, "another-key", -1).await;
    assert_eq!((reply.status, reply.json()), (StatusCode::CONFLICT, json!({ "error": "answered" })));
    // The key of one item does not serve for another.
    let (second, _) = client.item().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(client.answer(&second, "the-same-key", 1).await.status, StatusCode::NOT_FOUND);
    assert_eq!(project.count("SELECT count(*) FROM response"), 1);
}

/// Two people, one browser: the cookie is the second's, the page and its queue are the first's.
#[tokio::test]
async fn nobody_sends_or_takes_back_what_is_another_s() {
    let project = TestProject::new(3, 2, &plain_settings());
    let app = project.app();
    let mut first = Client::at_work(&app, &project, "A1").await;
    let page = first.get("/work").await;
    let (id, queue) = (page.attribute("data-id").unwrap(), page.attribute("data-queue").unwrap());
    let mut second = Client::at_work(&app, &project, "A2").await;
    let (own, _) = second.item().await.unwrap();
    second.answer(&own, "own-key-1", 1).await;
    let answer = json!({ "id": id, "key": "some-key-1", "label": 1, "queue": queue });
    let reply = second.json("/api/submit", &answer).await;
    assert_eq!((reply.status, reply.json()), (StatusCode::UNAUTHORIZED, json!({ "error": "signed-out" })));
    let reply = second.json("/api/undo", &json!({ "queue": queue })).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(project.count("SELECT count(*) FROM retraction"), 0);
    // Somebody who labels nothing is answered as on every page of annotators, without the name of a queue.
    let mut lead = Client::join(&app, &project, "L1").await;
    let reply = lead.json("/api/submit", &answer).await;
    assert_eq!((reply.status, reply.json()), (StatusCode::NOT_FOUND, json!({ "error": "not-found" })));
    // The first one's own answer says that an item is gone.
    let gone = json!({ "id": own, "key": "some-key-2", "label": 1, "queue": queue });
    let reply = first.json("/api/submit", &gone).await;
    assert_eq!(
        (reply.status, reply.json()),
        (StatusCode::NOT_FOUND, json!({ "error": "not-found", "queue": queue }))
    );
    assert_eq!(first.json("/api/submit", &answer).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_in_ends_the_session_before() {
    let project = TestProject::new(1, 2, &plain_settings());
    let app = project.app();
    let mut client = Client::join(&app, &project, "A1").await;
    let mut old = client.clone();
    let reply = client.form("/login", "login=name-A1&password=three+blind+mice").await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    assert_eq!(old.get("/work").await.header("location"), "/login");
    assert_eq!(client.get("/work").await.status, StatusCode::OK);
    assert_eq!(project.count("SELECT count(*) FROM session"), 1);
    // So does another one's invitation in the same browser.
    let body = "login=name-A2&password=three+blind+mice";
    assert_eq!(client.form(project.invitation("A2"), body).await.status, StatusCode::SEE_OTHER);
    assert_eq!(project.count("SELECT count(*) FROM session"), 1);
}

/// What became of a form is said on the page that comes back.
#[tokio::test]
async fn settings_say_whether_they_were_saved() {
    let project = TestProject::new(1, 1, &plain_settings());
    let app = project.app();
    let mut client = Client::join(&app, &project, "A1").await;
    let keys = "on=yes&play=Space&replay=r&undo=z&cannot=x&comment=c&privacy=p&help=?";
    for (path, body, words) in [
        ("/preferences", keys.to_owned(), "Saved."),
        ("/preferences", keys.replace("undo=z", "undo=x"), "a single character of its own"),
        ("/password", "old=wrong+wrong&new=four+blind+mice".to_owned(), "present password is not right"),
        ("/password", "old=three+blind+mice&new=short".to_owned(), "too short"),
        ("/password", "old=three+blind+mice&new=four+blind+mice".to_owned(), "The password was changed"),
    ] {
        let reply = client.form(path, &body).await;
        assert!(
            reply.text().contains("class=\"notice\"") && reply.text().contains(words),
            "{words}: {}",
            reply.text()
        );
    }
    assert_eq!(client.get("/work").await.status, StatusCode::OK, "this session goes on");
    assert_eq!(project.count("SELECT count(*) FROM account WHERE hotkeys LIKE '%\"undo\":\"z\"%'"), 1);
}

/// Sessions end by the clock, in whichever direction it is moved.
#[tokio::test]
async fn sessions_end_when_idle_and_after_half_a_day() {
    let project = TestProject::new(1, 1, &plain_settings());
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    for (change, is_in) in [
        ("UPDATE session SET seen_at = seen_at - 10790000", true),
        ("UPDATE session SET seen_at = seen_at - 10810000", false),
    ] {
        project.change(change);
        assert_eq!(client.get("/work").await.status == StatusCode::OK, is_in, "{change}");
    }
    let body = "login=name-A1&password=three+blind+mice";
    client.form("/login", body).await;
    project.change("UPDATE session SET created_at = created_at - 43210000");
    assert_eq!(client.get("/work").await.header("location"), "/login");
    client.form("/login", body).await;
    project.change("UPDATE session SET created_at = created_at + 86400000, seen_at = seen_at + 86400000");
    assert_eq!(client.get("/work").await.status, StatusCode::OK, "a clock that was set back ends nothing");
}

/// Somebody who has just done the first pass over two clips, where passes lie an hour apart.
async fn after_the_first_pass() -> (TestProject, App, Client) {
    let project = TestProject::new(2, 1, &Settings { min_gap_minutes: 60, ..plain_settings() });
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    for i in 0..2 {
        let (id, _) = client.item().await.unwrap();
        client.answer(&id, &format!("some-key-{i}"), 1).await;
    }
    client.pass_guide().await;
    (project, app, client)
}

#[tokio::test]
async fn a_clock_that_was_set_back_stops_neither_work_nor_pay() {
    let (project, app, mut client) = after_the_first_pass().await;
    // All of it happened while the clock was ten days ahead.
    let ahead = 10 * 86_400_000_i64;
    project.change(&format!("UPDATE assignment SET done_at = done_at + {ahead} WHERE done_at IS NOT NULL"));
    project.change(&format!(
        "UPDATE work_span SET started_at = started_at + {ahead}, last_at = last_at + {ahead}"
    ));
    let page = client.get("/work").await;
    assert!(page.text().contains("Nothing to do right now"), "{}", page.text());
    let mut lead = Client::join(&app, &project, "L1").await;
    lead.form("/lead/rules", "gate=own-done&min_gap=0&break_after=0&daily=0&contact=").await;
    let (id, view) = client.item().await.unwrap();
    assert_eq!(view, "audio", "the lead can let work go on");
    client.answer(&id, "some-key-3", 1).await;
    assert_eq!(
        project.count("SELECT count(*) FROM work_span"),
        2,
        "hours are counted in a stretch of their own"
    );
}

#[tokio::test]
async fn answers_that_make_no_sense_are_refused() {
    let project = TestProject::new(2, 1, &plain_settings());
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    let (id, _) = client.item().await.unwrap();
    for (body, status) in [
        (json!({ "id": id, "key": "long-enough", "label": 2 }), StatusCode::CONFLICT),
        (json!({ "id": id, "key": "long-enough", "label": -128 }), StatusCode::CONFLICT),
        (json!({ "id": id, "key": "long-enough", "label": 128 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "id": id, "key": "long-enough" }), StatusCode::BAD_REQUEST),
        (
            json!({ "id": id, "key": "long-enough", "label": 1, "cannot_judge": "empty" }),
            StatusCode::BAD_REQUEST,
        ),
        (json!({ "id": id, "key": "long-enough", "cannot_judge": "bored" }), StatusCode::BAD_REQUEST),
        (json!({ "id": id, "key": "short", "label": 1 }), StatusCode::CONFLICT),
        (
            json!({ "id": id, "key": "long-enough", "label": 1, "comment": "x".repeat(2001) }),
            StatusCode::CONFLICT,
        ),
        (json!({ "id": "unknown", "key": "long-enough", "label": 1 }), StatusCode::NOT_FOUND),
        (json!({ "id": id, "key": "long-enough", "label": 1, "extra": 1 }), StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let reply = client.json("/api/submit", &body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
    }
    assert_eq!(project.count("SELECT count(*) FROM response"), 0);
    let body = json!({ "id": id, "key": "long-enough", "cannot_judge": "unclear", "comment": "=1+1", "privacy": true });
    assert_eq!(client.json("/api/submit", &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn undo_opens_the_last_items_again_and_keeps_every_version() {
    let project = TestProject::new(4, 1, &Settings { undo_depth: 2, ..plain_settings() });
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    let mut done = Vec::new();
    for i in 0..3 {
        let (id, _) = client.item().await.unwrap();
        client.answer(&id, &format!("first-time-{i}"), 1).await;
        done.push(id);
    }
    for expected in [&done[2], &done[1]] {
        assert_eq!(client.json("/api/undo", &json!({})).await.json()["undone"], true);
        assert_eq!(client.item().await.unwrap().0, **expected);
    }
    assert_eq!(client.json("/api/undo", &json!({})).await.json()["undone"], false);
    for (i, expected) in [&done[1], &done[2]].into_iter().enumerate() {
        let (id, _) = client.item().await.unwrap();
        assert_eq!(id, *expected, "items come back in their order");
        client.answer(&id, &format!("second-time-{i}"), -1).await;
    }
    assert_eq!(project.count("SELECT count(*) FROM response"), 5);
    assert_eq!(project.count("SELECT count(*) FROM answer WHERE label = -1"), 2);
    let checks = emomm_annotate::verify::verify(&project.project).unwrap();
    assert!(checks.iter().all(|c| c.failed == 0), "{checks:?}");
}

#[tokio::test]
async fn modalities_of_a_clip_keep_their_distance_in_time() {
    let (project, _, mut client) = after_the_first_pass().await;
    let page = client.get("/work").await;
    assert!(page.text().contains("Nothing to do right now"), "{}", page.text());
    assert!(
        page.text().contains("by Audio alone") && page.text().contains("datetime=\"20"),
        "{}",
        page.text()
    );
    project.change("UPDATE assignment SET done_at = done_at - 61 * 60000 WHERE done_at IS NOT NULL");
    assert_eq!(client.item().await.unwrap().1, "audio");
}

#[tokio::test]
async fn breaks_and_the_end_of_the_day() {
    let project =
        TestProject::new(3, 1, &Settings { break_after_minutes: 25, daily_minutes: 60, ..plain_settings() });
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    let (id, _) = client.item().await.unwrap();
    client.answer(&id, "some-key-1", 1).await;
    project.change("UPDATE work_span SET started_at = last_at - 26 * 60000");
    let page = client.get("/work").await.text();
    assert!(page.contains("Time for a break") && page.contains("worked for 26 minutes"), "{page}");
    assert!(page.contains("for about 5 minutes"), "{page}");
    client.form("/break", "").await;
    let (id, _) = client.item().await.unwrap();
    client.answer(&id, "some-key-2", 1).await;
    project.change("UPDATE work_span SET started_at = last_at - 61 * 60000");
    assert!(client.get("/work").await.text().contains("Enough for today"));
}

#[tokio::test]
async fn a_gate_opens_when_all_are_done_or_when_the_lead_says_so() {
    let settings = Settings { gate: emomm_annotate::Gate::AllDone, ..plain_settings() };
    let project = TestProject::new(1, 2, &settings);
    let app = project.app();
    let mut first = Client::at_work(&app, &project, "A1").await;
    let mut second = Client::at_work(&app, &project, "A2").await;
    let (id, _) = first.item().await.unwrap();
    first.answer(&id, "some-key-1", 1).await;
    let page = first.get("/work").await.text();
    assert!(page.contains("not open yet") && page.contains("Next comes: Audio"), "{page}");
    let (id, _) = second.item().await.unwrap();
    second.answer(&id, "some-key-2", 1).await;
    first.pass_guide().await;
    assert_eq!(first.item().await.unwrap().1, "audio");
}

#[tokio::test]
async fn a_wrong_password_and_a_flood_of_them() {
    let project = TestProject::new(1, 1, &plain_settings());
    let app = project.app();
    let _ = Client::join(&app, &project, "A1").await;
    let mut client = Client::new(&app);
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(client.form("/login", "login=name-A1&password=wrong+wrong").await.status);
    }
    assert_eq!(statuses[..8], [StatusCode::UNAUTHORIZED; 8]);
    assert_eq!(statuses[8..], [StatusCode::TOO_MANY_REQUESTS; 2]);
    // The limit is told before the password is looked at.
    let reply = client.form("/login", "login=name-A1&password=three+blind+mice").await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
}
