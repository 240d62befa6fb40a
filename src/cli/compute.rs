//! Where a model computes and in which numbers: `--device` and `--dtype` of every command that has a model.

use super::exit::UsageError;
use anyhow::Context;
use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// A device, as named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) enum DeviceName {
    Cpu,
    Cuda(usize),
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let index = |number: &str| number.parse().ok().map(Self::Cuda);
        let found = match (text, text.strip_prefix("cuda:")) {
            ("cpu", _) => Some(Self::Cpu),
            ("cuda", _) => Some(Self::Cuda(0)),
            (_, number) => number.and_then(index),
        };
        found.ok_or_else(|| "expected `cpu`, `cuda` or `cuda:N`".to_owned())
    }
}

impl TryFrom<String> for DeviceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
        }
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        name.to_string()
    }
}

impl DeviceName {
    /// The device itself.
    pub(super) fn open(self) -> anyhow::Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => {
                let text = format!(
                    "this proofloop has no CUDA, so there is no device `{self}`: `scripts/build-cuda.sh` builds one that has"
                );
                Err(UsageError(text).into())
            }
            Self::Cuda(index) => {
                Device::new_cuda(index).with_context(|| format!("cannot use the device `{self}`"))
            }
        }
    }

    /// How many threads compute at the same time unless the user says otherwise: one for each core, and one for a GPU.
    pub(super) fn default_threads(self) -> NonZeroUsize {
        match self {
            Self::Cpu => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            Self::Cuda(_) => NonZeroUsize::MIN,
        }
    }

    /// f32 on a CPU, for which candle has no bf16 kernels, and bf16 on a GPU.
    pub(super) fn default_dtype(self) -> DtypeName {
        match self {
            Self::Cpu => DtypeName::F32,
            Self::Cuda(_) => DtypeName::Bf16,
        }
    }
}

/// The numbers that weights are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum DtypeName {
    /// 32 bits
    F32,
    /// 16 bits with the range of f32
    Bf16,
    /// 16 bits with a range of 6e-8 to 65504: nothing scales the loss, so small gradients are lost in training
    F16,
}

impl From<DtypeName> for DType {
    fn from(name: DtypeName) -> Self {
        match name {
            DtypeName::F32 => Self::F32,
            DtypeName::Bf16 => Self::BF16,
            DtypeName::F16 => Self::F16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for (text, name) in
            [("cpu", DeviceName::Cpu), ("cuda:0", DeviceName::Cuda(0)), ("cuda:7", DeviceName::Cuda(7))]
        {
            assert_eq!(text.parse(), Ok(name));
            assert_eq!(name.to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(DeviceName::Cuda(0)));
        for text in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU"] {
            assert!(text.parse::<DeviceName>().is_err(), "{text}");
        }
    }
}
