//! A real browser: a whole pass by keyboard, undo, no connection, an ended session, a phone, both languages, and axe-core
//! on every page.

use std::path::Path;
use std::process::Command;

use emomm_annotate::import::{ImportOptions, PreparedClip, PreparedView, SourceClip, import_prepared};
use emomm_annotate::web::{ServeOptions, Server};
use emomm_annotate::work::Phase;
use emomm_annotate::{Project, Settings, View};
use emomm_dataset::{Corpus, GridScore};
use emomm_media::{AudioDerivative, DecodeLimits, Ffmpeg, VideoDerivative, derive_audio, derive_video};
use serde_json::Value;

use crate::support::{TestProject, alone, plain_settings};
use crate::webdriver::{Browser, ENTER, SPACE, TAB};

const PASSWORD: &str = "three blind mice";

/// A clip of less than a second, split as the import does it.
fn media(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let ffmpeg = Ffmpeg::locate().expect("these tests need ffmpeg");
    let source = folder.join("source.mp4");
    let status = Command::new(ffmpeg.program())
        .args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i"])
        .arg("testsrc2=size=480x270:rate=25:duration=0.8")
        .args([
            "-f",
            "lavfi",
            "-i",
            "sine=frequency=330:duration=0.8",
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
        ])
        .args(["-c:a", "aac"])
        .arg(&source)
        .status()
        .unwrap();
    assert!(status.success());
    let limits = DecodeLimits::default();
    let (sound, picture) = (folder.join("a.flac"), folder.join("v.mp4"));
    derive_audio(&ffmpeg, &source, &sound, AudioDerivative::default(), &limits).unwrap();
    derive_video(&ffmpeg, &source, &picture, VideoDerivative::default(), &limits).unwrap();
    (std::fs::read(sound).unwrap(), std::fs::read(picture).unwrap())
}

fn real_project(settings: &Settings, n_main: usize) -> TestProject {
    let folder = tempfile::tempdir().unwrap();
    let (sound, picture) = media(folder.path());
    let project = Project::create(&folder.path().join("project"), settings).unwrap();
    let lines = [
        "I never thought that it would end like this, after all that we went through together.",
        "We made it! Look at that, can you believe it?",
        "The second edition has forty pages more than the first.",
        "Well, it was not what I had hoped for, but it will do.",
        "你怎么到现在才告诉我？我等了你整整一个下午。",
    ];
    let clip = |index: usize| PreparedClip {
        clip: SourceClip {
            corpus: "cmu-mosi".to_owned(),
            class_map: Corpus::CmuMosi,
            video_id: format!("video{index}"),
            clip_id: "1".to_owned(),
            language: "en".to_owned(),
            text: String::new(),
            video: None,
            audio: None,
            scores: [GridScore::from_steps(0); 3],
        },
        views: vec![
            PreparedView { view: View::Text, text: Some(lines[index % lines.len()].to_owned()), file: None },
            PreparedView { view: View::Audio, text: None, file: Some((sound.clone(), "audio/flac")) },
            PreparedView { view: View::Video, text: None, file: Some((picture.clone(), "video/mp4")) },
        ],
    };
    let clips: Vec<PreparedClip> = (0..n_main + 2).map(clip).collect();
    for (phase, from, to) in [
        (Phase::Main, 0, n_main),
        (Phase::Training, n_main, n_main + 1),
        (Phase::Calibration, n_main + 1, n_main + 2),
    ] {
        let options = ImportOptions { phase, first_seq: from as i64 + 1 };
        import_prepared(&project, &clips[from..to], options).unwrap();
    }
    let invitations = project.invite_all(settings, 2).unwrap();
    TestProject { folder, project, invitations }
}

/// Serves a project on a free port until the test ends.
struct Running {
    url: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(project: &Project) -> Self {
        let (tell, url) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let project = project.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let options = ServeOptions {
                    bind: "127.0.0.1:0".parse().unwrap(),
                    requests_per_second: 10_000,
                    ..ServeOptions::default()
                };
                let server = Server::bind(project, options, None).await.unwrap();
                tell.send(server.url()).unwrap();
                server
                    .run(async {
                        let _ = stopped.await;
                    })
                    .await;
            });
        });
        Self { url: url.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// Looks at a page: serious faults of accessibility, width, pictures of it.
struct Inspector<'a> {
    browser: &'a Browser,
    axe: String,
    faults: std::cell::RefCell<Vec<String>>,
}

