//! The generating path gives the training path's logits, however the work is divided.

use candle_core::{DType, Tensor};
use proofloop::model::{Decoder, KvCache, Layout, ModelConfig};

use crate::common::{CPU, configs, model, relative, text, train_logits};

const TOLERANCE: f64 = 1e-5;

fn cache(model: &Decoder, rows: usize, length: usize) -> KvCache {
    KvCache::new(model.config(), rows, length, model.dtype(), &CPU).expect("a cache")
}

/// Logits behind the last token of one text, by the training path.
fn last(model: &Decoder, text: &[u32]) -> Tensor {
    let all = train_logits(model, &[text.to_vec()], Layout::OneText);
    all.get(0).and_then(|row| row.get(text.len() - 1)).expect("a row")
}

fn assert_rows(model: &Decoder, found: &Tensor, texts: &[Vec<u32>]) {
    for (row, text) in texts.iter().enumerate() {
        let off = relative(&found.get(row).expect("a row"), &last(model, text));
        assert!(off < TOLERANCE, "row {row} of {}: off by {off:e}", texts.len());
    }
}

fn models() -> Vec<Decoder> {
    configs().iter().map(|config| model(config, DType::F32)).collect()
}

#[test]
fn one_token_at_a_time() {
    for model in models() {
        let text = text(70, 1);
        let mut cache = cache(&model, 1, 70);
        cache.push_row(None).expect("room");
        for end in 1..=text.len() {
            let logits = model.forward_cached(&[&text[end - 1..end]], &mut cache).expect("forward");
            assert_rows(&model, &logits, &[text[..end].to_vec()]);
            assert_eq!(cache.length(0), end);
        }
    }
}

#[test]
fn rows_of_different_lengths() {
    for model in models() {
        let mut texts: Vec<_> =
            [5, 1, 9, 3].iter().enumerate().map(|(row, &n)| text(n, row as u32)).collect();
        let mut cache = cache(&model, 4, 40);
        for _ in &texts {
            cache.push_row(None).expect("room");
        }
        let rows: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let logits = model.forward_cached(&rows, &mut cache).expect("forward");
        assert_rows(&model, &logits, &texts);
        // Then pieces of other lengths, single tokens among them.
        for round in 0..4_u32 {
            let new: Vec<_> = (0..4).map(|row| text(1 + (row + round as usize) % 3, round * 10)).collect();
            let rows: Vec<&[u32]> = new.iter().map(Vec::as_slice).collect();
            let logits = model.forward_cached(&rows, &mut cache).expect("forward");
            for (text, new) in texts.iter_mut().zip(&new) {
                text.extend(new);
            }
            assert_rows(&model, &logits, &texts);
        }
    }
}

#[test]
fn a_shared_prefix_is_as_good_as_an_own_one() {
    for model in models() {
        let (first, second) = (text(7, 1), text(4, 2));
        let (prefix, logits) = model.prefill(&first).expect("prefill");
        assert!(relative(&logits, &last(&model, &first)) < TOLERANCE);
        assert_eq!(prefix.length(), 7);
        let (other, _) = model.prefill(&second).expect("prefill");
        let mut cache = cache(&model, 6, 20);
        let rows = [Some(&prefix), Some(&prefix), Some(&prefix), Some(&other), None, Some(&other)];
        let mut texts = Vec::new();
        for row in rows {
            cache.push_row(row.cloned()).expect("room");
            let start = row.map_or(&[][..], |row| if row.length() == 7 { &first } else { &second });
            texts.push(start.to_vec());
        }
        for round in 0..5_u32 {
            let new: Vec<_> =
                (0..6).map(|row| text(1 + usize::from(round == 2 && row % 2 == 0), round + row)).collect();
            let rows: Vec<&[u32]> = new.iter().map(Vec::as_slice).collect();
            let logits = model.forward_cached(&rows, &mut cache).expect("forward");
            for (text, new) in texts.iter_mut().zip(&new) {
                text.extend(new);
            }
            assert_rows(&model, &logits, &texts);
        }
    }
}

#[test]
fn rows_come_and_go() {
    let model = &models()[2];
    let (prefix, _) = model.prefill(&text(6, 9)).expect("prefill");
    let mut cache = cache(model, 4, 80);
    let mut texts: Vec<Vec<u32>> = vec![Vec::new(); 4];
    for _ in 0..4 {
        cache.push_row(None).expect("room");
    }
    assert!(cache.push_row(None).is_err());
    let read = |cache: &mut KvCache, texts: &mut Vec<Vec<u32>>, seed: u32| {
        let new: Vec<_> = (0..texts.len() as u32).map(|row| text(3, seed + row)).collect();
        let rows: Vec<&[u32]> = new.iter().map(Vec::as_slice).collect();
        let logits = model.forward_cached(&rows, cache).expect("forward");
        for (text, new) in texts.iter_mut().zip(&new) {
            text.extend(new);
        }
        assert_rows(model, &logits, texts);
    };
    read(&mut cache, &mut texts, 1);
    cache.replace_row(1, Some(prefix)).expect("there");
    texts[1] = text(6, 9);
    read(&mut cache, &mut texts, 2);
    cache.keep_rows(&[3, 1]).expect("there");
    texts = vec![texts[3].clone(), texts[1].clone()];
    for round in 3..24 {
        read(&mut cache, &mut texts, round);
    }
    assert!(cache.keep_rows(&[0, 0]).is_err() && cache.keep_rows(&[2]).is_err());
    cache.keep_rows(&[]).expect("empty");
    assert_eq!(cache.rows(), 0);
}

