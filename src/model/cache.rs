//! Keys and values of what has been read, so that each new token is computed alone.
//!
//! A cache has rows, each a text that grows. A row may continue a [`Prefix`] that other rows share (the prompt of many
//! samples): that part is computed and stored once. Behind it come the row's own keys, in tensors
//! [rows, kv_heads, capacity, d] for each layer that grow by doubling, in rows and in tokens, up to a bound.
//! Elsewhere than on a CPU only neighbouring rows with one prefix are attended to together, so keep them together.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::config::ModelConfig;
use super::error::{ModelError, Result};
use super::ops::{self, Mask, Rotation, Sharing, Span, Stored};

/// Tokens that a row's tensors have room for at first.
const FIRST_CAPACITY: usize = 64;

/// Rows that there is room for at first.
const FIRST_ROWS: usize = 4;

/// Keys and values of a text that rows continue: computed once, shared by `Arc`.
#[derive(Debug)]
pub struct Prefix {
    pub(crate) layers: Vec<PrefixLayer>,
    length: usize,
}

impl Prefix {
    /// Tokens in it.
    pub fn length(&self) -> usize {
        self.length
    }
}

/// [kv_heads, length, d] each.
#[derive(Debug)]
pub(crate) struct PrefixLayer {
    pub(crate) keys: Tensor,
    pub(crate) values: Tensor,
}

#[derive(Debug, Clone)]
struct Row {
    /// Tokens of its own, without the prefix.
    length: usize,
    prefix: Option<Arc<Prefix>>,
}

impl Row {
    fn total(&self) -> usize {
        self.length + self.prefix.as_ref().map_or(0, |prefix| prefix.length)
    }
}

/// The cache of a batch.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    rows: Vec<Row>,
    /// Rows that there is memory for.
    row_capacity: usize,
    max_rows: usize,
    capacity: usize,
    max_length: usize,
}

/// Keys and values of one layer.
#[derive(Debug)]
pub(crate) struct LayerCache {
    index: usize,
    /// Keys, values: [row_capacity, kv_heads, capacity, d].
    tensors: (Tensor, Tensor),
}

/// Neighbouring rows that share a prefix, or have none.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// Over the prefix's keys and then the `keys` own ones.
    pub(crate) mask: Mask,
    keys: usize,
    prefix: Option<Arc<Prefix>>,
}

/// What all layers share while new tokens are read.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) rotation: Rotation,
    /// Where there is no kernel of ours.
    pub(crate) runs: Vec<Run>,
    place: Place,
    /// Own tokens of each row, without the new ones.
    lengths: Vec<usize>,
    /// New tokens of each row.
    length: usize,
    /// For our kernel: rows with one prefix, or none, wherever they are.
    sharing: Vec<(Vec<usize>, Option<Arc<Prefix>>)>,
}

/// Where the new keys go.
#[derive(Debug)]
enum Place {
    /// All rows have as many own tokens.
    At(usize),
    /// The position of each element, [rows, kv_heads, length, d].
    Each(Tensor),
}

impl KvCache {
    /// An empty cache for at most `max_rows` rows of at most `max_length` own tokens (padding included) each.
    ///
    /// # Errors
    /// A bound is zero, or the device has no memory.
    pub fn new(
        config: &ModelConfig,
        max_rows: usize,
        max_length: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        if max_rows == 0 || max_length == 0 || config.layers == 0 {
            return Err(ModelError::input("cache", "it must have a layer, and room for a row and a token"));
        }
        let (row_capacity, capacity) = (max_rows.min(FIRST_ROWS), max_length.min(FIRST_CAPACITY));
        let shape = (row_capacity, config.kv_heads, capacity, config.head_dim);
        let layer = |index| -> Result<LayerCache> {
            let zeros = || Tensor::zeros(shape, dtype, device);
            Ok(LayerCache { index, tensors: (zeros()?, zeros()?) })
        };
        let layers = (0..config.layers).map(layer).collect::<Result<_>>()?;
        Ok(Self { layers, rows: Vec::new(), row_capacity, max_rows, capacity, max_length })
    }

