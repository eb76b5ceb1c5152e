//! `synth`, and what `build`, `verify` and `stats` make of its world.

use std::ffi::OsString;
use std::path::Path;

use crate::process::{Outcome, run};

fn synth(folder: &Path, clips: &str, more: &[&str]) -> Outcome {
    let first = [OsString::from("synth"), folder.into(), "--clips".into(), clips.into()];
    run(first.into_iter().chain(more.iter().map(OsString::from)))
}

fn on(command: &str, path: &Path, more: &[OsString]) -> Outcome {
    let first = [OsString::from(command), path.into(), "--json".into()];
    run(first.into_iter().chain(more.iter().cloned()))
}

#[test]
fn a_world_is_written_built_verified_described_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (world, bench) = (folder.path().join("world"), folder.path().join("bench"));
    let written = synth(&world, "10", &["--seed", "6", "--json"]);
    let object = &written.objects()[0];
    let keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "out",
        "synthetic",
        "clips",
        "made",
        "kept",
        "seed",
        "ch_sims",
        "cmu_mosi",
        "cmu_mosi_original",
        "cmu_mosi_labels",
        "speakers",
        "truth",
        "world",
    ];
    assert_eq!(keys, expected);
    assert_eq!((&object["clips"], &object["made"], &object["kept"]), (&20.into(), &20.into(), &0.into()));
    for key in ["ch_sims", "cmu_mosi", "cmu_mosi_labels", "speakers", "truth", "world"] {
        assert!(Path::new(object[key].as_str().unwrap()).exists(), "{key}");
    }

    let named = [("--ch-sims", "ch_sims"), ("--mosi", "cmu_mosi"), ("--mosi-labels", "cmu_mosi_labels")];
    let options = named.iter().flat_map(|(o, key)| [OsString::from(o), object[key].as_str().unwrap().into()]);
    let first = ["build", "--json", "--curate", "all", "--out"].map(OsString::from);
    let built = run(first.into_iter().chain([bench.clone().into()]).chain(options));
    assert_eq!(built.objects()[0]["counts"]["clips"], 20);
    assert_eq!(on("verify", &bench, &["--media".into()]).objects()[0]["holds"], true);
    let stats = &on("stats", &bench, &[]).objects()[0];
    for corpus in ["ch-sims", "cmu-mosi"] {
        let subsets = &stats[corpus]["subsets"];
        // 46.3, 25.8 and 27.9 % of 10.
        assert_eq!((&subsets["conflict"], &subsets["equal"]), (&5.into(), &2.into()), "{corpus}");
        assert_eq!(subsets["same-polarity"], 3, "{corpus}");
    }

    let again = synth(&world, "10", &["--seed", "6"]);
    assert!(again.stdout.contains("(0 made, 20 kept)"), "{again}");
    let refused = synth(&world, "10", &["--seed", "7"]);
    assert_eq!(refused.code, Some(2), "{refused}");
    assert!(refused.stderr.contains("with seed 6, asked for was 7"), "{refused}");
    assert!(refused.stderr.contains("hint: "), "{refused}");
}

#[test]
fn wrong_options_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("world");
    let wrong: [&[&str]; 5] = [
        &["--seed", "1", "--mix", "conflict=-1"],
        &["--seed", "1", "--mix", "opposite=1"],
        &["--seed", "1", "--mix", "equal=1", "--aligned-only"],
        &["--seed", "1", "--jobs", "0"],
        &[],
    ];
    for options in wrong {
        let outcome = synth(&world, "3", options);
        assert_eq!(outcome.code, Some(2), "{options:?}: {outcome}");
    }
    assert_eq!(synth(&world, "0", &["--seed", "1"]).code, Some(2));
    assert!(!world.exists());
}
