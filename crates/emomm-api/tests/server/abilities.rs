//! What a server can do is found by asking, and what it leaves out is noticed.

use emomm_api::{Access, ApiError, AudioForm, Server, VideoForm};
use emomm_dataset::ModalitySet;

use crate::mock::{Fault, Mock, Skills};
use crate::stage::{FORMS, Stage};

#[test]
fn a_server_of_everything() {
    let stage = Stage::new("openai", Mock::new(Skills::default()));
    let can = stage.server().unwrap().capabilities().clone();
    assert_eq!(
        (can.video, can.audio, can.is_strict),
        (Some(VideoForm::VideoUrl), Some(AudioForm::InputAudio), Some(false))
    );
    assert!(can.logprobs && can.letter_ids == Some(vec![65, 66, 67, 68, 69]) && can.names_replies);
    assert!(can.cost_usd.unwrap() > 0.0);
    // It was asked once: another session of the run knows.
    let asked = stage.mock.all().len();
    stage.server().unwrap();
    assert_eq!(stage.mock.all().len(), asked);
    stage.session(1);
    for question in stage.mock.questions() {
        assert_eq!(question.json["logprob_token_ids"], serde_json::json!([65, 66, 67, 68, 69]));
    }
    let record = &stage.records()[0];
    assert_eq!(record.served.as_ref().unwrap().letter_logprobs.as_ref().unwrap().len(), 5);
}

#[test]
fn what_is_left_out_silently_is_noticed() {
    let skills = Skills { token_ids: false, logprobs: false, choice: false, ..Skills::default() };
    let mut stage = Stage::of_words("openai", Mock::new(skills));
    let can = stage.server().unwrap().capabilities().clone();
    assert!(!can.logprobs && can.letter_ids.is_none() && can.is_strict == Some(false));
    assert!(can.notes.iter().any(|n| n.contains("without saying so")), "{:?}", can.notes);
    stage.condition.constrain = true;
    let error = stage.server().unwrap_err();
    assert!(error.to_string().contains("does not hold replies to a choice"), "{error}");
    let strict = Stage::of_words("openai", Mock::new(Skills { is_strict: true, ..Skills::default() }));
    assert_eq!(strict.server().unwrap().capabilities().is_strict, Some(true));
}

#[test]
fn a_server_that_does_not_look_at_media_is_refused() {
    let stage = Stage::new("openai", Mock::new(Skills { is_blind: true, ..Skills::default() }));
    let error = stage.server().unwrap_err().to_string();
    assert!(error.contains("not looked at"), "{error}");
    let stage = Stage::new("openai", Mock::new(Skills { audio: false, ..Skills::default() }));
    assert!(stage.server().unwrap_err().to_string().contains("input_audio"));
    let stage = Stage::new("openai", Mock::new(Skills { video: false, ..Skills::default() }));
    let server = stage.server().unwrap();
    assert_eq!(server.capabilities().video, Some(VideoForm::Frames));
    let settings = server.settings();
    assert_eq!((&settings["served"]["video"], &settings["served"]["frames"]), (&"frames".into(), &8.into()));
    let mut stage = stage;
    stage.condition.video = VideoForm::VideoUrl;
    assert!(stage.server().is_err());
}

#[test]
fn constrained_replies_are_among_the_eleven() {
    for form in FORMS {
        let mut stage = Stage::of_words(form, Mock::new(Skills::default()));
        stage.condition.constrain = true;
        stage.session(2);
        assert!(stage.records().iter().all(|r| r.reply.as_deref() == Some("A\nScore: -1.0")), "{form}");
    }
}

#[test]
fn gemini_s_probabilities_are_asked_for_once() {
    let stage = Stage::of_words("gemini", Mock::new(Skills { logprobs: false, ..Skills::default() }));
    stage.session(2);
    let with = stage
        .mock
        .all()
        .iter()
        .filter(|a| String::from_utf8_lossy(&a.body).contains("responseLogprobs"))
        .count();
    assert_eq!(with, 1);
    assert!(
        stage
            .records()
            .iter()
            .all(|r| r.served.as_ref().unwrap().letter_logprobs.is_none() && r.reply_letter.is_some())
    );
    let stage = Stage::of_words("gemini", Mock::new(Skills::default()));
    stage.session(1);
    assert!(stage.records().iter().all(|r| r.served.as_ref().unwrap().letter_logprobs.is_some()));
}