    /// Rows in use.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Tokens of a row, its prefix included; 0 for a row that is not there.
    pub fn length(&self, row: usize) -> usize {
        self.rows.get(row).map_or(0, Row::total)
    }

    /// Adds a row that has read `prefix` and nothing else; its index is the number of rows before.
    ///
    /// # Errors
    /// The cache is full, or the device has no memory.
    pub fn push_row(&mut self, prefix: Option<Arc<Prefix>>) -> Result<()> {
        if self.rows.len() == self.max_rows {
            return Err(ModelError::input("cache", format!("it has room for {} rows", self.max_rows)));
        }
        self.check_prefix(prefix.as_deref())?;
        if self.rows.len() == self.row_capacity {
            let rows = (2 * self.row_capacity).min(self.max_rows);
            for layer in &mut self.layers {
                layer.grow_rows(rows)?;
            }
            self.row_capacity = rows;
        }
        self.rows.push(Row { length: 0, prefix });
        Ok(())
    }

    /// Puts a new text in the place of a finished one.
    ///
    /// # Errors
    /// There is no such row.
    pub fn replace_row(&mut self, row: usize, prefix: Option<Arc<Prefix>>) -> Result<()> {
        self.check_prefix(prefix.as_deref())?;
        let rows = self.rows.len();
        let Some(place) = self.rows.get_mut(row) else {
            return Err(ModelError::input("row", format!("{row} of {rows}")));
        };
        *place = Row { length: 0, prefix };
        Ok(())
    }

    /// Keeps these rows, in this order, and forgets the others.
    ///
    /// # Errors
    /// There is no such row, or one occurs twice; or a tensor operation failed.
    pub fn keep_rows(&mut self, keep: &[usize]) -> Result<()> {
        let mut seen = vec![false; self.rows.len()];
        for &row in keep {
            match seen.get_mut(row) {
                Some(seen) if !*seen => *seen = true,
                Some(_) | None => {
                    return Err(ModelError::input("row", format!("{row} is not there, or twice")));
                }
            }
        }
        if keep.iter().enumerate().any(|(to, &from)| to != from) {
            let indices: Vec<u32> = keep.iter().map(|&row| u32::try_from(row).unwrap_or(u32::MAX)).collect();
            for layer in &self.layers {
                layer.keep(&indices)?;
            }
        }
        self.rows = keep.iter().map(|&row| self.rows[row].clone()).collect();
        Ok(())
    }

    /// What its one row has read becomes a prefix.
    ///
    /// # Errors
    /// It has not exactly one row with tokens of its own and no prefix.
    pub fn into_prefix(self) -> Result<Arc<Prefix>> {
        let &[Row { length, prefix: None }] = self.rows.as_slice() else {
            return Err(ModelError::input("cache", "a prefix is made of one row without a prefix"));
        };
        if length == 0 {
            return Err(ModelError::input("cache", "a prefix needs a token"));
        }
        let part = |tensor: &Tensor| -> Result<Tensor> {
            // A copy of its own, or the prefix would hold the memory of the whole cache.
            Ok(tensor.get(0)?.narrow(1, 0, length)?.force_contiguous()?)
        };
        let layer = |layer: &LayerCache| -> Result<PrefixLayer> {
            Ok(PrefixLayer { keys: part(&layer.tensors.0)?, values: part(&layer.tensors.1)? })
        };
        let layers = self.layers.iter().map(layer).collect::<Result<_>>()?;
        Ok(Arc::new(Prefix { layers, length }))
    }

    fn check_prefix(&self, prefix: Option<&Prefix>) -> Result<()> {
        let Some(prefix) = prefix else { return Ok(()) };
        let (own, other) = (&self.layers[0].tensors.0, &prefix.layers[0].keys);
        let fits = prefix.layers.len() == self.layers.len()
            && own.dim(1)? == other.dim(0)?
            && own.dim(3)? == other.dim(2)?
            && own.dtype() == other.dtype();
        if fits { Ok(()) } else { Err(ModelError::input("prefix", "it is of another model")) }
    }