impl Inspector<'_> {
    fn look(&self, name: &str) {
        self.browser.screenshot(name);
        self.check(name, "");
    }

    fn check(&self, name: &str, options: &str) {
        if self.browser.script("return typeof axe === 'undefined'") == true {
            self.browser.script(&self.axe);
        }
        let result = self.browser.async_script(&format!(
            "axe.run(document, {{ {options}resultTypes: ['violations'] }}).then(r => done(r.violations.map(v => \
             [v.id, v.impact, v.nodes.map(n => n.target.join(' ')).join(', ')])), \
             e => done([['axe failed', 'serious', String(e)]]))"
        ));
        for violation in result.as_array().unwrap() {
            let impact = violation[1].as_str().unwrap_or_default();
            if impact == "serious" || impact == "critical" {
                self.faults.borrow_mut().push(format!("{name}: {violation}"));
            }
        }
    }

    /// Also on a phone and in the dark.
    fn look_everywhere(&self, name: &str) {
        self.look(name);
        // Colours are all that differs in the dark.
        self.browser.dark(true);
        self.browser.screenshot(&format!("{name}-dark"));
        self.check(&format!("{name}-dark"), "runOnly: ['color-contrast'], ");
        self.browser.dark(false);
        self.browser.phone(true);
        let width = self.browser.script("return document.documentElement.scrollWidth - innerWidth");
        if width.as_i64() != Some(0) {
            self.faults.borrow_mut().push(format!("{name}: {width} px wider than a phone"));
        }
        self.browser.screenshot(&format!("{name}-phone"));
        self.browser.phone(false);
    }
}

fn ready(browser: &Browser) {
    browser.until("document.documentElement.dataset.ready === '1'");
}

/// The button at the end of the guide, by keyboard.
fn begin(browser: &Browser) {
    browser.script("document.querySelector('form[action=\"/guide\"] button').focus()");
    browser.press(&[ENTER]);
}

/// The item after this one, or another page.
fn until_other(browser: &Browser, id: &str) {
    browser.until(&format!(
        "document.readyState === 'complete' && document.querySelector('#item')?.dataset.id !== '{id}'"
    ));
}

fn item_id(browser: &Browser) -> String {
    ready(browser);
    browser.script("return document.querySelector('#item').dataset.id").as_str().unwrap().to_owned()
}

/// Plays the medium by its key and waits until it was heard.
fn play(browser: &Browser) {
    browser.press(&[SPACE]);
    browser.until("document.querySelector('#plays').textContent.includes('1')");
}

