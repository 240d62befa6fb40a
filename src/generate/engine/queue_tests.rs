use proptest::prelude::*;

use super::*;

fn make(prompts: &[(usize, Vec<usize>)], limits: Limits) -> Queue<usize> {
    let mut plan = Plan::default();
    for (index, (length, samples)) in prompts.iter().enumerate() {
        plan.prompts.push(Prompt { tokens: vec![0; *length], samples: samples.len() });
        let of = |(sample, &max_tokens)| Sample { request: index, sample, prompt: index, max_tokens };
        plan.samples.extend(samples.iter().enumerate().map(of));
    }
    Queue::new(plan, limits)
}

/// Workers take turns as `turns` says, each turn asks for all that there is and then ends a sample or finishes reading.
/// Gives the samples in the order in which they started, and the most rows and tokens that there were.
fn simulate(
    prompts: &[(usize, Vec<usize>)],
    limits: Limits,
    turns: &[usize],
) -> (Vec<(usize, usize)>, usize, usize) {
    let mut queue = make(prompts, limits);
    let mut running: Vec<VecDeque<Sample>> = vec![VecDeque::new(); limits.workers];
    let mut reading: Vec<Option<usize>> = vec![None; limits.workers];
    let (mut started, mut most_rows, mut most_tokens) = (Vec::new(), 0, 0);
    for turn in 0.. {
        assert!(turn < 10_000, "it comes to no end");
        let worker = turns[turn % turns.len()] % limits.workers;
        // Every worker gets its turn, whatever `turns` has.
        let worker = if turn % 3 == 0 { turn / 3 % limits.workers } else { worker };
        if let Some(prompt) = reading[worker].take() {
            queue.has_read(prompt, prompt);
        }
        loop {
            match queue.next(worker) {
                Next::Read(prompt) => {
                    reading[worker] = Some(prompt);
                    break;
                }
                Next::Start(sample, prompt) => {
                    assert_eq!(prompt, sample.prompt);
                    started.push((sample.request, sample.sample));
                    running[worker].push_back(sample);
                }
                Next::Later | Next::Nothing => break,
            }
        }
        most_tokens = most_tokens.max(queue.tokens());
        most_rows = most_rows.max(running.iter().map(VecDeque::len).sum());
        if let Some(sample) = running[worker].pop_front() {
            queue.end(worker, &sample);
        }
        if !queue.is_waiting() && running.iter().all(VecDeque::is_empty) {
            break;
        }
    }
    assert_eq!(queue.tokens(), 0);
    (started, most_rows, most_tokens)
}

proptest! {
    #[test]
    fn all_start_in_order_within_the_bounds(
        prompts in prop::collection::vec((1..12_usize, prop::collection::vec(1..12_usize, 1..9)), 1..12),
        max_rows in 1..9_usize,
        workers in 1..4_usize,
        spare in 0..40_usize,
        turns in prop::collection::vec(0..4_usize, 1..40),
    ) {
        let alone = prompts.iter().map(|(length, samples)| length + samples.iter().max().unwrap_or(&0));
        let token_budget = alone.max().unwrap_or(0) + spare;
        let limits = Limits { max_rows, token_budget, workers, max_context: 24 };
        let (started, rows, tokens) = simulate(&prompts, limits, &turns);
        let all: Vec<(usize, usize)> = prompts
            .iter()
            .enumerate()
            .flat_map(|(prompt, (_, samples))| (0..samples.len()).map(move |sample| (prompt, sample)))
            .collect();
        prop_assert_eq!(started, all);
        prop_assert!(rows <= max_rows, "{} rows", rows);
        prop_assert!(tokens <= token_budget, "{} tokens of {}", tokens, token_budget);
    }
}

#[test]
fn a_prompt_is_read_once_and_counted_once() {
    let limits = Limits { max_rows: 8, token_budget: 100, workers: 2, max_context: 50 };
    let mut queue = make(&[(10, vec![5, 5, 5])], limits);
    assert_eq!(queue.next(0), Next::Read(0));
    // The other worker waits for it.
    assert_eq!(queue.next(1), Next::Later);
    queue.has_read(0, 42);
    let Next::Start(first, 42) = queue.next(1) else { panic!("it has been read") };
    let Next::Start(second, 42) = queue.next(0) else { panic!("it has been read") };
    assert_eq!(queue.tokens(), 10 + 5 + 5);
    queue.end(1, &first);
    let Next::Start(third, 42) = queue.next(1) else { panic!("it is still there") };
    queue.end(0, &second);
    queue.end(1, &third);
    assert_eq!((queue.tokens(), queue.next(0)), (0, Next::Nothing));
}

#[test]
fn the_last_samples_are_divided() {
    let limits = Limits { max_rows: 64, token_budget: 1000, workers: 2, max_context: 50 };
    let mut queue = make(&[(1, vec![2; 6])], limits);
    assert_eq!(queue.next(0), Next::Read(0));
    queue.has_read(0, 0);
    let mut taken = 0;
    while let Next::Start(..) = queue.next(0) {
        taken += 1;
    }
    assert_eq!(taken, 3);
}
