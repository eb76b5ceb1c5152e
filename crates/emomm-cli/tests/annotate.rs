//! `emomm annotate` as a process: from a demo project to labels, and what is refused.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn emomm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_emomm")).arg("annotate").args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_demo_project_is_served_counted_exported_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let made = emomm(&["demo", "--out", word(&out), "--no-serve", "--json"]);
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    let made = json(&made);
    assert_eq!(made["invitations"].as_array().unwrap().len(), 3);
    let project = made["project"].as_str().unwrap().to_owned();
    let invitation = made["invitations"][1]["path"].as_str().unwrap();

    // Served on a free port; the invitation leads to a form.
    let mut server = Command::new(env!("CARGO_BIN_EXE_emomm"))
        .args(["annotate", "serve", &project, "--bind", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "GET {invitation} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\naccept: text/html\r\n\r\n"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("In this project you are A1"), "{reply}");
    // The project can be looked at and copied meanwhile.
    let status = json(&emomm(&["status", &project, "--json"]));
    assert_eq!((status["clips"].as_i64(), status["done"].as_i64()), (Some(16), Some(0)));
    assert_eq!(status["annotators"].as_array().unwrap().len(), 2);
    let backup = folder.path().join("backup");
    let copied = json(&emomm(&["backup", &project, word(&backup), "--json"]));
    assert_eq!(copied["blobs"], 40);
    server.kill().unwrap();
    server.wait().unwrap();

    let verified = json(&emomm(&["verify", &project, "--json"]));
    assert_eq!(verified["holds"], true, "{verified}");
    assert_eq!(verified["head"], copied["head"]);
    let head = verified["head"].as_str().unwrap();
    assert_eq!(emomm(&["verify", &project, "--head", head]).status.code(), Some(0));
    assert_eq!(emomm(&["verify", &project, "--head", "00ff"]).status.code(), Some(1));

    let restored = folder.path().join("restored");
    assert_eq!(json(&emomm(&["restore", word(&backup), word(&restored), "--json"]))["holds"], true);
    let invited = json(&emomm(&["invite", word(&restored), "L1", "--json"]));
    assert_eq!(invited["role"], "lead");

    let labels = folder.path().join("labels");
    let exported = json(&emomm(&["export", &project, "--out", word(&labels), "--json"]));
    assert_eq!(exported["clips"], 16);
    let table = std::fs::read_to_string(labels.join("labels_cmu-mosi.csv")).unwrap();
    assert!(table.starts_with("seq,clip,label_T,label_A,label_V\n1,"), "{table}");
    assert_eq!(json(&emomm(&["agreement", &project, "--json"]))["modalities"], serde_json::json!({}));
}

#[test]
fn agreement_of_a_file_of_votes() {
    let folder = tempfile::tempdir().unwrap();
    let votes = folder.path().join("votes.csv");
    let mut text = "seq,clip,T_1,T_2,T_3,A_1,A_2,A_3\n".to_owned();
    for i in 0..30 {
        let base = i % 3 - 1;
        let other = if i % 5 == 0 { 0 } else { base };
        writeln!(text, "{i},v{}_{i},{base},{base},{other},{base},{base},{base}", i / 3).unwrap();
    }
    std::fs::write(&votes, text).unwrap();
    let figures = json(&emomm(&["agreement", word(&votes), "--resamples", "100", "--json"]));
    let text = &figures["modalities"]["text"];
    assert_eq!((text["n_items"].as_i64(), text["n_votes"].as_i64()), (Some(30), Some(90)));
    let alpha = &text["alpha_ordinal"];
    let value = |key: &str| alpha[key].as_f64().unwrap();
    assert!(value("low") <= value("value") && value("value") <= value("high") && value("high") <= 1.0);
    assert_eq!(figures["modalities"]["audio"]["fleiss_kappa"]["value"], 1.0);
    assert_eq!(figures["modalities"]["audio"]["pairs"].as_array().unwrap().len(), 3);
    assert!(figures["modalities"]["video"].is_null());

    std::fs::write(&votes, "seq,clip,T_1\n1,v_1,often\n").unwrap();
    let output = emomm(&["agreement", word(&votes)]);
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("row 2: found often") && told.contains("hint:"), "{told}");
}

#[test]
fn what_cannot_be_done_is_told_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("nothing");
    for (arguments, code, words) in [
        (vec!["status", word(&nothing)], 3, "no project.db"),
        (vec!["serve", word(&nothing), "--tls-cert", "x.pem"], 2, "--tls-key"),
        (vec!["init", word(&nothing)], 2, "--mosi"),
        (vec!["init", word(&nothing), "--mosi", word(&nothing), "--bench", "x"], 2, "cannot be used with"),
        (vec!["init", word(&nothing), "--folder", word(&nothing)], 3, "nothing"),
        (
            vec!["init", word(&nothing), "--folder", word(&nothing), "--repeats", "2"],
            2,
            "a share from 0 to 0.5",
        ),
        (vec!["restore", word(&nothing), word(folder.path())], 3, "backup.json"),
    ] {
        let output = emomm(&arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
    assert!(!nothing.exists(), "nothing was made");
}
