//! When the database cannot be written, when it is old or new, when it comes from a backup.

use axum::http::StatusCode;
use emomm_annotate::backup::{BACKUP_FILE, backup, restore};
use emomm_annotate::{AnnotateError, DATABASE, Project};
use serde_json::json;

use crate::support::{Client, TestProject, plain_settings};

/// Set on the writing connection: the file may not grow.
#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let project = TestProject::new(2, 1, &plain_settings());
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    let (id, _) = client.item().await.unwrap();
    project.change("PRAGMA max_page_count = 1");
    // Small writes still fit into pages that are there; something fills them.
    for i in 0..200 {
        let filled = project.project.store().write_now(move |t| {
            let text = "y".repeat(3000);
            t.execute(
                "INSERT INTO meta (key, value) VALUES (?1, ?2)",
                rusqlite::params![format!("fill {i}"), text],
            )?;
            Ok(())
        });
        if filled.is_err() {
            break;
        }
    }
    // Longer than a page, so that it needs a new one.
    let body = json!({ "id": id, "key": "some-key-1", "label": 1, "comment": "\u{1d11e}".repeat(2000) });
    let reply = client.json("/api/submit", &body).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.text());
    assert_eq!(reply.json(), json!({ "error": "storage" }));
    assert_eq!(project.count("SELECT count(*) FROM response"), 0);
    project.change("PRAGMA max_page_count = 1000000");
    // The browser sends again under the same key.
    assert_eq!(client.json("/api/submit", &body).await.status, StatusCode::OK);
    assert_eq!(project.count("SELECT count(*) FROM answer"), 1);
    let checks = emomm_annotate::verify::verify(&project.project).unwrap();
    assert!(checks.iter().all(|c| c.failed == 0), "{checks:?}");
}

#[tokio::test]
async fn a_database_that_became_read_only_is_told_on_a_page() {
    let project = TestProject::new(2, 1, &plain_settings());
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    let (id, _) = client.item().await.unwrap();
    project.change("PRAGMA query_only = ON");
    let reply = client.answer(&id, "some-key-1", 1).await;
    assert_eq!(
        (reply.status, reply.json()),
        (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "storage" }))
    );
    let page = client.form("/consent", "version=1&agree=yes").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text().contains("The server cannot save"), "{}", page.text());
    // Repaired and started again: the session holds, the label is taken once.
    let again = Project::open(project.project.folder()).unwrap();
    let options = emomm_annotate::web::ServeOptions::default();
    let app = emomm_annotate::web::App::new(again, options, None).unwrap();
    client.go_to(&app);
    assert_eq!(client.answer(&id, "some-key-1", 1).await.status, StatusCode::OK);
    assert_eq!(project.count("SELECT count(*) FROM answer"), 1);
}

#[tokio::test]
async fn a_backup_of_a_project_in_use_comes_back_whole() {
    let project = TestProject::new(3, 1, &plain_settings());
    let app = project.app();
    let mut client = Client::at_work(&app, &project, "A1").await;
    let (id, _) = client.item().await.unwrap();
    client.answer(&id, "some-key-1", 1).await;
    let copy = project.folder.path().join("copy");
    let info = backup(&project.project, &copy).unwrap();
    // Work goes on.
    let (id, _) = client.item().await.unwrap();
    assert_eq!(client.answer(&id, "some-key-2", 1).await.status, StatusCode::OK);

    let (restored, checks) = restore(&copy, &project.folder.path().join("restored")).unwrap();
    assert!(checks.iter().all(|c| c.failed == 0), "{checks:?}");
    let count = |sql: &'static str| {
        restored.store().read_now(|c| Ok(c.query_row(sql, [], |r| r.get::<_, i64>(0))?)).unwrap()
    };
    assert_eq!(count("SELECT count(*) FROM answer"), 1);
    assert_eq!(count("SELECT count(*) FROM session"), 0);
    assert_eq!(info.blobs, 6);
    // The password still fits.
    let options = emomm_annotate::web::ServeOptions::default();
    let app = emomm_annotate::web::App::new(restored.clone(), options, None).unwrap();
    let mut client = Client::new(&app);
    let reply = client.form("/login", "login=NAME-a1&password=three+blind+mice").await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);

    assert!(backup(&project.project, &copy).is_err(), "nothing is written over a backup");
    std::fs::remove_file(copy.join(BACKUP_FILE)).unwrap();
    let error = restore(&copy, &project.folder.path().join("other")).unwrap_err();
    assert!(error.to_string().contains(BACKUP_FILE), "{error}");
}

#[tokio::test]
async fn damage_is_found() {
    for (damage, check) in [
        (
            "DROP TRIGGER response_is_kept; UPDATE response SET label = -1",
            "answers are as the audit trail recorded them",
        ),
        ("DROP TRIGGER response_stays; DELETE FROM response", "answers are as the audit trail recorded them"),
        (
            "DROP TRIGGER audit_is_kept; UPDATE audit SET actor = 'A9' WHERE number = 2",
            "the audit trail is unbroken",
        ),
        (
            "UPDATE assignment SET state = 'done' WHERE state = 'waiting'",
            "every answered item has one answer that counts",
        ),
        ("UPDATE pass SET view = 'video' WHERE number = 1", "what is open belongs to the pass that is on"),
        ("UPDATE item SET sha256 = 'x' WHERE view = 'audio'", "derivatives are as imported"),
    ] {
        let project = TestProject::new(2, 1, &plain_settings());
        let app = project.app();
        let mut client = Client::at_work(&app, &project, "A1").await;
        let (id, _) = client.item().await.unwrap();
        client.answer(&id, "some-key-1", 1).await;
        client.item().await.unwrap();
        project.change(damage);
        let checks = emomm_annotate::verify::verify(&project.project).unwrap();
        let failed: Vec<_> = checks.iter().filter(|c| c.failed > 0).map(|c| c.name).collect();
        assert!(failed.contains(&check), "{damage}: {failed:?}");
    }
}

#[test]
fn a_newer_schema_is_refused_and_no_project_is_told() {
    let project = TestProject::new(1, 1, &plain_settings());
    let folder = project.project.folder().to_owned();
    project.change("PRAGMA user_version = 99");
    assert!(matches!(Project::open(&folder), Err(AnnotateError::Version { found: 99, .. })));
    let empty = tempfile::tempdir().unwrap();
    let error = Project::open(empty.path()).unwrap_err();
    assert!(error.to_string().contains(DATABASE), "{error}");
    assert!(Project::create(&folder, &plain_settings()).is_err(), "nothing is written over a project");
}
