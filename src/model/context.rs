//! What all layers share while a batch is trained on: positions, mask, dropout.

use super::decoder::Decoder;
use super::error::{ModelError, Result};
use super::ops::{Mask, Rotation, Span};
use super::parameter::{Dropout, Mode};

/// Made once for each batch by [`Decoder::train_context`].
#[derive(Debug, Clone)]
pub struct TrainContext {
    rotation: Rotation,
    mask: Mask,
    dropout: Option<Dropout>,
}

/// How the rows of a batch are laid out.
#[derive(Debug, Clone, Copy)]
pub enum Layout<'a> {
    /// One text in each row from its first place on, whatever fills the rest: causal attention hides it from the text.
    OneText,
    /// Several texts behind each other; for each row their lengths. None sees another, and positions begin anew in each.
    /// What is left of a row is a text of its own.
    Packed(&'a [Vec<usize>]),
}

impl TrainContext {
    pub(super) fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    pub(super) fn mask(&self) -> &Mask {
        &self.mask
    }

    pub(super) fn mode(&self) -> Mode<'_> {
        Mode::Train(self.dropout.as_ref())
    }
}

impl Decoder {
    /// Positions and mask for rows of `length` tokens; with `dropout`, adapters drop elements.
    ///
    /// # Errors
    /// The texts of a row are longer than it.
    pub fn train_context(
        &self,
        length: usize,
        layout: Layout<'_>,
        dropout: Option<Dropout>,
    ) -> Result<TrainContext> {
        let (positions, mask) = match layout {
            Layout::OneText => ((0..position(length)).collect(), Mask::causal(length)),
            Layout::Packed(rows) => {
                let (mut positions, mut spans) = (Vec::new(), Vec::new());
                for texts in rows {
                    pack(texts, length, &mut positions, &mut spans)?;
                }
                (positions, Mask::new(length, length, spans)?)
            }
        };
        let config = self.config();
        let rotation =
            Rotation::new(&config.rope, config.head_dim, &positions, length, self.dtype(), self.device())?;
        Ok(TrainContext { rotation, mask, dropout })
    }
}

fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn pack(texts: &[usize], length: usize, positions: &mut Vec<u32>, spans: &mut Vec<Span>) -> Result<()> {
    let used = texts.iter().try_fold(0_usize, |sum, &text| sum.checked_add(text)).unwrap_or(usize::MAX);
    let Some(rest) = length.checked_sub(used) else {
        return Err(ModelError::input("texts", format!("{used} tokens in a row of {length}")));
    };
    let mut start = 0;
    for text in texts.iter().copied().chain([rest]) {
        positions.extend(0..position(text));
        spans.extend((start..start + text).map(|query| position(start)..position(query + 1)));
        start += text;
    }
    Ok(())
}
