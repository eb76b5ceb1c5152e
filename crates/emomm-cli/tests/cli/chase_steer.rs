//! `--steer` of `predict`, `eval` and `retry` as processes, with the router of the sibling module.

use std::path::Path;

use serde_json::Value;

use crate::chase::place;
use crate::checkpoint::golden;
use crate::media;
use crate::process::run;

/// A router that reads other prompts than it was trained on says so, wherever it steers.
#[test]
fn a_router_of_another_way_of_missing_modalities_is_warned_of_with_steer_too() {
    let folder = place();
    let file = folder.join("plain-paper.toml");
    std::fs::write(&file, "router = \"router\"\nconflict_threshold = 0.0\n").unwrap();
    let (model, bench) = (golden(), folder.join("bench"));
    let path = |p: &Path| p.to_str().unwrap().to_owned();
    let (clip, out) = (media::file("clip.mp4"), folder.join("missing-steered"));
    let fixed = |command: &str| {
        [command.to_owned(), "--model".to_owned(), path(&model), "--steer".to_owned(), path(&file)]
    };
    let predict = |missing: &[&str]| {
        let words = ["--text", "hello", "--coalition", "T", "--video", clip.to_str().unwrap()];
        run(fixed("predict").into_iter().chain(words.iter().chain(missing).map(|w| (*w).to_owned())))
    };
    let eval = run(fixed("eval").into_iter().chain(
        [
            "--bench",
            bench.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
            "--cache",
            "off",
            "--limit",
            "1",
        ]
        .into_iter()
        .chain(["--coalitions", "T", "--missing", "mask"])
        .map(str::to_owned),
    ));
    for (asked, is_warned) in [
        (predict(&[]), false),
        (predict(&["--missing", "omit"]), false),
        (predict(&["--missing", "blank"]), true),
        (predict(&["--missing", "mask"]), true),
        (eval, true),
    ] {
        assert_eq!(asked.code, Some(0), "{asked}");
        assert_eq!(asked.stderr.contains("the router was trained with --missing omit"), is_warned, "{asked}");
    }
}

