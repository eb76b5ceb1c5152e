//! `emomm chase …` and `--steer` as processes, on the golden checkpoint and invented clips with true media.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use crate::checkpoint::golden;
use crate::invented_corpora::write_ch_sims;
use crate::media;
use crate::process::{Outcome, run};

/// A benchmark whose clips all show the same film, and a router trained on it.
pub(super) fn place() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chase-{}", std::process::id()));
        let corpus = folder.join("corpus");
        write_ch_sims(&corpus, true);
        let film = std::fs::read(media::file("clip.mp4")).unwrap();
        for (number, entry) in walk(&corpus.join("Raw")).into_iter().enumerate() {
            // A box that players skip tells the files apart.
            let mut bytes = film.clone();
            bytes.extend(12_u32.to_be_bytes());
            bytes.extend(b"free");
            bytes.extend((number as u32).to_be_bytes());
            std::fs::write(entry, bytes).unwrap();
        }
        let bench = folder.join("bench");
        let built = run([
            "build".as_ref(),
            "--ch-sims".as_ref(),
            corpus.as_os_str(),
            "--curate".as_ref(),
            "all".as_ref(),
            "--out".as_ref(),
            bench.as_os_str(),
        ]);
        assert_eq!(built.code, Some(0), "{built}");
        let trained =
            chase("train", &folder, &["--epochs", "2", "--limit", "4", "--json", "--out"], &["router"]);
        let printed = &trained.objects()[0];
        assert_eq!(printed["history"].as_array().unwrap().len(), 2);
        assert!(printed["n_train"].as_u64().unwrap() > 4, "{printed}");
        folder
    })
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Runs a command with model, benchmark and cache, then words, then paths under the folder.
pub(super) fn chase(command: &str, folder: &Path, words: &[&str], paths: &[&str]) -> Outcome {
    chase_with(&golden(), command, folder, words, paths)
}

fn chase_with(model: &Path, command: &str, folder: &Path, words: &[&str], paths: &[&str]) -> Outcome {
    let under = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let mut all = vec!["chase".to_owned(), command.to_owned()];
    all.extend(["--model".to_owned(), model.to_str().unwrap().to_owned()]);
    all.extend(["--bench".to_owned(), under("bench"), "--features".to_owned(), under("features")]);
    all.extend(words.iter().map(|w| (*w).to_owned()));
    all.extend(paths.iter().map(|p| under(p)));
    run(all)
}

pub(super) fn steered(command: &str, words: &[&str]) -> Outcome {
    let folder = place();
    let router = folder.join("router");
    let words = [&["--router", router.to_str().unwrap(), "--limit", "2"], words].concat();
    chase(command, folder, &words, &[])
}

/// How many records of each variant failed, as `chase eval --json` says.
pub(super) fn n_failed(done: &Outcome) -> Vec<Option<u64>> {
    let printed: Value = serde_json::from_str(done.stdout.trim()).unwrap();
    printed["variants"].as_array().unwrap().iter().map(|v| v["n_failed"].as_u64()).collect()
}

