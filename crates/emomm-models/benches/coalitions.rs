//! Eight coalitions of one clip by the prompt tree against eight prompts read one by one, on the untrained checkpoint.

use criterion::{Criterion, criterion_group, criterion_main};
use emomm_dataset::{Corpus, ModalitySet};
use emomm_eval::prompt;
use emomm_models::decoder::Prefill;
use emomm_models::prompt_tree::{MediaEmbeddings, PromptRow, embed, walk};
use emomm_models::qwen2_5_omni::{MediaShape, Omni, prompt_row, untrained};
use emomm_models::vision::Grid;

fn coalitions(c: &mut Criterion) {
    let folder = std::env::temp_dir().join(format!("emomm-bench-{}", std::process::id()));
    untrained::write(&folder, 1).expect("the temporary folder can be written");
    let model = Omni::load(&folder, &candle_core::Device::Cpu, candle_core::DType::F32).expect("it loads");
    let shape =
        MediaShape { grid: Some(Grid { t: 4, h: 12, w: 16 }), audio_tokens: 100, ..model.media_shape() };
    let rows: Vec<PromptRow> = ModalitySet::ALL
        .iter()
        .map(|c| {
            let prompt =
                prompt::build(Corpus::ChSims, *c, Some("I won't give up.")).expect("a transcript is given");
            prompt_row(&prompt, &model.tokenizer, &shape).expect("it can be tokenised")
        })
        .collect();
    // Any embeddings of the right shape do.
    let any =
        |tokens: u32| model.decoder.embed(&(0..tokens).map(|i| i % 200).collect::<Vec<_>>()).expect("ids");
    let media = MediaEmbeddings { audio: Some(any(100)), video: Some(any(192)) };
    let read = |rows: &[PromptRow]| {
        let mut leaf = |i: usize, prefill: &Prefill| {
            let token = embed(&model.decoder, &[rows[i].decision_token()], &media)?;
            model.decoder.decide(prefill, &token, rows[i].decision_position(), None)?;
            Ok(())
        };
        walk(&model.decoder, rows, &media, &mut leaf).expect("shapes are right")
    };
    let mut group = c.benchmark_group("eight coalitions");
    group.sample_size(10);
    group.bench_function("by the tree", |b| b.iter(|| read(&rows)));
    group.bench_function("one by one", |b| {
        b.iter(|| rows.iter().map(|row| read(std::slice::from_ref(row)).read).sum::<usize>());
    });
    group.finish();
    // Nothing depends on the folder any more.
    let _ = std::fs::remove_dir_all(folder);
}

criterion_group!(benches, coalitions);
criterion_main!(benches);