#[test]
fn a_decision_row_can_be_had_in_full() {
    let folder = place();
    let file = folder.join("row.safetensors");
    let steer = folder.join("hide.toml");
    std::fs::write(
        &steer,
        "preset = \"baseline\"\n[[intervention]]\nmodality = \"video\"\nbias = \"-inf\"\n",
    )
    .unwrap();
    let clip = media::file("clip.mp4");
    let row = |words: &[&str]| {
        let fixed = ["predict", "--model", golden().to_str().unwrap(), "--video", clip.to_str().unwrap()]
            .map(str::to_owned);
        let more = ["--text", "hello", "--json", "--decision-out", file.to_str().unwrap()].map(str::to_owned);
        let words = words.iter().map(|w| (*w).to_owned());
        let answer = run(fixed.into_iter().chain(more).chain(words).collect::<Vec<_>>()).objects().remove(0);
        let bytes = std::fs::read(&file).unwrap();
        // Safetensors by hand: length of the header, header, data.
        let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let header: Value = serde_json::from_slice(header).unwrap();
        assert_eq!(header["__metadata__"]["coalition"], "TV");
        let tensor = |name: &str| -> (Vec<usize>, &[u8]) {
            let numbers = |key: &str| -> Vec<usize> {
                header[name][key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
            };
            let place = numbers("data_offsets");
            (numbers("shape"), &data[place[0]..place[1]])
        };
        let floats = |name: &str| -> (Vec<usize>, Vec<f32>) {
            let (shape, data) = tensor(name);
            (shape, data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
        };
        let classes = tensor("token_classes").1.to_vec();
        (answer, floats("attention"), floats("letter_logits"), floats("residuals").0, classes)
    };
    let video_mass = |(shape, values): &(Vec<usize>, Vec<f32>), classes: &[u8]| -> f32 {
        let n = shape[2];
        values.iter().enumerate().filter(|(i, _)| classes[i % n] == 2).map(|(_, v)| v).sum()
    };
    for (words, sees) in [(&[][..], true), (&["--steer", steer.to_str().unwrap()][..], false)] {
        let (answer, attention, letters, residuals, classes) = row(words);
        assert_eq!(attention.0[0] + 1, letters.0[0]);
        assert_eq!((letters.0[1], residuals[0], classes.len()), (5, letters.0[0], attention.0[2]));
        // Every head's row sums to 1; the last letters are those of the answer.
        for row in attention.1.chunks(attention.0[2]) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        for (i, letter) in ["A", "B", "C", "D", "E"].iter().enumerate() {
            let last = letters.1[letters.1.len() - 5 + i];
            let said = answer["letter_logits"][letter].as_f64().unwrap() as f32;
            assert!((last - said).abs() < 1e-4, "{last} {said}");
        }
        assert_eq!(video_mass(&attention, &classes) > 0.0, sees);
    }
}

#[test]
fn a_steered_run_is_retried_with_its_router() {
    let folder = place();
    let (steer, out) = (folder.join("retry.toml"), folder.join("steered-run"));
    std::fs::write(&steer, "conflict_threshold = 0.0\n").unwrap();
    let under = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let mut words = vec!["eval".to_owned(), "--model".to_owned(), golden().to_str().unwrap().to_owned()];
    words.extend(["--bench".to_owned(), under("bench"), "--out".to_owned(), under("steered-run")]);
    words.extend(["--steer".to_owned(), under("retry.toml"), "--router".to_owned(), under("router")]);
    words.extend(["--limit", "1", "--coalitions", "TV", "--cache", "off"].map(str::to_owned));
    let done = run(words);
    assert_eq!(done.code, Some(0), "{done}");
    // The one answer is made an error.
    let log = out.join("log.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    let (header, record) = text.trim_end().split_once('\n').unwrap();
    let record: Value = serde_json::from_str(record).unwrap();
    let mut failed = record.clone();
    failed["status"] = Value::from("error");
    failed["letter_logits"] = Value::Null;
    std::fs::write(&log, format!("{header}\n{failed}\n")).unwrap();
    let retry = |router: Option<&str>| {
        let mut words = vec!["retry".to_owned(), under("steered-run")];
        words.extend(router.into_iter().flat_map(|r| ["--router".to_owned(), under(r)]));
        run(words)
    };
    retry(None).refused(2, &["expected --router"]);
    retry(Some("nowhere")).refused(3, &["nowhere"]);
    let again = retry(Some("router"));
    assert_eq!(again.code, Some(0), "{again}");
    let text = std::fs::read_to_string(&log).unwrap();
    let last: Value = serde_json::from_str(text.trim_end().lines().last().unwrap()).unwrap();
    assert_eq!(last["letter_logits"], record["letter_logits"]);
    assert_eq!(last["steering"], record["steering"]);
}

#[test]
fn a_prediction_is_steered_by_a_file() {
    let folder = place();
    let predict = |name: &str, file: Option<&str>| {
        let path = folder.join(name);
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let clip = media::file("clip.mp4");
        let mut words = vec![
            "predict".to_owned(),
            "--model".to_owned(),
            golden().to_str().unwrap().to_owned(),
            "--video".to_owned(),
            clip.to_str().unwrap().to_owned(),
            "--text".to_owned(),
            "hello".to_owned(),
            "--json".to_owned(),
        ];
        if file.is_some() {
            words.extend(["--steer".to_owned(), path.to_str().unwrap().to_owned()]);
        }
        run(words)
    };
    let plain = predict("none", None).objects().remove(0);
    assert!(plain.get("steering").is_none());
    let nothing = predict("nothing.toml", Some("preset = \"baseline\"")).objects().remove(0);
    assert_eq!(nothing["letter_logits"], plain["letter_logits"]);
    let hidden = "preset = \"baseline\"\n[[intervention]]\nmodality = \"video\"\nbias = \"-inf\"\n";
    let hidden = predict("hidden.toml", Some(hidden)).objects().remove(0);
    assert_ne!(hidden["letter_logits"], plain["letter_logits"]);
    assert_eq!(hidden["steering"]["layers"].as_array().unwrap().len(), 4);
    let steered = "router = \"router\"\nconflict_threshold = 0.0\n";
    let steered = predict("steered.toml", Some(steered)).objects().remove(0);
    assert_ne!(steered["letter_logits"], plain["letter_logits"]);
    assert_eq!(steered["steering"]["layers"][0]["steered"], true);
    predict("typo.toml", Some("conflict_treshold = 0.5")).refused(2, &["typo.toml", "conflict_treshold"]);
    predict("alone.toml", Some("preset = \"paper\"")).refused(2, &["needs a router"]);
    predict("labels.toml", Some("preset = \"oracle\"")).refused(2, &["needs labels"]);
    predict("named.toml", Some("preset = \"tuned\""))
        .refused(2, &["named.toml", "does not hold its settings"]);
    let beyond = "preset = \"baseline\"\n[[intervention]]\ntokens = [90000, 90002]\nbias = 1\n";
    let beyond = predict("beyond.toml", Some(beyond));
    assert!(
        beyond.stderr.contains("`intervention.tokens` is [90000, 90002], expected a start below"),
        "{beyond}"
    );
    assert_ne!(beyond.code, Some(0), "{beyond}");
}
