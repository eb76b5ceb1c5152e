//! Runs that are killed, interrupted, or started twice: nothing that was acknowledged is lost or computed twice.

use std::collections::BTreeSet;
use std::fs;
#[cfg(unix)]
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
#[cfg(unix)]
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::tempdir;

use crate::eval_stage::{CLIPS, eval, log};
use crate::process::finish;

/// Kills of the test; `cargo xtask soak` asks for more.
fn n_kills() -> usize {
    std::env::var("EMOMM_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(50)
}

/// Slow enough to be caught in the middle, fast enough for a test.
const MODEL: &str = "fake:seed=7,ms=40";

fn start(out: &Path, acknowledged: &Path) -> Child {
    let mut command = eval(MODEL, out);
    command.args(["--jobs", "2", "--coalitions", "TAV,TA,TV,AV,none"]);
    command.env("EMOMM_TEST_ACKNOWLEDGED", acknowledged);
    quiet(&mut command).spawn().unwrap()
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}

/// Bits of a generator, so that every run of the test kills at other instants of the same sequence.
struct Instants(u64);

impl Instants {
    /// A time up to `most`.
    fn next(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most.mul_f64((self.0 % 1000) as f64 / 1000.0)
    }
}

/// The figures of a complete run: the same command again computes nothing and prints them.
fn score(run: &Path) -> Value {
    let done = finish(eval(MODEL, run).args(["--coalitions", "TAV,TA,TV,AV,none", "--json"]));
    let summary = &done.objects()[0];
    assert_eq!(summary["n_reused"], Value::from(CLIPS * 5), "{done}");
    summary["score"].clone()
}

#[test]
fn a_run_killed_at_random_instants_ends_as_one_that_was_not() {
    let folder = tempdir().unwrap();
    let plain = folder.path().join("plain");
    let begun = Instant::now();
    assert!(start(&plain, &folder.path().join("plain.keys")).wait().unwrap().success());
    // A part of what a whole run takes here and now, so that some kills come before the first record and all others
    // among them, however busy the machine is.
    let mut most = begun.elapsed() / 3;
    let expected = score(&plain);
    let mut instants = Instants(0x9E37_79B9_7F4A_7C15);
    let (mut n_killed, mut n_runs) = (0, 0);
    while n_killed < n_kills() {
        n_runs += 1;
        let run = folder.path().join(format!("run-{n_runs}"));
        let keys = folder.path().join(format!("run-{n_runs}.keys"));
        loop {
            let mut child = start(&run, &keys);
            thread::sleep(instants.next(most));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                break;
            }
            child.kill().unwrap();
            n_killed += usize::from(!child.wait().unwrap().success());
            // A machine that has become slower must not kill every process before its first record for ever.
            most = most.mul_f64(1.02);
        }
        check(&run, &keys);
        assert_eq!(score(&run), expected, "run {n_runs}");
    }
}

/// Every record once, and among them every one that was acknowledged.
fn check(run: &Path, acknowledged: &Path) {
    let lines = log(run);
    let keys: Vec<&str> =
        lines.iter().filter(|l| l.get("key").is_some()).map(|r| r["key"].as_str().unwrap()).collect();
    let distinct: BTreeSet<&str> = keys.iter().copied().collect();
    assert_eq!((keys.len(), distinct.len()), (CLIPS * 5, CLIPS * 5));
    let told = fs::read_to_string(acknowledged).unwrap();
    // The last line may be torn: it was told by a process that was then killed.
    let told: Vec<&str> = told.split_inclusive('\n').filter_map(|l| l.strip_suffix('\n')).collect();
    let lost: Vec<&&str> = told.iter().filter(|k| !distinct.contains(**k)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let once: BTreeSet<&str> = told.iter().copied().collect();
    assert_eq!(once.len(), told.len(), "acknowledged twice");
}

#[test]
fn a_second_process_on_the_same_run_is_refused() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let mut first = quiet(&mut eval("fake:hang=0", &run)).spawn().unwrap();
    wait_for(&run.join("log.jsonl"));
    let second = finish(&mut eval("fake:hang=0", &run));
    first.kill().unwrap();
    first.wait().unwrap();
    second.refused(2, &["another process writes to this run"]);
    assert!(second.stderr.contains(&format!("process {}", first.id())), "{second}");
    // With the first gone, its lock is gone.
    let third = finish(eval("fake:", &run).arg("--accept-changes"));
    assert_eq!(third.code, Some(0), "{third}");
}

fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{} did not come", path.display());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[cfg(unix)]
fn the_first_interrupt_drains_and_the_second_stops() {
    let folder = tempdir().unwrap();
    let drained = folder.path().join("drained");
    let mut child =
        eval("fake:ms=40", &drained).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_records(&drained, 8);
    signal(&child, "INT");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let n = log(&drained).len() - 1;
    assert!((8..CLIPS * 8).contains(&n) && n.is_multiple_of(8), "{n}");
    // The same command goes on and ends.
    let again = finish(eval("fake:ms=0", &drained).arg("--json"));
    assert_eq!(again.objects()[0]["n_reused"], Value::from(n), "{again}");

    let stopped = folder.path().join("stopped");
    let mut command = eval("fake:hang=0002", &stopped);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_records(&stopped, 8);
    ask_until_answering(&mut child, "0002");
    signal(&child, "TERM");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(child.try_wait().unwrap(), None, "the first waits for clips that have begun");
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!((log(&stopped).len() - 1) % 8, 0);
}

/// Whatever a run waits for, the third interrupt ends it: here for a reader of a pipe that has none.
#[test]
#[cfg(unix)]
fn the_third_interrupt_ends_the_process_on_the_spot() {
    use std::os::unix::process::ExitStatusExt;

    let folder = tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let run = folder.path().join("run");
    let mut child = quiet(eval("fake:", &run).env("EMOMM_TEST_ACKNOWLEDGED", &pipe)).spawn().unwrap();
    wait_for(&run.join("log.jsonl"));
    for _ in 0..2 {
        // Signals that come too soon after each other are one.
        thread::sleep(Duration::from_millis(300));
        signal(&child, "INT");
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None, "the second cannot end what waits for the disk");
    signal(&child, "INT");
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (None, Some(2)));
}

#[test]
#[cfg(unix)]
fn whoever_asks_is_told_what_is_being_answered() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let mut command = eval("fake:hang=0002", &run);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_records(&run, 8);
    ask_until_answering(&mut child, "0002");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Asks a run what it is doing until it says that it is answering a clip: the records of the clip before may be there
/// before the next has begun. The run is ended where that clip does not come.
#[cfg(unix)]
fn ask_until_answering(child: &mut Child, clip: &str) {
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let (tell, told) = mpsc::channel();
    // Reads to the end, so that what is said later blocks nobody.
    thread::spawn(move || lines.for_each(|line| drop(tell.send(line))));
    let wanted = format!("{clip} for ");
    let begun = Instant::now();
    let mut said = Vec::new();
    while begun.elapsed() < Duration::from_mins(1) {
        signal(child, "USR1");
        thread::sleep(Duration::from_millis(50));
        said.extend(told.try_iter());
        if said.iter().any(|line: &String| line.contains(&wanted) && line.ends_with(" s")) {
            return;
        }
    }
    child.kill().unwrap();
    panic!("{clip} is not being answered; the run said {said:#?}");
}

#[cfg(unix)]
fn wait_for_records(run: &Path, n: usize) {
    let begun = Instant::now();
    let lines = || fs::read_to_string(run.join("log.jsonl")).map_or(0, |t| t.lines().count());
    while lines() <= n {
        assert!(begun.elapsed() < Duration::from_mins(1), "no records came");
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}
