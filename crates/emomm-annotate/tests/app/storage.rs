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

/// Withdrawal with the labels deleted leaves nothing of them: not in the database, not in the log beside it, not in a backup
/// that is made afterwards. The audit trail keeps that there was something, and when.
#[tokio::test]
async fn what_is_withdrawn_is_gone_from_the_files() {
    let project = TestProject::new(4, 2, &plain_settings());
    let app = project.app();
    let remark = "REMARK of the one who goes";
    for account in ["A1", "A2"] {
        let mut client = Client::at_work(&app, &project, account).await;
        for i in 0..3 {
            let (id, _) = client.item().await.unwrap();
            let body = json!({ "id": id, "key": format!("key-of-{account}-{i}"), "label": 1,
                               "comment": if account == "A1" { remark } else { "stays" } });
            assert_eq!(client.json("/api/submit", &body).await.status, StatusCode::OK);
        }
    }
    let has = |folder: &std::path::Path, text: &str| {
        std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
            let bytes = std::fs::read(entry.path()).unwrap_or_default();
            bytes.windows(text.len()).any(|w| w == text.as_bytes())
        })
    };
    let folder = project.project.folder().to_owned();
    assert!(has(&folder, remark) && has(&folder, "name-A1") && has(&folder, "key-of-A1-1"));
    let mut lead = Client::join(&app, &project, "L1").await;
    assert_eq!(lead.form("/lead/people", "deed=purge&account=A1").await.status, StatusCode::OK);
    let copy = project.folder.path().join("copy");
    backup(&project.project, &copy).unwrap();
    for folder in [&folder, &copy] {
        for gone in [remark, "name-A1", "key-of-A1"] {
            assert!(!has(folder, gone), "{gone} in {}", folder.display());
        }
        assert!(has(folder, "key-of-A2-1") && has(folder, "name-A2"));
    }
    let when = "SELECT count(*) FROM assignment s JOIN account a ON a.id = s.account \
                WHERE a.pseudonym = 'A1' AND (s.opened_at IS NOT NULL OR s.done_at IS NOT NULL)";
    assert_eq!(project.count(when), 0);
    assert!(
        project.count("SELECT count(*) FROM audit WHERE actor = 'A1' AND action = 'label.submitted'") == 3
    );
    let (_, checks) = restore(&copy, &project.folder.path().join("restored")).unwrap();
    assert!(checks.iter().all(|c| c.failed == 0), "{checks:?}");
}

#[cfg(unix)]
#[test]
fn only_the_owner_looks_into_projects_and_backups() {
    use std::os::unix::fs::PermissionsExt;

    let project = TestProject::new(1, 1, &plain_settings());
    let (copy, restored) = (project.folder.path().join("copy"), project.folder.path().join("restored"));
    backup(&project.project, &copy).unwrap();
    restore(&copy, &restored).unwrap();
    for folder in [project.project.folder(), &copy, &restored] {
        let mode = std::fs::metadata(folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{}", folder.display());
    }
}

#[tokio::test]
async fn a_project_has_one_server_at_a_time() {
    use emomm_annotate::web::{ServeOptions, Server};

    let project = TestProject::new(1, 1, &plain_settings());
    let options = ServeOptions { bind: "127.0.0.1:0".parse().unwrap(), ..ServeOptions::default() };
    let first = Server::bind(project.project.clone(), options.clone(), None).await.unwrap();
    let again = Project::open(project.project.folder()).unwrap();
    let error = Server::bind(again.clone(), options.clone(), None).await.unwrap_err();
    assert!(error.to_string().contains("another server serves"), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(first);
    assert!(Server::bind(again, options, None).await.is_ok());
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
