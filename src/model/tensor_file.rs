//! One safetensors file (github.com/huggingface/safetensors, "Format"): 8 bytes with the length of a JSON header, the
//! header with dtype, shape and place of each tensor, then the tensors' bytes, little-endian.
//!
//! Read tensor by tensor, without mapping the file: a file that changes or ends while it is read is an error here and
//! not undefined behaviour. Nothing of the header is believed before it has been checked against the file's size.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, WithDType};
use half::{bf16, f16};
use serde::Deserialize;

use super::error::{ModelError, Result};
use super::files;

/// The bound that the safetensors library sets too.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// The header's entry for one tensor.
#[derive(Debug, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// An open file whose header has been read.
#[derive(Debug)]
pub(crate) struct TensorFile {
    path: PathBuf,
    file: File,
    entries: BTreeMap<String, Entry>,
    /// Where the tensors' bytes begin, and how many the file has.
    data_start: u64,
    data_bytes: u64,
}

impl TensorFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(ModelError::io("read", path))?;
        let total = file.metadata().map_err(ModelError::io("read", path))?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_short| ModelError::tensor_file(path, "it has no header"))?;
        let length = u64::from_le_bytes(length);
        let data_start = length.checked_add(8).filter(|&start| length <= MAX_HEADER_BYTES && start <= total);
        let Some(data_start) = data_start else {
            let problem = format!("the header is said to have {length} bytes, the file has {total}");
            return Err(ModelError::tensor_file(path, problem));
        };
        let mut header = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact(&mut header).map_err(ModelError::io("read", path))?;
        let bad = |problem: String| ModelError::tensor_file(path, problem);
        let mut header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&header)
            .map_err(|error| bad(format!("the header is not valid JSON: {error}")))?;
        header.remove("__metadata__");
        let entry = |(name, value): (String, serde_json::Value)| match Entry::deserialize(value) {
            Ok(entry) => Ok((name, entry)),
            Err(error) => {
                Err(ModelError::tensor(path, &name, format!("the header's entry is damaged: {error}")))
            }
        };
        let entries = header.into_iter().map(entry).collect::<Result<_>>()?;
        Ok(Self { path: path.to_path_buf(), file, entries, data_start, data_bytes: total - data_start })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The tensor `name`, which must have this shape, as `dtype` on `device`.
    ///
    /// # Errors
    /// It is missing, of another shape, of a dtype that is not f32, bf16 or f16, or cut off.
    pub(crate) fn read(&self, name: &str, shape: &[usize], dtype: DType, device: &Device) -> Result<Tensor> {
        let bad = |problem: String| ModelError::tensor(&self.path, name, problem);
        let Some(entry) = self.entries.get(name) else { return Err(bad("is missing".to_owned())) };
        let stored = match entry.dtype.as_str() {
            "F32" => DType::F32,
            "BF16" => DType::BF16,
            "F16" => DType::F16,
            other => return Err(bad(format!("has dtype {other}, only F32, BF16 and F16 can be loaded"))),
        };
        if entry.shape != shape {
            return Err(bad(format!("has shape {:?}, the configuration says {shape:?}", entry.shape)));
        }
        let (start, end) = entry.data_offsets;
        let elements = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        let bytes = elements.and_then(|elements| elements.checked_mul(stored.size_in_bytes()));
        let bytes = bytes.filter(|&bytes| end.checked_sub(start) == Some(bytes as u64));
        let Some(bytes) = bytes else {
            return Err(bad(format!("has bytes {start} to {end}, which is not what its shape needs")));
        };
        if end > self.data_bytes {
            return Err(bad(format!("is cut off: it ends at byte {end}, the file at {}", self.data_bytes)));
        }
        let mut buffer = vec![0; bytes];
        let place = self.data_start + start;
        self.file.read_exact_at(&mut buffer, place).map_err(ModelError::io("read", &self.path))?;
        Ok(decode(&buffer, stored, shape)?.to_dtype(dtype)?.to_device(device)?)
    }
}

fn decode(bytes: &[u8], dtype: DType, shape: &[usize]) -> candle_core::Result<Tensor> {
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    let cpu = &Device::Cpu;
    if dtype == DType::BF16 {
        Tensor::from_vec(pairs().map(bf16::from_le_bytes).collect::<Vec<_>>(), shape, cpu)
    } else if dtype == DType::F16 {
        Tensor::from_vec(pairs().map(f16::from_le_bytes).collect::<Vec<_>>(), shape, cpu)
    } else {
        let quads = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Tensor::from_vec(quads.collect::<Vec<_>>(), shape, cpu)
    }
}

/// Writes `tensors` as `dtype` (f32, bf16 or f16) in the order of the slice, beside and renamed.
///
/// # Errors
/// The dtype is another, the file cannot be written, or a tensor operation failed.
pub(crate) fn write(path: &Path, tensors: &[(&str, &Tensor)], dtype: DType) -> Result<()> {
    let header = header(tensors, dtype)?;
    let mut failed = None;
    let written = files::write_renamed(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (_, tensor) in tensors {
            match encode(tensor, dtype, file) {
                Ok(()) => {}
                Err(ModelError::Io { source, .. }) => return Err(source),
                Err(error) => {
                    failed = Some(error);
                    return Err(std::io::Error::other("a tensor could not be converted"));
                }
            }
        }
        Ok(())
    });
    failed.map_or(written, Err)
}

fn header(tensors: &[(&str, &Tensor)], dtype: DType) -> Result<Vec<u8>> {
    let name = if dtype == DType::F32 {
        "F32"
    } else if dtype == DType::BF16 {
        "BF16"
    } else if dtype == DType::F16 {
        "F16"
    } else {
        return Err(ModelError::input("dtype", format!("{dtype:?} cannot be saved, only F32, BF16 and F16")));
    };
    let mut fields = serde_json::Map::new();
    fields.insert("__metadata__".to_owned(), serde_json::json!({ "format": "pt" }));
    let mut start = 0;
    for (tensor_name, tensor) in tensors {
        let end = start + tensor.elem_count() * dtype.size_in_bytes();
        let entry =
            serde_json::json!({ "dtype": name, "shape": tensor.dims(), "data_offsets": [start, end] });
        fields.insert((*tensor_name).to_owned(), entry);
        start = end;
    }
    let mut header = serde_json::Value::Object(fields).to_string().into_bytes();
    // Tensors begin at a multiple of 8 bytes, as the format wants.
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

fn encode(tensor: &Tensor, dtype: DType, file: &mut impl Write) -> Result<()> {
    let flat = tensor.detach().to_dtype(dtype)?.to_device(&Device::Cpu)?.flatten_all()?;
    if dtype == DType::BF16 {
        write_values::<bf16, 2>(&flat, bf16::to_le_bytes, file)
    } else if dtype == DType::F16 {
        write_values::<f16, 2>(&flat, f16::to_le_bytes, file)
    } else {
        write_values::<f32, 4>(&flat, f32::to_le_bytes, file)
    }
}

fn write_values<T: WithDType, const N: usize>(
    flat: &Tensor,
    bytes: fn(T) -> [u8; N],
    file: &mut impl Write,
) -> Result<()> {
    for piece in flat.to_vec1::<T>()?.chunks(1 << 16) {
        let encoded: Vec<u8> = piece.iter().flat_map(|&value| bytes(value)).collect();
        file.write_all(&encoded).map_err(ModelError::io("write", Path::new("")))?;
    }
    Ok(())
}
