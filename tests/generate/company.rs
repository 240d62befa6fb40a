//! A row's logits have the same bits in any company: the property below exactness.

use candle_core::{DType, Tensor};
use proofloop::model::{Decoder, KvCache, ModelConfig};
use proptest::prelude::*;

use crate::common::{CPU, configs, model};

fn text(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|at| ((at * at * 5 + at * 3 + seed * 7 + 1) % 280) as u32).collect()
}

fn bits(logits: &Tensor) -> Vec<u32> {
    logits.to_vec1::<f32>().expect("readable").into_iter().map(f32::to_bits).collect()
}

/// One sample: its prompt and what follows.
#[derive(Debug, Clone)]
struct Row {
    prompt: usize,
    seed: usize,
}

impl Row {
    fn token(&self, step: usize) -> [u32; 1] {
        [text(step + 1, self.seed)[step]]
    }
}

/// Prompt lengths; rows of the first two share one.
const PROMPTS: [usize; 4] = [40, 40, 3, 600];

fn prompt(index: usize) -> Vec<u32> {
    text(PROMPTS[index], if index < 2 { 0 } else { index })
}

const STEPS: usize = 9;

/// Logits at each step of one row alone.
fn alone(model: &Decoder, row: &Row) -> Vec<Vec<u32>> {
    let (prefix, first) = model.prefill(&prompt(row.prompt)).expect("prefill");
    let mut cache = KvCache::new(model.config(), 1, STEPS, DType::F32, &CPU).expect("a cache");
    cache.push_row(Some(prefix)).expect("room");
    let mut all = vec![bits(&first)];
    for step in 0..STEPS {
        let logits = model.forward_cached(&[&row.token(step)], &mut cache).expect("forward");
        all.push(bits(&logits.get(0).expect("a row")));
    }
    all
}

/// A company: rows that begin at different steps, some in the place of others.
fn check(config: &ModelConfig, rows: &[Row], swaps: &[(usize, usize)]) {
    let model = model(config);
    let prefixes: Vec<_> =
        [0, 2, 3].iter().map(|&index| model.prefill(&prompt(index)).expect("prefill").0).collect();
    let prefix = |row: &Row| prefixes[row.prompt.saturating_sub(1)].clone();
    let mut cache = KvCache::new(config, rows.len(), STEPS * 4, DType::F32, &CPU).expect("a cache");
    let mut steps = vec![0; rows.len()];
    for row in rows {
        cache.push_row(Some(prefix(row))).expect("room");
    }
    let wanted: Vec<_> = rows.iter().map(|row| alone(&model, row)).collect();
    for round in 0..STEPS {
        for &(when, place) in swaps {
            if when == round && place < rows.len() {
                cache.replace_row(place, Some(prefix(&rows[place]))).expect("there");
                steps[place] = 0;
            }
        }
        let tokens: Vec<[u32; 1]> = rows.iter().zip(&steps).map(|(row, &step)| row.token(step)).collect();
        let tokens: Vec<&[u32]> = tokens.iter().map(|token| &token[..]).collect();
        let logits = model.forward_cached(&tokens, &mut cache).expect("forward");
        for (place, step) in steps.iter_mut().enumerate() {
            *step += 1;
            let found = bits(&logits.get(place).expect("a row"));
            assert_eq!(found, wanted[place][*step], "row {place} of {}, step {step}", rows.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn logits_do_not_depend_on_the_company(
        family in 0..3_usize,
        rows in prop::collection::vec((0..4_usize, 0..50_usize), 1..41),
        swaps in prop::collection::vec((1..STEPS, 0..41_usize), 0..8),
    ) {
        let rows: Vec<_> = rows.into_iter().map(|(prompt, seed)| Row { prompt, seed }).collect();
        check(&configs()[family], &rows, &swaps);
    }
}

#[test]
fn wide_layers_too() {
    // Inner sizes above what a product of matrices sums at a time.
    let config = ModelConfig { intermediate_size: 1100, layers: 1, ..configs()[2].clone() };
    let rows: Vec<_> = (0..11).map(|seed| Row { prompt: seed % 4, seed }).collect();
    check(&config, &rows, &[(3, 4), (5, 0)]);
}

#[test]
fn a_text_may_be_read_in_any_pieces() {
    for config in configs() {
        let model = model(&config);
        let text = text(90, 4);
        let (_, whole) = model.prefill(&text).expect("prefill");
        for pieces in [vec![90], vec![1; 90], vec![17, 1, 1, 40, 31]] {
            let mut cache = KvCache::new(&config, 1, 90, DType::F32, &CPU).expect("a cache");
            cache.push_row(None).expect("room");
            let (mut start, mut last) = (0, None);
            for piece in pieces {
                last =
                    Some(model.forward_cached(&[&text[start..start + piece]], &mut cache).expect("forward"));
                start += piece;
            }
            let last = last.and_then(|logits| logits.get(0).ok()).expect("logits");
            assert_eq!(bits(&last), bits(&whole));
        }
    }
}

/// The logits of a company and of a text read at once, as one number.
fn digest() -> u64 {
    let fold = |hash: u64, bits: &u32| (hash ^ u64::from(*bits)).wrapping_mul(0x0100_0000_01B3);
    configs().iter().fold(0xCBF2_9CE4_8422_2325, |hash, config| {
        let config = ModelConfig { hidden_size: 256, intermediate_size: 1100, ..config.clone() };
        let model = model(&config);
        let (prefix, first) = model.prefill(&text(600, 1)).expect("prefill");
        let mut cache = KvCache::new(&config, 33, 4, DType::F32, &CPU).expect("a cache");
        (0..33).for_each(|_| cache.push_row(Some(prefix.clone())).expect("room"));
        let tokens: Vec<[u32; 1]> = (0..33).map(|token| [token]).collect();
        let tokens: Vec<&[u32]> = tokens.iter().map(|token| &token[..]).collect();
        let logits = model.forward_cached(&tokens, &mut cache).expect("forward");
        let logits = logits.flatten_all().expect("flat");
        bits(&first).iter().chain(&bits(&logits)).fold(hash, fold)
    })
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test starts itself, with other numbers of threads")]
fn threads_change_nothing() {
    const NAME: &str = "company::threads_change_nothing";
    const MARK: &str = "the logits' digest is ";
    if std::env::var_os("RAYON_NUM_THREADS").is_some_and(|threads| threads.len() == 2) {
        println!("{MARK}{:016x}.", digest());
        return;
    }
    let with = |threads: &str| {
        let this = std::env::current_exe().expect("a path");
        let output = std::process::Command::new(this)
            .args([NAME, "--exact", "--nocapture"])
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .expect("started");
        let text = String::from_utf8(output.stdout).expect("text");
        let start = text.find(MARK).expect("printed") + MARK.len();
        text[start..start + 16].to_owned()
    };
    // Two digits: how the child knows that it is one.
    let wanted = with("01");
    assert_eq!((with("02"), with("07")), (wanted.clone(), wanted));
}
