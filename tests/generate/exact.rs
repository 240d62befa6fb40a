//! The same tokens, whatever shares the batch, the prompt or the run: exact, greedy and with seeds.

use std::collections::BTreeMap;

use candle_core::Tensor;
use proofloop::generate::{CandleGenerator, Completion, EngineOptions, FinishReason, Request, sample_seed};
use proofloop::model::{Decoder, Layout, Lora, LoraConfig};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::common::{CPU, END, configs, generator, many, model, options, request, run, sampling, tokenizer};

/// All of it, log-probabilities by their bits.
fn exact(completion: &Completion) -> (String, Vec<u32>, Option<Vec<u32>>, FinishReason) {
    let bits = |numbers: &Vec<f32>| numbers.iter().map(|number| number.to_bits()).collect();
    let tokens = completion.token_ids.clone().expect("known");
    assert_eq!(tokens.len(), completion.tokens);
    (completion.text.clone(), tokens, completion.log_probs.as_ref().map(bits), completion.finish)
}

type Exact = BTreeMap<(usize, usize), (String, Vec<u32>, Option<Vec<u32>>, FinishReason)>;

fn all(generator: &CandleGenerator, requests: &[Request]) -> Exact {
    let (outcome, _) = run(generator, requests);
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
    outcome.completions.iter().map(|(&place, completion)| (place, exact(completion))).collect()
}

fn of_family(family: usize, options: EngineOptions) -> CandleGenerator {
    CandleGenerator::new(model(&configs()[family]), tokenizer(), "small", options).expect("made")
}

#[test]
fn batched_is_single() {
    for family in 0..3 {
        let batched = all(&of_family(family, options(16, 2)), &many());
        assert_eq!(batched.len(), many().iter().map(|request| request.samples.get()).sum::<usize>());
        let single = of_family(family, options(1, 1));
        for (index, request) in many().into_iter().enumerate() {
            for (&(_, sample), alone) in &all(&single, &[request]) {
                assert_eq!(&batched[&(index, sample)], alone, "family {family}, {index}, sample {sample}");
            }
        }
        // They are not all the same, and end in different ways.
        let finishes: Vec<_> = batched.values().map(|(.., finish)| *finish).collect();
        assert!(finishes.contains(&FinishReason::Length) && finishes.contains(&FinishReason::Stop));
    }
}

#[test]
fn a_shared_prefix_is_an_unshared_one() {
    for family in 0..3 {
        let shared = all(&of_family(family, options(7, 1)), &many());
        let unshared = EngineOptions { share_prompts: false, ..options(7, 1) };
        assert_eq!(shared, all(&of_family(family, unshared), &many()), "family {family}");
    }
}

#[test]
fn workers_and_rows_change_nothing() {
    let wanted = all(&generator(options(3, 1)), &many());
    for (rows, workers) in [(1, 1), (5, 2), (64, 3), (2, 4)] {
        assert_eq!(
            wanted,
            all(&generator(options(rows, workers)), &many()),
            "{rows} rows, {workers} workers"
        );
    }
}

#[test]
fn resumed_is_uninterrupted() {
    let generator = generator(options(4, 2));
    let uninterrupted = all(&generator, &many());
    // A second run is asked for what the first did not finish: the later requests, and of one more samples than before.
    let done = 3;
    let first = all(&generator, &many()[..done]);
    let second = all(&generator, &many()[done..]);
    let second = second.into_iter().map(|((request, sample), found)| ((request + done, sample), found));
    assert_eq!(uninterrupted, first.into_iter().chain(second).collect());
    let mut more = many();
    for request in &mut more {
        request.samples = request.samples.saturating_add(2);
    }
    let more = all(&generator, &more);
    assert!(uninterrupted.iter().all(|(place, found)| &more[place] == found));
}

/// Logits behind a text, by the training path over all of it.
fn uncached(model: &Decoder, text: &[u32]) -> Vec<f32> {
    let tokens = Tensor::new(text, &CPU).and_then(|tokens| tokens.unsqueeze(0)).expect("tokens");
    let context = model.train_context(text.len(), Layout::OneText, None).expect("a context");
    let hidden = model.forward_train(&tokens, &context).expect("forward");
    let logits = model.logits(&hidden).and_then(|logits| Ok(logits.get(0)?.get(text.len() - 1)?));
    logits.expect("logits").to_vec1().expect("readable")
}

