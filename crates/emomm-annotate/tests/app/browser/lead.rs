//! The lead's pages in the browser.

use super::PASSWORD;
use super::inspector::Inspector;
use crate::support::TestProject;
use crate::webdriver::{Browser, ENTER};

/// The lead signs in, sets a reference, adds somebody, and looks at everything.
pub(super) fn lead_pages(browser: &Browser, inspector: &Inspector<'_>, project: &TestProject, url: &str) {
    // A second annotator's votes, so that there is something to compare.
    project.change(
        "UPDATE assignment SET state = 'done', opened_at = 1, done_at = 2 WHERE phase = 'main' \
           AND account = (SELECT id FROM account WHERE pseudonym = 'A2');",
    );
    second_votes(project);
    browser.open(&format!("{url}/preferences"));
    browser.click("form[action=\"/logout\"] button");
    browser.until_text("Sign in");
    browser.open(&format!("{url}{}", project.invitation("L1")));
    browser.fill("[name=login]", "lead");
    browser.fill("[name=password]", PASSWORD);
    browser.press(&[ENTER]);
    browser.until_text("Hours worked");
    inspector.look_everywhere("lead-overview");
    for page in ["quality", "agreement", "references", "adjudication", "remarks", "export"] {
        browser.open(&format!("{url}/lead/{page}"));
        if page == "agreement" {
            browser.script("for (const d of document.querySelectorAll('details')) d.open = true");
        }
        inspector.look_everywhere(&format!("lead-{page}"));
    }
    browser.open(&format!("{url}/lead/people"));
    browser.click("button[value=add]");
    browser.until_text("Invitation for A3");
    browser.script("document.querySelector('details').open = true");
    inspector.look_everywhere("lead-people");
    browser.open(&format!("{url}/lead/references?view=video&seq=1"));
    browser.until_text("Reference label");
    inspector.look_everywhere("lead-reference");
    browser.click("input[name=label][value=\"1\"]");
    browser.click("form.card button");
    until_counted(browser, project, "SELECT count(*) FROM reference WHERE is_gold AND label = 1");
    browser.open(&format!("{url}/lead/adjudication?view=text&rule=no-majority"));
    browser.click("td a");
    browser.until_text("Which label?");
    inspector.look_everywhere("lead-case");
    browser.click("input[name=label][value=\"0\"]");
    browser.click("form button.primary");
    until_counted(browser, project, "SELECT count(*) FROM adjudication");
    browser.click("button[name=language]");
    browser.until("document.documentElement.lang === 'zh-CN'");
    for page in ["", "/people", "/agreement"] {
        browser.open(&format!("{url}/lead{page}"));
        inspector.look(&format!("lead{}-zh", page.replace('/', "-")));
    }
}

/// Until one such row is there.
fn until_counted(browser: &Browser, project: &TestProject, sql: &str) {
    browser.wait(sql, || (project.count(sql) == 1).then_some(()));
    browser.until("document.readyState === 'complete'");
}

/// Votes of the second annotator as the app would store them.
fn second_votes(project: &TestProject) {
    use emomm_annotate::work::{Answer, Submission, submit};

    let settings = project.project.settings().unwrap();
    let ids: Vec<(String, i64)> = project
        .project
        .store()
        .read_now(|c| {
            let mut statement = c.prepare(
                "SELECT s.public_id, s.pass FROM assignment s JOIN account a ON a.id = s.account \
                 WHERE a.pseudonym = 'A2' AND s.phase = 'main' ORDER BY s.pass, s.position",
            )?;
            Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        })
        .unwrap();
    project.change("UPDATE account SET state = 'active' WHERE pseudonym = 'A2'");
    for (i, (id, pass)) in ids.into_iter().enumerate() {
        project.change(&format!(
            "UPDATE pass SET stage = CASE WHEN number < {pass} THEN 'done' WHEN number = {pass} THEN 'main' ELSE 'closed' \
             END WHERE account = (SELECT id FROM account WHERE pseudonym = 'A2'); \
             UPDATE assignment SET state = 'open', opened_at = 1, done_at = NULL WHERE public_id = '{id}'"
        ));
        let settings = settings.clone();
        let submission = Submission {
            public_id: id,
            idempotency_key: format!("second-{i}"),
            answer: Answer::Label(if i < 3 { 1 } else { [1, -1, 0][i % 3] }),
            comment: if i == 0 { "Somebody's name is said.".to_owned() } else { String::new() },
            privacy: i == 0,
            plays: 1,
            first_play_ms: Some(300),
            total_ms: 900,
            hidden_ms: 0,
            ui_language: "en".to_owned(),
        };
        project
            .project
            .store()
            .write_now(move |t| {
                let account = emomm_annotate::accounts::by_pseudonym(t, "A2")?;
                submit(t, &settings, &account, &submission, 1_800_000_000_000 + i as i64)
            })
            .unwrap();
    }
    project.change(
        "UPDATE pass SET stage = 'done' WHERE account = (SELECT id FROM account WHERE pseudonym = 'A2')",
    );
}