#[test]
fn long_prompts_are_read_in_pieces() {
    let model = &models()[2];
    let text = text(1100, 3);
    let (_, logits) = model.prefill(&text).expect("prefill");
    assert!(relative(&logits, &last(model, &text)) < 1e-4);
}

#[test]
fn packed_texts_do_not_see_each_other() {
    for model in models() {
        let (one, two, three) = (text(4, 1), text(5, 2), text(3, 3));
        let rows = [[one.clone(), two.clone(), vec![0; 2]].concat(), [three.clone(), vec![1; 8]].concat()];
        let layout = [vec![4, 5], vec![3]];
        let packed = train_logits(&model, &rows, Layout::Packed(&layout));
        for (row, start, text) in [(0, 0, one), (0, 4, two), (1, 0, three)] {
            let alone =
                train_logits(&model, std::slice::from_ref(&text), Layout::OneText).get(0).expect("a row");
            let found = packed.get(row).and_then(|row| row.narrow(0, start, text.len())).expect("a part");
            assert!(relative(&found, &alone) < TOLERANCE);
        }
    }
}

#[test]
fn half_precision_is_near() {
    for dtype in [DType::BF16, DType::F16] {
        for config in configs() {
            let (exact, half) = (model(&config, DType::F32), model(&config, dtype));
            let text = text(9, 1);
            let (prefix, logits) = half.prefill(&text[..6]).expect("prefill");
            assert!(relative(&logits, &last(&exact, &text[..6])) < 0.05);
            let mut cache = cache(&half, 2, 8);
            cache.push_row(Some(prefix.clone())).expect("room");
            cache.push_row(Some(prefix)).expect("room");
            let logits = half.forward_cached(&[&text[6..], &text[6..7]], &mut cache).expect("forward");
            let wanted = [last(&exact, &text), last(&exact, &text[..7])];
            for (row, wanted) in wanted.iter().enumerate() {
                let off = relative(&logits.get(row).expect("a row"), wanted);
                assert!(off < 0.05, "{dtype:?}: off by {off}");
            }
            let trained = train_logits(&half, std::slice::from_ref(&text), Layout::OneText);
            let exact = train_logits(&exact, &[text], Layout::OneText);
            assert!(relative(&trained, &exact) < 0.05);
        }
    }
}

#[test]
fn generating_keeps_no_graph() {
    let model = &models()[0];
    let (_, logits) = model.prefill(&text(5, 1)).expect("prefill");
    assert!(!logits.track_op());
}

#[test]
fn later_weights_are_seen() {
    let model = &models()[0];
    let before = last(model, &text(4, 1));
    let (_, cached) = model.prefill(&text(4, 1)).expect("prefill");
    assert!(relative(&cached, &before) < TOLERANCE);
    for var in model.parameters().values() {
        var.set(&(var.as_tensor() * 1.25).expect("scaled").detach()).expect("set");
    }
    let (_, cached) = model.prefill(&text(4, 1)).expect("prefill");
    assert!(relative(&cached, &last(model, &text(4, 1))) < TOLERANCE);
    assert!(relative(&cached, &before) > 1e-3);
}

#[test]
fn bad_input_is_an_error() {
    let model = &models()[0];
    let mut small = cache(model, 1, 4);
    assert!(model.forward_cached(&[&[1]], &mut small).is_err(), "no row");
    small.push_row(None).expect("room");
    assert!(model.forward_cached(&[&[]], &mut small).is_err(), "no token");
    assert!(model.forward_cached(&[&[1, 99]], &mut small).is_err(), "outside the vocabulary");
    assert!(model.forward_cached(&[&[1, 2, 3, 4, 5]], &mut small).is_err(), "no room");
    model.forward_cached(&[&[1, 2, 3, 4]], &mut small).expect("room");
    assert!(model.forward_cached(&[&[1]], &mut small).is_err(), "full");
    assert!(model.prefill(&[]).is_err());
    assert!(model.train_context(4, Layout::Packed(&[vec![3, 2]]), None).is_err());
    let other = ModelConfig { layers: 1, ..model.config().clone() };
    let other = Decoder::init(other, 1, DType::F32, &CPU).expect("made");
    let (prefix, _) = other.prefill(&[1, 2]).expect("prefill");
    assert!(cache(model, 1, 4).push_row(Some(prefix)).is_err());
    let context = model.train_context(2, Layout::OneText, None).expect("a context");
    let hidden =
        model.forward_train(&Tensor::new(&[[1_u32, 2]], &CPU).expect("tokens"), &context).expect("forward");
    assert!(model.loss(&hidden, &[1, 2], &[0.0, 0.0]).is_err());
    assert!(model.loss(&hidden, &[1], &[1.0]).is_err());
    assert!(model.loss(&hidden, &[1, 99], &[1.0, 1.0]).is_err());
}
