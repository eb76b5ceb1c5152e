//! The instruction sets that the kernels are written for.

use std::sync::OnceLock;

/// A set of vector instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// What the compiler makes of plain loops: NEON on ARM, SSE2 on x86-64.
    Portable,
    /// AVX2 with fused products and conversions of f16, 8 numbers at once.
    Avx2,
    /// AVX-512, 16 numbers at once.
    Avx512,
}

impl Isa {
    /// The widest that this machine has. `EMOMM_ISA=portable|avx2|avx512` asks for a narrower one, to compare results; a wider
    /// one than the machine has is not used.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            let widest = Self::available().last().copied().unwrap_or(Self::Portable);
            let asked = std::env::var("EMOMM_ISA").ok();
            let asked = Self::available().into_iter().find(|isa| Some(isa.name()) == asked.as_deref());
            asked.unwrap_or(widest)
        })
    }

    /// All that this machine has, the widest last.
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c");
            let avx512 = avx2 && is_x86_feature_detected!("avx512f");
            let mut found = vec![Self::Portable];
            found.extend(avx2.then_some(Self::Avx2));
            found.extend(avx512.then_some(Self::Avx512));
            found
        }
        #[cfg(not(target_arch = "x86_64"))]
        vec![Self::Portable]
    }

    /// The name that `EMOMM_ISA` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// Runs a generic body compiled for the widest instructions. The body is `#[inline(always)]`, takes a constant that says
/// whether fused products are cheap, and is safe on its own; the wrappers only let the compiler use wider instructions.
macro_rules! dispatch {
    ($isa:expr, $body:ident ( $($arg:ident : $ty:ty),* $(,)? ) $(-> $out:ty)?) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma,f16c")]
        fn avx512($($arg: $ty),*) $(-> $out)? { $body::<true>($($arg),*) }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        fn avx2($($arg: $ty),*) $(-> $out)? { $body::<true>($($arg),*) }
        match $isa {
            // SAFETY: `Isa::available` has seen that the machine has these instructions.
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx512 => unsafe { avx512($($arg),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Isa::Avx2 => unsafe { avx2($($arg),*) },
            _ => $body::<false>($($arg),*),
        }
    }};
}
pub(crate) use dispatch;

/// `a b + c`, fused where the instructions are.
#[inline(always)]
pub(crate) fn fma<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}