#[test]
fn every_variant_is_a_run_folder_and_the_same_command_goes_on() {
    let out = place().join("eval");
    let words = [
        "--variants",
        "paper,two_pass,shuffled_router,oracle_gate,constant_gate,always_on,random_heads,late_fusion,contrast,\
         calibration,video_boost,fixed_heads,two_pass+random_gate@3,prompt_hint",
        "--json",
        "--out",
        out.to_str().unwrap(),
    ];
    let first = steered("eval", &words).objects().remove(0);
    let variants = first["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 15);
    assert_eq!(variants[0]["name"], "baseline");
    for variant in variants {
        let name = variant["name"].as_str().unwrap();
        let all = &variant["all"];
        assert_eq!((all["n"].as_u64(), variant["n_failed"].as_u64()), (Some(8), Some(0)), "{name}");
        for key in ["acc", "macro_f1", "mae"] {
            assert!(all[key].is_number(), "{name} {key}");
        }
        for key in ["value", "low", "high", "p"] {
            assert!(all["delta"].get(key).is_some(), "{name} {key}");
        }
        let log = std::fs::read_to_string(out.join(name).join("log.jsonl")).unwrap();
        let records: Vec<Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(records.len(), 9, "{name}");
        assert_eq!(records[1]["status"], "ok");
        if name == "paper" {
            let layers = records[1]["steering"]["layers"].as_array().unwrap();
            assert_eq!(layers[0]["layer"], 2);
            assert!(layers[0]["gate"]["text"].is_number() || layers[0]["gate"]["video"].is_number());
        }
    }
    assert!(variants[0]["all"]["delta"]["value"].as_f64().unwrap().abs() < 1e-12);
    let index: Value = serde_json::from_slice(&std::fs::read(out.join("chase.json")).unwrap()).unwrap();
    assert_eq!(index["variants"].as_array().unwrap().len(), 15);
    assert_eq!(index["figures"], first);
    assert_eq!(steered("eval", &words).objects().remove(0), first);
}

/// Every step again on a checkpoint of the other family that can be steered, by the same commands: features, router, variants,
/// diagnosis, a steered prediction.
#[test]
fn another_family_is_trained_and_steered_by_the_same_commands() {
    let folder = place();
    let model = golden().join("../../../vita_1_5/inside/checkpoint");
    let vita =
        |command: &str, words: &[&str], paths: &[&str]| chase_with(&model, command, folder, words, paths);
    let read = vita("features", &["--limit", "2", "--json"], &[]).objects().remove(0);
    assert!(read["n_clips"].as_u64().unwrap() >= 2 && read["n_failed"] == 0, "{read}");
    let trained = vita("train", &["--epochs", "2", "--limit", "4", "--json", "--out"], &["vita-router"]);
    let printed = trained.objects().remove(0);
    assert_eq!(printed["history"].as_array().unwrap().len(), 2, "{printed}");
    assert!(printed["n_train"].as_u64().unwrap() > 4, "{printed}");

    let router = folder.join("vita-router");
    let router = router.to_str().unwrap();
    let variants = "paper,two_pass,always_on,random_heads,oracle_gate";
    let words = ["--router", router, "--limit", "2", "--variants", variants, "--json", "--out"];
    let evaluated = vita("eval", &words, &["vita-eval"]).objects().remove(0);
    let named = evaluated["variants"].as_array().unwrap();
    assert_eq!(named.len(), 6);
    for variant in named {
        assert_eq!((&variant["all"]["n"], &variant["n_failed"]), (&8.into(), &0.into()), "{variant}");
    }
    let log = |name: &str| -> Vec<Value> {
        let log = std::fs::read_to_string(folder.join("vita-eval").join(name).join("log.jsonl")).unwrap();
        log.lines().skip(1).map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let (plain, steered) = (log("baseline"), log("always_on"));
    // Three layers, of which the second and third may be steered; under every coalition of two or three something changes.
    for (before, after) in plain.iter().zip(&steered) {
        assert_eq!(after["steering"]["layers"].as_array().unwrap().last().unwrap()["layer"], 3);
        assert_ne!(before["letter_logits"], after["letter_logits"], "{after}");
    }
    let words = ["--router", router, "--limit", "2", "--split", "test", "--json"];
    assert_eq!(vita("diagnose", &words, &[]).objects()[0]["rows"].as_array().unwrap().len(), 4);

    std::fs::write(folder.join("vita.toml"), "router = \"vita-router\"\nconflict_threshold = 0.0\n").unwrap();
    let clip = media::file("clip.mp4");
    let predict = |more: &[&std::ffi::OsStr]| {
        let words = ["predict", "--text", "hello", "--json", "--attention", "--video"];
        let words = words.map(std::ffi::OsString::from).into_iter().chain([clip.clone().into()]);
        let words =
            words.chain(["--audio".into(), clip.clone().into(), "--model".into(), model.clone().into()]);
        run(words.chain(more.iter().map(std::ffi::OsString::from))).objects().remove(0)
    };
    let (plain, steered) =
        (predict(&[]), predict(&["--steer".as_ref(), folder.join("vita.toml").as_os_str()]));
    assert_eq!(plain["nmas"]["audio"].as_array().unwrap().len(), 3);
    assert_ne!(plain["letter_logits"], steered["letter_logits"]);
    assert!(steered["steering"]["layers"].as_array().unwrap().iter().any(|l| l["steered"] == true));
}

/// A run says how missing modalities were kept out, goes on only so, and its records have keys of their own.
#[test]
fn the_way_missing_modalities_are_kept_out_is_part_of_plan_and_keys() {
    let folder = place();
    let words = |missing: &str, out: &str, more: &[&str]| {
        let (model, bench) = (golden(), folder.join("bench"));
        let fixed =
            ["eval", "--cache", "off", "--limit", "2", "--coalitions", "TAV,TA,V", "--missing", missing];
        let paths = [("--model", model), ("--bench", bench), ("--out", folder.join(out))];
        let paths =
            paths.iter().flat_map(|(name, path)| [(*name).to_owned(), path.to_str().unwrap().to_owned()]);
        run(fixed.iter().chain(more).map(|w| (*w).to_owned()).chain(paths))
    };
    let lines = |out: &str| -> Vec<Value> {
        let log = std::fs::read_to_string(folder.join(out).join("log.jsonl")).unwrap();
        log.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let mut keys = std::collections::BTreeSet::new();
    for missing in ["omit", "blank", "mask"] {
        let out = format!("missing-{missing}");
        let done = words(missing, &out, &[]);
        assert_eq!(done.code, Some(0), "{done}");
        let lines = lines(&out);
        let said = &lines[0]["plan"]["settings"]["missing"];
        assert_eq!(said, &if missing == "omit" { Value::Null } else { missing.into() });
        for record in &lines[1..] {
            assert!(record["letter_mass"]["bare"].is_number(), "{record}");
            assert!(keys.insert(record["key"].as_str().unwrap().to_owned()), "{record}");
        }
    }
    assert_eq!(keys.len(), 18);
    let other = words("blank", "missing-mask", &[]);
    assert_eq!(other.code, Some(2), "{other}");
    assert!(other.to_string().contains("missing"), "{other}");
    let planned = words("mask", "missing-plan", &["--dry-run", "--json"]).objects().remove(0);
    let read = lines("missing-mask")[1..].iter().map(|r| r["tokens"]["total"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(planned["tokens"]["prompts"].as_f64(), Some(read as f64), "{planned}");

    // Features of another way are others, and a router says where it does not fit.
    let router = folder.join("router");
    let chosen =
        ["--router", router.to_str().unwrap(), "--limit", "1", "--missing", "mask", "--variants", "paper"];
    let out = folder.join("missing-chase");
    let words = [&chosen[..], &["--json", "--out", out.to_str().unwrap()]].concat();
    let steered = chase("eval", folder, &words, &[]);
    assert_eq!(steered.code, Some(0), "{steered}");
    assert!(steered.to_string().contains("trained with --missing omit"), "{steered}");
    let log = std::fs::read_to_string(out.join("paper/log.jsonl")).unwrap();
    let header: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(header["plan"]["settings"]["missing"], "mask");
}

/// A router of full clips knows no mean gate of masked copies: the variant that needs it fails there, and no other.
#[test]
fn what_one_variant_lacks_fails_that_one_alone() {
    let folder = place();
    let words = ["--epochs", "1", "--limit", "4", "--full-only", "--out"];
    let trained = chase("train", folder, &words, &["full-router"]);
    assert_eq!(trained.code, Some(0), "{trained}");
    let (router, out) = (folder.join("full-router"), folder.join("lacking"));
    let words = [
        &["--router", router.to_str().unwrap(), "--limit", "2", "--coalitions", "TAV,TA"][..],
        &["--variants", "paper,constant_gate", "--json", "--out", out.to_str().unwrap()],
    ]
    .concat();
    let done = chase("eval", folder, &words, &[]);
    assert_eq!(done.code, Some(1), "{done}");
    assert_eq!(n_failed(&done), [Some(0), Some(0), Some(2)], "{done}");
    let log = std::fs::read_to_string(out.join("constant_gate/log.jsonl")).unwrap();
    for record in log.lines().skip(1).map(|l| serde_json::from_str::<Value>(l).unwrap()) {
        let is_full = record["coalition"] == "TAV";
        assert_eq!(record["status"], if is_full { "ok" } else { "error" }, "{record}");
        let said = record["error"]["message"].as_str().unwrap_or_default();
        assert!(is_full || said.contains("needs a mean gate from training"), "{record}");
    }
}

/// What was learnt from is no evidence: the command warns, and the report's page says so, too.
#[test]
fn figures_on_the_split_that_the_router_was_trained_on_are_no_evidence() {
    let eval = |split: &str| {
        let out = place().join(format!("on-{split}"));
        let done = steered(
            "eval",
            &["--variants", "paper", "--split", split, "--json", "--out", out.to_str().unwrap()],
        );
        let index: Value = serde_json::from_slice(&std::fs::read(out.join("chase.json")).unwrap()).unwrap();
        (done, index["caveats"].as_array().unwrap().clone(), out)
    };
    let (test, caveats, _) = eval("test");
    assert!(!test.stderr.contains("no evidence") && caveats.is_empty(), "{test}");
    let (train, caveats, out) = eval("train");
    let said =
        "the router was trained on 2 of the 2 clips that are measured: their figures here are no evidence";
    assert!(train.stderr.contains(&format!("warning: {said}")), "{train}");
    assert_eq!(caveats, [said]);
    let page = out.join("report.html");
    let report = run(["report".as_ref(), out.as_os_str(), "--out".as_ref(), page.as_os_str()]);
    assert_eq!(report.code, Some(0), "{report}");
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.contains("Caveat: the router was trained on 2 of the 2 clips"), "{report}");
    // The same clips in another benchmark are found out, too.
    let (folder, corpus) = (place().join("anew"), place().join("corpus"));
    let bench = folder.join("bench");
    let words = ["build".as_ref(), "--curate".as_ref(), "all".as_ref(), "--seed".as_ref(), "5".as_ref()];
    let paths = ["--ch-sims".as_ref(), corpus.as_os_str(), "--out".as_ref(), bench.as_os_str()];
    let built = run(words.into_iter().chain(paths));
    assert_eq!(built.code, Some(0), "{built}");
    let router = place().join("router");
    let words = [
        &["--router", router.to_str().unwrap(), "--variants", "paper", "--coalitions", "TA"][..],
        &["--split", "train,valid,test", "--out"],
    ]
    .concat();
    let done = chase("eval", &folder, &words, &["run"]);
    assert!(done.stderr.contains("the router was trained on 4 of the 48 clips that are measured"), "{done}");
}

/// A file that cannot be read is a record of its own status, and the run goes on.
#[test]
fn a_medium_that_cannot_be_read_is_a_media_error_of_its_clip() {
    let folder = place().join("damaged");
    let bench = folder.join("bench");
    std::fs::create_dir_all(&bench).unwrap();
    for file in std::fs::read_dir(place().join("bench")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), bench.join(file.file_name())).unwrap();
    }
    // The same corpus, one film of which is no film.
    let manifest = run(["stats".as_ref(), bench.as_os_str(), "--json".as_ref()]);
    assert_eq!(manifest.code, Some(0), "{manifest}");
    let (from, to) = (place().join("corpus"), folder.join("corpus"));
    for path in walk(&from) {
        let copy = to.join(path.strip_prefix(&from).unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::write(
            copy,
            if path.extension().is_some_and(|e| e == "mp4") {
                b"no film".to_vec()
            } else {
                std::fs::read(path).unwrap()
            },
        )
        .unwrap();
    }
    let roots = std::fs::read_to_string(bench.join("roots.json")).unwrap();
    let (old, new) = (from.to_str().unwrap(), to.to_str().unwrap());
    assert!(roots.contains(old), "{roots}");
    std::fs::write(bench.join("roots.json"), roots.replace(old, new)).unwrap();
    let router = place().join("router");
    let words = [
        "--router",
        router.to_str().unwrap(),
        "--limit",
        "1",
        "--variants",
        "paper",
        "--cache",
        "off",
        "--json",
        "--out",
    ];
    let done = chase("eval", &folder, &words, &["run"]);
    assert_eq!(done.code, Some(1), "{done}");
    let log = std::fs::read_to_string(folder.join("run/paper/log.jsonl")).unwrap();
    let records: Vec<Value> = log.lines().skip(1).map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(!records.is_empty());
    for record in records {
        assert_eq!(
            (record["status"].as_str(), record["error"]["kind"].as_str()),
            (Some("media_error"), Some("media")),
            "{record}"
        );
    }
}

#[test]
fn sweeps_ablations_diagnoses_and_traces_print_what_the_contract_says() {
    let grid = ["--grid", "conflict_threshold = [0.0, 0.5]; n_heads_steered = [1, \"all\"]", "--json"];
    let sweep = steered("sweep", &grid).objects().remove(0);
    assert_eq!((sweep["n_points"].as_u64(), sweep["points"].as_array().unwrap().len()), (Some(4), 4));
    assert!(sweep["points"][3]["subsets"]["all"]["acc"].is_number());

    let out = place().join("ablate");
    let ablate = steered("ablate", &["--json", "--out", out.to_str().unwrap()]).objects().remove(0);
    assert_eq!(ablate["variants"].as_array().unwrap().len(), 9);
    assert!(!ablate["without_router"].as_array().unwrap().is_empty());

    // A file of one's own has the same ablations.
    let (file, out) = (place().join("mine.toml"), place().join("ablate-mine"));
    std::fs::write(&file, "preset = \"two_pass\"\nconflict_threshold = 0.0\n").unwrap();
    let words =
        ["--base", file.to_str().unwrap(), "--json", "--out", out.to_str().unwrap(), "--coalitions", "TAV"];
    let own = steered("ablate", &words).objects().remove(0);
    let names: Vec<&str> =
        own["variants"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(names[..5], ["baseline", "mine", "mine+no_inter", "mine+no_intra", "mine+no_router@1"]);

    let diagnose =
        steered("diagnose", &["--split", "test", "--threshold", "0.5", "--json"]).objects().remove(0);
    let rows = diagnose["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows[0]["diagnosis"].get("joint_by_layer").is_some());

    let folder = place();
    let trace = chase("trace", folder, &["--limit", "1", "--window", "2", "--json"], &[]).objects().remove(0);
    assert_eq!((trace["window"].as_u64(), trace["n_layers"].as_u64()), (Some(2), Some(4)));
    let text = &trace["groups"][0]["modalities"]["video"];
    assert_eq!(text.as_array().map(Vec::len), Some(3), "{trace}");
}

#[test]
fn a_static_bias_is_chosen_on_the_validation_split_and_measuring_there_is_warned_of() {
    let grid =
        "static_bias = [{ text = 0.0, audio = 0.0, video = 9.0 }, { text = 9.0, audio = 0.0, video = 0.0 }]";
    let words = ["--tune=static_bias", "--split", "valid", "--grid", grid, "--json"];
    let sweep = steered("sweep", &words).objects().remove(0);
    assert_eq!((sweep["n_points"].as_u64(), sweep["base"].as_str()), (Some(2), Some("baseline")));
    let chosen = std::fs::read_to_string(place().join("router/static_bias.toml")).unwrap();
    assert!(chosen.contains("[static_bias]") && chosen.contains("9.0"), "{chosen}");
    let eval = |split: &str| {
        let out = place().join(format!("static-{split}"));
        steered(
            "eval",
            &["--variants", "static_bias", "--split", split, "--json", "--out", out.to_str().unwrap()],
        )
    };
    assert!(eval("valid").stderr.contains("its figures here are no evidence"));
    let test = eval("test");
    assert!(!test.stderr.contains("no evidence"), "{test}");
    assert_eq!(test.objects()[0]["variants"][1]["name"], "static_bias");
    steered("sweep", &["--tune", "--development", "--split", "train,valid"]).refused(2, &["train split"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = place();
    steered("eval", &["--variants", "nonsense", "--out", "/nowhere"]).refused(2, &["--variants nonsense"]);
    steered("eval", &["--variants", "tuned", "--out", "/nowhere"]).refused(2, &["variant `tuned`"]);
    steered("sweep", &["--tune"]).refused(2, &["--split valid"]);
    let told = ["--tune", "--split", "valid", "--grid", "gate = [\"router\", \"oracle\"]"];
    steered("sweep", &told).refused(2, &["--tune among points that are told the labels"]);
    steered("sweep", &["--grid", "text_scope = [\"all_text\"]"]).refused(
        2,
        &["`text_scope` is \"all_text\", expected \"transcript\", with which the router was trained"],
    );
    for (option, value, said) in [
        ("--conflict", "ordinal", "`conflict` is \"ordinal\", expected \"class\" or \"polarity\""),
        ("--preference-temperature", "0", "`preference_temperature` is 0"),
        ("--preference-scale", "nan", "`preference_scale` is NaN"),
        ("--gate-epsilon", "0", "`gate_epsilon` is 0"),
        ("--width", "0", "`width` is 0"),
        ("--first-layer", "5", "--first-layer 5: expected a layer from 1 to 4"),
    ] {
        chase("train", folder, &[option, value, "--out", "/nowhere"], &[]).refused(2, &[said]);
    }
    steered("sweep", &["--grid", "conflict_threshold = [1.5]"]).refused(2, &["`conflict_threshold` is 1.5"]);
    steered("sweep", &["--grid", "max_sterring = [1.0]"])
        .refused(2, &["--grid, point 1: unknown field `max_sterring`"]);
    let (list, router) = (folder.join("points.toml"), folder.join("router"));
    std::fs::write(&list, "[[point]]\nmax_steering = 0.5\n[[point]]\nmax_steering = 1.5\n").unwrap();
    steered("sweep", &["--list", list.to_str().unwrap()])
        .refused(2, &["--list, point 2: `max_steering` is 1.5"]);
    let alone = ["--variants", "shuffled_router", "--limit", "1", "--out", "/nowhere"];
    let words = [&["--router", router.to_str().unwrap()], &alone[..]].concat();
    chase("eval", folder, &words, &[]).refused(2, &["one clip is selected"]);
    let other = golden().join("../../full_prefixed/checkpoint");
    let foreign = run([
        "chase".as_ref(),
        "eval".as_ref(),
        "--model".as_ref(),
        other.as_os_str(),
        "--bench".as_ref(),
        folder.join("bench").as_os_str(),
        "--router".as_ref(),
        router.as_os_str(),
        "--variants".as_ref(),
        "paper".as_ref(),
        "--out".as_ref(),
        folder.join("foreign").as_os_str(),
    ]);
    foreign.refused(4, &["the router was trained on model"]);

    // Four layers and four heads.
    for (line, said) in [
        ("router_first_layer = 5", "`router_first_layer` is 5"),
        ("importance = \"gradient_layer_input\"\nrouter_first_layer = 4", "router_first_layer below 4"),
        ("head_selection = \"fixed\"\nheads = [[2, 4]]", "`heads` is [2, 4]"),
        ("conflict_threshold = -0.5", "`conflict_threshold` is -0.5"),
    ] {
        let file = folder.join("unfit.toml");
        std::fs::write(&file, format!("router = \"router\"\n{line}\n")).unwrap();
        let model = golden();
        let words = ["predict", "--text", "hello", "--model", model.to_str().unwrap(), "--steer"];
        run(words.into_iter().chain([file.to_str().unwrap()])).refused(2, &[said]);
    }
}