/// A draw by its definition, in f64.
fn draw(logits: &[f32], random: &mut ChaCha8Rng) -> u32 {
    let most = logits.iter().fold(f64::MIN, |most, &logit| most.max(f64::from(logit)));
    let weights: Vec<f64> = logits.iter().map(|&logit| (f64::from(logit) - most).exp()).collect();
    let uniform = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut rest = uniform * weights.iter().sum::<f64>();
    let drawn = weights.iter().position(|weight| {
        rest -= weight;
        rest < 0.0
    });
    drawn.expect("below the sum") as u32
}

fn greedy(logits: &[f32]) -> u32 {
    let better = |best: usize, at: usize| if logits[at] > logits[best] { at } else { best };
    (0..logits.len()).fold(0, better) as u32
}

#[test]
fn cached_is_uncached() {
    for config in configs() {
        let model = model(&config);
        let base = CandleGenerator::new(model.clone(), tokenizer(), "small", options(8, 1)).expect("made");
        let prompts = ["theorem t (a", "b"];
        let requests: Vec<_> =
            [0.0, 1.0].iter().zip(prompts).map(|(&t, p)| request(p, 3, sampling(t, 40))).collect();
        let (outcome, _) = run(&base, &requests);
        for (&(index, sample), completion) in &outcome.completions {
            let mut text = tokenizer().encode(prompts[index], true).expect("encoded");
            let mut random = ChaCha8Rng::seed_from_u64(sample_seed(requests[index].seed, sample));
            for &token in completion.token_ids.as_ref().expect("known") {
                let logits = uncached(&model, &text);
                let wanted = if index == 0 { greedy(&logits) } else { draw(&logits, &mut random) };
                assert_eq!(token, wanted, "{index} {sample}, at {}", text.len());
                text.push(token);
            }
            let ended = text.last() == Some(&END);
            assert_eq!(ended, completion.finish == FinishReason::EndOfText);
        }
    }
}

#[test]
fn log_probabilities_are_the_models() {
    let requests: Vec<_> = many().into_iter().filter(|request| request.sampling.log_probs).collect();
    let generator = generator(options(8, 1));
    let (outcome, _) = run(&generator, &requests);
    for (&(index, _), completion) in &outcome.completions {
        let mut text = tokenizer().encode(&requests[index].prompt, true).expect("encoded");
        let log_probs = completion.log_probs.as_ref().expect("asked for");
        for (&token, &found) in completion.token_ids.as_ref().expect("known").iter().zip(log_probs) {
            let logits = uncached(generator.model(), &text);
            let most = logits.iter().fold(f64::MIN, |most, &logit| most.max(f64::from(logit)));
            let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - most).exp()).sum();
            let wanted = f64::from(logits[token as usize]) - most - sum.ln();
            assert!((f64::from(found) - wanted).abs() < 1e-4, "{found} and not {wanted}");
            text.push(token);
        }
    }
}

#[test]
fn weights_and_adapters_that_change_are_seen_by_the_next_call() {
    let base = model(&configs()[0]);
    let lora = Lora::init(LoraConfig::all_projections(2), &base, 5).expect("made");
    let adapted = base.clone().with_lora(lora).expect("fits");
    let requests = [request("theorem", 2, sampling(1.0, 20))];
    let plain = CandleGenerator::new(base, tokenizer(), "small", options(4, 1)).expect("made");
    let generator = CandleGenerator::new(adapted.clone(), tokenizer(), "small", options(4, 1)).expect("made");
    // A new adapter changes nothing; then it is trained.
    let before = all(&generator, &requests);
    assert_eq!(before, all(&plain, &requests));
    for (name, var) in adapted.trainable() {
        if name.contains("lora_B") {
            let values: Vec<f32> =
                (0..var.elem_count()).map(|at| ((at * 7) as f32 * 0.37).sin() * 0.5).collect();
            var.set(&Tensor::from_vec(values, var.shape(), &CPU).expect("fits")).expect("set");
        }
    }
    let after = all(&generator, &requests);
    assert_ne!(before, after);
    let (requests, wide) = ([many()[1].clone()], all(&generator, &[many()[1].clone()]));
    let narrow = CandleGenerator::new(
        adapted,
        tokenizer(),
        "small",
        EngineOptions { share_prompts: false, ..options(1, 1) },
    );
    assert_eq!(wide, all(&narrow.expect("made"), &requests));
}