#[test]
fn a_whole_pass_by_keyboard_in_a_real_browser() {
    let _alone = alone();
    let settings = Settings {
        training: 1,
        calibration: 1,
        calibration_pass: 0.0,
        must_play: true,
        contact: "lead@lab.example".to_owned(),
        ..plain_settings()
    };
    let project = real_project(&settings, 3);
    let server = Running::start(&project.project);
    let browser = Browser::start();
    let axe = include_str!("../fixtures/axe/axe.min.js").to_owned();
    let inspector = Inspector { browser: &browser, axe, faults: std::cell::RefCell::default() };
    let url = |path: &str| format!("{}{path}", server.url);

    browser.open(&url("/login"));
    inspector.look_everywhere("login");
    browser.open(&url(project.invitation("A1")));
    inspector.look_everywhere("invite");
    // The name field has the focus.
    browser.press(&["k", "i", "m", TAB]);
    browser.press(&PASSWORD.split("").filter(|c| !c.is_empty()).collect::<Vec<_>>());
    browser.press(&[ENTER]);
    browser.until_text("Before you begin");
    inspector.look_everywhere("consent");
    browser.script("document.querySelector('[name=agree]').focus()");
    browser.press(&[SPACE, TAB, ENTER]);
    browser.until_text("You see the words and nothing else");
    inspector.look_everywhere("guide");
    begin(&browser);

    // Training: the feedback, then Enter.
    let id = item_id(&browser);
    inspector.look("training");
    browser.press(&[ENTER]);
    browser.until_text("Choose a label first");
    browser.press(&["2", ENTER]);
    browser.until_text("As in the reference");
    inspector.look_everywhere("feedback");
    browser.press(&[ENTER]);
    until_other(&browser, &id);
    // Calibration.
    let id = item_id(&browser);
    browser.press(&["1", ENTER]);
    until_other(&browser, &id);

    // Main work: label, undo, another label.
    let first = item_id(&browser);
    inspector.look_everywhere("text");
    browser.press(&["?"]);
    browser.until("document.querySelector('#help').open");
    inspector.look("help");
    browser.press(&["\u{e00c}"]);
    browser.press(&["3", ENTER]);
    until_other(&browser, &first);
    let second = item_id(&browser);
    browser.press(&["u"]);
    until_other(&browser, &second);
    assert_eq!(item_id(&browser), first);
    browser.press(&["1", ENTER]);
    until_other(&browser, &first);

    // Without a connection the label waits, also over a choice of another page, and is sent when it is back.
    let id = item_id(&browser);
    let answers = "SELECT count(*) FROM answer";
    let before = project.count(answers);
    browser.offline(true);
    browser.press(&["2", ENTER]);
    browser.until_text("No connection");
    inspector.look_everywhere("offline");
    assert_eq!(project.count(answers), before);
    browser.offline(false);
    until_other(&browser, &id);
    assert_eq!(project.count(answers), before + 1);

    // The session ends while an item is open: the draft stays, signing in goes on in place.
    let id = item_id(&browser);
    browser.press(&["3", "c"]);
    browser.press(&["h", "m", "m"]);
    browser.until("document.querySelector('#comment').value === 'hmm'");
    browser.open(&url("/work"));
    ready(&browser);
    browser.until("document.querySelector('#comment').value === 'hmm'");
    project.change("DELETE FROM session");
    browser.press(&[ENTER]);
    browser.until("document.querySelector('#relogin').open");
    inspector.look_everywhere("relogin");
    browser.fill("#relogin-password", PASSWORD);
    browser.press(&[ENTER]);
    until_other(&browser, &id);
    assert_eq!(project.count("SELECT count(*) FROM answer WHERE comment = 'hmm' AND label = 1"), 1);

    // The voice: first the sound check.
    browser.until_text("Sound check");
    inspector.look_everywhere("sound");
    let bytes = browser.async_script(
        "fetch(document.querySelector('audio').src).then(r => r.arrayBuffer()).then(b => done(b.byteLength), done)",
    );
    let tones = ((bytes.as_f64().unwrap() - 44.0) / 2.0 / 22_050.0 / 0.6).round();
    browser.script(&format!("document.querySelector('input[value=\"{tones}\"]').focus()"));
    browser.press(&[SPACE, ENTER]);
    browser.until_text("You hear the voice and nothing else");
    begin(&browser);
    for i in 0..5 {
        let id = item_id(&browser);
        if i == 2 {
            inspector.look_everywhere("audio");
            browser.press(&["1", ENTER]);
            browser.until_text("Play the clip to its end once");
        }
        play(&browser);
        browser.press(&["3", ENTER]);
        if i == 0 {
            browser.until_text("Reference");
            browser.press(&[ENTER]);
        }
        until_other(&browser, &id);
    }

    // The picture, in Chinese.
    browser.until_text("You see the picture without sound");
    browser.click("button[name=language]");
    browser.until("document.documentElement.lang === 'zh-CN'");
    inspector.look_everywhere("guide-zh");
    begin(&browser);
    for i in 0..5 {
        let id = item_id(&browser);
        if i == 2 {
            inspector.look_everywhere("video-zh");
            // Another tab is noticed, here and there.
            let here = browser.tab();
            let there = browser.new_tab();
            browser.switch_to(&there);
            browser.open(&url("/work"));
            browser.until("!document.querySelector('#banner').hidden");
            browser.close_tab();
            browser.switch_to(&here);
            browser.until("!document.querySelector('#banner').hidden");
        }
        let silent = browser.script("return document.querySelector('#medium').muted");
        assert_eq!(silent, Value::Bool(true));
        play(&browser);
        browser.press(&["2", ENTER]);
        if i == 0 {
            browser.until("!document.querySelector('#feedback').hidden");
            browser.press(&[ENTER]);
        }
        until_other(&browser, &id);
    }
    browser.until_text("全部完成");
    inspector.look_everywhere("finished-zh");
    browser.open(&url("/preferences"));
    inspector.look_everywhere("preferences-zh");
    browser.click("button[name=language]");
    browser.until("document.documentElement.lang === 'en'");
    browser.open(&url("/rules"));
    inspector.look_everywhere("rules");
    browser.open(&url("/no/such/page"));
    inspector.look_everywhere("problem");

    lead_pages(&browser, &inspector, &project, &server.url);
    let checks = emomm_annotate::verify::verify(&project.project).unwrap();
    assert!(checks.iter().all(|c| c.failed == 0), "{checks:?}");
    let faults = inspector.faults.into_inner();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The lead signs in, sets a reference, adds somebody, and looks at everything.
fn lead_pages(browser: &Browser, inspector: &Inspector<'_>, project: &TestProject, url: &str) {
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
