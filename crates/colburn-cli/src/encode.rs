//! `colburn encode`: texts in, one tensor of token embeddings each out.

use std::io;

use colburn::model::{ColBert, EncodeOptions, TokenEmbeddings};
use colburn::ops::device::by_name;
use safetensors::tensor::{Dtype, View};

use crate::command_line::EncodeArguments;
use crate::{Outcome, Result, output, texts};

pub fn run(arguments: &EncodeArguments) -> Result<Outcome> {
    let device = by_name(arguments.device.name.as_deref())?;
    output::prepare(&arguments.output)?;
    let texts = texts::read(&arguments.input)?;
    let model = ColBert::from_pretrained(&arguments.model, &device)?;
    let options = EncodeOptions { batch_size: arguments.batch_size.get(), ..EncodeOptions::default() };
    let embeddings = model.encode(&texts, arguments.kind.into(), &options)?;

    let tensors: Vec<(String, Matrix)> =
        embeddings.iter().enumerate().map(|(at, text)| (at.to_string(), Matrix::new(text))).collect();
    output::stream(&arguments.output, |path| {
        safetensors::serialize_to_file(tensors, None, path).map_err(io::Error::other)
    })?;
    let tokens: usize = embeddings.iter().map(|text| text.tokens()).sum();
    output::say(&format!("{} texts, {tokens} token embeddings: {}", embeddings.len(), arguments.output.display()));
    Ok(Outcome::Done)
}

/// The embeddings of one text as safetensors wants to see them.
struct Matrix<'a> {
    shape: [usize; 2],
    values: &'a [f32],
}

impl<'a> Matrix<'a> {
    fn new(text: &'a TokenEmbeddings) -> Self {
        Self { shape: [text.tokens(), text.dim], values: &text.values }
    }
}

impl View for Matrix<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}
