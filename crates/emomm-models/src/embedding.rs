//! The embedding matrix: a table of its own, or a packed matrix, which may be the output matrix, too.

use candle_core::{DType, Result, Tensor};

use crate::linear::Linear;

/// Gives rows of the embedding matrix.
#[derive(Debug)]
pub(crate) enum Embedding {
    /// `[vocab, hidden]`, in the type in which it is kept.
    Table(Tensor),
    /// A packed matrix: the output matrix, which is kept once, or one in blocks.
    Matrix(Linear),
}

impl Embedding {
    /// # Shapes
    /// → `[ids, hidden]`
    pub(crate) fn rows(&self, ids: &[u32], dtype: DType) -> Result<Tensor> {
        match self {
            Self::Table(table) => {
                let ids = Tensor::from_slice(ids, ids.len(), table.device())?;
                table.index_select(&ids, 0)?.to_dtype(dtype)
            }
            Self::Matrix(matrix) => {
                let rows: Vec<Tensor> = ids.iter().map(|id| matrix.row(*id)).collect::<Result<_>>()?;
                Tensor::stack(&rows, 0)?.to_dtype(dtype)
            }
        }
    }
}
