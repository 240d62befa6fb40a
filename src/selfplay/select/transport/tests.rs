//! Algorithm 4 on examples worked out by hand, beside the exact optimum, and with and without the index.

use super::super::random::{Random, Stream};
use super::*;
use proptest::prelude::*;

mod flow;

/// Rows of length one in about `count / 40` clusters, which lie in clusters themselves.
pub(super) fn clustered(count: usize, dim: usize, seed: u64) -> Vec<f32> {
    // In streams that the rules don't use.
    let mut random = Random::of_item(seed, Stream::Relabel, 1);
    let mut vector = |centre: &[f32], spread: f32| -> Vec<f32> {
        let mut row: Vec<f32> = centre.iter().map(|x| x + spread * random.normal()).collect();
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.iter_mut().for_each(|x| *x /= length);
        row
    };
    let scale = (dim as f32).sqrt().recip();
    let zero = vec![0.0; dim];
    let topics: Vec<_> = (0..count.div_ceil(400)).map(|_| vector(&zero, 1.0)).collect();
    let clusters: Vec<_> =
        (0..count.div_ceil(40)).map(|at| vector(&topics[at % topics.len()], 0.8 * scale)).collect();
    (0..count).flat_map(|at| vector(&clusters[at * 7 % clusters.len()], 0.5 * scale)).collect()
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("not 0")
}

fn settings(cap: Option<f64>) -> TransportSettings {
    TransportSettings { cap, ..TransportSettings::paper() }
}

/// The index, however few points there are.
fn indexed(cap: Option<f64>, compared: usize) -> TransportSettings {
    TransportSettings { cap, search: SearchSettings { exact_pairs: 0, compared } }
}

/// Directions in a plane, by degrees.
fn degrees(degrees: &[f64]) -> Vec<f32> {
    degrees.iter().flat_map(|d| [d.to_radians().cos() as f32, d.to_radians().sin() as f32]).collect()
}

fn run(
    points: &[f32],
    goals: &[f32],
    dim: usize,
    matches: &[u32],
    settings: &TransportSettings,
) -> Transport {
    let embeddings = Embeddings::new(goals, dim).expect("rows");
    let points = Embeddings::new(points, dim).expect("rows");
    transport(points, Targets { embeddings, matches }, settings, 1, threads(2)).expect("a transport")
}

