//! Order, text as it comes, back-pressure, cancellation.

use std::time::Duration;

use proofloop::generate::{Event, FinishReason, Generator, Sampling, Usage};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::common::{Outcome, generator, many, options, request, run, runtime, sampling, tokenizer};

#[test]
fn a_queue_that_is_longer_than_the_batch() {
    let requests: Vec<_> = (0..40)
        .map(|index| request(&format!("theorem t{}", index % 20), 5, sampling(1.0, 1 + index)))
        .collect();
    let (outcome, usage) = run(&generator(options(8, 2)), &requests);
    assert_eq!(outcome.completions.len(), 200);
    let tokens: usize = outcome.completions.values().map(|completion| completion.tokens).sum();
    // Each of the 20 prompts is read once.
    let prompts =
        (0..20).map(|index| tokenizer().encode(&format!("theorem t{index}"), true).expect("encoded").len());
    let wanted = Usage {
        prompt_tokens: prompts.sum::<usize>() as u64,
        completion_tokens: tokens as u64,
        completions: 200,
        failed_requests: 0,
        uncounted_completions: 0,
    };
    assert_eq!(usage, wanted);
    // No sample waits for ever: the first to end are of the first prompts, the last of the last ones.
    assert!(outcome.order[0].0 % 20 < 4 && outcome.order[199].0 % 20 > 15, "{:?}", outcome.order);
}

#[test]
fn pieces_are_the_text_and_streaming_changes_nothing() {
    let generator = generator(options(16, 1));
    let with = |stream: bool| {
        let mut requests = many();
        requests.iter_mut().for_each(|request| request.stream = stream);
        run(&generator, &requests).0
    };
    let (streamed, plain) = (with(true), with(false));
    assert_eq!(streamed.completions, plain.completions);
    assert!(plain.pieces.is_empty());
    for (place, completion) in &streamed.completions {
        assert_eq!(streamed.pieces.get(place).map_or("", String::as_str), completion.text);
    }
}

#[test]
fn text_is_that_of_the_tokens_up_to_the_stop_string() {
    let stops = ["e".to_owned(), "+ b".to_owned(), "∀".to_owned()];
    let stopping = Sampling { stop: stops.to_vec(), ..sampling(1.0, 60) };
    let requests = [request("theorem", 40, stopping), request("theorem", 40, sampling(1.0, 60))];
    let (outcome, _) = run(&generator(options(16, 1)), &requests);
    let mut stopped = 0;
    for sample in 0..40 {
        let (with, without) = (&outcome.completions[&(0, sample)], &outcome.completions[&(1, sample)]);
        let tokens = with.token_ids.as_ref().expect("known");
        let text = tokenizer().decode(tokens, true).expect("decoded");
        assert!(without.token_ids.as_ref().expect("known").starts_with(tokens));
        if with.finish == FinishReason::Stop {
            let end = stops.iter().filter_map(|stop| text.find(stop.as_str())).min();
            assert_eq!(with.text, text[..end.expect("one of them")]);
            stopped += 1;
        } else {
            assert_eq!(with.text, text);
            assert!(!stops.iter().any(|stop| text.contains(stop.as_str())), "{text:?}");
        }
    }
    assert!(stopped > 5, "{stopped}");
}

#[test]
fn a_slow_listener_holds_the_engine_up_and_misses_nothing() {
    let mut requests = many();
    requests.iter_mut().for_each(|request| request.stream = true);
    let generator = generator(options(8, 2));
    let wanted = run(&generator, &requests).0;
    let (sender, mut receiver) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    runtime().block_on(async {
        let mut outcome = Outcome::default();
        let listen = async {
            while let Some(event) = receiver.recv().await {
                outcome.take(event);
                tokio::task::yield_now().await;
                // Never more than the channel holds is ready, and one event of each worker on its way.
                assert!(receiver.len() <= 1);
            }
        };
        let (usage, ()) = tokio::join!(generator.generate(requests, sender, &cancel), listen);
        usage.expect("generated");
        assert_eq!(outcome.completions, wanted.completions);
        assert_eq!(outcome.pieces, wanted.pieces);
    });
}

#[test]
fn after_a_cancellation_every_sample_is_told_of() {
    for workers in [1, 2] {
        let generator = generator(options(4, workers));
        let mut requests: Vec<_> =
            (0..10).map(|index| request(&format!("lemma {index}"), 6, sampling(1.0, 150))).collect();
        requests.iter_mut().for_each(|request| request.stream = true);
        let (sender, mut receiver) = mpsc::channel(2);
        let cancel = CancellationToken::new();
        let (outcome, usage) = runtime().block_on(async {
            let mut outcome = Outcome::default();
            let listen = async {
                let mut events = 0;
                while let Some(event) = receiver.recv().await {
                    outcome.take(event);
                    events += 1;
                    if events == 20 {
                        cancel.cancel();
                    }
                }
            };
            let (usage, ()) = tokio::join!(generator.generate(requests.clone(), sender, &cancel), listen);
            (outcome, usage.expect("a cancellation is no error"))
        });
        assert_eq!(outcome.completions.len(), 60);
        let cancelled =
            outcome.completions.values().filter(|completion| completion.finish == FinishReason::Cancelled);
        assert!(cancelled.clone().count() > 40, "{}", cancelled.count());
        assert_eq!(usage.completions, 60 - cancelled.clone().count() as u64);
        // Promptly: what was in progress has a few tokens of 150.
        let tokens: usize = cancelled.map(|completion| completion.tokens).sum();
        assert!(tokens < 4 * 60, "{tokens}");
        for (place, completion) in &outcome.completions {
            assert_eq!(outcome.pieces.get(place).map_or("", String::as_str), completion.text);
        }
        // What was told of a cancelled sample is the beginning of what it would have become.
        let whole = run(&generator, &requests).0;
        for (place, completion) in &outcome.completions {
            let tokens = completion.token_ids.as_ref().expect("known");
            assert!(whole.completions[place].token_ids.as_ref().expect("known").starts_with(tokens));
        }
    }
}

#[test]
fn a_listener_that_is_gone_is_a_cancellation() {
    let generator = generator(options(4, 2));
    let requests = [request("theorem", 5000, sampling(1.0, 150))];
    let (sender, mut receiver) = mpsc::channel(1);
    runtime().block_on(async {
        let cancel = CancellationToken::new();
        let listen = async {
            for _ in 0..3 {
                assert!(matches!(receiver.recv().await, Some(Event::Completed { .. })));
            }
            drop(receiver);
        };
        let (usage, ()) = tokio::join!(generator.generate(requests.to_vec(), sender, &cancel), listen);
        assert!(usage.expect("no error").completions < 200);
        assert!(!cancel.is_cancelled(), "the caller's token is the caller's");
    });
}

#[test]
fn a_future_that_is_dropped_ends_its_work() {
    let generator = generator(options(4, 1));
    let requests = vec![request("theorem", 100_000, sampling(1.0, 150))];
    let (sender, mut receiver) = mpsc::channel(1);
    runtime().block_on(async {
        let cancel = CancellationToken::new();
        let work = generator.generate(requests, sender, &cancel);
        assert!(tokio::time::timeout(Duration::from_millis(50), work).await.is_err());
        // The rest is told as cancelled, and then nobody holds the channel.
        let mut completed = 0;
        while let Some(event) = receiver.recv().await {
            if let Event::Completed { completion, .. } = event {
                completed += usize::from(completion.finish != FinishReason::Cancelled);
            }
        }
        assert!(completed < 50_000);
    });
}
