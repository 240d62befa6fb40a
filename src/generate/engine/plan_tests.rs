use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use super::*;
use crate::generate::Sampling;

fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not 0")
}

fn request(prompt: &str, samples: usize, max_tokens: usize) -> Request {
    let sampling = Sampling { max_tokens: number(max_tokens), ..Sampling::default() };
    Request { prompt: prompt.to_owned(), samples: number(samples), seed: 1, sampling, stream: false }
}

/// One token for each byte.
fn tokenizer() -> Tokenizer {
    Tokenizer::train(std::iter::once(""), 256, &[]).expect("trained")
}

fn plan(requests: &[Request], begin: Option<u32>, share_prompts: bool) -> Plan {
    let special = SpecialTokens { begin, ends: BTreeSet::new() };
    let limits = Limits { max_rows: 4, token_budget: 16, workers: 1, max_context: 12 };
    let options = EngineOptions { share_prompts, ..EngineOptions::default() };
    Plan::new(requests, &tokenizer(), &special, &limits, &options)
}

#[test]
fn equal_prompts_stand_together() {
    let requests = [request("ab", 2, 3), request("c", 1, 3), request("ab", 1, 20)];
    let plan = plan(&requests, None, true);
    let order: Vec<_> = plan.samples.iter().map(|s| (s.request, s.sample, s.prompt, s.max_tokens)).collect();
    // The last may get what the context has left.
    assert_eq!(order, [(0, 0, 0, 3), (0, 1, 0, 3), (2, 0, 0, 10), (1, 0, 1, 3)]);
    assert_eq!(plan.prompts.iter().map(|prompt| prompt.samples).collect::<Vec<_>>(), [3, 1]);
    assert!(plan.failed.is_empty());
}

#[test]
fn unshared_prompts_are_one_for_each_sample() {
    let plan = plan(&[request("ab", 2, 3), request("ab", 1, 3)], None, false);
    assert_eq!(plan.prompts.iter().map(|prompt| prompt.samples).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(plan.samples.iter().map(|sample| sample.request).collect::<Vec<_>>(), [0, 0, 1]);
}

#[test]
fn what_cannot_be_completed_is_told() {
    let requests = [request("", 1, 3), request("0123456789ab", 1, 1), request("ab", 1, 3), request("", 3, 3)];
    let plan = plan(&requests, None, true);
    let failed: Vec<_> = plan.failed.iter().map(|(request, error)| format!("{request}: {error}")).collect();
    insta::assert_debug_snapshot!(failed, @r#"
    [
        "0: the prompt is empty, and the model has no token that begins a text",
        "1: the prompt has 12 tokens, which leaves no room in a context of 12",
        "3: the prompt is empty, and the model has no token that begins a text",
    ]
    "#);
    assert_eq!(plan.samples.len(), 1);
}

#[test]
fn an_empty_prompt_is_the_beginning_of_a_text() {
    let plan = plan(&[request("", 1, 3)], Some(7), true);
    assert_eq!(plan.prompts[0].tokens, [7]);
}