    /// Makes room and says where `length` new tokens (padding included) of every row go.
    pub(crate) fn prepare(&mut self, config: &ModelConfig, length: usize) -> Result<Step> {
        let longest = self.rows.iter().map(|row| row.length).max().unwrap_or(0);
        self.reserve(longest + length)?;
        let (dtype, device) = (self.layers[0].tensors.0.dtype(), self.layers[0].tensors.0.device().clone());
        let position = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let starts = self.rows.iter().flat_map(|row| row.total()..row.total() + length);
        let positions: Vec<u32> = starts.map(position).collect();
        let rotation = Rotation::new(&config.rope, config.head_dim, &positions, length, dtype, &device)?;
        let place = match self.rows.first() {
            Some(first) if self.rows.iter().all(|row| row.length == first.length) => Place::At(first.length),
            Some(_) | None => Place::Each(self.indices(config, length, &device)?),
        };
        let lengths = self.rows.iter().map(|row| row.length).collect();
        let has_kernel = ops::has_kernel(&self.layers[0].tensors.0);
        let (runs, sharing) =
            if has_kernel { (Vec::new(), self.sharing()) } else { (self.runs(length)?, Vec::new()) };
        Ok(Step { rotation, runs, place, lengths, length, sharing })
    }

    fn sharing(&self) -> Vec<(Vec<usize>, Option<Arc<Prefix>>)> {
        let mut sharing: Vec<(Vec<usize>, Option<Arc<Prefix>>)> = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            match sharing.iter_mut().find(|(_, prefix)| is_same(prefix.as_ref(), row.prefix.as_ref())) {
                Some((rows, _)) => rows.push(index),
                None => sharing.push((vec![index], row.prefix.clone())),
            }
        }
        sharing
    }

    pub(crate) fn layers_mut(&mut self) -> &mut [LayerCache] {
        &mut self.layers
    }

    /// Counts the new tokens of each row; what was written behind them is padding.
    pub(crate) fn advance(&mut self, lengths: &[usize]) {
        for (row, length) in self.rows.iter_mut().zip(lengths) {
            row.length += length;
        }
    }

    fn reserve(&mut self, needed: usize) -> Result<()> {
        if needed > self.max_length {
            return Err(ModelError::input(
                "cache",
                format!("{needed} own tokens, room for {}", self.max_length),
            ));
        }
        if needed > self.capacity {
            let capacity = needed.next_power_of_two().min(self.max_length);
            for layer in &mut self.layers {
                layer.grow(capacity)?;
            }
            self.capacity = capacity;
        }
        Ok(())
    }

    fn indices(&self, config: &ModelConfig, length: usize, device: &Device) -> Result<Tensor> {
        let starts = self.rows.iter().flat_map(|row| row.length..row.length + length);
        let starts: Vec<u32> = starts.map(|start| u32::try_from(start).unwrap_or(u32::MAX)).collect();
        let indices = Tensor::from_vec(starts, (self.rows.len(), 1, length, 1), device)?;
        let shape = (self.rows.len(), config.kv_heads, length, config.head_dim);
        Ok(indices.broadcast_as(shape)?.contiguous()?)
    }

    fn runs(&self, length: usize) -> Result<Vec<Run>> {
        let same = |left: &Row, right: &Row| is_same(left.prefix.as_ref(), right.prefix.as_ref());
        let mut first = 0;
        let run = |rows: &[Row]| -> Result<Run> {
            let keys = rows.iter().map(|row| row.length + length).max().unwrap_or(length);
            let shared = rows[0].prefix.as_ref().map_or(0, |prefix| prefix.length);
            let end = |key: usize| u32::try_from(key).unwrap_or(u32::MAX);
            let ends = rows.iter().flat_map(|row| row.total() + 1..=row.total() + length);
            let spans: Vec<Span> = ends.map(|key| 0..end(key)).collect();
            let mask = Mask::new(length, shared + keys, spans)?;
            let run = Run { first, count: rows.len(), mask, keys, prefix: rows[0].prefix.clone() };
            first += rows.len();
            Ok(run)
        };
        self.rows.chunk_by(same).map(run).collect()
    }
}

