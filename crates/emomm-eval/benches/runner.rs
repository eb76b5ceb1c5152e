//! Records a second of the runner with a predictor that costs nothing: queue, workers, log and fsync.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::fake::{FakePredictor, FakeSettings};
use emomm_eval::run::{LogWriter, Places, Plan, Record, RecordSink, Run, RunHeader};
use emomm_eval::runner::{InFlight, Observer, OpenPredictor, RunnerOptions, Stop, Wanted, WorkItem, run};
use emomm_eval::{AttentionDetail, Clip, PredictOptions};

const N_CLIPS: usize = 2000;

struct Nobody;

impl Observer for Nobody {
    fn recorded(&mut self, _records: &[Record]) {}

    fn tick(&mut self, _in_flight: &dyn Fn() -> Vec<InFlight>) {}
}

fn items(header: &RunHeader, coalitions: &[ModalitySet]) -> Vec<WorkItem> {
    let item = |i: usize| {
        let id = format!("made-up/v/{i:05}");
        let wanted = |c: &ModalitySet| Wanted { coalition: *c, key: header.key(&id, *c, ["x"]) };
        WorkItem {
            wanted: coalitions.iter().map(wanted).collect(),
            clip: Clip { text: None, audio: None, video: None, corpus: Corpus::ChSims, id },
        }
    };
    (0..N_CLIPS).map(item).collect()
}

fn play(folder: &Path, coalitions: &[ModalitySet], attention: AttentionDetail) {
    let plan = Plan { n_records: N_CLIPS * coalitions.len(), ..Plan::default() };
    let header = RunHeader::new(plan, Places::default(), None);
    let writer = LogWriter::create(folder, &header).expect("an empty folder");
    let predict = PredictOptions { attention, ..PredictOptions::default() };
    let options = RunnerOptions { predict, jobs: 2, timeout: None, fail_on: None, keeps_tensors: false };
    let open: Arc<OpenPredictor> = Arc::new(|| Ok(Box::new(FakePredictor::new(FakeSettings::default()))));
    let mut sink = RecordSink::new(writer);
    let stop = Stop::new();
    let outcome = run(items(&header, coalitions), &open, &mut sink, &options, &stop, &mut Nobody);
    black_box(outcome.expect("the disk works"));
}

fn runner(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("runner");
    group.sample_size(10);
    let folder = || tempfile::tempdir().expect("a folder for temporary files");
    for (name, coalitions, attention) in [
        ("eight coalitions", &ModalitySet::ALL[..], AttentionDetail::None),
        ("one coalition", &ModalitySet::ALL[7..], AttentionDetail::None),
        ("eight coalitions, attention", &ModalitySet::ALL[..], AttentionDetail::Summary),
    ] {
        group.throughput(Throughput::Elements((N_CLIPS * coalitions.len()) as u64));
        group.bench_function(name, |b| {
            b.iter_batched(folder, |f| play(f.path(), coalitions, attention), BatchSize::PerIteration);
        });
    }
    let full = folder();
    play(full.path(), &ModalitySet::ALL, AttentionDetail::Summary);
    group.throughput(Throughput::Elements((N_CLIPS * 8) as u64));
    group.bench_function("reading with attention", |b| {
        b.iter(|| Run::open(full.path()).expect("a whole run"));
    });
    group.finish();
}

criterion_group!(benches, runner);
criterion_main!(benches);