fn close(weights: &[f64], expected: &[f64]) {
    assert_eq!(weights.len(), expected.len());
    assert!(weights.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{weights:?} {expected:?}");
}

#[test]
fn each_target_takes_its_nearest() {
    // Conjectures at 0°, 60°, 120° and 180°, targets at 10°, 20° and 100°: n / M = 4/3.
    let (points, goals) = (degrees(&[0.0, 60.0, 120.0, 180.0]), degrees(&[10.0, 20.0, 100.0]));
    let result = run(&points, &goals, 2, &[1; 3], &settings(Some(3.0)));
    close(&result.weights, &[8.0 / 3.0, 0.0, 4.0 / 3.0, 0.0]);
    let similarity = [10.0_f64, 20.0, 20.0].iter().map(|d| d.to_radians().cos()).sum::<f64>() / 3.0;
    assert!((result.mean_similarity - similarity).abs() < 1e-6);
    let counts = TransportCounts {
        conjectures: 4,
        targets: 3,
        matches: 3,
        dropped: 2,
        selected: 2,
        ..Default::default()
    };
    assert_eq!(result.counts, counts);
}

#[test]
fn a_weight_above_the_cap_is_masked() {
    // Four targets nearest to the first of two conjectures: n / M = 1/2.
    let (points, goals) = (degrees(&[0.0, 90.0]), degrees(&[1.0, 2.0, 3.0, 4.0]));
    // 1/2 and 1 are not above 1, 3/2 is: three matches, and the last target takes the other.
    let result = run(&points, &goals, 2, &[1; 4], &settings(Some(1.0)));
    close(&result.weights, &[1.5, 0.5]);
    assert_eq!((result.counts.masked, result.counts.unmatched), (1, 0));
    // 1/2 is above 0.4, and so is the other's: two targets are left with nothing.
    let result = run(&points, &goals, 2, &[1; 4], &settings(Some(0.4)));
    close(&result.weights, &[0.5, 0.5]);
    assert_eq!((result.counts.masked, result.counts.unmatched), (2, 2));
    // Never above 2; and no cap is the same.
    close(&run(&points, &goals, 2, &[1; 4], &settings(Some(2.0))).weights, &[2.0, 0.0]);
    close(&run(&points, &goals, 2, &[1; 4], &settings(None)).weights, &[2.0, 0.0]);
}

#[test]
fn matching_weights_are_numbers_of_conjectures() {
    // The target at 0° takes three of four, the one at 180° one: n / M = 1.
    let (points, goals) = (degrees(&[0.0, 40.0, 80.0, 170.0]), degrees(&[0.0, 180.0]));
    let result = run(&points, &goals, 2, &[3, 1], &settings(Some(3.0)));
    close(&result.weights, &[1.0; 4]);
    // Six of four are all: n / M = 4/7.
    let result = run(&points, &goals, 2, &[6, 1], &settings(Some(3.0)));
    close(&result.weights, &[4.0 / 7.0, 4.0 / 7.0, 4.0 / 7.0, 8.0 / 7.0]);
    assert_eq!((result.counts.matches, result.counts.unmatched), (7, 2));
    // One that takes none has no say.
    close(&run(&points, &goals, 2, &[0, 2], &settings(None)).weights, &[0.0, 0.0, 2.0, 2.0]);
}

#[test]
fn the_closed_form_sends_all_mass_to_the_nearest() {
    let (points, goals) = (degrees(&[0.0, 40.0, 170.0]), degrees(&[10.0, 180.0]));
    let targets = Targets { embeddings: Embeddings::new(&goals, 2).expect("rows"), matches: &[3, 1] };
    let points = Embeddings::new(&points, 2).expect("rows");
    let result = closed_form(points, targets, threads(1)).expect("a transport");
    close(&result.weights, &[2.25, 0.0, 0.75]);
    assert_eq!((result.counts.unmatched, result.counts.selected), (0, 2));
}

#[test]
fn without_targets_all_weigh_one_and_without_conjectures_there_is_nothing() {
    let points = degrees(&[0.0, 40.0]);
    close(&run(&points, &[], 2, &[], &settings(Some(3.0))).weights, &[1.0, 1.0]);
    close(&run(&points, &points, 2, &[0, 0], &indexed(Some(3.0), 10)).weights, &[1.0, 1.0]);
    for settings in [settings(Some(3.0)), indexed(Some(3.0), 10)] {
        let result = run(&[], &points, 2, &[1, 1], &settings);
        assert_eq!((result.weights.len(), result.counts.unmatched), (0, 2));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (plane, space) = (degrees(&[0.0]), [1.0, 0.0, 0.0]);
    let of = |goals, dim, matches, cap| {
        let targets = Targets { embeddings: Embeddings::new(goals, dim).expect("rows"), matches };
        let points = Embeddings::new(&plane, 2).expect("rows");
        transport(points, targets, &settings(cap), 1, threads(1)).expect_err("refused").to_string()
    };
    assert_eq!(of(&space, 3, &[1], None), "embeddings: conjectures have 2 dimensions, targets 3");
    assert_eq!(of(&plane, 2, &[1, 1], None), "2 matching weights for 1 targets");
    assert_eq!(of(&plane, 2, &[1], Some(f64::NAN)), "setting `cap`: NaN is not a number from 0 up");
}

/// Algorithm 4 as it is written down: one target after the other, over the whole matrix.
fn naive(points: Embeddings<'_>, targets: Targets<'_>, cap: f64, seed: u64) -> Vec<f64> {
    let (n, m) = (points.count(), targets.embeddings.count());
    let total: u32 = targets.matches.iter().sum();
    let mut order: Vec<usize> = (0..m).collect();
    Random::new(seed, Stream::TransportOrder).shuffle(&mut order);
    let mut taken = vec![0_u32; n];
    for y in order {
        let mut free: Vec<usize> =
            (0..n).filter(|&x| f64::from(taken[x]) <= cap * f64::from(total) / n as f64).collect();
        let similarity = |&x: &usize| dot::dot(points.row(x), targets.embeddings.row(y));
        free.sort_by(|a, b| similarity(b).total_cmp(&similarity(a)).then(a.cmp(b)));
        free.iter().take(targets.matches[y] as usize).for_each(|&x| taken[x] += 1);
    }
    taken.into_iter().map(|taken| f64::from(taken) * (n as f64 / f64::from(total))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn blocks_do_what_the_algorithm_says_target_by_target(
        (n, m, seed) in (1..300_usize, 1..400_usize, 0..1000_u64),
        most in 1..5_u32,
        cap in prop::sample::select(vec![0.0, 0.5, 1.0, 3.0]),
    ) {
        // Conjectures in few places, so that targets compete.
        let (points, goals) = (clustered(n, 8, seed / 3), clustered(m, 8, seed));
        let matches: Vec<u32> = (0..m as u32).map(|y| y * 7 % (most + 1)).collect();
        prop_assume!(matches.iter().sum::<u32>() > 0);
        let targets = Targets { embeddings: Embeddings::new(&goals, 8).expect("rows"), matches: &matches };
        let points = Embeddings::new(&points, 8).expect("rows");
        let result = transport(points, targets, &settings(Some(cap)), seed, threads(2)).expect("a transport");
        prop_assert_eq!(&result.weights, &naive(points, targets, cap, seed));
        // A search of the index that compares with everything is the same.
        let all = transport(points, targets, &indexed(Some(cap), usize::MAX), seed, threads(1));
        prop_assert_eq!(&result, &all.expect("a transport"));
        let unit = n as f64 / result.counts.matches as f64;
        prop_assert!(result.weights.iter().all(|&weight| weight <= cap + unit + 1e-9));
        let sum: f64 = result.weights.iter().sum();
        prop_assert!((sum + result.counts.unmatched as f64 * unit - n as f64).abs() < 1e-6 * n as f64);
        if cap >= 1.0 && matches.iter().all(|&k| k <= 1) {
            prop_assert_eq!(result.counts.unmatched, 0);
        }
    }
}

#[test]
fn neither_threads_nor_anything_but_the_seed_matters() {
    let (points, goals) = (clustered(3_000, 16, 1), clustered(2_000, 16, 2));
    let matches = vec![1; 2_000];
    let targets = Targets { embeddings: Embeddings::new(&goals, 16).expect("rows"), matches: &matches };
    let points = Embeddings::new(&points, 16).expect("rows");
    for settings in [settings(Some(1.0)), indexed(Some(1.0), 200)] {
        let of =
            |seed, count| transport(points, targets, &settings, seed, threads(count)).expect("a transport");
        let one = of(5, 1);
        assert_eq!(one, of(5, 2));
        assert_eq!(one, of(5, 5));
        assert_ne!(one.weights, of(6, 1).weights);
    }
}

/// The cost `1 - cos` of an optimal transport in which a conjecture gets at most so many matches; `None` if all cannot
/// be placed.
fn optimum(points: Embeddings<'_>, targets: Targets<'_>, most: i64) -> Option<f64> {
    let cost = |y: usize, x: usize| 1.0 - f64::from(dot::dot(points.row(x), targets.embeddings.row(y)));
    let supply: Vec<i64> = targets.matches.iter().map(|&k| i64::from(k)).collect();
    flow::transport(&supply, points.count(), most, cost)
}

#[test]
fn the_optimum_is_a_bound_and_the_greedy_is_near() {
    let (mut worst, mut sum) = (1.0_f64, 0.0);
    let cases = 60;
    for seed in 0..cases {
        let (n, m) = (4 + seed as usize % 9, 6 + seed as usize % 17);
        let (points, goals) = (clustered(n, 4, seed), clustered(m, 4, seed + 1000));
        let targets = Targets { embeddings: Embeddings::new(&goals, 4).expect("rows"), matches: &vec![1; m] };
        let points = Embeddings::new(&points, 4).expect("rows");
        let result = transport(points, targets, &settings(Some(1.0)), seed, threads(1)).expect("a transport");
        // The greedy's capacity: it masks what was taken more than m / n times.
        let most = (m / n) as i64 + 1;
        let greedy = (1.0 - result.mean_similarity) * m as f64;
        let best = optimum(points, targets, most).expect("room for all");
        assert!(greedy >= best - 1e-5, "seed {seed}: {greedy} below the optimum {best}");
        worst = worst.max(greedy / best);
        sum += greedy / best;
        // Where the cap does not bind, the greedy, the closed form and the optimum are one.
        let free = transport(points, targets, &settings(Some(1e9)), seed, threads(1)).expect("a transport");
        let closed = closed_form(points, targets, threads(1)).expect("a transport");
        let best = optimum(points, targets, m as i64).expect("room for all");
        assert_eq!(free.weights, closed.weights);
        assert!(((1.0 - free.mean_similarity) * m as f64 - best).abs() < 1e-4);
    }
    let mean = sum / f64::from(cases as u32);
    println!("greedy / optimum: mean {mean:.3}, worst {worst:.3}");
    assert!(mean < 1.15 && worst < 1.5, "mean {mean}, worst {worst}");
}

#[test]
fn the_index_finds_what_the_exact_search_finds() {
    let (n, m, dim) = (20_000, 1_500, 32);
    let (points, goals) = (clustered(n, dim, 1), clustered(m, dim, 2));
    let goals: Vec<f32> = goals.into_iter().zip(points.iter().cycle()).map(|(a, b)| 0.3 * a + b).collect();
    let goals = normalised(goals, dim);
    let order: Vec<usize> = (0..m).collect();
    let (points, goals) =
        (Embeddings::new(&points, dim).expect("rows"), Embeddings::new(&goals, dim).expect("rows"));
    let exact = exact::nearest(points, goals, &order, threads(2));
    let tree = Tree::new(points, goals, 1_000, threads(2));
    let wanted: Vec<_> = order.iter().map(|&target| greedy::Wanted { target, count: 1 }).collect();
    let found = greedy::Neighbours::nearest(&tree, &wanted, threads(2));
    let same = found.iter().zip(&exact).filter(|(found, exact)| found.first() == exact.as_ref()).count();
    println!("recall {same} of {m}");
    assert!(same * 100 >= m * 95, "{same} of {m}");
    // So the transport costs hardly more.
    let targets = Targets { embeddings: goals, matches: &vec![1; m] };
    let cost =
        |settings| 1.0 - transport(points, targets, &settings, 1, threads(2)).expect("one").mean_similarity;
    let (exact, indexed) = (cost(settings(Some(3.0))), cost(indexed(Some(3.0), 1_000)));
    println!("cost {exact:.5} exact, {indexed:.5} indexed");
    assert!(indexed < 1.05 * exact, "{indexed} {exact}");
}

fn normalised(mut rows: Vec<f32>, dim: usize) -> Vec<f32> {
    for row in rows.chunks_exact_mut(dim) {
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.iter_mut().for_each(|x| *x /= length);
    }
    rows
}
