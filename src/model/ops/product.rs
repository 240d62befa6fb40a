//! `y = x W^T` for generation, with every element's bits independent of the other rows: `y_ij` is one dot product, whose
//! order of summation depends on the inner size and the processor alone.
//!
//! candle's products (`gemm`) sum in another order when there is one row, and at other numbers of rows when the inner
//! size is above 512; and they copy all of `W` to another layout on each call, which is most of the time for few rows.
//! Here both factors are read as they are, in tiles of [`TILE`] rows of each. (No closure may have a vector in it: the
//! compiler would not inline the processor's instructions into one.)

use candle_core::{D, Result, Tensor};
use pulp::{Arch, Simd, WithSimd};

use super::lanes::Lanes;
use super::{Read, for_real, has_kernel, linear};

const NAME: &str = "product";

/// Rows of `W` in a tile. Of `x` there are 6 where the processor has 32 vector registers, else 2: then the sums and the
/// vectors that are multiplied fit.
const TILE: usize = 4;

/// Rows of `x` are worked on in blocks of this size, which stay in the first-level cache.
const ROWS_BYTES: usize = 32 << 10;

/// Rows of `W` are worked on in panels of this size, which stay in the second-level cache: a `W` that is larger than the
/// caches comes from memory once.
const PANEL_BYTES: usize = 512 << 10;

/// `x W^T` with `x` [..., in] and `W` [out, in], without a graph.
///
/// # Errors
/// Shapes, dtypes or devices don't fit.
pub(crate) fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if !has_kernel(x) || x.dtype() != weight.dtype() {
        return linear(x, weight);
    }
    let (outputs, inner) = weight.dims2()?;
    if x.dim(D::Minus1)? != inner || inner == 0 {
        candle_core::bail!("{NAME}: x is {:?}, the weight {:?}", x.shape(), weight.shape());
    }
    let mut dims = x.dims().to_vec();
    if let Some(last) = dims.last_mut() {
        *last = outputs;
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    for_real!(x.dtype(), run(&x, &weight, inner, dims))
}

fn run<T: Lanes>(x: &Tensor, weight: &Tensor, inner: usize, dims: Vec<usize>) -> Result<Tensor> {
    let (xs, ws) = (Read::new(x), Read::new(weight));
    let (xs, ws) = (xs.elements::<T>(NAME)?, ws.elements::<T>(NAME)?);
    let outputs = ws.len() / inner;
    let mut y = vec![T::zero(); xs.len() / inner * outputs];
    Arch::new().dispatch(Product { x: xs, w: ws, inner, y: &mut y, stride: outputs, column: 0 });
    Tensor::from_vec(y, dims, x.device())
}

/// Writes the products of the rows of `x` with the rows of `w` to the columns of `y` from `column` on; a row of `y` is
/// `stride` numbers.
pub(super) struct Product<'a, T> {
    pub(super) x: &'a [T],
    pub(super) w: &'a [T],
    pub(super) inner: usize,
    pub(super) y: &'a mut [T],
    pub(super) stride: usize,
    pub(super) column: usize,
}

impl<T: Lanes> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product { x, w, inner, y, stride, column } = self;
        let row_bytes = inner * size_of::<T>();
        let most = (ROWS_BYTES / row_bytes).max(6);
        let rows = evenly(x.len() / inner, most).max(1);
        let panel = (PANEL_BYTES / row_bytes).max(TILE) / TILE * TILE;
        let mut at = column;
        for panel in w.chunks(panel * inner) {
            for (x, y) in x.chunks(rows * inner).zip(y.chunks_mut(rows * stride)) {
                tile_panel::<S, T>(simd, x, panel, inner, y, stride, at);
            }
            at += panel.len() / inner;
        }
    }
}
/// The size of parts, none above `most` and the last not much smaller than the others.
fn evenly(count: usize, most: usize) -> usize {
    count.div_ceil(count.div_ceil(most).max(1))
}

/// Some rows of `x` with some of `w`.
#[inline(always)]
fn tile_panel<S: Simd, T: Lanes>(
    simd: S,
    x: &[T],
    w: &[T],
    inner: usize,
    y: &mut [T],
    stride: usize,
    mut column: usize,
) {
    let mut tiles = w.chunks_exact(TILE * inner);
    for tile in &mut tiles {
        let mut rows: [&[T]; TILE] = [&[]; TILE];
        for (row, w) in rows.iter_mut().zip(tile.chunks_exact(inner)) {
            *row = w;
        }
        tile_rows::<S, T, TILE>(simd, x, rows, inner, y, stride, column);
        column += TILE;
    }
    for w in tiles.remainder().chunks_exact(inner) {
        tile_rows::<S, T, 1>(simd, x, [w], inner, y, stride, column);
        column += 1;
    }
}

