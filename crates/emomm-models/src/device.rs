//! Devices and compute types that a user may ask for.

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device};
use emomm_kernels::BlockFormat;

use crate::error::{ModelError, Result};
use crate::weights::Kept;

/// Where tensors live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// The first NVIDIA GPU; needs the feature `cuda`.
    Cuda,
    /// The Apple GPU; needs the feature `metal`.
    Metal,
}

impl DeviceKind {
    /// Opens the device.
    pub fn open(self) -> Result<Device> {
        let opened = match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda => Device::new_cuda(0),
            Self::Metal => Device::new_metal(0),
        };
        opened.map_err(|e| ModelError::Device { device: self.to_string(), reason: e.to_string() })
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        })
    }
}

impl FromStr for DeviceKind {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            "metal" => Ok(Self::Metal),
            _ => Err(format!("unknown device `{word}`, expected cpu, cuda or metal")),
        }
    }
}

/// Type in which the model computes. Weights of other types are converted when they are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComputeType {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
    /// 16-bit floats.
    F16,
    /// The decoder's matrices in blocks of 8 bits, everything else as [`ComputeType::F32`]; on the processor alone.
    Q8_0,
    /// The same with 4 bits for the layers' matrices.
    Q4K,
}

impl ComputeType {
    /// How weights are kept.
    pub fn kept(self) -> Kept {
        match self {
            Self::F32 => Kept::As(DType::F32),
            Self::Bf16 => Kept::As(DType::BF16),
            Self::F16 => Kept::As(DType::F16),
            Self::Q8_0 => Kept::Blocks(BlockFormat::Q8_0),
            Self::Q4K => Kept::Blocks(BlockFormat::Q4K),
        }
    }

    /// Bytes of one number that is in no block.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F32 | Self::Q8_0 | Self::Q4K => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }
}

impl fmt::Display for ComputeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4K => "q4_k",
        })
    }
}

impl FromStr for ComputeType {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            "f16" => Ok(Self::F16),
            "q8_0" => Ok(Self::Q8_0),
            "q4_k" => Ok(Self::Q4K),
            _ => Err(format!("unknown type `{word}`, expected f32, bf16, f16, q8_0 or q4_k")),
        }
    }
}
