//! Which keys each query of attention sees.
//!
//! Every case that occurs is one run of neighbouring keys for each query: causal attention sees `0..=i`, a row that
//! was packed from several texts sees from its text's start, a row of a cache sees what it has stored. So a mask is a
//! span for each query, which our kernels use directly (what is not visible is never computed), and the additive
//! matrix that plain operations need is made on demand.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device, Result, Tensor};

/// The visible keys of one query. At least one.
pub type Span = Range<u32>;

/// Spans for `rows` × `queries`, over `keys` keys; cheap to clone.
#[derive(Debug, Clone)]
pub struct Mask {
    queries: usize,
    keys: usize,
    /// `queries` spans that hold for every row, or `rows * queries`.
    spans: Arc<[Span]>,
    additive: Arc<OnceLock<Tensor>>,
}

impl Mask {
    /// Query `i` of every row sees keys `0..=i`.
    pub fn causal(length: usize) -> Self {
        let ends = 1..=u32::try_from(length).unwrap_or(u32::MAX);
        Self::with(length, length, ends.map(|end| 0..end).collect())
    }

    /// A span for each query of each row, row after row; `queries` of them if they hold for all rows.
    ///
    /// # Errors
    /// Their number is no multiple of `queries`, or a span is empty or ends after `keys`.
    pub fn new(queries: usize, keys: usize, spans: Vec<Span>) -> Result<Self> {
        if queries == 0 || spans.is_empty() || !spans.len().is_multiple_of(queries) {
            candle_core::bail!("mask: {} spans for {queries} queries", spans.len());
        }
        if let Some(bad) = spans.iter().find(|span| span.is_empty() || span.end as usize > keys) {
            candle_core::bail!("mask: span {bad:?} of {keys} keys");
        }
        Ok(Self::with(queries, keys, spans.into()))
    }

    fn with(queries: usize, keys: usize, spans: Arc<[Span]>) -> Self {
        Self { queries, keys, spans, additive: Arc::default() }
    }

    /// Queries in each row.
    pub fn queries(&self) -> usize {
        self.queries
    }

    /// Keys in each row.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// The spans of one row.
    pub(super) fn row(&self, row: usize) -> &[Span] {
        let start = if self.spans.len() == self.queries { 0 } else { row * self.queries };
        self.spans.get(start..start + self.queries).unwrap_or_default()
    }

    /// Whether it has spans for `rows` rows.
    pub(super) fn fits(&self, rows: usize) -> bool {
        self.spans.len() == self.queries || self.spans.len() == rows * self.queries
    }

    /// Whether every query sees every key, as when one token at a time is generated.
    pub(super) fn hides_nothing(&self) -> bool {
        self.spans.iter().all(|span| span.start == 0 && span.end as usize == self.keys)
    }

    /// 0 where visible, a large negative number elsewhere: [rows or 1, 1, 1, queries, keys], f32.
    pub(super) fn additive(&self, device: &Device) -> Result<Tensor> {
        if let Some(additive) = self.additive.get() {
            return Ok(additive.clone());
        }
        // Not -infinity, whose difference with itself is not a number.
        let mut values = vec![-1e30_f32; self.spans.len() * self.keys];
        for (values, span) in values.chunks_exact_mut(self.keys.max(1)).zip(self.spans.iter()) {
            values[span.start as usize..span.end as usize].fill(0.0);
        }
        let rows = self.spans.len() / self.queries;
        let made = Tensor::from_vec(values, (rows, 1, 1, self.queries, self.keys), &Device::Cpu)?;
        let made = made.to_dtype(DType::F32)?.to_device(device)?;
        Ok(self.additive.get_or_init(|| made).clone())
    }
}