#[test]
fn nothing_leaves_the_machine_without_consent_and_key() {
    let find = |name: &str, access: Access, coalitions: &[ModalitySet]| {
        Server::find(&name.parse().unwrap(), emomm_api::Condition::default(), access, coalitions, None, true)
            .unwrap_err()
    };
    let away = || Access { base_url: Some("https://192.0.2.1".to_owned()), ..Access::default() };
    for coalition in ModalitySet::ALL.into_iter().filter(|c| !c.is_empty()) {
        for name in ["gemini:gemini-3-pro", "openai:https://192.0.2.1/v1#m"] {
            let error = find(name, away(), &[coalition]);
            assert!(matches!(error, ApiError::Consent { .. }), "{name} {coalition}: {error}");
        }
    }
    let missing = Access { key_file: Some("/nonexistent/key".into()), consent: true, ..away() };
    assert!(matches!(find("gemini:gemini-3-pro", missing, &[ModalitySet::FULL]), ApiError::Key { .. }));
    let no_price = Access { max_cost: Some(1.0), ..Access::default() };
    let error = find("openai:http://127.0.0.1:9/v1#unknown", no_price, &[ModalitySet::NONE]);
    assert!(error.to_string().contains("price table does not know"), "{error}");
    // Nobody listens there.
    let quick = Access { retries: Some(0), proxy: Some("off".to_owned()), ..Access::default() };
    let error = find("openai:http://127.0.0.1:9/v1#unknown", quick, &[ModalitySet::NONE]);
    assert!(matches!(error, ApiError::Server { .. }), "{error}");
}

#[test]
fn a_refused_first_question_says_why() {
    for form in FORMS {
        let stage = Stage::of_words(form, Mock::new(Skills::default()));
        stage.mock.plan(|_, _| Fault::None);
        let mut bad = Stage::of_words(form, stage.mock.clone());
        bad.access.base_url = Some(format!("{}/nowhere", stage.mock.base_url()));
        let error = bad.server().unwrap_err();
        assert!(error.to_string().contains("404"), "{form}: {error}");
    }
}

#[test]
fn a_number_of_frames_that_is_left_out_is_noticed() {
    let asks = |skills: Skills| {
        let mut stage = Stage::new("openai", Mock::new(skills));
        stage.condition.frames = Some(16);
        stage.coalitions = vec!["V".parse().unwrap()];
        stage
    };
    let stage = asks(Skills::default());
    assert_eq!(stage.server().unwrap().capabilities().heeds_frames, Some(true));
    stage.session(1);
    assert_eq!(stage.mock.questions()[0].json["media_io_kwargs"]["video"]["num_frames"], 16);
    let error = asks(Skills { frames: false, ..Skills::default() }).server().unwrap_err();
    assert!(error.to_string().contains("leaves out media_io_kwargs"), "{error}");
    // Frames that are sent are as many as were asked for.
    let mut stage = asks(Skills { frames: false, ..Skills::default() });
    stage.condition.video = VideoForm::Frames;
    stage.session(1);
    assert_eq!(String::from_utf8_lossy(&stage.mock.questions()[0].body).matches("image_url").count(), 2 * 15);
}

#[test]
fn a_form_that_was_chosen_is_not_taken_for_the_server_s_own() {
    let mut stage = Stage::new("openai", Mock::new(Skills::default()));
    stage.coalitions = vec!["V".parse().unwrap()];
    stage.condition.video = VideoForm::Frames;
    assert_eq!(stage.server().unwrap().capabilities().video, Some(VideoForm::Frames));
    stage.condition.video = VideoForm::Auto;
    assert_eq!(stage.server().unwrap().capabilities().video, Some(VideoForm::VideoUrl));
    // The resolved form, as `emomm retry` has it from the plan, needs no asking.
    let asked = stage.mock.all().len();
    stage.condition.video = VideoForm::VideoUrl;
    stage.server().unwrap();
    assert_eq!(stage.mock.all().len(), asked);
}

#[test]
fn a_remote_proxy_needs_consent_like_a_remote_server() {
    let mut stage = Stage::of_words("openai", Mock::new(Skills::default()));
    stage.access.proxy = Some("http://192.0.2.1:3128".to_owned());
    let error = stage.server().unwrap_err();
    assert!(matches!(&error, ApiError::Consent { url } if url.contains("192.0.2.1")), "{error}");
}

#[test]
fn a_seed_that_gemini_does_not_take_is_refused_before_anything_is_sent() {
    let mut stage = Stage::of_words("gemini", Mock::new(Skills::default()));
    stage.condition.repeats = 2;
    for (seed, is_taken) in [(2_147_483_646, true), (2_147_483_647, false), (u64::MAX, false)] {
        stage.condition.seed = Some(seed);
        assert_eq!(stage.server().is_ok(), is_taken, "{seed}");
    }
}
