//! Small models of each family with a byte-level tokenizer, and a way to run requests to the end.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use candle_core::{DType, Device, Tensor};
use proofloop::generate::{
    CandleGenerator, Completion, EngineOptions, Event, Generator, Request, Sampling, Usage,
};
use proofloop::model::{Architecture, Decoder, ModelConfig, Tokenizer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) const CPU: Device = Device::Cpu;

/// The token that ends a text.
pub(crate) const END: u32 = 0;

pub(crate) fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not 0")
}

pub(crate) fn tokenizer() -> Tokenizer {
    let text = "theorem t (a b : Nat) : a + b = b + a := by omega -- ∀ ε > 0, ∃ δ\n";
    Tokenizer::train(std::iter::repeat_n(text, 3), 280, &["<end>"]).expect("trained")
}

/// Llama, Qwen2 and Qwen3, with grouped heads, and biases and norms where the family has them.
pub(crate) fn configs() -> Vec<ModelConfig> {
    let base = ModelConfig {
        hidden_size: 32,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 8,
        intermediate_size: 48,
        max_position_embeddings: 200,
        eos_token_ids: vec![END],
        ..ModelConfig::nano(280)
    };
    let llama = ModelConfig {
        architecture: Architecture::Llama,
        qk_norm: false,
        output_bias: true,
        qkv_bias: true,
        tie_word_embeddings: false,
        ..base.clone()
    };
    let qwen2 =
        ModelConfig { architecture: Architecture::Qwen2, output_bias: false, kv_heads: 1, ..llama.clone() };
    vec![llama, qwen2, base]
}

/// A model whose weights are large enough that it has something to say, and ends a text now and then.
pub(crate) fn model(config: &ModelConfig) -> Decoder {
    let model = Decoder::init(config.clone(), 3, DType::F32, &CPU).expect("made");
    for (index, (name, var)) in model.parameters().iter().enumerate() {
        let is_norm = name.ends_with("norm.weight");
        let value = |element: usize| {
            let wave = ((element * 37 + index * 101 + 7) as f64 * 0.618_034).fract() - 0.5;
            (if is_norm { 1.0 + wave } else { 0.6 * wave }) as f32
        };
        let values: Vec<f32> = (0..var.elem_count()).map(value).collect();
        var.set(&Tensor::from_vec(values, var.shape(), &CPU).expect("fits")).expect("set");
    }
    model
}

pub(crate) fn options(max_rows: usize, workers: usize) -> EngineOptions {
    EngineOptions { max_rows: number(max_rows), workers: Some(number(workers)), ..EngineOptions::default() }
}

pub(crate) fn generator(options: EngineOptions) -> CandleGenerator {
    CandleGenerator::new(model(&configs()[2]), tokenizer(), "small", options).expect("made")
}

pub(crate) fn request(prompt: &str, samples: usize, sampling: Sampling) -> Request {
    Request { prompt: prompt.to_owned(), samples: number(samples), seed: 11, sampling, stream: false }
}

pub(crate) fn sampling(temperature: f64, max_tokens: usize) -> Sampling {
    Sampling { temperature, max_tokens: number(max_tokens), ..Sampling::default() }
}

/// What became of each sample, by request and sample.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) completions: BTreeMap<(usize, usize), Completion>,
    pub(crate) pieces: BTreeMap<(usize, usize), String>,
    pub(crate) failed: BTreeMap<usize, String>,
    pub(crate) order: Vec<(usize, usize)>,
}

impl Outcome {
    pub(crate) fn take(&mut self, event: Event) {
        match event {
            Event::Piece { request, sample, text } => {
                assert!(!self.completions.contains_key(&(request, sample)), "a piece behind the end");
                self.pieces.entry((request, sample)).or_default().push_str(&text);
            }
            Event::Completed { request, sample, completion } => {
                self.order.push((request, sample));
                assert!(self.completions.insert((request, sample), completion).is_none(), "told twice");
            }
            Event::Failed { request, error, .. } => {
                assert!(self.failed.insert(request, error.to_string()).is_none(), "told twice");
            }
        }
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

pub(crate) fn run(generator: &CandleGenerator, requests: &[Request]) -> (Outcome, Usage) {
    let (sender, mut receiver) = mpsc::channel(4);
    let cancel = CancellationToken::new();
    runtime().block_on(async {
        let mut outcome = Outcome::default();
        let listen = async {
            while let Some(event) = receiver.recv().await {
                outcome.take(event);
            }
        };
        let (usage, ()) = tokio::join!(generator.generate(requests.to_vec(), sender, &cancel), listen);
        (outcome, usage.expect("generated"))
    })
}

/// Prompts and settings of every kind.
pub(crate) fn many() -> Vec<Request> {
    let base = Sampling { log_probs: true, ..sampling(1.0, 24) };
    let settings = [
        sampling(0.0, 30),
        base.clone(),
        Sampling { top_k: Some(number(12)), ..base.clone() },
        Sampling { top_p: 0.8, temperature: 0.7, ..base.clone() },
        Sampling { min_p: 0.1, ..base.clone() },
        Sampling { repetition_penalty: 1.3, temperature: 0.0, ..base.clone() },
        Sampling { stop: vec!["e".to_owned(), "+ b".to_owned()], ..base },
        sampling(2.0, 1),
    ];
    let prompts = ["theorem t", "a", "∀ ε > 0, a + b = b + a := by omega -- theorem", "theorem t", "Nat : "];
    let mut requests = Vec::new();
    for (index, sampling) in settings.into_iter().enumerate() {
        let mut made = request(prompts[index % prompts.len()], 1 + index % 4, sampling);
        made.seed = 100 + index as u64;
        made.stream = index % 2 == 0;
        requests.push(made);
    }
    requests
}