/// All rows of `x` with `O` rows of `w`.
#[inline(always)]
fn tile_rows<S: Simd, T: Lanes, const O: usize>(
    simd: S,
    x: &[T],
    w: [&[T]; O],
    inner: usize,
    y: &mut [T],
    stride: usize,
    column: usize,
) {
    let most = if S::REGISTER_COUNT >= 32 { 6 } else { 2 };
    // Tiles of almost one size: a small one costs almost as much as a large one.
    let (mut x, mut y, mut tiles) = (x, y, (x.len() / inner).div_ceil(most));
    while tiles > 0 {
        let rows = (x.len() / inner).div_ceil(tiles);
        let (tile_x, rest_x) = x.split_at(rows * inner);
        let (tile_y, rest_y) = y.split_at_mut((rows * stride).min(y.len()));
        match rows {
            6 => store(tile_of::<S, T, 6, O>(simd, tile_x, w, inner), tile_y, stride, column),
            5 => store(tile_of::<S, T, 5, O>(simd, tile_x, w, inner), tile_y, stride, column),
            4 => store(tile_of::<S, T, 4, O>(simd, tile_x, w, inner), tile_y, stride, column),
            3 => store(tile_of::<S, T, 3, O>(simd, tile_x, w, inner), tile_y, stride, column),
            2 => store(tile_of::<S, T, 2, O>(simd, tile_x, w, inner), tile_y, stride, column),
            _ => store(tile_of::<S, T, 1, O>(simd, tile_x, w, inner), tile_y, stride, column),
        }
        (x, y, tiles) = (rest_x, rest_y, tiles - 1);
    }
}

#[inline(always)]
fn store<T: Lanes, const R: usize, const O: usize>(
    tile: [[T; O]; R],
    y: &mut [T],
    stride: usize,
    column: usize,
) {
    for (row, numbers) in tile.iter().enumerate() {
        y[row * stride + column..][..O].copy_from_slice(numbers);
    }
}

/// The whole vectors of some rows.
type Heads<'a, S, T, const N: usize> = [&'a [<T as Lanes>::Vector<S>]; N];

/// The dot products of `R` rows with `O` rows. Each is summed in the same order, whatever `R` and `O` are.
#[inline(always)]
fn tile_of<S: Simd, T: Lanes, const R: usize, const O: usize>(
    simd: S,
    x: &[T],
    w: [&[T]; O],
    inner: usize,
) -> [[T; O]; R] {
    let (mut x_heads, mut x_tails): (Heads<'_, S, T, R>, [&[T]; R]) = ([&[]; R], [&[]; R]);
    let (mut w_heads, mut w_tails): (Heads<'_, S, T, O>, [&[T]; O]) = ([&[]; O], [&[]; O]);
    for r in 0..R {
        (x_heads[r], x_tails[r]) = T::split::<S>(&x[r * inner..(r + 1) * inner]);
    }
    for o in 0..O {
        (w_heads[o], w_tails[o]) = T::split::<S>(&w[o][..inner]);
    }
    let vectors = w_heads[0].len();
    for head in &mut x_heads {
        *head = &head[..vectors];
    }
    for head in &mut w_heads {
        *head = &head[..vectors];
    }
    let mut sums = [[T::splat(simd, T::zero()); O]; R];
    for at in 0..vectors {
        for o in 0..O {
            let w = w_heads[o][at];
            for r in 0..R {
                sums[r][o] = T::multiply_add(simd, x_heads[r][at], w, sums[r][o]);
            }
        }
    }
    if !w_tails[0].is_empty() {
        for o in 0..O {
            let w = T::load_part(simd, w_tails[o]);
            for r in 0..R {
                sums[r][o] = T::multiply_add(simd, T::load_part(simd, x_tails[r]), w, sums[r][o]);
            }
        }
    }
    let mut tile = [[T::zero(); O]; R];
    for r in 0..R {
        for o in 0..O {
            tile[r][o] = T::total(simd, sums[r][o]);
        }
    }
    tile
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use candle_core::{DType, Device};

    fn bits(tensor: &Tensor) -> Vec<u32> {
        let numbers: Vec<f32> = tensor.flatten_all().and_then(|t| t.to_vec1()).expect("readable");
        numbers.into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn equals_plain_operations() -> Result<()> {
        for (rows, inner, outputs) in [(1, 1, 1), (2, 7, 3), (5, 16, 9), (9, 33, 4), (13, 300, 21)] {
            let (x, w) = (check::random(&[rows, inner], 1), check::random(&[outputs, inner], 2));
            for dtype in [DType::F32, DType::F64] {
                let (x, w) = (x.to_dtype(dtype)?, w.to_dtype(dtype)?);
                let plain = x.to_dtype(DType::F64)?.matmul(&w.to_dtype(DType::F64)?.t()?)?;
                let off = check::distance(&product(&x, &w)?, &plain);
                assert!(off < 1e-6 * inner as f64 + 1e-6, "{rows} {inner} {outputs} {dtype:?}: {off:e}");
            }
        }
        Ok(())
    }

    #[test]
    fn a_row_does_not_depend_on_the_others() -> Result<()> {
        for (inner, outputs) in [(3, 5), (64, 130), (256, 17), (700, 33), (1300, 6)] {
            let (x, w) = (check::random(&[70, inner], 1), check::random(&[outputs, inner], 2));
            let all = product(&x, &w)?;
            for (first, count) in [(0, 1), (69, 1), (3, 2), (5, 3), (1, 4), (7, 33), (2, 68)] {
                let some = product(&x.narrow(0, first, count)?, &w)?;
                assert_eq!(bits(&some), bits(&all.narrow(0, first, count)?), "{inner} {first} {count}");
            }
            let column = product(&x, &w.narrow(0, outputs - 1, 1)?)?;
            assert_eq!(bits(&column), bits(&all.narrow(1, outputs - 1, 1)?));
        }
        Ok(())
    }

    #[test]
    fn other_shapes_are_refused() {
        let zeros = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).expect("made");
        assert!(product(&zeros(&[2, 3]), &zeros(&[4, 2])).is_err());
        assert!(product(&zeros(&[2, 3]), &zeros(&[4, 3, 1])).is_err());
    }
}