fn is_same(left: Option<&Arc<Prefix>>, right: Option<&Arc<Prefix>>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => Arc::ptr_eq(left, right),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl LayerCache {
    /// What the queries of all rows, [rows, kv_heads, group * length, d], see: [rows, length, heads * d].
    pub(crate) fn attend(&self, query: &Tensor, step: &Step, scale: f64) -> Result<Tensor> {
        let mut sharing = Vec::with_capacity(step.sharing.len());
        for (rows, prefix) in &step.sharing {
            let layer = prefix.as_ref().and_then(|prefix| prefix.layers.get(self.index));
            sharing.push(Sharing { rows, prefix: layer.map(|layer| (&layer.keys, &layer.values)) });
        }
        let stored = Stored { keys: &self.tensors.0, values: &self.tensors.1, lengths: &step.lengths };
        Ok(ops::cached_attention(query, step.length, &stored, &sharing, scale)?)
    }

    /// Stores the new keys and values, [rows, kv_heads, length, d].
    pub(crate) fn write(&self, keys: &Tensor, values: &Tensor, step: &Step) -> Result<()> {
        for (stored, new) in [(&self.tensors.0, keys), (&self.tensors.1, values)] {
            let (stored, new) = (stored.narrow(0, 0, step.lengths.len())?, new.contiguous()?);
            match &step.place {
                Place::At(start) => stored.slice_set(&new, 2, *start)?,
                Place::Each(indices) => stored.scatter_set(indices, &new, 2)?,
            }
        }
        Ok(())
    }

    /// The own keys and values of a run's rows.
    pub(crate) fn own(&self, run: &Run) -> Result<(Tensor, Tensor)> {
        let part = |tensor: &Tensor| tensor.narrow(0, run.first, run.count)?.narrow(2, 0, run.keys);
        Ok((part(&self.tensors.0)?, part(&self.tensors.1)?))
    }

    pub(crate) fn prefix<'a>(&self, run: &'a Run) -> Option<&'a PrefixLayer> {
        run.prefix.as_ref().and_then(|prefix| prefix.layers.get(self.index))
    }

    fn keep(&self, rows: &[u32]) -> Result<()> {
        for tensor in [&self.tensors.0, &self.tensors.1] {
            if !rows.is_empty() {
                let indices = Tensor::new(rows, tensor.device())?;
                tensor.slice_set(&tensor.index_select(&indices, 0)?, 0, 0)?;
            }
        }
        Ok(())
    }

    fn grow_rows(&mut self, rows: usize) -> Result<()> {
        let grown = |old: &Tensor| -> Result<Tensor> {
            let (_, heads, capacity, d) = old.dims4()?;
            let new = Tensor::zeros((rows, heads, capacity, d), old.dtype(), old.device())?;
            new.slice_set(old, 0, 0)?;
            Ok(new)
        };
        self.tensors = (grown(&self.tensors.0)?, grown(&self.tensors.1)?);
        Ok(())
    }

    fn grow(&mut self, capacity: usize) -> Result<()> {
        let grown = |old: &Tensor| -> Result<Tensor> {
            let (rows, heads, _, d) = old.dims4()?;
            let new = Tensor::zeros((rows, heads, capacity, d), old.dtype(), old.device())?;
            new.slice_set(old, 2, 0)?;
            Ok(new)
        };
        self.tensors = (grown(&self.tensors.0)?, grown(&self.tensors.1)?);
        Ok(())
    }
}
